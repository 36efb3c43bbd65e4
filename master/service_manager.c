/* Tells a service manager how we are, by datagrams to the socket that it names. */
#include "master/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

struct service_manager {
	int socket;
	struct event *watchdog; /* NULL: it does not watch */
};

/* Connected, or -1. A name with @ in front is abstract. */
static int
connect_to(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof un.sun_path) {
		errno = EINVAL;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&un, length) == -1)
		closefd(&fd);
	return fd;
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	service_manager_tell(arg, "WATCHDOG=1");
}

/* Twice as often as it looks. */
static void
start_watchdog(struct service_manager *m, struct event_base *base)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t half_us = usec != NULL ? strtoull(usec, NULL, 10) / 2 : 0;
	struct timeval every = {half_us / 1000000, half_us % 1000000};

	if (half_us == 0 || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return;
	m->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, m);
	event_add(m->watchdog, &every);
}

struct service_manager *
service_manager_new(struct event_base *base)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct service_manager *m = NULL;
	int fd = path != NULL ? connect_to(path) : -1;

	if (path != NULL && fd == -1)
		log_warn("the service manager cannot be told: %s: %s", path, strerror(errno));
	if (fd != -1) {
		m = xcalloc(1, sizeof *m);
		m->socket = fd;
		start_watchdog(m, base);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return m;
}

void
service_manager_free(struct service_manager **m)
{
	if (*m == NULL)
		return;
	if ((*m)->watchdog != NULL)
		event_free((*m)->watchdog);
	closefd(&(*m)->socket);
	free(*m);
	*m = NULL;
}

void
service_manager_tell(struct service_manager *m, const char *state)
{
	if (m != NULL && send(m->socket, state, strlen(state), MSG_NOSIGNAL) == -1)
		log_warn("the service manager did not hear %s: %s", state, strerror(errno));
}
