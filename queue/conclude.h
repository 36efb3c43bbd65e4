/*
 * The end of an attempt that did not simply succeed: status bytes, replies and added recipients go
 * into the spool file, what is too old fails, the sender is told, failures that cannot be told go
 * to the directory of failures, and the file is renamed or removed. One job for the helper thread.
 */
#ifndef QUEUE_CONCLUDE_H
#define QUEUE_CONCLUDE_H

#include "common/worker.h"
#include "queue/hand.h"
#include "queue/notify.h"

enum conclude_outcome {
	CONCLUDE_AGAIN, /* name and due_s are set */
	CONCLUDE_GONE,	/* no recipient is left, the file is removed */
	CONCLUDE_BAD	/* not a sound spool file: set aside, or vanished; why says so */
};

struct conclusion {
	struct job job;
	struct queue *queue; /* the caller's */
	struct spool *spool;
	struct message *message;
	/* What router said. NULL, and made here: an administrator gives it up, with this reason */
	struct hand *hand;
	char *reason;
	struct retry retry;
	struct notify_rules rules;
	struct bounce_limit *limit;
	uint64_t now_s;
	/* what came of it */
	enum conclude_outcome outcome;
	struct spool_name at;	/* where the file is */
	struct spool_name name; /* and where it is to be, and is at the end */
	uint64_t due_s;
	int error;	      /* an errno: it could not all be written; or why it is bad */
	const char *why;      /* what is wrong with the file, or NULL */
	bool aside;	      /* CONCLUDE_BAD: it is in bad/ now */
	unsigned char *fates; /* enum dsn_fate of each recipient; NULL: none was decided */
	size_t n_keep;
	struct notice notice;	  /* durable, also when error is set; the caller's to schedule */
	struct envelope envelope; /* for the log: who was given up */
	unsigned char *storage;
};

/* In the helper thread. */
void conclude(struct conclusion *c);
/* Frees what conclude() allocated; not the hand, the message or c itself. */
void conclude_clear(struct conclusion *c);

/*
 * Also for other readers of spool files: opens the file and reads its envelope, which must be that
 * of this message. A descriptor, or -1 with errno and *why.
 */
int conclude_open(struct spool *sp, const struct message *m, int flags, struct envelope *e,
    unsigned char **storage, const char **why);

#endif
