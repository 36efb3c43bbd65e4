/*
 * Messages of one mailbox as descriptors, asked of store before the client asks for them: who
 * fetches one after the other does not wait for each. Bounded for a session and for the process.
 * Private to the folder.
 */
#ifndef POP3D_AHEAD_H
#define POP3D_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	AHEAD_MAX = 16,	     /* messages held by one session */
	AHEAD_ALL_MAX = 2048 /* by all of a process; one more for each session is always allowed */
};

struct mailbox;
struct ahead {
	struct mailbox *mailbox;
	unsigned *all;		/* of the process */
	uint64_t first;		/* held: n messages from this index on */
	uint64_t arriving, end; /* asked of store and still to come: from, below */
	unsigned n, head, window;
	int fds[AHEAD_MAX]; /* a ring from head on; -1: the message is gone */
};

void ahead_start(struct ahead *a, struct mailbox *m, unsigned *all);
/* Closes what is held; before the mailbox is freed. Nothing else may be called after it. */
void ahead_stop(struct ahead *a);

/* The client wants this message: what is before it is dropped, and store is asked unless it is
 * there or on its way. */
void ahead_want(struct ahead *a, uint64_t index);

/* True: the wanted message is there, *fd is the caller's (-1: it is gone from the mailbox). False:
 * it has not arrived yet. */
bool ahead_ready(struct ahead *a, int *fd);

/* For on_message of the mailbox. Owns fd. */
void ahead_arrived(struct ahead *a, uint64_t index, int fd);

#endif
