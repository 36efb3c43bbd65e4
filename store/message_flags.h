/*
 * Flags in the name of a message's file: what follows the base, ":2,FS" and, from a on, keywords by
 * their number in the folder's list. Pure.
 */
#ifndef STORE_MESSAGE_FLAGS_H
#define STORE_MESSAGE_FLAGS_H

#include <stdint.h>

#include "common/span.h"

enum { MESSAGE_TAIL_SIZE = 40 }; /* ":2," six flags, 26 keywords, NUL */

/* tail: of a file's name, from the colon on, or empty. flags: enum folders_flag. */
void message_flags_parse(struct span tail, unsigned *flags, uint32_t *keywords);
/* In the order that the Maildir asks for. */
void message_flags_print(unsigned flags, uint32_t keywords, char tail[MESSAGE_TAIL_SIZE]);

#endif
