/* The domains whose mail is local and whose names are known. Pure. */
#ifndef MASTER_LOCAL_DOMAINS_H
#define MASTER_LOCAL_DOMAINS_H

#include <stdbool.h>

#include "common/config.h"

/* Calls each() for Mail Server, where it has one, and then for the Local Domains without *, each
 * once. */
void
local_domains_each(const struct config *c, void (*each)(void *arg, const char *domain), void *arg);

/* A name that only this machine or its network knows, such as box.localdomain: nothing of it is in
 * the DNS. */
bool local_domains_is_private(const char *domain);

#endif
