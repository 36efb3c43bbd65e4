/*
 * Lists of IP addresses as the configuration writes them: single addresses, CIDR (192.0.2.0/24,
 * 2001:db8::/32), and patterns in which * stands for any characters (140.175.165.*). Read once,
 * asked for each connection. Knows no key of the configuration.
 */
#ifndef COMMON_IP_LIST_H
#define COMMON_IP_LIST_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/span.h"

/* True for one address, CIDR or pattern. */
bool ip_list_is_item(struct span text);

struct ip_list;

/* Of blank-separated items. What is no item matches nothing. */
struct ip_list *ip_list_new(struct span text);
void ip_list_free(struct ip_list **l);

/* An IPv4 address within IPv6 (::ffff:192.0.2.1) counts as IPv4. Never true for a UNIX socket. */
bool ip_list_has(const struct ip_list *l, const struct sockaddr *address);

#endif
