/*
 * Tells senders what became of their messages: decides by dsn_rules.h, writes the notification as a
 * new message into the spool, durably, and notes in the original's journal who was told. One such
 * step of a conclusion; for the helper thread that gives out ids.
 */
#ifndef QUEUE_NOTIFY_H
#define QUEUE_NOTIFY_H

#include "common/settings.h"
#include "queue/bounce_limit.h"
#include "queue/dsn.h"
#include "queue/retry.h"
#include "queue/spool.h"

/* The settings; copied into each job. */
struct notify_rules {
	char server[256];	  /* our name */
	unsigned maximum;	  /* notifications to one address in an hour; 0: no limit */
	uint64_t whole_max_bytes; /* a larger message is not returned whole */
};

/* Reads Mail Server, Maximum Bounces and Maximum Bounce Size. */
void notify_rules_read(struct notify_rules *rules, const struct settings *s);

/* A notification that was written. */
struct notice {
	uint64_t id; /* 0: none */
	struct spool_name name;
	size_t count[DSN_ACTIONS]; /* recipients that it tells of */
};

struct notify {
	struct spool *spool;
	struct bounce_limit *limit;
	const struct notify_rules *rules;
	const struct retry *retry;
	const struct envelope *envelope;
	int fd; /* the original's spool file, in cur/ */
	uint64_t now_s;
	/* what came of it */
	unsigned char *fates; /* enum dsn_fate of each recipient, allocated; NULL: nobody's */
	size_t n_keep;	      /* failures that are the directory's, when the message ends */
	struct notice notice;
};

/* True when there may be something to tell at the end of an attempt, for its delay. */
bool notify_is_late(const struct envelope *e, const struct retry *retry, uint64_t now_s);
/* True for a message whose sender wants to hear of deliveries. */
bool notify_wants_success(const struct envelope *e);

/*
 * Tells what was not told yet, and appends to the original's journal that it is told; when that
 * fails the notice is taken back. The notice is durable when it returns 0, or there is none. -1
 * with errno.
 */
int notify(struct notify *n);

#endif
