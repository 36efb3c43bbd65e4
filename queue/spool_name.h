/*
 * Names of spool files: what a start needs to know of a message without opening it.
 *
 *   incoming/FILE
 *   cur/ID,S=<size>,A=<attempts>,N=<next attempt>[,R=<release>][,H]
 *
 * FILE is the id of the first message that the file was made for; that of the message in it is in
 * its envelope. S is the file's size without its journal, N and R are seconds since 1970, H means
 * held. Pure text.
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
	uint64_t file; /* in incoming/, and where it came from there */
	uint64_t size, next_s, release_s;
	uint32_t attempts;
	bool in_cur, held;
};

/* The name below incoming/ or cur/, as in_cur says. */
void spool_name_print(uint64_t id, const struct spool_name *name, char out[SPOOL_NAME_SIZE]);
/* A name in cur/. False unless text is exactly what spool_name_print() would write. */
bool spool_name_parse(struct span text, uint64_t *id, struct spool_name *name);
/* A name in incoming/, in the same way: sets file only. */
bool spool_name_parse_incoming(struct span text, struct spool_name *name);

#endif
