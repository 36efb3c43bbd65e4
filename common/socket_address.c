/*
 * Text and nature of an address. Pure.
 */
#include "common/socket_address.h"

#include <arpa/inet.h>
#include <string.h>

void
socket_address_text(const struct sockaddr *address, char out[SOCKET_ADDRESS_TEXT_SIZE])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out, SOCKET_ADDRESS_TEXT_SIZE);
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6))
		inet_ntop(AF_INET, &v6->s6_addr[12], out, SOCKET_ADDRESS_TEXT_SIZE);
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, v6, out, SOCKET_ADDRESS_TEXT_SIZE);
	else
		strlcpy(out, address->sa_family == AF_UNIX ? "local" : "unknown",
		    SOCKET_ADDRESS_TEXT_SIZE);
}

bool
socket_address_parse(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (strcmp(text, "local") == 0)
		out->ss_family = AF_UNIX;
	else if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		out->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		out->ss_family = AF_INET6;
	else
		return false;
	return true;
}

socklen_t
socket_address_length(const struct sockaddr *address)
{
	switch (address->sa_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return sizeof address->sa_family;
	}
}

uint16_t
socket_address_port(const struct sockaddr *address)
{
	switch (address->sa_family) {
	case AF_INET:
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	case AF_INET6:
		return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	default:
		return 0;
	}
}

void
socket_address_set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons(port);
	else if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

uint64_t
socket_address_number(const struct sockaddr *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	uint64_t prefix = 0;
	uint32_t v4 = 0;

	if (address->sa_family == AF_INET)
		v4 = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(&v4, &v6->sin6_addr.s6_addr[12], sizeof v4);
	else if (address->sa_family == AF_INET6)
		memcpy(&prefix, &v6->sin6_addr, sizeof prefix);
	return v4 != 0 ? v4 : prefix;
}

bool
socket_address_is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	switch (address->sa_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(v6) ||
		       (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
	default:
		return false;
	}
}
