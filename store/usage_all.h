/*
 * How full all mailboxes are, for the administrator: counted in a thread from the names in the
 * directories, so that neither delivery nor sessions wait. Touches the mail directory, reading,
 * never through a symbolic link.
 */
#ifndef STORE_USAGE_ALL_H
#define STORE_USAGE_ALL_H

#include <jansson.h>
#include <stdint.h>

#include "common/worker.h"

/* {"users": [{"name", "bytes", "messages", "limit": bytes or null}]} by name, the callee's; NULL
 * with error, an errno, when the mail directory cannot be read. */
typedef void (*usage_cb)(void *arg, json_t *doc, int error);

/* mail: the mail directory, borrowed until cb; limit: Maximum Mailbox Size, or STORE_NO_LIMIT. */
void usage_count(struct worker *w, int mail, uint64_t limit, usage_cb cb, void *arg);

#endif
