/*
 * Sessions: sockets that stand for one mailbox each. Lists, opens and deletes messages of that
 * mailbox and no other, for whoever holds the other end.
 */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include <event2/event.h>
#include <stddef.h>

#include "common/worker.h"
#include "store/mailboxes.h"

struct sessions;

/* All are borrowed. chores: the thread for large scans. */
struct sessions *
sessions_new(struct event_base *base, struct mailboxes *mailboxes, struct worker *chores);
/* Closes all of them; no scan may be under way (the thread has ended). */
void sessions_free(struct sessions **ss);

/* Maximum Users: mailboxes with a session at one time. */
void sessions_set_max_users(struct sessions *ss, size_t max);

/*
 * Opens a session of m; *fd is the holder's end, the caller's. The listing follows on it as soon as
 * it is made. Returns 0 or a refusal (enum store_refusal).
 */
int sessions_open(struct sessions *ss, struct maildir *m, int *fd);
/* Closes those of one mailbox. */
void sessions_close(struct maildir *m);

/* Counts a session of another kind. 0 or STORE_TOO_MANY_USERS. */
int sessions_enter(struct sessions *ss, struct maildir *m);
void sessions_leave(struct sessions *ss, struct maildir *m);

size_t sessions_count(const struct sessions *ss);
size_t sessions_users(const struct sessions *ss);

#endif
