/*
 * Changes of the seen-list, in groups: while one group becomes durable in the helper thread, the
 * next one gathers.
 */
#ifndef FETCHER_RECORDER_H
#define FETCHER_RECORDER_H

#include "common/worker.h"
#include "fetcher/seen.h"

struct recorder;

struct recorder *recorder_new(struct worker *w, struct seen *s);

/* ok false: nothing of it is in the list. The change is the caller's again. */
typedef void (*recorder_cb)(void *arg, bool ok);
/* change: stays where it is until cb is called, once, later. */
void recorder_add(struct recorder *r, struct seen_change *change, recorder_cb cb, void *arg);

#endif
