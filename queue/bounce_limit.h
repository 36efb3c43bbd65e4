/*
 * How many notifications one address has been sent within an hour: whoever forges a sender must not
 * make us flood it. Of the event loop, or of one thread; a restart forgets.
 */
#ifndef QUEUE_BOUNCE_LIMIT_H
#define QUEUE_BOUNCE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	BOUNCE_LIMIT_PERIOD_S = 3600,
	BOUNCE_LIMIT_ADDRESSES_MAX = 4096, /* beyond, the one whose hour began first is forgotten */
};

struct bounce_limit;

struct bounce_limit *bounce_limit_new(void);
/* Clears the pointer; harmless on NULL. */
void bounce_limit_free(struct bounce_limit **l);
/*
 * Counts one more to this address, without regard to ASCII case. False, and nothing counted, when
 * it had maximum since the first one of its hour; maximum 0: no limit.
 */
bool
bounce_limit_take(struct bounce_limit *l, struct span address, unsigned maximum, uint64_t now_s);
/* Addresses that are remembered. */
unsigned bounce_limit_size(const struct bounce_limit *l);

#endif
