/*
 * The times at which mail goes to the SMTP Server when Relay Delivery is hourly or daily: each full
 * hour, or midnight, local time. Touches nothing; one alarm on the wall clock.
 */
#ifndef ROUTER_RELAY_TIMES_H
#define ROUTER_RELAY_TIMES_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct relay_times;

/* cb: now is such a time. The time zone must be known (tzset) when files can no longer be read. */
struct relay_times *relay_times_new(struct event_base *base, void (*cb)(void *arg), void *arg);
void relay_times_free(struct relay_times **t);
/* "hourly", "daily"; anything else: never. The same again changes nothing, so
 * that a time that has just come is not lost. */
void relay_times_set(struct relay_times *t, const char *delivery);

/* Whether there are such times. */
bool relay_times_is_scheduled(const char *delivery);
/* The first such time after now, in seconds since 1970; 0: never. */
uint64_t relay_times_after(const char *delivery, uint64_t now_s);

#endif
