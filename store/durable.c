/*
 * Group commit of the mailboxes. Touches nothing but the descriptors it is given.
 */
#include "store/durable.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"

struct waiter {
	STAILQ_ENTRY(waiter) link;
	int fd, error;
	dev_t dev;
	durable_cb cb;
	void *arg;
};

STAILQ_HEAD(waiters, waiter);

struct durable {
	struct job job;
	struct worker *syncer;
	struct waiters gathering, syncing; /* syncing is the thread's while busy */
	bool busy;
};

/* The one before it in the group that stands for the same file system, or NULL. */
static const struct waiter *
same_before(const struct durable *d, const struct waiter *w)
{
	const struct waiter *before;

	STAILQ_FOREACH (before, &d->syncing, link) {
		if (before == w)
			return NULL;
		if (before->fd != -1 && before->dev == w->dev)
			return before;
	}
	return NULL;
}

static void
sync_waiter(struct durable *d, struct waiter *w)
{
	const struct waiter *before;
	struct stat st;

	if (fstat(w->fd, &st) == -1) {
		w->error = errno; /* EBADF for -1 */
		closefd(&w->fd);
		return;
	}
	w->dev = st.st_dev;
	before = same_before(d, w);
	if (before != NULL)
		w->error = before->error;
	else if (syncfs(w->fd) == -1)
		w->error = errno;
}

static void
sync_group(struct job *job)
{
	struct durable *d = (struct durable *)job;
	struct waiter *w;

	STAILQ_FOREACH (w, &d->syncing, link)
		sync_waiter(d, w);
}

static void
start(struct durable *d)
{
	if (d->busy || STAILQ_EMPTY(&d->gathering))
		return;
	STAILQ_CONCAT(&d->syncing, &d->gathering);
	d->busy = true;
	worker_push(d->syncer, &d->job, false);
}

static void
group_done(struct job *job)
{
	struct durable *d = (struct durable *)job;
	struct waiters done = STAILQ_HEAD_INITIALIZER(done);
	struct waiter *w;

	STAILQ_CONCAT(&done, &d->syncing);
	d->busy = false;
	start(d);
	while ((w = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		closefd(&w->fd);
		w->cb(w->arg, w->error);
		free(w);
	}
}

struct durable *
durable_new(struct worker *syncer)
{
	struct durable *d = xcalloc(1, sizeof *d);

	d->syncer = syncer;
	d->job.work = sync_group;
	d->job.done = group_done;
	STAILQ_INIT(&d->gathering);
	STAILQ_INIT(&d->syncing);
	return d;
}

void
durable_free(struct durable **d)
{
	free(*d);
	*d = NULL;
}

void
durable_wait(struct durable *d, int fd, durable_cb cb, void *arg)
{
	struct waiter *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	w->cb = cb;
	w->arg = arg;
	STAILQ_INSERT_TAIL(&d->gathering, w, link);
	start(d);
}

bool
durable_is_idle(const struct durable *d)
{
	return !d->busy && STAILQ_EMPTY(&d->gathering);
}
