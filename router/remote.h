/*
 * The part of an attempt that goes to other hosts. Private to router/.
 */
#ifndef ROUTER_REMOTE_H
#define ROUTER_REMOTE_H

#include <sys/queue.h>

#include "router/outgoing.h"

struct attempt;

/* How a recipient at another host ended. */
struct remote_end {
	bool logged; /* by deliver */
	enum delivery_end end;
	unsigned flags;	     /* enum result_flags */
	char *reply, *route; /* NULL: it has none yet */
};

/* Recipients that go to one destination in one job. */
struct sending {
	TAILQ_ENTRY(sending) entry;
	struct attempt *attempt;
	struct outgoing_job *job;
};
TAILQ_HEAD(sendings, sending);

/* fetched: the destination that the message was parked for, or empty. */
void remote_init(struct attempt *a, struct span fetched);
/*
 * Hands the attempt's remote recipients to outgoing.c. False when there is nothing to wait for:
 * each has its end, or is to be parked for a->park. Else attempt_finish() is called later.
 */
bool remote_send(struct attempt *a);
/* What has not begun is to be parked. False when nothing is left to wait for. */
bool remote_park_waiting(struct attempt *a);
/* Cancels and frees. */
void remote_clear(struct attempt *a);

#endif
