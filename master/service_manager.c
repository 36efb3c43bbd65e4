/* Tells a service manager how we are, by datagrams to the socket that it names. */
#include "master/service_manager.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/inherited.h"

enum {
	NAME_SIZE = 256, /* FDNAME: at most 255 bytes, no colon */
	SEND_WAIT_S = 1
};

struct service_manager {
	int socket;
	struct event *watchdog;	 /* NULL: it does not watch */
	char (*held)[NAME_SIZE]; /* the names of sockets that it has */
	size_t n_held;
	bool from_before; /* an earlier life of ours has given it all of these */
};

/* Connected, or -1. A name with @ in front is abstract. */
static int
connect_to(const char *path)
{
	static const struct timeval wait = {SEND_WAIT_S, 0};
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
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* It reads at once, or is in trouble itself: then our loop does not wait for it. */
	if (fd != -1 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == -1 ||
			    connect(fd, (struct sockaddr *)&un, length) == -1))
		closefd(&fd);
	return fd;
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	(void)service_manager_tell(arg, "WATCHDOG=1");
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

static void
add_held(struct service_manager *m, struct span name)
{
	m->held = xrealloc(m->held, (m->n_held + 1) * sizeof *m->held);
	if (span_copy(name, m->held[m->n_held], sizeof *m->held))
		m->n_held++;
}

/* Which may be sockets that we cannot use: it will be given all anew. */
static void
read_held(struct service_manager *m)
{
	struct span rest = span_of(inherited_names()), name;
	bool more = rest.len > 0;

	while (more) {
		more = span_take(&rest, ':', &name);
		add_held(m, name);
	}
	m->from_before = true;
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
		read_held(m);
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
	free((*m)->held);
	free(*m);
	*m = NULL;
}

bool
service_manager_tell(struct service_manager *m, const char *state)
{
	if (m == NULL)
		return true;
	if (send(m->socket, state, strlen(state), MSG_NOSIGNAL) != -1)
		return true;
	log_warn("the service manager did not hear %s: %s", state, strerror(errno));
	return false;
}

/* ---- sockets that outlive us ---- */

/* By its address, whatever key of the configuration it is for: a socket that changes its key is
 * still the same. */
static void
name_of(const struct listening *l, char out[NAME_SIZE])
{
	const char *key = strchr(l->name, ':');

	strlcpy(out, strchr(key + 1, ':') + 1, NAME_SIZE);
	for (char *colon = out; (colon = strchr(colon, ':')) != NULL;)
		*colon = '_';
}

static bool
is_held(const struct service_manager *m, const char *name)
{
	for (size_t i = 0; i < m->n_held; i++)
		if (strcmp(m->held[i], name) == 0)
			return true;
	return false;
}

static bool
is_wanted(const struct sockets *sockets, const char *held)
{
	char name[NAME_SIZE];

	for (size_t i = 0; i < sockets->n; i++) {
		name_of(&sockets->items[i], name);
		if (strcmp(name, held) == 0)
			return true;
	}
	return false;
}

/* False: it does not hear us. */
static bool
let_go(struct service_manager *m, const struct sockets *sockets)
{
	char text[NAME_SIZE + 64];
	size_t kept = 0;
	bool hears = true; /* else each word would take SEND_WAIT_S */

	for (size_t i = 0; i < m->n_held; i++) {
		if (!m->from_before && is_wanted(sockets, m->held[i])) {
			memmove(m->held[kept++], m->held[i], sizeof *m->held);
			continue;
		}
		snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", m->held[i]);
		hears = hears && service_manager_tell(m, text);
	}
	m->n_held = kept;
	m->from_before = false;
	return hears;
}

static bool
hand_over(struct service_manager *m, const char *name, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char text[NAME_SIZE + 64];
	struct iovec iov = {text, 0};
	struct msghdr message = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};

	iov.iov_len = snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
	control.head = (struct cmsghdr){
	    .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	if (sendmsg(m->socket, &message, MSG_NOSIGNAL) != -1)
		return true;
	log_warn("the service manager was not given %s: %s", name, strerror(errno));
	return false;
}

void
service_manager_keep(struct service_manager *m, struct sockets *sockets)
{
	char name[NAME_SIZE];
	bool hears;

	if (m == NULL)
		return;
	/* First, as it takes no socket twice under two names. */
	hears = let_go(m, sockets);
	for (size_t i = 0; i < sockets->n; i++) {
		struct listening *l = &sockets->items[i];

		name_of(l, name);
		l->kept = is_held(m, name);
		if (l->kept || !hears)
			continue;
		if ((l->kept = hears = hand_over(m, name, l->fd)))
			add_held(m, span_of(name));
	}
}
