/* The addresses in header fields such as To (RFC 5322 3.4). Pure. */
#ifndef COMMON_ADDRESS_LIST_H
#define COMMON_ADDRESS_LIST_H

#include <stdbool.h>

#include "common/span.h"

/* Each address of a field's value is given as canonical text, also of one that is none too well
 * formed. Time grows with its length only. */
void address_list_read(struct span value, void (*each)(void *arg, const char *address), void *arg);

/* Whether a text that a person gave is one address as it is: what is wrong with it is to be told
 * then, not guessed around. */
bool address_list_is_bare(struct span text);

#endif
