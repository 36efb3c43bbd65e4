/*
 * A clock that never jumps: for delays, deadlines and ages. The time of day is wall_clock_now().
 */
#ifndef COMMON_MONOTONIC_H
#define COMMON_MONOTONIC_H

#include <stdint.h>

uint64_t monotonic_us(void);
uint64_t monotonic_ms(void);

#endif
