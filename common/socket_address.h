/* What is to be said of an address, whatever family it is of. Pure. */
#ifndef COMMON_SOCKET_ADDRESS_H
#define COMMON_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SOCKET_ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN };

/* "192.0.2.1", "2001:db8::1", "local" for a UNIX socket, "unknown". An IPv4 address within IPv6
 * reads as IPv4. */
void socket_address_text(const struct sockaddr *address, char out[SOCKET_ADDRESS_TEXT_SIZE]);

/* The same the other way round, without "unknown". False when it is none. */
bool socket_address_parse(const char *text, struct sockaddr_storage *out);

/* How many of its bytes the kernel wants; those of the family alone for a UNIX socket,
 * whose name says nothing, and for what is unknown. */
socklen_t socket_address_length(const struct sockaddr *address);

/* 0 where there is none; nothing is set then. */
uint16_t socket_address_port(const struct sockaddr *address);
void socket_address_set_port(struct sockaddr_storage *address, uint16_t port);

/* One for each that may be a client of its own: an IPv4 address in whole, the /64 of an IPv6
 * address; 0 for other families. */
uint64_t socket_address_number(const struct sockaddr *address);

/* True for 127/8, ::1 (also mapped) and UNIX sockets. */
bool socket_address_is_loopback(const struct sockaddr *address);

#endif
