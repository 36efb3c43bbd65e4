/*
 * What is sent to an address of this machine comes from there, too.
 */
#include "common/local_address.h"

#include <netinet/in.h>
#include <string.h>

#include "common/memory.h"
#include "common/socket_address.h"

/* Some port: nothing leaves. */
enum { ANY_PORT = 9 };

/*
 * Of several IPv4 addresses in one network the kernel takes the first for all, unless another is
 * chosen. By net.ipv4.ip_nonlocal_bind any may be, but connects to nothing.
 */
static bool
choose(int fd, const struct sockaddr *address)
{
	struct sockaddr_in from;

	if (address->sa_family != AF_INET)
		return true;
	memcpy(&from, address, sizeof from);
	from.sin_port = 0;
	return !IN_MULTICAST(ntohl(from.sin_addr.s_addr)) &&
	       bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool
is_source(int fd, const struct sockaddr *address)
{
	struct sockaddr_storage to = {0}, from = {0};
	char wanted[SOCKET_ADDRESS_TEXT_SIZE], chosen[SOCKET_ADDRESS_TEXT_SIZE];
	socklen_t size = sizeof from;

	memcpy(&to, address, socket_address_length(address));
	socket_address_set_port(&to, ANY_PORT);
	if (!choose(fd, address) ||
	    connect(fd, (struct sockaddr *)&to, socket_address_length(address)) == -1 ||
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
