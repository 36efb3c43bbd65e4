/*
 * One attempt to deliver a message: where its pending recipients go, what store said, and how each
 * recipient ends. Private to router/.
 */
#ifndef ROUTER_ATTEMPT_H
#define ROUTER_ATTEMPT_H

#include "router/remote.h"
#include "router/server.h"

/* Where a recipient goes. */
enum part_kind {
	PART_OPEN,    /* not resolved yet */
	PART_SETTLED, /* it was done or failed before */
	PART_ROUTED,  /* to mailboxes, and perhaps to remote addresses */
	PART_REMOTE,  /* to another host, as it stands */
	PART_DROPPED,
	PART_UNKNOWN,
	PART_LOOP,
	PART_LATER
};

struct part {
	enum part_kind kind;
	bool partly_unknown;
	uint32_t first, n;		  /* its mailboxes: boxes[refs[first]] ... */
	uint32_t first_remote, n_remotes; /* remotes.names[remote_refs[first_remote]] ... */
};

/* What store said about one mailbox. */
struct box {
	enum delivery_end end;
	bool away; /* its vacation reply is on */
	char text[STORE_TEXT_MAX_BYTES + 1];
};

struct refs {
	uint32_t *at;
	size_t n;
};

struct attempt {
	TAILQ_ENTRY(attempt) entry;
	struct router *router;
	uint64_t id;
	int fd;
	struct envelope e;
	unsigned char *storage;
	struct part *parts; /* one a recipient */
	struct refs refs, remote_refs;
	struct name_set names, remotes; /* of the mailboxes, and addresses */
	struct box *boxes;		/* one a name */
	size_t n_asked;			/* store was asked to deliver to those before */
	bool durable, away;		/* away: of any mailbox */
	unsigned rounds;
	/* what goes to other hosts (remote.c) */
	struct remote_end *remote_ends; /* one a recipient, once there is something to send */
	struct sendings sendings;
	bool ordered;	     /* by an administrator: dead hosts are tried, too */
	struct span fetched; /* the destination it was parked for, or empty; a copy */
	struct span park;    /* the destination that it is to be parked for, or empty; a copy */
	struct known_wait *wait;
	struct ipc_call *call;
};

/* The attempt has come to its end: frees it. */
void attempt_finish(struct attempt *a);

/* conclude.c: reports to queue how each recipient ended, and logs it. */
void attempt_conclude(struct attempt *a);

#endif
