/* UTF-8 of RFC 3629, strict: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

/* The length of the sequence that starts at p, of which left bytes (at least 1) can be read. 0 when
 * it is none. */
size_t utf8_length(const unsigned char *p, size_t left);

bool utf8_is_valid(struct span text);

#endif
