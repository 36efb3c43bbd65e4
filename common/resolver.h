/*
 * What a program that reaches other hosts takes from its settings to find them: the DNS servers of
 * [resolver], and by which protocols this machine reaches the world. Opens no file, sends nothing.
 */
#ifndef COMMON_RESOLVER_H
#define COMMON_RESOLVER_H

#include "common/dns.h"
#include "common/settings.h"

/* Sets servers, trust_ad and timeout_ms. */
void resolver_settings(const struct settings *s, struct dns_settings *dns);

/* choice: "IPv4", "IPv6", or "auto": what there is a route for, both when there is none at all. */
void resolver_choose_protocol(const char *choice, bool *ipv4, bool *ipv6);

#endif
