/* When a message is tried again, and when it is given up. From the settings; pure arithmetic. */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"

enum { RETRY_INTERVALS_MAX = 32, RETRY_UNIT_S = 4 * 3600 };

struct retry {
	uint64_t intervals_s[RETRY_INTERVALS_MAX];
	unsigned n;
	uint64_t maximum_s; /* after arrival */
	uint64_t notice_s;  /* after arrival its sender hears of the delay; 0: never */
};

/* "[timeouts] Retry Intervals", "[smtpd] Maximum Retry" and "Delay Notice". */
void retry_read(struct retry *r, const struct settings *s);
/* The time of the next attempt when so many (at least 1) were made; there is one before the notice
 * of delay, and one at the end. */
uint64_t retry_next_s(const struct retry *r, uint64_t attempts, uint64_t now_s, uint64_t arrival_s);
/* True when an attempt that ended now was the last one. */
bool retry_is_over(const struct retry *r, uint64_t now_s, uint64_t arrival_s);
/* The longest interval. */
uint64_t retry_longest_s(const struct retry *r);

#endif
