/* Encoded words of header fields (RFC 2047), for reading only. Pure. */
#ifndef QUEUE_ENCODED_WORD_H
#define QUEUE_ENCODED_WORD_H

#include "common/span.h"

/*
 * Decodes the text of an unstructured field into out, line ends as blanks: encoded words of UTF-8
 * and US-ASCII become what they stand for, all others stay. Returns the length; what does not fit
 * is left out. The result may hold any byte.
 */
size_t encoded_word_decode(struct span text, char *out, size_t size);

#endif
