/*
 * The clock of delays. In a file of its own, so that a test may put its own in its place.
 */
#include "auth/clock.h"

#include <time.h>

uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}
