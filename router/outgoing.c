/*
 * Mail for other hosts: gives jobs to deliver children. Talks to deliver and, for what is parked,
 * to queue.
 */
#include "router/outgoing.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/queue_id.h"
#include "router/destination.h"
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

/* ---- whose turn it is ---- */

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

/* Conversations are shared by the time that they take: mail for hosts that are quick does not wait
 * for as many messages to hosts that are slow. */
static void
look_at_turn(struct outgoing *o, struct destination *d)
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

/* Parked mail is brought back when there is little left to send, or to be deferred. */
static void
look_at_fetch(struct outgoing *o, struct destination *d)
{
	bool want = d->n_parked > 0 && d->n_asked == 0 && (!d->scheduled || d->released) &&
		    d->n_waiting <= (size_t)d->limit;

	if (want && !d->wants_fetch)
		TAILQ_INSERT_TAIL(&o->fetches, d, fetch);
	else if (!want && d->wants_fetch)
		TAILQ_REMOVE(&o->fetches, d, fetch);
	d->wants_fetch = want;
}

static void
look_at(struct outgoing *o, struct destination *d)
{
	look_at_turn(o, d);
	look_at_fetch(o, d);
}

/* Something has changed: sees in this turn of the loop what can be sent. */
static void
wake(struct outgoing *o)
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

/* The same for mail that nobody has fetched: what waits here must not fill queue's window, or mail
 * for others, and for mailboxes, would wait behind it. */
static size_t
unparked_max(const struct outgoing *o, const struct destination *d)
{
	size_t most = waiting_max(o, d), share = o->window / 4 + 1;

	if (o->n_jobs >= o->window / 4 * 3)
		share = d->n_active == 0;
	else if (o->n_jobs >= o->window / 2)
		share = d->limit;
	return share < most ? share : most;
}

/* ---- jobs ---- */

static void
job_free(struct outgoing_job *job)
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

	job_free(job);
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

static struct outgoing_job *
in_hand(const struct child *c)
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

	while ((job = TAILQ_LAST(&c->jobs, outgoing_jobs)) != in_hand(c))
		put_back(c, job);
}

