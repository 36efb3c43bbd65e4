/*
 * What is known of a section's last collection and its next one, over restarts: in fetcher.db.
 */
#ifndef FETCHER_STATE_H
#define FETCHER_STATE_H

#include "fetcher/server.h"

/* Writes it down, later. next_s: of the wall clock; 0: not planned. */
void state_keep(const struct section *s, uint64_t next_s);
/* Sets last, last_s, last_why and failures as they were kept under the same settings. Returns when
 * the next collection was to be, 0 when that is not known. Waits for the disk. */
uint64_t state_restore(struct section *s);

#endif
