/*
 * What is sent to an address of this machine comes from there, too.
 */
#include "common/local_address.h"

#include <string.h>

#include "common/memory.h"
#include "common/socket_address.h"

/* Some port: nothing leaves. */
enum { ANY_PORT = 9 };

static bool
is_source(int fd, const struct sockaddr *address)
{
	struct sockaddr_storage to = {0}, from = {0};
	char wanted[SOCKET_ADDRESS_TEXT_SIZE], chosen[SOCKET_ADDRESS_TEXT_SIZE];
	socklen_t size = sizeof from;

	memcpy(&to, address, socket_address_length(address));
	socket_address_set_port(&to, ANY_PORT);
	if (connect(fd, (struct sockaddr *)&to, socket_address_length(address)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&from, &size) == -1)
		return false;
	socket_address_text(address, wanted);
	socket_address_text((struct sockaddr *)&from, chosen);
	return strcmp(wanted, chosen) == 0;
}

bool
local_address(const struct sockaddr *address)
{
	bool local;
	int fd;

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return false;
	if ((fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return false;
	local = is_source(fd, address);
	closefd(&fd);
	return local;
}
