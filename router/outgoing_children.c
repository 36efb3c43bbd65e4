/*
 * Mail for other hosts: jobs, and the deliver children that carry them. Talks to deliver. See
 * outgoing_private.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/queue_id.h"
#include "router/outgoing_private.h"

/* ---- jobs ---- */

void
outgoing_job_free(struct outgoing_job *job)
{
	if (job->child == NULL) {
		TAILQ_REMOVE(&job->destination->waiting, job, link);
		job->destination->n_waiting--;
	} else {
		TAILQ_REMOVE(&job->child->jobs, job, link);
	}
	job->outgoing->n_jobs--;
	explicit_bzero((char *)(uintptr_t)job->job.to.password.at, job->job.to.password.len);
	free(job->memory);
	free(job);
}

static void
job_end(struct outgoing_job *job)
{
	const struct outgoing_ops *ops = job->ops;
	void *arg = job->arg;

	outgoing_job_free(job);
	ops->on_end(arg);
}

static void
defer(struct outgoing_job *job, uint32_t recipient, struct span reply, unsigned flags)
{
	const struct deliver_result r = {.recipient = recipient,
	    .end = END_DEFERRED,
	    .flags = flags,
	    .reply = reply,
	    .route = span_of("smtp")};

	job->ops->on_result(job->arg, &r, false);
}

static void
defer_all(struct outgoing_job *job, struct span reply)
{
	for (size_t i = 0; i < job->job.n; i++)
		defer(job, job->job.recipients[i], reply, 0);
	job_end(job);
}

static void
defer_waiting(struct destination *d)
{
	while (!TAILQ_EMPTY(&d->waiting))
		defer_all(TAILQ_FIRST(&d->waiting), span_of(d->dead_reply));
}

/* ---- children ---- */

struct outgoing_job *
outgoing_in_hand(const struct child *c)
{
	return TAILQ_FIRST(&c->jobs);
}

/* To those that wait, as if nobody had had it. */
static void
put_back(struct child *c, struct outgoing_job *job)
{
	TAILQ_REMOVE(&c->jobs, job, link);
	job->child = NULL;
	TAILQ_INSERT_HEAD(&job->destination->waiting, job, link);
	job->destination->n_waiting++;
}

static void
put_back_ahead(struct child *c)
{
	struct outgoing_job *job;

	while ((job = TAILQ_LAST(&c->jobs, outgoing_jobs)) != outgoing_in_hand(c))
		put_back(c, job);
}

void
outgoing_child_free(struct child *c)
{
	struct outgoing *o = c->outgoing;

	put_back_ahead(c);
	if (outgoing_in_hand(c) != NULL) {
		c->last->n_active--;
		put_back(c, outgoing_in_hand(c));
	}
	TAILQ_REMOVE(&o->children, c, link);
	o->n_children--;
	event_del(&c->idle);
	deliver_child_free(&c->handle);
	free(c);
}

static void
on_result(void *arg, const struct deliver_result *r)
{
	struct child *c = arg;

	struct outgoing_job *job = outgoing_in_hand(c);

	job->n_results++;
	job->n_deferred += r->end == END_DEFERRED;
	job->ops->on_result(job->arg, r, true);
}

void
outgoing_charge(struct outgoing *o, struct child *c, uint64_t now_us, uint64_t at_least_us)
{
	if (outgoing_in_hand(c) == NULL || now_us - c->charged_us < at_least_us)
		return;
	c->last->used_us += now_us - c->charged_us;
	c->charged_us = now_us;
	outgoing_look_at_turn(o, c->last);
}

/* What a conversation teaches about its destination. */
static void
learn(struct outgoing *o, struct child *c, const struct deliver_done *done)
{
	struct destination *d = c->last;
	bool all_deferred = outgoing_in_hand(c)->n_deferred == outgoing_in_hand(c)->n_results;

	if (done->end == DELIVER_NOT_NOW) {
		log_info("destination dead name=%s seconds=%llu reason=%s", log_safe(d->name),
		    (unsigned long long)(o->dead_us / 1000000), log_safe(done->text));
		destination_dies(d, monotonic_us() + o->dead_us, done->text);
		defer_waiting(d);
	} else if (done->end == DELIVER_REACHED) {
		destination_revives(d);
		if (all_deferred && !done->kept_open)
			destination_shrink(d);
		else
			destination_grow(d, &o->all);
	}
}

