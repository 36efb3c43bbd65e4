/*
 * Mail for other hosts: which destination gets the next conversation, and what is fetched from
 * queue for it. All is looked at in one turn of the event loop. See outgoing_private.h.
 */
#include "common/monotonic.h"
#include "router/outgoing_private.h"

/* ---- turns ---- */

static int
compare_turns(const struct destination *a, const struct destination *b)
{
	if (a->turn_us != b->turn_us)
		return a->turn_us < b->turn_us ? -1 : 1;
	return a->turn_number < b->turn_number ? -1 : a->turn_number > b->turn_number;
}

RB_GENERATE_INTERNAL(
    destination_turns, destination, turn, compare_turns, static __attribute__((unused)))

void
outgoing_look_at_turn(struct outgoing *o, struct destination *d)
{
	bool can = destination_can_send(d, monotonic_us());
	uint64_t turn_us;

	/* What it did not use before is not saved, but for a little when it has conversations. */
	if (can && !d->has_turn && d->used_us + (d->n_active ? LAG_US : 0) < o->virtual_us)
		d->used_us = o->virtual_us - (d->n_active ? LAG_US : 0);
	turn_us = (d->used_us + d->n_active * CONVERSATION_US) / GRAIN_US * GRAIN_US;
	if (can && d->has_turn && d->turn_us == turn_us)
		return;
	if (d->has_turn)
		RB_REMOVE(destination_turns, &o->turns, d);
	d->has_turn = can;
	d->turn_us = turn_us;
	d->turn_number = ++o->turn_number;
	if (can)
		RB_INSERT(destination_turns, &o->turns, d);
}

static struct destination *
next_turn(struct outgoing *o)
{
	return RB_MIN(destination_turns, &o->turns);
}

void
outgoing_look_at_fetch(struct outgoing *o, struct destination *d)
{
	bool want = d->n_parked > 0 && d->n_asked == 0 && (!d->scheduled || d->released) &&
		    d->n_waiting <= (size_t)d->limit;

	if (want && !d->wants_fetch)
		TAILQ_INSERT_TAIL(&o->fetches, d, fetch);
	else if (!want && d->wants_fetch)
		TAILQ_REMOVE(&o->fetches, d, fetch);
	d->wants_fetch = want;
}

void
outgoing_look_at(struct outgoing *o, struct destination *d)
{
	outgoing_look_at_turn(o, d);
	outgoing_look_at_fetch(o, d);
}

void
outgoing_wake(struct outgoing *o)
{
	event_active(&o->turn, EV_TIMEOUT, 0);
}

/* When there are many jobs, each destination has what it can soon send: slow ones do not take the
 * room of the others. */
static size_t
waiting_max(const struct outgoing *o, const struct destination *d)
{
	if (o->n_jobs >= JOBS_MAX)
		return 0;
	return o->n_jobs < JOBS_MAX / 2 ? WAITING_MAX : (size_t)d->limit;
}

size_t
outgoing_unparked_max(const struct outgoing *o, const struct destination *d)
{
	size_t most = waiting_max(o, d), share = o->window / 4 + 1;

	if (o->n_jobs >= o->window / 4 * 3)
		share = d->n_active == 0;
	else if (o->n_jobs >= o->window / 2)
		share = d->limit;
	return share < most ? share : most;
}

/* ---- the turn of the loop ---- */

/* After a reload there may be more than there should be. */
static void
close_surplus(struct outgoing *o)
{
	struct child *c, *next;

	for (c = TAILQ_FIRST(&o->children); c != NULL && o->n_children > o->children_max;
	     c = next) {
		next = TAILQ_NEXT(c, link);
		if (outgoing_in_hand(c) == NULL)
			outgoing_child_free(c);
	}
}

/* Another that waits has had less by so much: this child's session is not worth that. */
static bool
turn_is_over(struct outgoing *o, const struct child *c)
{
	const struct destination *d = c->last, *first = next_turn(o);
	size_t others = d->n_active - (outgoing_in_hand(c) != NULL);
	uint64_t margin_us = c->in_turn < TURN_JOBS ? TURN_US : 0;

	return first != NULL && first != d &&
	       first->turn_us + margin_us <= d->used_us + others * CONVERSATION_US;
}

static void
charge_all(struct outgoing *o)
{
	uint64_t now_us = monotonic_us();
	struct child *c;

	TAILQ_FOREACH (c, &o->children, link)
		outgoing_charge(o, c, now_us, CHARGE_US);
}

/* Who has a session goes on with it, for a while. */
static void
continue_sessions(struct outgoing *o)
{
	struct child *c;

	TAILQ_FOREACH (c, &o->children, link) {
		if (c->last == NULL || !c->last->has_turn || !deliver_child_is_free(c->handle) ||
		    turn_is_over(o, c))
			continue;
		outgoing_give(o, c, c->last);
		outgoing_look_at(o, c->last);
	}
}

static void
give_turns(struct outgoing *o)
{
	struct destination *d;
	struct child *c;

	while ((d = next_turn(o)) != NULL && (c = outgoing_choose(o, d)) != NULL) {
		c->in_turn = 0;
		outgoing_give(o, c, d);
		outgoing_look_at(o, d);
	}
}

static bool
takes_ahead(struct outgoing *o, const struct child *c)
{
	return outgoing_in_hand(c) != NULL && c->is_warm && c->last->n_waiting > 0 &&
	       c->last->n_active <= (size_t)c->last->limit &&
	       !destination_is_dead(c->last, monotonic_us()) && !turn_is_over(o, c) &&
	       (c->is_quick || TAILQ_NEXT(outgoing_in_hand(c), link) == NULL) &&
	       deliver_child_takes_next(c->handle);
}

/* Who is at work with a session gets the next jobs ahead: it need not wait for us then, and can
 * send the next envelope with the message in hand. */
static void
give_ahead(struct outgoing *o)
{
	struct child *c;

	TAILQ_FOREACH (c, &o->children, link) {
		while (takes_ahead(o, c)) {
			outgoing_give(o, c, c->last);
			outgoing_look_at(o, c->last);
		}
	}
}

static unsigned
fetch_size(const struct outgoing *o, const struct destination *d)
{
	size_t most = waiting_max(o, d);

	if (most > FETCH_MAX)
		most = FETCH_MAX;
	return d->n_parked < most ? d->n_parked : most;
}

static void
fetch_parked(struct outgoing *o)
{
	struct destination *d;

	while (!o->draining && o->n_jobs + o->n_asked < JOBS_MAX &&
	       (d = TAILQ_FIRST(&o->fetches)) != NULL) {
		d->n_asked = fetch_size(o, d);
		d->n_parked_since = 0;
		o->n_asked += d->n_asked;
		queue_fetch(o->feed, d->name, d->n_asked);
		outgoing_look_at_fetch(o, d);
	}
}

void
outgoing_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct outgoing *o = arg;

	(void)fd, (void)what;
	close_surplus(o);
	charge_all(o);
	continue_sessions(o);
	give_turns(o);
	give_ahead(o);
	fetch_parked(o);
}
