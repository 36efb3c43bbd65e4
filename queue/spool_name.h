/*
 * Names of spool files: what a start needs to know of a message without opening it.
 *
 *   tmp/ID
 *   new/ID,S=<size>
 *   cur/ID,S=<size>,A=<attempts>,N=<next attempt>[,R=<release>][,H]
 *
 * S is the file's size without its journal, N and R are seconds since 1970, H means held.
 * Pure text.
 */
#ifndef QUEUE_SPOOL_NAME_H
#define QUEUE_SPOOL_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { SPOOL_NAME_SIZE = 128 };
/* Ids from here on (the year 2286) are no ids of ours: the next one must still have nine digits. */
#define SPOOL_ID_END 10000000000000000ULL

struct spool_name {
	uint64_t size, next_s, release_s;
	uint32_t attempts;
	bool in_cur, held;
};

/* The name below new/ or cur/, as in_cur says. */
void spool_name_print(uint64_t id, const struct spool_name *name, char out[SPOOL_NAME_SIZE]);
/* False unless text is exactly what spool_name_print() would write for that directory. */
bool spool_name_parse(struct span text, bool in_cur, uint64_t *id, struct spool_name *name);

#endif
