/*
 * What the parts of outgoing.h share: outgoing.c (the attempts' side, and its life),
 * outgoing_turns.c (whose turn it is) and outgoing_children.c (jobs in hand).
 */
#ifndef ROUTER_OUTGOING_PRIVATE_H
#define ROUTER_OUTGOING_PRIVATE_H

#include <event2/event_struct.h>

#include "router/destination.h"
#include "router/outgoing.h"
#include "router/relay_times.h"

enum {
	IDLE_S = 30,		   /* a child without work is let go after so long */
	RETRY_S = 1,		   /* when no child can be had */
	TURN_JOBS = 50,		   /* in a row, while another waits that has had no more */
	TURN_US = 500000,	   /* one that has had less by so much comes at once */
	GRAIN_US = 10000,	   /* less is no difference: who came first is first */
	CONVERSATION_US = 1000000, /* each that is held counts like so much time used before */
	CHARGE_US = 20000,	   /* what a job in hand has used is counted each so often */
	WAITING_MAX = 100,	   /* jobs of one destination before its mail is parked */
	FETCH_MAX = 50,		   /* parked messages brought back at one time */
	JOBS_MAX = 1000,	   /* in all, with what was asked for */
	QUICK_US = 1000000,	   /* a job that takes less lets two wait behind the next one */
	JUST_DIED_US = 2000000,	   /* an order does not try a destination again so soon */
	LAG_US = 5000000,	   /* what one with conversations may have had less than others */
	SWEEP_S = 60,
	FLUSH_S = 60 /* after a flush nothing waits for its time: what it brings comes as due */
};

struct outgoing_job {
	TAILQ_ENTRY(outgoing_job) link; /* of those that wait */
	struct outgoing *outgoing;
	struct destination *destination;
	struct child *child; /* NULL: it waits */
	struct deliver_job job;
	void *memory; /* what it points into */
	int fd;	      /* the caller's */
	size_t n_deferred, n_results;
	const struct outgoing_ops *ops;
	void *arg;
};

struct child {
	TAILQ_ENTRY(child) link;
	struct outgoing *outgoing;
	struct deliver_child *handle;
	struct destination *last;  /* of its last job; NULL: of none that is known */
	struct outgoing_jobs jobs; /* the first one is in hand, the others wait behind it */
	uint64_t job_us;	   /* when the job in hand began */
	bool is_quick;		   /* the last one took a moment */
	bool is_warm;		   /* its session was left open by its last job */
	unsigned in_turn;	   /* jobs for `last` in a row */
	uint64_t charged_us;	   /* until then its destination has paid */
	struct event idle;
};

struct outgoing {
	struct event_base *base;
	char *path;
	struct queue_feed *feed;
	struct destinations all;
	struct destination_turns turns;
	uint64_t turn_number, virtual_us; /* the time that the last one to get a turn had used */
	struct destination_list fetches;
	TAILQ_HEAD(, child) children;
	unsigned n_children, children_max;
	bool draining;
	size_t window; /* messages that queue hands out at one time, but for those fetched */
	size_t n_jobs, n_asked;
	uint64_t dead_us, flushed_until_us;
	struct relay_times *times;
	struct event retry, sweep, turn;
	uint64_t n_given; /* jobs to children, ever */
};

/* ---- outgoing_turns.c ---- */

void outgoing_look_at(struct outgoing *o, struct destination *d);
/* Parked mail is brought back when there is little left to send, or to be deferred. */
void outgoing_look_at_fetch(struct outgoing *o, struct destination *d);
/* Conversations are shared by the time that they take: mail for hosts that are quick does not wait
 * for as many messages to hosts that are slow. */
void outgoing_look_at_turn(struct outgoing *o, struct destination *d);
void outgoing_on_turn(evutil_socket_t fd, short what, void *arg);
/* How many jobs of d may be here that nobody has fetched: what waits here must not fill queue's
 * window, or mail for others, and for mailboxes, would wait behind it. */
size_t outgoing_unparked_max(const struct outgoing *o, const struct destination *d);
/* Something has changed: sees in this turn of the loop what can be sent. */
void outgoing_wake(struct outgoing *o);

/* ---- outgoing_children.c ---- */

/* What its job in hand has used since it was last looked at. */
void outgoing_charge(struct outgoing *o, struct child *c, uint64_t now_us, uint64_t at_least_us);
void outgoing_child_free(struct child *c);
/* The one that has a session with d; else one whose session nobody waits for; else a new one; else
 * any. */
struct child *outgoing_choose(struct outgoing *o, const struct destination *d);
void outgoing_give(struct outgoing *o, struct child *c, struct destination *d);
struct outgoing_job *outgoing_in_hand(const struct child *c);
void outgoing_job_free(struct outgoing_job *job);

#endif
