/* Shares the helper threads among users. Touches nothing itself. */
#include "webd/background.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

TAILQ_HEAD(background_jobs, background_job);

struct background {
	struct worker *workers[BACKGROUND_THREADS];
	struct background_jobs waiting, running;
	bool ending;
};

static struct worker *
idle_worker(const struct background *b)
{
	for (size_t i = 0; i < BACKGROUND_THREADS; i++)
		if (worker_load(b->workers[i]) == 0)
			return b->workers[i];
	return NULL;
}

static bool
is_running(const struct background *b, const char *user)
{
	const struct background_job *job;

	TAILQ_FOREACH (job, &b->running, entry)
		if (strcmp(job->user, user) == 0)
			return true;
	return false;
}

static void
begin_some(struct background *b)
{
	struct background_job *job, *next;
	struct worker *worker;

	TAILQ_FOREACH_SAFE (job, &b->waiting, entry, next) {
		if ((worker = idle_worker(b)) == NULL)
			return;
		if (is_running(b, job->user))
			continue;
		TAILQ_REMOVE(&b->waiting, job, entry);
		TAILQ_INSERT_TAIL(&b->running, job, entry);
		job->worker = worker;
		worker_push(worker, &job->job, false);
	}
}

static void
on_work(struct job *job)
{
	struct background_job *own = (struct background_job *)job;

	own->work(own);
}

static void
on_done(struct job *job)
{
	struct background_job *own = (struct background_job *)job;
	struct background *b = own->background;

	TAILQ_REMOVE(&b->running, own, entry);
	own->done(own);
	if (!b->ending)
		begin_some(b);
}

void
background_push(struct background *b, const char *user, struct background_job *job)
{
	job->job = (struct job){.work = on_work, .done = on_done};
	job->background = b;
	job->worker = NULL;
	strlcpy(job->user, user, sizeof job->user);
	TAILQ_INSERT_TAIL(&b->waiting, job, entry);
	begin_some(b);
}

bool
background_cancel(struct background_job *job)
{
	if (job->worker != NULL)
		return false;
	TAILQ_REMOVE(&job->background->waiting, job, entry);
	return true;
}

struct background *
background_new(struct event_base *base)
{
	struct background *b = xcalloc(1, sizeof *b);

	TAILQ_INIT(&b->waiting);
	TAILQ_INIT(&b->running);
	for (size_t i = 0; i < BACKGROUND_THREADS; i++)
		b->workers[i] = worker_new(base);
	return b;
}

void
background_free(struct background **bp)
{
	struct background *b = *bp;
	struct background_job *job;

	if (b == NULL)
		return;
	*bp = NULL;
	b->ending = true; /* a job that ends begins no other one */
	for (size_t i = 0; i < BACKGROUND_THREADS; i++)
		worker_free(&b->workers[i]);
	while ((job = TAILQ_FIRST(&b->waiting)) != NULL) {
		TAILQ_REMOVE(&b->waiting, job, entry);
		job->done(job);
	}
	free(b);
}
