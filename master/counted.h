/*
 * What the processes have counted since they were asked last: their counters start anew with each
 * process. Pure.
 */
#ifndef MASTER_COUNTED_H
#define MASTER_COUNTED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct counted {
	struct counted_process *processes;
	size_t n;
};

/* n: by how much a counter has grown, perhaps by nothing. since: when its process has started,
 * seconds since 1970. */
typedef void (*counted_cb)(
    void *arg, const char *program, const char *counter, uint64_t n, int64_t since);

/* Of all programs of a status document; processes that are not in it are forgotten. now: seconds
 * since 1970. */
void counted_add(struct counted *c, const json_t *running, int64_t now, counted_cb cb, void *arg);
/* Of one of them: its "name", "pid", "uptime_s" and "counters". */
void
counted_add_one(struct counted *c, const json_t *program, int64_t now, counted_cb cb, void *arg);
void counted_clear(struct counted *c);

#endif