/* The job in hand is over; the one behind it is in hand now. */
static void
next_job(struct child *c)
{
	const struct timeval wait = {IDLE_S, 0};

	job_end(outgoing_in_hand(c));
	c->job_us = monotonic_us();
	if (outgoing_in_hand(c) == NULL) {
		c->last->n_active--;
		evtimer_add(&c->idle, &wait);
	}
}

static void
on_done(void *arg, const struct deliver_done *done)
{
	struct child *c = arg;
	struct outgoing *o = c->outgoing;
	struct destination *d = c->last;

	outgoing_charge(o, c, monotonic_us(), 0);
	if (!done->kept_open)
		put_back_ahead(c);
	c->is_quick = monotonic_us() - c->job_us < QUICK_US;
	c->is_warm = done->end == DELIVER_REACHED && done->kept_open;
	learn(o, c, done);
	if (destination_is_dead(d, monotonic_us()))
		defer_waiting(
		    d); /* what was given back, too: nobody looks again when d may be tried */
	next_job(c);
	outgoing_look_at(o, d);
	outgoing_wake(o);
}

/* It ended, or crashed: what it had in hand is deferred. */
static void
on_close(void *arg, const uint32_t *left, size_t n_left)
{
	struct child *c = arg;
	struct outgoing *o = c->outgoing;
	struct outgoing_job *job = outgoing_in_hand(c);
	struct destination *d = c->last;

	for (size_t i = 0; i < n_left; i++)
		defer(job, left[i], span_of("451 4.3.0 the conversation was broken off here"),
		    DELIVER_MAYBE_SENT);
	if (job != NULL) {
		if (TAILQ_NEXT(job, link) == NULL)
			d->n_active--;
		job_end(job);
	}
	outgoing_child_free(c);
	/* Those behind it, too: nobody looks again when d may be tried. */
	if (d != NULL && destination_is_dead(d, monotonic_us()))
		defer_waiting(d);
	if (d != NULL)
		outgoing_look_at(o, d);
	outgoing_wake(o);
}

static const struct deliver_ops deliver_ops = {on_result, on_done, on_close};

static void
on_child_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	outgoing_child_free(arg);
}

/* NULL when there can be none now. */
static struct child *
child_new(struct outgoing *o)
{
	const struct timeval again = {RETRY_S, 0}, wait = {IDLE_S, 0};
	struct child *c;

	if (evtimer_pending(&o->retry, NULL))
		return NULL;
	c = xcalloc(1, sizeof *c);
	TAILQ_INIT(&c->jobs);
	if ((c->handle = deliver_child_new(o->base, o->path, &deliver_ops, c)) == NULL) {
		log_warn("no conversation can be begun: %s", strerror(errno));
		free(c);
		evtimer_add(&o->retry, &again);
		return NULL;
	}
	c->outgoing = o;
	evtimer_assign(&c->idle, o->base, on_child_idle, c);
	evtimer_add(&c->idle, &wait);
	TAILQ_INSERT_TAIL(&o->children, c, link);
	o->n_children++;
	return c;
}

struct child *
outgoing_choose(struct outgoing *o, const struct destination *d)
{
	struct child *c, *any = NULL, *unused = NULL, *new;

	TAILQ_FOREACH (c, &o->children, link) {
		if (!deliver_child_is_free(c->handle))
			continue;
		if (c->last == d)
			return c;
		any = c;
		if (c->last == NULL || c->last->n_waiting == 0)
			unused = c;
	}
	if (unused != NULL)
		return unused;
	if (o->n_children < o->children_max && (new = child_new(o)) != NULL)
		return new;
	return any;
}

void
outgoing_give(struct outgoing *o, struct child *c, struct destination *d)
{
	struct outgoing_job *job = TAILQ_FIRST(&d->waiting);
	int fd = fcntl(job->fd, F_DUPFD_CLOEXEC, 3);

	if (fd == -1) {
		log_warn("%s cannot be handed on: %s", queue_id_text(job->job.id), strerror(errno));
		defer_all(job, span_of("451 4.3.0 too many messages under way here"));
		return;
	}
	TAILQ_REMOVE(&d->waiting, job, link);
	d->n_waiting--;
	if (outgoing_in_hand(c) == NULL) {
		d->n_active++;
		c->job_us = c->charged_us = monotonic_us();
	}
	o->n_given++;
	c->is_warm &= c->last == d;
	c->in_turn = c->last == d ? c->in_turn + 1 : 1;
	c->last = d;
	if (o->virtual_us < d->used_us)
		o->virtual_us = d->used_us;
	TAILQ_INSERT_TAIL(&c->jobs, job, link);
	job->child = c;
	event_del(&c->idle);
	deliver_child_send(c->handle, &job->job, fd);
}
