/*
 * Addresses of DNS servers as text: one in a setting, and those of resolv.conf(5). Pure, but for
 * the number of a network interface (fe80::1%eth0), which the kernel is asked for. Opens no file:
 * who may read resolv.conf hands in its text.
 */
#ifndef COMMON_NAMESERVER_H
#define COMMON_NAMESERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/span.h"

enum {
	NAMESERVER_PORT = 53,
	NAMESERVER_TEXT_SIZE = 80,  /* an address with scope and port, and its NUL */
	RESOLV_CONF_SERVERS_MAX = 3 /* MAXNS of resolv.conf(5) */
};

/*
 * "192.0.2.53", "2001:db8::53", "fe80::1%eth0", and with a port "192.0.2.53:5353",
 * "[2001:db8::53]:5353"; else the port is 53. False, and *address undefined, for anything else.
 */
bool nameserver_parse(struct span text, struct sockaddr_storage *address);

struct resolv_conf {
	size_t n;
	char servers[RESOLV_CONF_SERVERS_MAX]
		    [NAMESERVER_TEXT_SIZE]; /* nameserver_parse() takes them */
	bool trust_ad; /* options trust-ad: the servers validate, and the way to them is safe */
};

/* Of the whole file's text. What is malformed is skipped, as the C library does; without any server
 * it is 127.0.0.1. */
void resolv_conf_parse(struct span text, struct resolv_conf *conf);

#endif
