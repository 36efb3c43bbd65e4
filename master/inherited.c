/* Takes over listening sockets by the descriptors that the environment tells of. */
#include "master/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/span.h"

/* SD_LISTEN_FDS_START. */
enum { FIRST_DESCRIPTOR = 3, SOCKETS_MAX = 256 };

static int sockets[SOCKETS_MAX];
static size_t n_sockets;
static char names[8192];

static bool
read_number(const char *name, uint64_t max, uint64_t *value)
{
	const char *text = getenv(name);

	return text != NULL && span_u64(span_of(text), max, value);
}

void
inherited_take(void)
{
	uint64_t pid, n;

	if (read_number("LISTEN_PID", INT32_MAX, &pid) && pid == (uint64_t)getpid() &&
	    read_number("LISTEN_FDS", SOCKETS_MAX, &n))
		for (int fd = FIRST_DESCRIPTOR; fd < FIRST_DESCRIPTOR + (int)n; fd++)
			if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
				sockets[n_sockets++] = fd;
	if (n_sockets > 0 && getenv("LISTEN_FDNAMES") != NULL)
		strlcpy(names, getenv("LISTEN_FDNAMES"), sizeof names);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

const char *
inherited_names(void)
{
	return names;
}

static int
number_option(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* Its path was not removed with its directory. A file system does not tell whether a socket at a
 * path is this one; who may write to that directory may be us as well. */
static bool
can_be_reached(const struct sockaddr *at)
{
	struct stat st;

	return at->sa_family != AF_UNIX ||
	       (lstat(((const struct sockaddr_un *)at)->sun_path, &st) == 0 &&
		   S_ISSOCK(st.st_mode));
}

static bool
same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->sa_family != b->sa_family)
		return false;
	switch (a->sa_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
		       IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
	case AF_UNIX:
		return strcmp(((const struct sockaddr_un *)a)->sun_path,
			   ((const struct sockaddr_un *)b)->sun_path) == 0;
	default:
		return false;
	}
}

static bool
listens_at(int fd, const struct sockaddr *at, int type)
{
	struct sockaddr_storage have = {0};
	socklen_t size = sizeof have - 1; /* a path ends with a NUL */

	return number_option(fd, SO_ACCEPTCONN) == 1 && number_option(fd, SO_TYPE) == type &&
	       getsockname(fd, (struct sockaddr *)&have, &size) == 0 &&
	       same_address((struct sockaddr *)&have, at);
}

int
inherited_socket(const struct sockaddr *at, int type)
{
	for (size_t i = 0; i < n_sockets; i++) {
		int fd = sockets[i], flags;

		if (!listens_at(fd, at, type) || !can_be_reached(at))
			continue;
		if ((flags = fcntl(fd, F_GETFL)) == -1 ||
		    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
			continue;
		sockets[i] = sockets[--n_sockets];
		return fd;
	}
	return -1;
}

void
inherited_close(void)
{
	while (n_sockets > 0)
		closefd(&sockets[--n_sockets]);
}
