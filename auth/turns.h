/*
 * Whose password is hashed next: a hash is dear, so logins wait here, and no address makes others
 * wait for more than its fair share.
 *
 * Addresses take turns. One with recent failures (failures.h) has one login checked at a time, and
 * none before the delay of its last failure is over. When too many wait, the address with the most
 * of them loses its newest. Nobody waits longer than TURNS_WAIT_MAX_S.
 */
#ifndef AUTH_TURNS_H
#define AUTH_TURNS_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "auth/failures.h"

enum { TURNS_WAITING_MAX = 4000, TURNS_WAIT_MAX_S = 60 };

struct visitor;
/* Part of what waits. */
struct turn {
	TAILQ_ENTRY(turn) entry;
	struct visitor *visitor;
	uint64_t since_ms;
	bool running;
};

struct turns_ops {
	/* Its turn has come. True: turns_leave() will say when it is over. False: it is already,
	 * and t is not looked at any more. */
	bool (*start)(void *arg, struct turn *t);
	/* It waits no longer: too many do, or it did for too long. It has left. */
	void (*refuse)(void *arg, struct turn *t);
};

struct turns;

/* Borrows failures. ops is not copied. */
struct turns *
turns_new(struct event_base *base, struct failures *f, const struct turns_ops *ops, void *arg);
/* Nothing may wait or run any more. */
void turns_free(struct turns **t);

/* How many may run at one time. */
void turns_set_max(struct turns *t, size_t max);

/* One more of this address, a number (secret.h). May start or refuse it, or another, at once. */
void turns_enter(struct turns *t, struct turn *turn, uint64_t address);
/*
 * It has run, after its failure was counted: others may start, or be refused, at once. Or it need
 * not wait any longer: nothing else happens.
 */
void turns_leave(struct turn *turn);

size_t turns_waiting(const struct turns *t);

#endif
