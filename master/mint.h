/*
 * What programs ask of the supervisor on their control connections (common/role.h): auth has
 * sessions opened and ended, webd asks for counters.
 */
#ifndef MASTER_MINT_H
#define MASTER_MINT_H

#include "master/control_server.h"

/* False when this program may not say so, or has not said it right. */
bool mint_on_message(
    struct control_server *c, struct process *p, uint32_t type, uint64_t tag, struct reader *r);

/* Whether the list (System Administrator IP; empty: every address) has this one. */
bool mint_address_may_administer(struct span list, const char *address);

#endif
