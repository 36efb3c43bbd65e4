/*
 * Whose password is hashed next. A visitor is an address of which something waits or runs: it is
 * ready (in a ring), asleep until a delay is over, or waits for its own login that is running.
 */
#include "auth/turns.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/tree.h>

#include "auth/clock.h"
#include "common/log.h"
#include "common/memory.h"

TAILQ_HEAD(turn_list, turn);

struct visitor {
	RB_ENTRY(visitor) by_address;
	TAILQ_ENTRY(visitor) ring;
	struct turns *turns;
	uint64_t address;
	struct turn_list waiting; /* the oldest first */
	size_t n_waiting, n_running;
	bool ready;
	struct event awake;
};

static int
compare(const struct visitor *a, const struct visitor *b)
{
	return a->address < b->address ? -1 : a->address > b->address;
}

RB_HEAD(visitor_tree, visitor);
RB_GENERATE_INTERNAL(visitor_tree, visitor, by_address, compare, static __attribute__((unused)))

struct turns {
	struct event_base *base;
	struct failures *failures;
	const struct turns_ops *ops;
	void *arg;
	struct visitor_tree visitors;
	TAILQ_HEAD(, visitor) ring;
	size_t max_running, n_running, n_waiting;
};

/* ---- visitors ---- */

static void run(struct turns *t);
static void settle(struct visitor *v);

static void
on_awake(evutil_socket_t fd, short what, void *arg)
{
	struct visitor *v = arg;
	struct turns *t = v->turns;

	(void)fd, (void)what;
	settle(v);
	run(t);
}

static struct visitor *
visitor_of(struct turns *t, uint64_t address)
{
	struct visitor wanted = {.address = address};
	struct visitor *v = RB_FIND(visitor_tree, &t->visitors, &wanted);

	if (v != NULL)
		return v;
	v = xcalloc(1, sizeof *v);
	v->turns = t;
	v->address = address;
	TAILQ_INIT(&v->waiting);
	event_assign(&v->awake, t->base, -1, EV_TIMEOUT, on_awake, v);
	RB_INSERT(visitor_tree, &t->visitors, v);
	return v;
}

static void
set_ready(struct visitor *v, bool ready)
{
	struct turns *t = v->turns;

	if (ready == v->ready)
		return;
	v->ready = ready;
	if (ready)
		TAILQ_INSERT_TAIL(&t->ring, v, ring);
	else
		TAILQ_REMOVE(&t->ring, v, ring);
}

static void
sleep_for(struct visitor *v, uint64_t ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	if (event_add(&v->awake, &wait) == -1)
		fatalx("cannot set a timer");
}

static void
remove_waiting(struct visitor *v, struct turn *turn)
{
	TAILQ_REMOVE(&v->waiting, turn, entry);
	turn->visitor = NULL;
	v->n_waiting--;
	v->turns->n_waiting--;
}

static void
refuse(struct visitor *v, struct turn *turn)
{
	struct turns *t = v->turns;

	remove_waiting(v, turn);
	t->ops->refuse(t->arg, turn);
}

static void
refuse_old(struct visitor *v, uint64_t now_ms)
{
	struct turn *turn;

	while ((turn = TAILQ_FIRST(&v->waiting)) != NULL &&
	       now_ms - turn->since_ms >= TURNS_WAIT_MAX_S * 1000)
		refuse(v, turn);
}

/* How long until something is to be done for it, 0: it is ready. */
static uint64_t
time_to_sleep(struct visitor *v, uint64_t now_ms)
{
	uint64_t left = failures_left(v->turns->failures, v->address, now_ms);
	uint64_t oldest = TURNS_WAIT_MAX_S * 1000 - (now_ms - TAILQ_FIRST(&v->waiting)->since_ms);

	return left < oldest ? left : oldest;
}

