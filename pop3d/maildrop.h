/*
 * The mailbox of a user who has logged in: message numbers, marks, and what is under way with
 * store. Private to the folder.
 */
#ifndef POP3D_MAILDROP_H
#define POP3D_MAILDROP_H

#include <sys/types.h>

#include "pop3d/ahead.h"
#include "pop3d/session.h"
#include "pop3d/wire.h"

/* A message that is wanted, or on its way to the client. */
struct retrieval {
	uint64_t index;
	uint64_t sent; /* bytes, with stuffed dots */
	off_t at, size;
	struct wire wire;
	int fd;
	bool top;
};

struct maildrop {
	struct mailbox *mailbox; /* NULL: store has closed it */
	bool open;		 /* the listing is here */
	uint64_t count;		 /* of all messages */
	uint64_t *marks;	 /* a bit for each message to be deleted; NULL before the first */
	uint64_t n_marked, marked_bytes;
	uint64_t last;	 /* the highest number that was retrieved */
	uint64_t listed; /* of a list under way: the next index */
	struct ahead ahead;
	struct retrieval now;
	uint64_t retrieved, top, sent, deleted; /* for the log */
};

/* The session of a user who has logged in; owns fd. login_complete() or login_failed() follows. */
void maildrop_open(struct session *s, int fd);
/* Logs what was done. Clears s->drop; harmless without one. */
void maildrop_free(struct session *s);

bool maildrop_has_marks(const struct maildrop *d);

/* The index of a message number that may be spoken of. False: the refusal was replied. */
bool maildrop_index(struct session *s, struct span number, uint64_t *index);

/* QUIT (RFC 1939 6): marked messages are removed, then the session is closed. */
void maildrop_update(struct session *s);

/* retrieve.c: a message has come from store, or none of those awaited will come. */
void retrieve_arrived(struct session *s);
void retrieve_stop(struct maildrop *d);

#endif
