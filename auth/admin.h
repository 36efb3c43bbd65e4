/*
 * What sambarctl user asks of auth (words and answers: master/control.h, sambarctl(8)). One request
 * at a time, in the order in which they came.
 */
#ifndef AUTH_ADMIN_H
#define AUTH_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/server.h"

/* Borrows auth. */
struct admin *admin_new(struct auth *a, admin_reply_cb on_reply, void *arg);
/* From now on only the request in hand goes on. */
void admin_close(struct admin *admin);
/* After passwords and store, which would still call back. */
void admin_free(struct admin **admin);

/* words are copied. Answered once by on_reply, now or later. */
void admin_request(struct auth *a, uint64_t tag, char **words, size_t n);

/* The same for a request of auth's own; on_done owns doc. */
typedef void (*admin_done_cb)(void *arg, int code, json_t *doc);
void
admin_ask(struct auth *a, const char *const *words, size_t n, admin_done_cb on_done, void *arg);
bool admin_is_idle(const struct admin *admin);

#endif
