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

enum { SYNC_EACH_MAX = 2, SYNC_IDLE_MS = 50 };

STAILQ_HEAD(covered_list, covered);

/* What the helper thread has. */
struct batch {
	struct job job;
	struct commit *owner;
	struct slot_list slots;
	size_t n;
	struct covered_list covered;
	bool whole; /* by syncfs */
	int sync_error;
};

struct commit {
	struct spool *spool;
	struct worker *worker;
	commit_cb cb;
	void *arg;
	struct event turn, idle;
	struct slot_list slots; /* gathered */
	size_t n;
	bool in_cur; /* one of them goes to cur/ */
	struct covered_list covered;
	bool want_sync, running, hurry;
	struct batch batch;
	struct commit_counters counters;
};

/* ---- in the helper thread ---- */

static void
sync_each(struct spool *sp, struct batch *b)
{
	struct slot *s;

	STAILQ_FOREACH (s, &b->slots, link)
		if (s->error == 0 && fdatasync(s->fd) == -1)
			s->error = errno;
	if (spool_sync_new(sp) == -1)
		b->sync_error = errno;
}

static void
sync_batch(struct spool *sp, struct batch *b, size_t placed)
{
	if (b->whole)
		b->sync_error = spool_sync_all(sp) == -1 ? errno : 0;
	else if (placed > 0)
		sync_each(sp, b);
}

static void
work(struct job *job)
{
	struct batch *b = (struct batch *)job;
	struct spool *sp = b->owner->spool;
	size_t placed = 0;
	struct slot *s;

	STAILQ_FOREACH (s, &b->slots, link) {
		s->error = spool_place(sp, s) == -1 ? errno : 0;
		placed += s->error == 0;
	}
	sync_batch(sp, b, placed);
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

static void
schedule_next(struct commit *c)
{
	const struct timeval wait = {0, SYNC_IDLE_MS * 1000};
	bool put_off = c->want_sync || !STAILQ_EMPTY(&c->covered);

	if (c->running)
		return;
	if (c->n > 0 || (put_off && c->hurry))
		event_active(&c->turn, EV_TIMEOUT, 0);
	else if (put_off && !evtimer_pending(&c->idle, NULL))
		evtimer_add(&c->idle, &wait);
}

static void
done(struct job *job)
{
	struct batch *b = (struct batch *)job;
	struct commit *c = b->owner;
	struct covered_list covered = STAILQ_HEAD_INITIALIZER(covered);
	struct covered *item;

	report_slots(c, b);
	STAILQ_CONCAT(&covered, &b->covered);
	c->running = false;
	while ((item = STAILQ_FIRST(&covered)) != NULL) {
		STAILQ_REMOVE_HEAD(&covered, link);
		item->done(item, b->sync_error == 0);
	}
	schedule_next(c);
}

static void
start_batch(struct commit *c)
{
	struct batch *b = &c->batch;

	*b = (struct batch){.job = {.work = work, .done = done}, .owner = c, .n = c->n};
	STAILQ_INIT(&b->slots);
	STAILQ_INIT(&b->covered);
	b->whole = c->n > SYNC_EACH_MAX || c->in_cur || c->want_sync || !STAILQ_EMPTY(&c->covered);
	STAILQ_CONCAT(&b->slots, &c->slots);
	STAILQ_CONCAT(&b->covered, &c->covered);
	c->n = 0;
	c->in_cur = c->want_sync = false;
	c->running = true;
	evtimer_del(&c->idle);
	worker_push(c->worker, &b->job, false);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct commit *c = arg;

	(void)fd, (void)what;
	if (!c->running && (c->n > 0 || c->want_sync || !STAILQ_EMPTY(&c->covered)))
		start_batch(c);
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
	evtimer_assign(&c->idle, base, on_turn, c);
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
	event_del(&(*c)->idle);
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
	return !c->running && c->n == 0 && !c->want_sync && STAILQ_EMPTY(&c->covered);
}

const struct commit_counters *
commit_counters(const struct commit *c)
{
	return &c->counters;
}
