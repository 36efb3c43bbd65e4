/*
 * Makes changes survive a power cut, in groups: while one syncfs() runs in the helper thread, the
 * loop gathers what the next one will cover.
 */
#ifndef STORE_DURABLE_H
#define STORE_DURABLE_H

#include <stdbool.h>

#include "common/worker.h"

struct durable;

/* The thread is borrowed: its own, since a sync may take long. */
struct durable *durable_new(struct worker *syncer);
/* Nothing may be waiting. */
void durable_free(struct durable **d);

typedef void (*durable_cb)(void *arg, int error);
/*
 * Calls cb, later, when all that was changed so far on fd's file system is durable; error is an
 * errno. Owns fd, which must be open for reading.
 */
void durable_wait(struct durable *d, int fd, durable_cb cb, void *arg);

bool durable_is_idle(const struct durable *d);

#endif
