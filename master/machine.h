/* The addresses of this machine, as others see it. Asks the kernel for those of its interfaces. */
#ifndef MASTER_MACHINE_H
#define MASTER_MACHINE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/config.h"

/*
 * ["192.0.2.1", "2001:db8::1"]: the addresses of its interfaces that the world can route, then
 * those of Own Addresses. Empty when there are none, as behind NAT. NULL with errno: the kernel did
 * not say.
 */
json_t *machine_public_addresses(const struct config *c);

/* Whether a list of the above has it. */
bool machine_has_address(const json_t *addresses, const char *address);

#endif
