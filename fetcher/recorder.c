/* Group commit of the seen-list. */
#include "fetcher/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/wall_clock.h"

struct entry {
	recorder_cb cb;
	void *arg;
};

struct group {
	struct job job; /* first */
	struct recorder *recorder;
	struct seen_change **changes;
	struct entry *entries;
	size_t n;
	uint64_t now_s;
	int rv;
	char why[200];
};

struct recorder {
	struct worker *worker;
	struct seen *seen;
	struct group *gathering; /* or NULL */
	bool busy;		 /* a group is in the thread */
};

struct recorder *
recorder_new(struct worker *w, struct seen *s)
{
	struct recorder *r = xcalloc(1, sizeof *r);

	r->worker = w;
	r->seen = s;
	return r;
}

static void
group_free(struct group *g)
{
	free(g->changes);
	free(g->entries);
	free(g);
}

static void
work(struct job *job)
{
	struct group *g = (struct group *)job;

	g->rv = seen_record(g->recorder->seen, g->changes, g->n, g->now_s);
	if (g->rv == -1)
		strlcpy(g->why, seen_why(g->recorder->seen), sizeof g->why);
}

static void push(struct recorder *r);

static void
done(struct job *job)
{
	struct group *g = (struct group *)job;
	struct recorder *r = g->recorder;

	r->busy = false;
	if (g->rv == -1)
		log_warn("- seen-list not written error=\"%s\"", g->why);
	if (r->gathering != NULL)
		push(r);
	for (size_t i = 0; i < g->n; i++)
		g->entries[i].cb(g->entries[i].arg, g->rv == 0);
	group_free(g);
}

static void
push(struct recorder *r)
{
	struct group *g = r->gathering;

	r->gathering = NULL;
	r->busy = true;
	g->now_s = wall_clock_now() / 1000000;
	worker_push(r->worker, &g->job, false);
}

void
recorder_add(struct recorder *r, struct seen_change *change, recorder_cb cb, void *arg)
{
	struct group *g = r->gathering;

	if (g == NULL) {
		g = r->gathering = xcalloc(1, sizeof *g);
		g->recorder = r;
		g->job.work = work;
		g->job.done = done;
	}
	if ((g->n & (g->n - 1)) == 0) {
		size_t size = g->n ? g->n * 2 : 1;

		g->changes = xrealloc(g->changes, size * sizeof *g->changes);
		g->entries = xrealloc(g->entries, size * sizeof *g->entries);
	}
	g->changes[g->n] = change;
	g->entries[g->n++] = (struct entry){cb, arg};
	if (!r->busy)
		push(r);
}
