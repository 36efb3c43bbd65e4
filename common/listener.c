/*
 * Accepting on a listening socket that all workers of a program share. stream.h has its door.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/stream.h"

/* At one time: the other workers shall have their share. */
enum { ACCEPT_BATCH = 4 };

struct listener {
	struct event acceptable, again;
	listener_cb cb;
	void *arg;
	int fd, kind;
	bool accepting, freed; /* cb may free the listener: the memory goes after it */
};

static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* Out of descriptors: the connections wait in the backlog. */
static void
pause_for_shortage(struct listener *l)
{
	const struct timeval pause = {0, 100 * 1000};

	log_warn("cannot accept a connection: %s", strerror(errno));
	event_del(&l->acceptable);
	event_add(&l->again, &pause);
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	l->accepting = true;
	for (int i = 0; i < ACCEPT_BATCH && !l->freed; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof address;
		int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
		int sock = accept4(fd, (struct sockaddr *)&address, &len, flags);

		if (sock == -1) {
			if (is_shortage(errno))
				pause_for_shortage(l);
			break;
		}
		l->cb(l->arg, sock, (struct sockaddr *)&address, len, l->kind);
	}
	l->accepting = false;
	if (l->freed)
		free(l);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	event_add(&l->acceptable, NULL);
}

struct listener *
listener_new(struct event_base *base, int listen_fd, int kind, listener_cb cb, void *arg)
{
	struct listener *l = xcalloc(1, sizeof *l);
	const int on = 1;

	l->fd = listen_fd;
	l->kind = kind;
	l->cb = cb;
	l->arg = arg;
	evutil_make_socket_nonblocking(listen_fd);
	/* Accepted sockets inherit it: a reply leaves at once. A UNIX socket has no need of it. */
	(void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	event_assign(&l->acceptable, base, listen_fd, EV_READ | EV_PERSIST, on_acceptable, l);
	event_assign(&l->again, base, -1, EV_TIMEOUT, on_again, l);
	event_add(&l->acceptable, NULL);
	return l;
}

void
listener_free(struct listener **lp)
{
	struct listener *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	event_del(&l->acceptable);
	event_del(&l->again);
	closefd(&l->fd);
	l->freed = true;
	if (!l->accepting)
		free(l);
}
