/* Milliseconds of a clock that never jumps. */
#ifndef AUTH_CLOCK_H
#define AUTH_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);

#endif
