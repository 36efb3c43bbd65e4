/*
 * A host with a port, as the configuration names servers: "mail.example.org", "192.0.2.1:2525",
 * "2001:db8::1", "[2001:db8::1]:587", "[IPv6:2001:db8::1]:587". Pure.
 */
#ifndef COMMON_HOST_PORT_H
#define COMMON_HOST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/span.h"

enum { HOST_SIZE = ADDRESS_DOMAIN_MAX_BYTES + 1, HOST_PORT_SIZE = HOST_SIZE + sizeof "[]:65535" };

struct host_port {
	char host[HOST_SIZE]; /* a name in lower case, or an address in its usual form, without
				 brackets */
	unsigned port;	      /* 0: none is given */
	bool is_address;
};

/* False when it is none: a name whose last part is a number must be an IPv4 address. */
bool host_port_parse(struct span text, struct host_port *out);

/* The host, in brackets where it holds a colon, and :port where port is not 0. */
void host_port_print(const char *host, unsigned port, char out[HOST_PORT_SIZE]);

/* An address of this machine's loopback interface. */
bool host_port_is_loopback(const struct host_port *at);

/* Of a listener's addresses (blanks between them) the one that its clients are told: the first that
 * is not a loopback one, else the first. False when there is none. */
bool host_port_of_listener(struct span addresses, struct host_port *out);

/* Whether two listeners at these addresses are in each other's way. An IPv6 socket takes no IPv4
 * connections: the families do not meet. */
bool host_port_meet(const struct host_port *a, const struct host_port *b);

/* An IPv4 or IPv6 address, in its usual form and without brackets. */
bool host_port_is_address(struct span text, char out[HOST_SIZE]);

#endif
