/*
 * Failed logins lately, by address and by account name, and the delays that follow from them. Both
 * are known here by a number (secret.h) only.
 *
 * The first failure costs FAILURES_FIRST_DELAY_MS, each further one twice as much, up to Maximum
 * Login Delay; one is forgiven each FAILURES_FORGIVE_S. The oldest of too many is forgotten.
 */
#ifndef AUTH_FAILURES_H
#define AUTH_FAILURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAILURES_MAX = 50000, FAILURES_FIRST_DELAY_MS = 1000, FAILURES_FORGIVE_S = 60 };

struct failures;

struct failures *failures_new(void);
void failures_free(struct failures **f);

/* 0: failures have no consequence. */
void failures_set_max(struct failures *f, uint64_t max_ms);

/* One more. Returns the delay that it costs, in ms. now_ms: of a clock that does not jump. */
uint64_t failures_add(struct failures *f, uint64_t key, uint64_t now_ms);

/* How much of that delay is left: 0 without a failure. */
uint64_t failures_left(struct failures *f, uint64_t key, uint64_t now_ms);

/* True when not all failures are forgiven. */
bool failures_any(struct failures *f, uint64_t key, uint64_t now_ms);

size_t failures_count(const struct failures *f);

#endif
