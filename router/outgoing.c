/*
 * Mail for other hosts: takes jobs of attempts, and knows the destinations. Its parts give them to
 * deliver children (outgoing_private.h); for what is parked it talks to queue.
 */
#include "router/outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/monotonic.h"
#include "router/outgoing_private.h"

/* ---- destinations that are of no interest any more ---- */

static void
forget(struct outgoing *o, struct destination *d)
{
	struct child *c;

	TAILQ_FOREACH (c, &o->children, link)
		if (c->last == d)
			c->last = NULL;
	outgoing_look_at(o, d);
	destinations_remove(&o->all, d);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval again = {SWEEP_S, 0};
	struct outgoing *o = arg;
	struct destination *d = destinations_next(&o->all, NULL), *next;

	(void)fd, (void)what;
	for (; d != NULL; d = next) {
		next = destinations_next(&o->all, d);
		if (destination_is_idle(d, monotonic_us()))
			forget(o, d);
	}
	if (o->all.n > 0)
		evtimer_add(&o->sweep, &again);
}

static struct destination *
destination_of(struct outgoing *o, struct span name)
{
	const struct timeval again = {SWEEP_S, 0};

	if (!evtimer_pending(&o->sweep, NULL))
		evtimer_add(&o->sweep, &again);
	return destinations_get(&o->all, name);
}

/* ---- the attempts' side ---- */

enum outgoing_state
outgoing_look(
    struct outgoing *o, struct span destination, bool scheduled, bool fetched, struct span *reply)
{
	struct destination *d = destination_of(o, destination);

	d->scheduled = scheduled;
	d->released = scheduled && (d->released || monotonic_us() < o->flushed_until_us);
	if (destination_is_dead(d, monotonic_us())) {
		*reply = span_of(d->dead_reply);
		return OUTGOING_DEAD;
	}
	if (fetched && !o->draining)
		return OUTGOING_READY;
	if (o->draining || (scheduled && !d->released) || d->n_parked > 0 ||
	    d->n_waiting >= outgoing_unparked_max(o, d))
		return OUTGOING_BUSY;
	return OUTGOING_READY;
}

void
outgoing_revive(struct outgoing *o, struct span destination)
{
	struct destination *d = destinations_find(&o->all, destination);

	/* Many may be ordered at once, and each would try. */
	if (d != NULL && monotonic_us() + o->dead_us >= d->dead_until_us + JUST_DIED_US)
		destination_revives(d);
}

static void
copy_job(struct outgoing_job *to, const struct deliver_job *from)
{
	const struct deliver_destination *d = &from->to;
	size_t n_bytes = from->n * sizeof *from->recipients;
	char *at = to->memory = xmalloc(n_bytes + d->name.len + d->tls_names.len + d->user.len +
					d->password.len + from->reverse_path.len);

	to->job = *from;
	to->job.recipients = memcpy(at, from->recipients, n_bytes);
	at += n_bytes;
	to->job.to.name = span_put(&at, d->name);
	to->job.to.tls_names = span_put(&at, d->tls_names);
	to->job.to.user = span_put(&at, d->user);
	to->job.to.password = span_put(&at, d->password);
	to->job.reverse_path = span_put(&at, from->reverse_path);
}

struct outgoing_job *
outgoing_add(struct outgoing *o, struct span destination, const struct deliver_job *from, int fd,
    const struct outgoing_ops *ops, void *arg)
{
	struct outgoing_job *job = xcalloc(1, sizeof *job);

	job->outgoing = o;
	job->destination = destination_of(o, destination);
	job->fd = fd;
	job->ops = ops;
	job->arg = arg;
	copy_job(job, from);
	TAILQ_INSERT_TAIL(&job->destination->waiting, job, link);
	job->destination->n_waiting++;
	o->n_jobs++;
	outgoing_look_at(o, job->destination);
	outgoing_wake(o);
	return job;
}

void
outgoing_cancel(struct outgoing_job **jobp)
{
	struct outgoing_job *job = *jobp;
	struct destination *d;
	struct outgoing *o;
	struct child *c;

	if (job == NULL)
		return;
	*jobp = NULL;
	d = job->destination;
	o = job->outgoing;
	c = job->child;
	if (c != NULL && outgoing_in_hand(c) == job && TAILQ_NEXT(job, link) == NULL)
		d->n_active--;
	outgoing_job_free(job);
	if (c != NULL)
		outgoing_child_free(c);
	outgoing_look_at(o, d);
	outgoing_wake(o);
}

struct span
outgoing_destination(const struct outgoing_job *job)
{
	return job->destination->name;
}

bool
outgoing_waits(const struct outgoing_job *job)
{
	return job->child == NULL;
}

void
outgoing_parked(struct outgoing *o, struct span destination)
{
	struct destination *d = destination_of(o, destination);

	/* It was on its way here at the flush. */
	if (d->scheduled && monotonic_us() < o->flushed_until_us)
		d->released = true;
	d->n_parked++;
	d->n_parked_since++;
	outgoing_look_at_fetch(o, d);
	outgoing_wake(o);
}

