/*
 * One destination of outgoing mail: what waits for it, how many conversations it may have, whether
 * it is dead, and how much of its mail is parked in queue. And the table of all. Pure: the caller
 * tells the time. Private to router/.
 */
#ifndef ROUTER_DESTINATION_H
#define ROUTER_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/span.h"

struct outgoing_job;
TAILQ_HEAD(outgoing_jobs, outgoing_job);

struct destination {
	RB_ENTRY(destination) by_name;
	/* among those that have mail for a child: the one comes next that has had the least */
	RB_ENTRY(destination) turn;
	uint64_t turn_us, turn_number;
	uint64_t used_us; /* time of conversations; from when it has work, not less than others */
	TAILQ_ENTRY(destination) fetch;
	bool has_turn, wants_fetch;
	struct span name;
	struct outgoing_jobs waiting;
	size_t n_waiting;	/* jobs that no child has */
	size_t n_active;	/* conversations */
	double limit;		/* conversations at one time, 1 or more */
	uint64_t dead_until_us; /* monotonic; 0: it is not dead */
	char *dead_reply;
	/* parked in queue: never fewer than there are */
	uint64_t n_parked, n_parked_since; /* since the last fetch was asked for */
	unsigned n_asked;		   /* of the fetch that is under way; 0: none is */
	bool scheduled, released;	   /* goes out at certain times; now is one */
};
TAILQ_HEAD(destination_list, destination);
RB_HEAD(destination_tree, destination);
RB_HEAD(destination_turns, destination);

struct destinations {
	struct destination_tree tree;
	size_t n;
	unsigned limit_max; /* of each */
};

void destinations_init(struct destinations *all);
/* At least 1. Holds for those that are there, and for those to come. */
void destinations_limit(struct destinations *all, unsigned max);
/* NULL without one. */
struct destination *destinations_find(const struct destinations *all, struct span name);
struct destination *destinations_get(struct destinations *all, struct span name);
struct destination *destinations_next(const struct destinations *all, struct destination *d);
/* It has no jobs and no turn. */
void destinations_remove(struct destinations *all, struct destination *d);

/* Nothing is known of it that a new one would not have. */
bool destination_is_idle(const struct destination *d, uint64_t now_us);

bool destination_is_dead(const struct destination *d, uint64_t now_us);
/* Its mail is deferred with this reply until then, and then tried by one conversation. */
void destination_dies(struct destination *d, uint64_t until_us, struct span reply);
void destination_revives(struct destination *d);
/* A conversation went well: one more may be held when about as many as now have; or badly. */
void destination_grow(struct destination *d, const struct destinations *all);
void destination_shrink(struct destination *d);
/* A child would find work here. */
bool destination_can_send(const struct destination *d, uint64_t now_us);

/* Whether mail for domains of this pattern may go there: by MX only that of the domain in its name,
 * to a host of the configuration any. An empty pattern fits all. */
bool destination_matches(const struct destination *d, struct span pattern);

#endif
