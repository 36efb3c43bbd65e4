/*
 * The capabilities of this process, see capabilities(7): what it has of root's rights without being
 * root.
 */
#ifndef COMMON_CAPABILITIES_H
#define COMMON_CAPABILITIES_H

#include <stdbool.h>

/* Whether it has this one (CAP_CHOWN of linux/capability.h). */
bool capabilities_have(unsigned capability);
/* Gives up all of them for good, also those that a program executed later would get. -1 with
 * errno. */
int capabilities_drop(void);

#endif