/* Puts a visitor, of which something waits and nothing for too long, where it belongs. */
static void
place(struct visitor *v, uint64_t now_ms)
{
	uint64_t ms;

	event_del(&v->awake);
	if (v->n_running > 0 && failures_any(v->turns->failures, v->address, now_ms)) {
		set_ready(v, false);
		return;
	}
	ms = time_to_sleep(v, now_ms);
	set_ready(v, ms == 0);
	if (ms > 0)
		sleep_for(v, ms);
}

/* After something has changed: refuses what is too old, and forgets a visitor who is not needed. */
static void
settle(struct visitor *v)
{
	uint64_t now_ms = clock_ms();

	refuse_old(v, now_ms);
	if (v->n_waiting > 0) {
		place(v, now_ms);
		return;
	}
	event_del(&v->awake);
	set_ready(v, false);
	if (v->n_running > 0)
		return;
	RB_REMOVE(visitor_tree, &v->turns->visitors, v);
	free(v);
}

/* ---- turns ---- */

static void
start(struct visitor *v, struct turn *turn)
{
	struct turns *t = v->turns;

	remove_waiting(v, turn);
	if (!t->ops->start(t->arg, turn))
		return;
	turn->visitor = v;
	turn->running = true;
	v->n_running++;
	t->n_running++;
}

/* The next one in the ring; it comes behind the others when more of it waits. */
static struct visitor *
next_ready(struct turns *t)
{
	struct visitor *v = TAILQ_FIRST(&t->ring);

	if (v == NULL)
		return NULL;
	TAILQ_REMOVE(&t->ring, v, ring);
	v->ready = false;
	return v;
}

static void
run(struct turns *t)
{
	struct visitor *v;

	while (t->n_running < t->max_running && (v = next_ready(t)) != NULL) {
		refuse_old(v, clock_ms());
		if (v->n_waiting > 0)
			start(v, TAILQ_FIRST(&v->waiting));
		settle(v);
	}
}

static void
make_room(struct turns *t)
{
	struct visitor *v, *longest = NULL;

	RB_FOREACH (v, visitor_tree, &t->visitors)
		if (longest == NULL || v->n_waiting > longest->n_waiting)
			longest = v;
	refuse(longest, TAILQ_LAST(&longest->waiting, turn_list));
	settle(longest);
}

void
turns_enter(struct turns *t, struct turn *turn, uint64_t address)
{
	struct visitor *v = visitor_of(t, address);
	uint64_t now_ms = clock_ms();

	refuse_old(v, now_ms);
	*turn = (struct turn){.visitor = v, .since_ms = now_ms};
	TAILQ_INSERT_TAIL(&v->waiting, turn, entry);
	v->n_waiting++;
	t->n_waiting++;
	place(v, now_ms);
	if (t->n_waiting > TURNS_WAITING_MAX)
		make_room(t);
	run(t);
}

static void
end_running(struct visitor *v, struct turn *turn)
{
	struct turns *t = v->turns;

	turn->visitor = NULL;
	turn->running = false;
	v->n_running--;
	t->n_running--;
	settle(v);
	run(t);
}

void
turns_leave(struct turn *turn)
{
	struct visitor *v = turn->visitor;

	if (turn->running) {
		end_running(v, turn);
		return;
	}
	remove_waiting(v, turn);
	if (v->n_waiting == 0)
		settle(v);
}

size_t
turns_waiting(const struct turns *t)
{
	return t->n_waiting;
}

/* ---- all of it ---- */

struct turns *
turns_new(struct event_base *base, struct failures *f, const struct turns_ops *ops, void *arg)
{
	struct turns *t = xcalloc(1, sizeof *t);

	t->base = base;
	t->failures = f;
	t->ops = ops;
	t->arg = arg;
	t->max_running = 1;
	RB_INIT(&t->visitors);
	TAILQ_INIT(&t->ring);
	return t;
}

void
turns_set_max(struct turns *t, size_t max)
{
	t->max_running = max;
	run(t);
}

void
turns_free(struct turns **t)
{
	free(*t);
	*t = NULL;
}
