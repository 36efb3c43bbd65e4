/* The addresses in header fields such as To (RFC 5322 3.4). Pure. */
#ifndef COMMON_ADDRESS_LIST_H
#define COMMON_ADDRESS_LIST_H

#include "common/span.h"

/* Each address of a field's value is given as canonical text, also of one that is none too well
 * formed. Time grows with its length only. */
void address_list_read(struct span value, void (*each)(void *arg, const char *address), void *arg);

/*
 * The same for who must not lose one: each() gets every member of the list as it stands there, also
 * one that is no address, and in it what should be one: the text in < and > behind a source route,
 * a lone word, or else all. Names of groups and what is empty are no members; words that all hold @
 * are one each.
 */
void address_list_members(
    struct span value, void (*each)(void *arg, struct span member, struct span address), void *arg);

#endif