/* What was parked while the fetch was under way may be counted or not: too many costs one more
 * fetch, too few would be forgotten. */
void
outgoing_left(struct outgoing *o, struct span destination, uint64_t left)
{
	struct destination *d = destination_of(o, destination);

	o->n_asked -= d->n_asked;
	d->n_asked = 0;
	d->n_parked = left + d->n_parked_since;
	d->n_parked_since = 0;
	if (d->n_parked == 0)
		d->released = false;
	outgoing_look_at_fetch(o, d);
	outgoing_wake(o);
}

void
outgoing_forget_parked(struct outgoing *o)
{
	struct destination *d = NULL;

	while ((d = destinations_next(&o->all, d)) != NULL) {
		d->n_parked = d->n_parked_since = 0;
		d->n_asked = 0;
		d->released = false;
		outgoing_look_at_fetch(o, d);
	}
	o->n_asked = 0;
}

static void
release(struct outgoing *o, struct destination *d)
{
	d->released = d->scheduled && d->n_parked > 0;
	outgoing_look_at(o, d);
	outgoing_wake(o);
}

void
outgoing_flush(struct outgoing *o, struct span pattern)
{
	struct destination *d = NULL;

	o->flushed_until_us = monotonic_us() + (uint64_t)FLUSH_S * 1000000;
	while ((d = destinations_next(&o->all, d)) != NULL)
		if (destination_matches(d, pattern)) {
			destination_revives(d);
			release(o, d);
		}
}

static void
on_relay_time(void *arg)
{
	struct outgoing *o = arg;
	struct destination *d = NULL;

	while ((d = destinations_next(&o->all, d)) != NULL)
		release(o, d);
}

/* ---- life ---- */

struct outgoing *
outgoing_new(struct event_base *base, const char *path, struct queue_feed *feed,
    const struct settings *settings)
{
	struct outgoing *o = xcalloc(1, sizeof *o);

	o->base = base;
	o->path = xstrdup(path);
	o->feed = feed;
	destinations_init(&o->all);
	RB_INIT(&o->turns);
	TAILQ_INIT(&o->fetches);
	TAILQ_INIT(&o->children);
	event_assign(&o->turn, base, -1, 0, outgoing_on_turn, o);
	evtimer_assign(&o->retry, base, outgoing_on_turn, o);
	evtimer_assign(&o->sweep, base, on_sweep, o);
	o->times = relay_times_new(base, on_relay_time, o);
	outgoing_settings(o, settings);
	return o;
}

void
outgoing_settings(struct outgoing *o, const struct settings *settings)
{
	const char *delivery = settings_text(settings, "smtpd", "Relay Delivery");
	struct destination *d = NULL;

	o->window = settings_u64(settings, "limits", "Maximum Messages In Hand");
	o->children_max = settings_u64(settings, "mail", "Maximum MTA Routers");
	o->dead_us = settings_u64(settings, "timeouts", "Dead Destination") * 1000000;
	destinations_limit(
	    &o->all, settings_u64(settings, "limits", "Maximum Connections To A Host"));
	relay_times_set(o->times, delivery);
	while ((d = destinations_next(&o->all, d)) != NULL) {
		/* Nobody else would send what has waited for its time. */
		if (!relay_times_is_scheduled(delivery))
			d->scheduled = d->released = false;
		outgoing_look_at(o, d);
	}
	outgoing_wake(o);
}

void
outgoing_drain(struct outgoing *o)
{
	o->draining = true;
}

void
outgoing_free(struct outgoing **op)
{
	struct outgoing *o = *op;
	struct destination *d;

	if (o == NULL)
		return;
	*op = NULL;
	while (!TAILQ_EMPTY(&o->children))
		outgoing_child_free(TAILQ_FIRST(&o->children));
	while ((d = destinations_next(&o->all, NULL)) != NULL)
		destinations_remove(&o->all, d);
	event_del(&o->turn);
	event_del(&o->retry);
	event_del(&o->sweep);
	relay_times_free(&o->times);
	free(o->path);
	free(o);
}

void
outgoing_status(const struct outgoing *o, json_t *counters)
{
	struct destination *d = NULL;
	uint64_t parked = 0, dead = 0, waiting = 0, active = 0;

	while ((d = destinations_next(&o->all, d)) != NULL) {
		parked += d->n_parked;
		waiting += d->n_waiting;
		active += d->n_active;
		dead += destination_is_dead(d, monotonic_us());
	}
	json_object_set_new(counters, "destinations", json_integer(o->all.n));
	json_object_set_new(counters, "destinations_dead", json_integer(dead));
	json_object_set_new(counters, "children", json_integer(o->n_children));
	json_object_set_new(counters, "conversations", json_integer(active));
	json_object_set_new(counters, "outgoing_waiting", json_integer(waiting));
	json_object_set_new(counters, "parked", json_integer(parked));
	json_object_set_new(counters, "outgoing_jobs", json_integer(o->n_given));
}
