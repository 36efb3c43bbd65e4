/*
 * The side that answers: accepts programs on a guardian's socket, learns their role, and finds each
 * message's handler in one table.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/ipc_private.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"

enum { ROLE_NAME_SIZE = 16, PEERS_MAX = 4096 };

struct ipc_server {
	struct event_base *base;
	struct event acceptable, again;
	int fd;
	const struct ipc_server_ops *ops;
	void *arg;
	struct ipc_peer *peers;
	size_t n_peers;
};

static const struct {
	unsigned bit;
	const char *name;
} role_names[] = {
    {ROLE_MASTER, "master"},
    {ROLE_AUTH, "auth"},
    {ROLE_STORE, "store"},
    {ROLE_QUEUE, "queue"},
    {ROLE_ROUTER, "router"},
    {ROLE_SMTPD, "smtpd"},
    {ROLE_POP3D, "pop3d"},
    {ROLE_IMAPD, "imapd"},
    {ROLE_WEBD, "webd"},
    {ROLE_FETCHER, "fetcher"},
    {ROLE_DELIVER, "deliver"},
    {ROLE_FETCH, "fetch"},
    {ROLE_INDEXER, "indexer"},
};

unsigned
role_bit(const char *name)
{
	for (size_t i = 0; i < nitems(role_names); i++)
		if (strcmp(role_names[i].name, name) == 0)
			return role_names[i].bit;
	return 0;
}

const char *
role_bit_name(unsigned bit)
{
	for (size_t i = 0; i < nitems(role_names); i++)
		if (role_names[i].bit == bit)
			return role_names[i].name;
	return "?";
}

static void
unlink_peer(struct ipc_peer *p)
{
	for (struct ipc_peer **at = &p->server->peers; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			p->server->n_peers--;
			return;
		}
}

static void
close_peer(struct ipc_peer *p)
{
	if (p->role != 0 && p->server->ops->on_close != NULL)
		p->server->ops->on_close(p);
	unlink_peer(p);
	ipc_channel_free(&p->channel);
	free(p);
}

static void
on_peer_close(void *arg)
{
	close_peer(arg);
}

/* True when the account behind the connection may speak for this role; root orders what master
 * does, whatever master's account is. */
static bool
is_account_of(struct ipc_peer *p, unsigned bit)
{
	uid_t expected = role_uid(bit), peer = ipc_channel_peer_uid(p->channel);

	return expected == (uid_t)-1 || expected == peer || (bit == ROLE_MASTER && peer == 0);
}

static void
greet(struct ipc_peer *p, struct reader *r)
{
	char name[ROLE_NAME_SIZE];
	unsigned bit;

	get_text(r, name, sizeof name);
	bit = role_bit(name);
	if (get_end(r) == -1 || bit == 0) {
		ipc_peer_refuse(p, "greeting");
		return;
	}
	if (!is_account_of(p, bit)) {
		log_warn(
		    "connection refused role=%s uid=%u", name, ipc_channel_peer_uid(p->channel));
		p->closing = true;
		return;
	}
	p->role = bit;
	if (p->server->ops->on_open != NULL)
		p->server->ops->on_open(p);
}

static void
dispatch(struct ipc_peer *p, uint32_t type, uint64_t tag, struct reader *r)
{
	const struct ipc_server_ops *ops = p->server->ops;

	if (p->role == 0) {
		if (type == IPC_GREETING)
			greet(p, r);
		else
			ipc_peer_refuse(p, "greeting");
		return;
	}
	for (size_t i = 0; i < ops->n_handlers; i++)
		if (ops->handlers[i].type == type && (ops->handlers[i].roles & p->role)) {
			ops->handlers[i].handle(p, tag, r);
			return;
		}
	log_warn("message %u is not for %s to send", type, role_bit_name(p->role));
	p->closing = true;
}

static void
on_peer_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct ipc_peer *p = arg;

	dispatch(p, type, tag, r);
	if (p->closing)
		close_peer(p);
}

static void
add_peer(struct ipc_server *s, int fd)
{
	struct ipc_peer *p;

	if (s->n_peers >= PEERS_MAX) {
		log_warn("connection refused: %zu programs are connected", s->n_peers);
		closefd(&fd);
		return;
	}
	p = xcalloc(1, sizeof *p);
	p->server = s;
	p->arg = s->arg;
	p->next = s->peers;
	s->peers = p;
	s->n_peers++;
	p->channel = ipc_channel_new(s->base, fd, on_peer_message, on_peer_close, p);
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = {0, 100 * 1000};
	struct ipc_server *s = arg;
	int sock = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (sock != -1) {
		add_peer(s, sock);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		log_warn("cannot accept a program's connection: %s", strerror(errno));
		event_del(&s->acceptable);
		event_add(&s->again, &pause);
	}
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_server *s = arg;

	(void)fd, (void)what;
	event_add(&s->acceptable, NULL);
}

struct ipc_server *
ipc_server_new(struct event_base *base, int listen_fd, const struct ipc_server_ops *ops, void *arg)
{
	struct ipc_server *s = xcalloc(1, sizeof *s);

	s->base = base;
	s->fd = listen_fd;
	s->ops = ops;
	s->arg = arg;
	evutil_make_socket_nonblocking(listen_fd);
	event_assign(&s->acceptable, base, listen_fd, EV_READ | EV_PERSIST, on_acceptable, s);
	event_assign(&s->again, base, -1, EV_TIMEOUT, on_again, s);
	event_add(&s->acceptable, NULL);
	return s;
}

void
ipc_server_free(struct ipc_server **sp)
{
	struct ipc_server *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	while (s->peers != NULL)
		close_peer(s->peers);
	event_del(&s->acceptable);
	event_del(&s->again);
	closefd(&s->fd);
	free(s);
}

struct ipc_peer *
ipc_server_peers(struct ipc_server *s)
{
	return s->peers;
}

void
ipc_peer_send(struct ipc_peer *p, struct writer *w, int pass_fd)
{
	ipc_channel_send(p->channel, w, pass_fd);
}

void
ipc_peer_refuse(struct ipc_peer *p, const char *message_name)
{
	log_warn("malformed %s from %s: its connection is closed", message_name,
	    p->role ? role_bit_name(p->role) : "a stranger");
	p->closing = true;
}