static void
child_free(struct child *c)
{
	struct outgoing *o = c->outgoing;

	put_back_ahead(c);
	if (in_hand(c) != NULL) {
		c->last->n_active--;
		put_back(c, in_hand(c));
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

	struct outgoing_job *job = in_hand(c);

	job->n_results++;
	job->n_deferred += r->end == END_DEFERRED;
	job->ops->on_result(job->arg, r, true);
}

/* What its job in hand has used since it was last looked at. */
static void
charge(struct outgoing *o, struct child *c, uint64_t now_us, uint64_t at_least_us)
{
	if (in_hand(c) == NULL || now_us - c->charged_us < at_least_us)
		return;
	c->last->used_us += now_us - c->charged_us;
	c->charged_us = now_us;
	look_at_turn(o, c->last);
}

/* What a conversation teaches about its destination. */
static void
learn(struct outgoing *o, struct child *c, const struct deliver_done *done)
{
	struct destination *d = c->last;
	bool all_deferred = in_hand(c)->n_deferred == in_hand(c)->n_results;

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

	job_end(in_hand(c));
	c->job_us = monotonic_us();
	if (in_hand(c) == NULL) {
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

	charge(o, c, monotonic_us(), 0);
	if (!done->kept_open)
		put_back_ahead(c);
	c->is_quick = monotonic_us() - c->job_us < QUICK_US;
	c->is_warm = done->end == DELIVER_REACHED && done->kept_open;
	learn(o, c, done);
	if (destination_is_dead(d, monotonic_us()))
		defer_waiting(
		    d); /* what was given back, too: nobody looks again when d may be tried */
	next_job(c);
	look_at(o, d);
	wake(o);
}

/* It ended, or crashed: what it had in hand is deferred. */
static void
on_close(void *arg, const uint32_t *left, size_t n_left)
{
	struct child *c = arg;
	struct outgoing *o = c->outgoing;
	struct outgoing_job *job = in_hand(c);
	struct destination *d = c->last;

	for (size_t i = 0; i < n_left; i++)
		defer(job, left[i], span_of("451 4.3.0 the conversation was broken off here"),
		    DELIVER_MAYBE_SENT);
	if (job != NULL) {
		if (TAILQ_NEXT(job, link) == NULL)
			d->n_active--;
		job_end(job);
	}
	child_free(c);
	/* Those behind it, too: nobody looks again when d may be tried. */
	if (d != NULL && destination_is_dead(d, monotonic_us()))
		defer_waiting(d);
	if (d != NULL)
		look_at(o, d);
	wake(o);
}

static const struct deliver_ops deliver_ops = {on_result, on_done, on_close};

static void
on_child_idle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	child_free(arg);
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

/* The one that has a session with d; else one whose session nobody waits for; else a new one; else
 * any. */
static struct child *
choose(struct outgoing *o, const struct destination *d)
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

static void
give(struct outgoing *o, struct child *c, struct destination *d)
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
	if (in_hand(c) == NULL) {
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

/* ---- the turn of the loop ---- */

/* After a reload there may be more than there should be. */
static void
close_surplus(struct outgoing *o)
{
	struct child *c, *next;

	for (c = TAILQ_FIRST(&o->children); c != NULL && o->n_children > o->children_max;
	     c = next) {
		next = TAILQ_NEXT(c, link);
		if (in_hand(c) == NULL)
			child_free(c);
	}
}

/* Another that waits has had less by so much: this child's session is not worth that. */
static bool
turn_is_over(struct outgoing *o, const struct child *c)
{
	const struct destination *d = c->last, *first = next_turn(o);
	size_t others = d->n_active - (in_hand(c) != NULL);
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
		charge(o, c, now_us, CHARGE_US);
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
		give(o, c, c->last);
		look_at(o, c->last);
	}
}

static void
give_turns(struct outgoing *o)
{
	struct destination *d;
	struct child *c;

	while ((d = next_turn(o)) != NULL && (c = choose(o, d)) != NULL) {
		c->in_turn = 0;
		give(o, c, d);
		look_at(o, d);
	}
}

static bool
takes_ahead(struct outgoing *o, const struct child *c)
{
	return in_hand(c) != NULL && c->is_warm && c->last->n_waiting > 0 &&
	       c->last->n_active <= (size_t)c->last->limit &&
	       !destination_is_dead(c->last, monotonic_us()) && !turn_is_over(o, c) &&
	       (c->is_quick || TAILQ_NEXT(in_hand(c), link) == NULL) &&
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
			give(o, c, c->last);
			look_at(o, c->last);
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
fetch(struct outgoing *o)
{
	struct destination *d;

	while (!o->draining && o->n_jobs + o->n_asked < JOBS_MAX &&
	       (d = TAILQ_FIRST(&o->fetches)) != NULL) {
		d->n_asked = fetch_size(o, d);
		d->n_parked_since = 0;
		o->n_asked += d->n_asked;
		queue_fetch(o->feed, d->name, d->n_asked);
		look_at_fetch(o, d);
	}
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct outgoing *o = arg;

	(void)fd, (void)what;
	close_surplus(o);
	charge_all(o);
	continue_sessions(o);
	give_turns(o);
	give_ahead(o);
	fetch(o);
}

/* ---- destinations that are of no interest any more ---- */

static void
forget(struct outgoing *o, struct destination *d)
{
	struct child *c;

	TAILQ_FOREACH (c, &o->children, link)
		if (c->last == d)
			c->last = NULL;
	look_at(o, d);
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
	    d->n_waiting >= unparked_max(o, d))
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

static struct span
keep(char **at, struct span text)
{
	struct span copy = {*at, text.len};

	if (text.len > 0)
		memcpy(*at, text.at, text.len);
	*at += text.len;
	return copy;
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
	to->job.to.name = keep(&at, d->name);
	to->job.to.tls_names = keep(&at, d->tls_names);
	to->job.to.user = keep(&at, d->user);
	to->job.to.password = keep(&at, d->password);
	to->job.reverse_path = keep(&at, from->reverse_path);
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
	look_at(o, job->destination);
	wake(o);
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
	if (c != NULL && in_hand(c) == job && TAILQ_NEXT(job, link) == NULL)
		d->n_active--;
	job_free(job);
	if (c != NULL)
		child_free(c);
	look_at(o, d);
	wake(o);
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
	look_at_fetch(o, d);
	wake(o);
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
	look_at_fetch(o, d);
	wake(o);
}

void
outgoing_forget_parked(struct outgoing *o)
{
	struct destination *d = NULL;

	while ((d = destinations_next(&o->all, d)) != NULL) {
		d->n_parked = d->n_parked_since = 0;
		d->n_asked = 0;
		d->released = false;
		look_at_fetch(o, d);
	}
	o->n_asked = 0;
}

static void
release(struct outgoing *o, struct destination *d)
{
	d->released = d->scheduled && d->n_parked > 0;
	look_at(o, d);
	wake(o);
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
	event_assign(&o->turn, base, -1, 0, on_turn, o);
	evtimer_assign(&o->retry, base, on_turn, o);
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
		look_at(o, d);
	}
	wake(o);
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
		child_free(TAILQ_FIRST(&o->children));
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
