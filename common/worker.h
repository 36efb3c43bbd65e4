/*
 * A helper thread: jobs go in from the event loop, run one after the other, and come back into the
 * loop. The guardians use it to keep what a disk may hold up off the loop. A job's memory belongs
 * to the thread from worker_push() until its done() is called; what it may touch meanwhile is its
 * own memory and descriptors. It logs nothing.
 */
#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* The first member of each kind of job. */
struct job {
	STAILQ_ENTRY(job) link;
	void (*work)(struct job *); /* in the thread */
	void (*done)(struct job *); /* in the loop; frees the job */
};

struct worker;

/* Starts the thread: after role_confine(), since Landlock holds for one thread and its children. */
struct worker *worker_new(struct event_base *base);
/* idle is called in the loop whenever the last job has come back. */
void worker_on_idle(struct worker *w, void (*idle)(void *arg), void *arg);
/* Finishes all jobs, done() included, and ends the thread. */
void worker_free(struct worker **w);

/* urgent: before the jobs that wait. */
void worker_push(struct worker *w, struct job *job, bool urgent);
/* Jobs whose done() was not called yet. */
size_t worker_load(const struct worker *w);

#endif
