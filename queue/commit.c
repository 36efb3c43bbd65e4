/*
 * Group commit. The loop's half gathers; the helper thread's half writes, renames, syncs and
 * closes. Touches the spool through spool.h.
 */
#include "queue/commit.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/worker.h"

enum { SYNC_EACH_MAX = 2, COVERED_MAX = 64, COVERED_WAIT_MS = 50 };

STAILQ_HEAD(covered_list, covered);

/* What the helper thread has. */
struct batch {
	struct job job;
	struct commit *owner;
	struct slot_list slots;
	size_t n;
	struct covered_list covered;
	bool whole;   /* by syncfs */
	bool careful; /* an earlier sync has failed */
	int sync_error;
};

struct commit {
	struct spool *spool;
	struct worker *worker;
	commit_cb cb;
	void *arg;
	struct event turn, put_off;
	struct slot_list slots; /* gathered */
	size_t n;
	bool in_cur; /* one of them goes to cur/ */
	struct covered_list covered;
	size_t n_covered;
	bool want_sync, running, hurry;
	bool overdue; /* what was put off */
	struct batch batch;
	struct commit_counters counters;
};

/* ---- in the helper thread ---- */

static void
sync_batch(struct spool *sp, struct batch *b)
{
	struct slot *s;

	if (b->whole && spool_sync_all(sp) == -1)
		b->sync_error = errno;
	/* The kernel tells an error of earlier writing once, and to syncfs perhaps too early; a
	 * file's own descriptor hears it. */
	if (b->whole && !b->careful)
		return;
	STAILQ_FOREACH (s, &b->slots, link)
		if (s->error == 0 && fdatasync(s->fd) == -1)
			s->error = errno;
}

static void
work(struct job *job)
{
	struct batch *b = (struct batch *)job;
	struct spool *sp = b->owner->spool;
	struct slot *s;

	STAILQ_FOREACH (s, &b->slots, link)
		s->error = spool_place(sp, s) == -1 ? errno : 0;
	sync_batch(sp, b);
	STAILQ_FOREACH (s, &b->slots, link) {
		if (s->error == 0)
			s->error = b->sync_error;
		/* What cannot be removed comes once more after a restart: twice, not never. */
		if (s->error != 0)
			(void)spool_unplace(sp, s);
		if (s->error != 0 || !s->kept)
			closefd(&s->fd);
		free(s->envelope);
		s->envelope = NULL;
	}
}

/* ---- in the loop ---- */

static void
log_outcome(const struct batch *b, size_t failed, int error)
{
	if (b->sync_error != 0)
		log_warn("sync failed messages=%zu: %s", b->n, strerror(b->sync_error));
	else if (failed > 0)
		log_warn("commit failed messages=%zu of=%zu: %s", failed, b->n, strerror(error));
}

static void
report_slots(struct commit *c, struct batch *b)
{
	size_t failed = 0;
	int error = 0;
	struct slot *s;

	while ((s = STAILQ_FIRST(&b->slots)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->slots, link);
		if (s->error != 0) {
			failed++;
			error = s->error;
		}
		c->cb(c->arg, s);
	}
	c->counters.batches++;
	c->counters.commits += b->n - failed;
	c->counters.failed += failed;
	log_outcome(b, failed, error);
}

static bool
is_put_off(const struct commit *c)
{
	return c->want_sync || !STAILQ_EMPTY(&c->covered);
}

/* Whether what was put off must wait no longer for a batch that is synced as a whole anyway. */
static bool
is_pressing(const struct commit *c)
{
	return is_put_off(c) && (c->hurry || c->overdue || c->n_covered >= COVERED_MAX);
}

static void
schedule_next(struct commit *c)
{
	const struct timeval wait = {0, COVERED_WAIT_MS * 1000};

	if (is_put_off(c) && !c->overdue && !evtimer_pending(&c->put_off, NULL))
		evtimer_add(&c->put_off, &wait);
	if (!c->running && (c->n > 0 || is_pressing(c)))
		event_active(&c->turn, EV_TIMEOUT, 0);
}

static void
done(struct job *job)
{
	struct batch *b = (struct batch *)job;
	struct commit *c = b->owner;
	struct covered_list covered = STAILQ_HEAD_INITIALIZER(covered);
	struct covered *item;

	c->counters.failed_syncs += b->sync_error != 0;
	report_slots(c, b);
	STAILQ_CONCAT(&covered, &b->covered);
	c->running = false;
	while ((item = STAILQ_FIRST(&covered)) != NULL) {
		STAILQ_REMOVE_HEAD(&covered, link);
		item->done(item, b->sync_error == 0);
	}
	schedule_next(c);
}

/* What was put off goes along. */
static void
cover(struct commit *c, struct batch *b)
{
	STAILQ_CONCAT(&b->covered, &c->covered);
	c->n_covered = 0;
	c->want_sync = c->overdue = false;
	evtimer_del(&c->put_off);
}

static void
start_batch(struct commit *c)
{
	struct batch *b = &c->batch;

	*b = (struct batch){.job = {.work = work, .done = done},
	    .owner = c,
	    .n = c->n,
	    .whole = c->n > SYNC_EACH_MAX || c->in_cur || is_pressing(c),
	    .careful = c->counters.failed_syncs > 0};
	STAILQ_INIT(&b->slots);
	STAILQ_INIT(&b->covered);
	STAILQ_CONCAT(&b->slots, &c->slots);
	if (b->whole)
		cover(c, b);
	c->n = 0;
	c->in_cur = false;
	c->running = true;
	worker_push(c->worker, &b->job, false);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct commit *c = arg;

	(void)fd, (void)what;
	if (!c->running && (c->n > 0 || is_pressing(c)))
		start_batch(c);
}

static void
on_put_off(evutil_socket_t fd, short what, void *arg)
{
	struct commit *c = arg;

	(void)fd, (void)what;
	c->overdue = true;
	schedule_next(c);
}

struct commit *
commit_new(
    struct event_base *base, struct spool *sp, commit_cb cb, void (*idle)(void *arg), void *arg)
{
	struct commit *c = xcalloc(1, sizeof *c);

	c->spool = sp;
	c->cb = cb;
	c->arg = arg;
	STAILQ_INIT(&c->slots);
	STAILQ_INIT(&c->covered);
	event_assign(&c->turn, base, -1, 0, on_turn, c);
	evtimer_assign(&c->put_off, base, on_put_off, c);
	c->worker = worker_new(base);
	worker_on_idle(c->worker, idle, arg);
	return c;
}

void
commit_free(struct commit **c)
{
	if (*c == NULL)
		return;
	worker_free(&(*c)->worker);
	event_del(&(*c)->turn);
	event_del(&(*c)->put_off);
	free(*c);
	*c = NULL;
}

void
commit_add(struct commit *c, struct slot *s)
{
	STAILQ_INSERT_TAIL(&c->slots, s, link);
	c->n++;
	c->in_cur |= s->name.in_cur;
	schedule_next(c);
}

void
commit_cover(struct commit *c, struct covered *item)
{
	STAILQ_INSERT_TAIL(&c->covered, item, link);
	c->n_covered++;
	schedule_next(c);
}

void
commit_want_sync(struct commit *c)
{
	c->want_sync = true;
	schedule_next(c);
}

void
commit_hurry(struct commit *c)
{
	c->hurry = true;
	schedule_next(c);
}

bool
commit_is_idle(const struct commit *c)
{
	return !c->running && c->n == 0 && !is_put_off(c);
}

const struct commit_counters *
commit_counters(const struct commit *c)
{
	return &c->counters;
}
