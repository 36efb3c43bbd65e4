/*
 * What all processes of each program have counted together, whatever was restarted meanwhile. Pure.
 */
#ifndef MASTER_TOTALS_H
#define MASTER_TOTALS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct totals {
	json_t *doc;  /* {PROGRAM: {COUNTER: {"n", "since": seconds since 1970}}} */
	bool changed; /* since the owner has set it to false */
};

void totals_init(struct totals *t);
/* Adds n, unless it is a counter of something that also becomes less. since: of one that is new. */
void
totals_count(struct totals *t, const char *program, const char *counter, uint64_t n, int64_t since);
/* Takes over what an earlier one was; what is no such document is left out. */
void totals_restore(struct totals *t, const json_t *doc);
void totals_clear(struct totals *t);

#endif
