/*
 * Queue ids: a message's name everywhere, from the first spool file to the last log line.
 * Microseconds since 1970, never given twice by one spool, printed in base 62 so that names sort by
 * age (0-9, A-Z, a-z; always 9 digits).
 */
#ifndef COMMON_QUEUE_ID_H
#define COMMON_QUEUE_ID_H

#include <stdint.h>

#include "common/span.h"

enum { QUEUE_ID_TEXT_SIZE = 10 }; /* with its NUL */

/* Writes id as text. Ids above 62^9 - 1 (the year 2398) are cut. */
void queue_id_print(uint64_t id, char out[QUEUE_ID_TEXT_SIZE]);
/* Text in one of 8 rotating buffers, for log lines. */
const char *queue_id_text(uint64_t id);
/* False unless text is exactly one printed id other than 0. */
bool queue_id_parse(struct span text, uint64_t *id);

#endif
