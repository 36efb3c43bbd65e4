/*
 * One child, and what it brings: its messages on their way from the child's last byte to the answer
 * that they are safe. Talks to the child, to queue and by routing.h to router; the seen-list is
 * asked in the helper thread.
 *
 * A message goes through these steps, each of which may end it with an answer to the child:
 *   looked for in the seen-list, by its digest     known: taken before
 *   given recipients (routing.h)                   nobody: not kept
 *   handed in to queue, which makes it durable     refused: not now
 *   recorded in the seen-list, durably             taken
 * A crash behind the third step has it taken once more; before it, it was never taken.
 */
#ifndef FETCHER_RUN_H
#define FETCHER_RUN_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/worker.h"
#include "fetcher/section.h"
#include "queue/queue.h"

/* What all collections share. */
struct run_means {
	struct event_base *base;
	const char *fetch_path; /* of fetch.sock */
	struct queue_client *queue;
	struct routing *routing;
	struct worker *worker;
	struct seen *seen;
	struct recorder *recorder; /* recorder.h */
	struct tokens *tokens;	   /* token.h */
};

struct run_counts {
	uint64_t listed, fresh, taken, before, large, not_kept, refused, bytes;
};

/* How a collection went. */
struct run_outcome {
	enum remote_end end;
	const char *why;      /* "" when it went well */
	const char *left_why; /* why the first of the messages that were left was; "" */
	struct run_counts counts;
	bool waits;	 /* the child stays there for news */
	json_t *details; /* of TEST and DRY_RUN: borrowed; else NULL */
};

struct run;

struct run_ops {
	/* A collection starts: the first, or another one of a child that has waited. May be NULL.
	 */
	void (*on_begin)(void *arg);
	/* It is over. Unless the child waits, the run is over too, and to be freed. */
	void (*on_done)(void *arg, const struct run_outcome *outcome);
};

/* ops is not copied. NULL with errno: master does not listen. */
struct run *run_new(const struct run_means *means, struct section_conf *conf, enum fetch_mode mode,
    bool may_wait, const struct run_ops *ops, void *arg);
/* Lets the child go; what it has brought is still dealt with. Clears the pointer. */
void run_free(struct run **r);

/* One that waits collects again. */
void run_again(struct run *r);
/* No further messages: it is soon done. */
void run_stop(struct run *r);
bool run_waits(const struct run *r);
const struct run_counts *run_counts(const struct run *r);

#endif
