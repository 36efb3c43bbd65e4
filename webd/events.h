/*
 * Event streams: what changes in a mailbox appears in the pages that are open. Private to the
 * folder.
 */
#ifndef WEBD_EVENTS_H
#define WEBD_EVENTS_H

#include <stdbool.h>

#include "store/folders.h"

struct web_session;

/* For struct folders_ops; arg is the session. */
void events_on_folder(void *arg, const struct folder_info *f, bool gone);
/* What waits in queue, or is no longer there, has changed. */
void events_outbox(struct web_session *s);
/* The session ends, and its folders have ended: what is known of them is forgotten. */
void events_free(struct web_session *s);
/* The last event of each stream, which ends. */
void events_say_goodbye(struct web_session *s, const char *why);

#endif
