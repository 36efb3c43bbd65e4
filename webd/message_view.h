/*
 * A message as the pages show it: JSON as docs/webapi.md has it below `GET message`. Reads the
 * message only; knows nothing of folders and sessions.
 */
#ifndef WEBD_MESSAGE_VIEW_H
#define WEBD_MESSAGE_VIEW_H

#include <jansson.h>

#include "common/mime.h"

enum { MESSAGE_TEXT_MAX_BYTES = 1024 * 1024, MESSAGE_QUOTE_MAX_BYTES = 128 * 1024 };

/* The user's own addresses: no reply goes to them. */
struct message_own {
	const char *const *addresses;
	size_t n;
};

/* headers, text, html, remote, attachments, reply, forward, problem. NULL with errno: the message
 * cannot be read. */
json_t *message_view(const struct mime *m, const struct message_own *own);

/* What a part is called when it is saved: never empty, without a path. The caller's. */
char *message_part_name(const struct mime *m, size_t part);
/* A picture that a browser may show in place, and nothing else: its type, else NULL. */
const char *message_picture_type(const struct mime_part *p);
/* Its decoded size, estimated from the encoded one. */
uint64_t message_part_size(const struct mime_part *p);

/* ---- message_reply.c ---- */

/* {to, cc, subject, quote} of a reply to all, and {subject, quote}. text: what people read in it.
 */
json_t *message_reply(const struct mime *m, const struct message_own *own, struct span text);
json_t *message_forward(const struct mime *m, struct span text);

/* [{name, address}] */
json_t *message_addresses(const struct mime_addresses *a);
json_t *message_field_addresses(const struct mime *m, const char *field);
/* As text of at most max bytes; the caller's. */
char *message_address_list(const struct mime *m, const char *field, size_t max);

#endif
