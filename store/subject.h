/* Subjects and names as they are compared and sorted. Pure. */
#ifndef STORE_SUBJECT_H
#define STORE_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

/*
 * The base of a subject in small letters: without Re:, Fwd: and their like in front, [list] and
 * blanks. True when there was a Re: (RFC 5256 2.1, roughly).
 */
bool subject_base(struct span subject, char *out, size_t size);

/* Small letters, cut to size at the end of a character; without quotes and blanks in front. */
void sort_key(struct span text, char *out, size_t size);

#endif
