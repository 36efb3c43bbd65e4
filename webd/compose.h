/*
 * From a letter, as docs/webapi.md has it, to a message, and from a draft back to a letter. Writes
 * to the descriptor it is given only. Lines end with CRLF; what users and their browsers say makes
 * no header field but those meant: control characters go, whatever the field.
 */
#ifndef WEBD_COMPOSE_H
#define WEBD_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/mime.h"

enum {
	LETTER_TEXT_MAX_BYTES = 4 * 1024 * 1024, /* of text and of html, each */
	LETTER_SUBJECT_MAX_BYTES = 2000,
	LETTER_NOTE_MAX_BYTES = 200,
	LETTER_ATTACHMENTS_MAX = 200
};

enum letter_priority { PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_LOW };

/* Bytes of a file, borrowed. */
struct letter_attachment {
	int fd;
	uint64_t at, len;
	const char *name, *type; /* type: NULL or one that is none is application/octet-stream */
	bool is_message;	 /* a whole message: message/rfc822, where that can carry it */
};

/* Borrowed. */
struct letter {
	struct mime_address from;
	struct mime_addresses to, cc, bcc;
	const char *subject, *text;
	const char *html;	 /* NULL: none. Cleaned before it is written */
	const char *message_id;	 /* without < and > */
	const char *in_reply_to; /* the same, or NULL */
	const char *references;	 /* ids without < and >, with blanks between, or NULL */
	enum letter_priority priority;
	bool receipt; /* the reader is asked for one, for `from` */
	time_t date;
	const struct letter_attachment *attachments;
	size_t n_attachments;
	/* Of one's own copy only: "reply FOLDER UID" or "forward FOLDER UID", or NULL. */
	const char *note;
};

/* A new one, of this domain. The caller's. */
char *compose_message_id(const char *domain);

/*
 * Writes the message into fd from `at` on, over what is there, and sets *len. own_copy: with Bcc
 * and note, for Sent and Drafts; never so for sending. -1 with errno: EINVAL when an address or id
 * cannot stand in a header, else of reading or writing.
 */
int compose_write(const struct letter *l, bool own_copy, int fd, uint64_t at, uint64_t *len);

/* A notification that a message was read (RFC 8098), to be sent from the null sender. */
struct letter_receipt {
	struct mime_address from; /* whose mailbox it is */
	struct mime_address to;	  /* who asked for it */
	const char *message_id;	  /* of the notification */
	const char *original_id;  /* without < and >, or NULL */
	const char *original_subject;
	const char *reporter; /* host name */
	time_t date;
};
int compose_receipt(const struct letter_receipt *r, int fd, uint64_t at, uint64_t *len);

/* ---- letter_read.c ---- */

/*
 * What was typed as recipients: "Ann <a@x.org>, b@y.org; \"C, D\" <c@z.org>". Adds them, each once,
 * with canonical addresses. -1 with *why, a sentence for people that names the wrong one, which the
 * caller frees.
 */
int letter_recipients(struct span typed, struct mime_addresses *to, char **why);

/* A letter from a draft: from, from_name, to, cc, bcc, subject, text, html, attachments ({part,
 * name, type, size}), priority, receipt, message_id, in_reply_to, references, reply and forward (of
 * its note: {folder, uid} or null). NULL with errno. */
json_t *letter_from_draft(const struct mime *m);

#endif
