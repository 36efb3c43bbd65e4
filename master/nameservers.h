/*
 * The DNS servers that programs are to ask: those of the configuration, else of the host. Reads
 * /etc/resolv.conf.
 */
#ifndef MASTER_NAMESERVERS_H
#define MASTER_NAMESERVERS_H

#include <stdbool.h>

#include "common/config.h"
#include "common/nameserver.h"

enum { NAMESERVERS_SIZE = RESOLV_CONF_SERVERS_MAX * (NAMESERVER_TEXT_SIZE + 1) + 1 };

/* As the setting "[resolver] Servers" has them. True: "Trust AD". */
bool nameservers_find(const struct config *c, char list[NAMESERVERS_SIZE]);

#endif
