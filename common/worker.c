/*
 * A helper thread with its list of jobs, and the eventfd that brings them back. Touches nothing
 * else.
 */
#include "common/worker.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

STAILQ_HEAD(jobs, job);

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct jobs waiting, finished; /* under the lock */
	bool end;		       /* under the lock */
	size_t load;		       /* the loop's own */
	void (*idle)(void *arg);
	void *arg;
	int back;
	struct event back_event;
};

static void
ring(struct worker *w)
{
	const uint64_t one = 1;

	while (write(w->back, &one, sizeof one) == -1 && errno == EINTR)
		;
}

/* The next job, or NULL when the thread is to end. */
static struct job *
next_job(struct worker *w)
{
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while (STAILQ_EMPTY(&w->waiting) && !w->end)
		pthread_cond_wait(&w->wanted, &w->lock);
	if ((job = STAILQ_FIRST(&w->waiting)) != NULL)
		STAILQ_REMOVE_HEAD(&w->waiting, link);
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void
finish_job(struct worker *w, struct job *job)
{
	bool first;

	pthread_mutex_lock(&w->lock);
	first = STAILQ_EMPTY(&w->finished);
	STAILQ_INSERT_TAIL(&w->finished, job, link);
	pthread_mutex_unlock(&w->lock);
	if (first)
		ring(w);
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct job *job;

	while ((job = next_job(w)) != NULL) {
		job->work(job);
		finish_job(w, job);
	}
	return NULL;
}

static void
take_back(struct worker *w)
{
	struct jobs finished = STAILQ_HEAD_INITIALIZER(finished);
	struct job *job;

	pthread_mutex_lock(&w->lock);
	STAILQ_CONCAT(&finished, &w->finished);
	pthread_mutex_unlock(&w->lock);
	while ((job = STAILQ_FIRST(&finished)) != NULL) {
		STAILQ_REMOVE_HEAD(&finished, link);
		w->load--;
		job->done(job);
	}
	if (w->load == 0 && w->idle != NULL)
		w->idle(w->arg);
}

static void
on_back(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	while (read(fd, &count, sizeof count) == -1 && errno == EINTR)
		;
	take_back(arg);
}

/* Signals are for the loop's thread. */
static void
start_thread(struct worker *w)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		errno = error;
		fatal("cannot start a thread");
	}
}

struct worker *
worker_new(struct event_base *base)
{
	struct worker *w = xcalloc(1, sizeof *w);

	STAILQ_INIT(&w->waiting);
	STAILQ_INIT(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wanted, NULL);
	if ((w->back = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		fatal("cannot make an eventfd");
	event_assign(&w->back_event, base, w->back, EV_READ | EV_PERSIST, on_back, w);
	if (event_add(&w->back_event, NULL) == -1)
		fatalx("cannot watch an eventfd");
	start_thread(w);
	return w;
}

void
worker_push(struct worker *w, struct job *job, bool urgent)
{
	bool first;

	w->load++;
	pthread_mutex_lock(&w->lock);
	first = STAILQ_EMPTY(&w->waiting);
	if (urgent)
		STAILQ_INSERT_HEAD(&w->waiting, job, link);
	else
		STAILQ_INSERT_TAIL(&w->waiting, job, link);
	if (first)
		pthread_cond_signal(&w->wanted);
	pthread_mutex_unlock(&w->lock);
}

size_t
worker_load(const struct worker *w)
{
	return w->load;
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_signal(&w->wanted);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	take_back(w);
	/* What done() has pushed meanwhile comes after the thread's end. */
	while (w->load > 0) {
		(void)run(w);
		take_back(w);
	}
	event_del(&w->back_event);
	closefd(&w->back);
	pthread_cond_destroy(&w->wanted);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void
worker_on_idle(struct worker *w, void (*idle)(void *arg), void *arg)
{
	w->idle = idle;
	w->arg = arg;
}
