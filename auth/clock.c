/*
 * The clock of delays. In a file of its own, so that a test may put its own in its place.
 */
#include "auth/clock.h"

#include "common/monotonic.h"

uint64_t
clock_ms(void)
{
	return monotonic_ms();
}
