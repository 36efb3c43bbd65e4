/*
 * An alarm on the wall clock, which fires also when the clock is set past it, and says when the
 * clock was set at all. No polling: one timerfd.
 */
#ifndef COMMON_WALL_CLOCK_H
#define COMMON_WALL_CLOCK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* Microseconds since 1970. */
uint64_t wall_clock_now(void);

struct wall_clock;
/* jumped: the clock was set; the alarm is no longer armed. */
typedef void (*wall_clock_cb)(void *arg, bool jumped);
struct wall_clock *wall_clock_new(struct event_base *base, wall_clock_cb cb, void *arg);
void wall_clock_free(struct wall_clock **c);
/* One alarm: a new time replaces the old one. */
void wall_clock_set(struct wall_clock *c, uint64_t at_us);

#endif
