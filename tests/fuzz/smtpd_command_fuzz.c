/*
 * Any bytes as a whole conversation with a session on a socket pair. queue, router and auth are
 * replaced: they say yes, from the loop. Nothing may be left over when the client has gone.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/auth.h"
#include "common/ip_list.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "queue/queue.h"
#include "router/router.h"
#include "smtpd/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct smtpd smtpd;
static int slots;

/* One answer that is due, of any kind. */
struct ipc_call {
	router_answer_cb on_verdict;
	router_standing_cb on_standing;
	auth_answer_cb on_login;
	queue_durable_cb on_durable;
	void *arg;
	uint64_t number;
};
struct queue_call {
	struct ipc_call call;
};

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call c = *(struct ipc_call *)arg;
	const struct auth_answer granted = {.user = "ann", .session = -1};

	(void)fd, (void)what;
	free(arg);
	if (c.on_verdict != NULL)
		c.on_verdict(
		    c.arg, c.number % (ROUTER_VERDICT_LAST + 1), 1, c.number * 50, span_of(""));
	if (c.on_standing != NULL)
		c.on_standing(c.arg, c.number % (ROUTER_STANDING_LAST + 1));
	if (c.on_login != NULL)
		c.on_login(c.arg, &granted);
	if (c.on_durable != NULL)
		c.on_durable(c.arg, c.number, 0);
}

static void *
call_later(struct ipc_call call)
{
	struct queue_call *c = xmalloc(sizeof *c);

	c->call = call;
	event_base_once(smtpd.base, -1, EV_TIMEOUT, on_due, c, &(struct timeval){0, 0});
	return c;
}

void
ipc_call_cancel(struct ipc_call **call)
{
	if (*call != NULL)
		**call = (struct ipc_call){0};
	*call = NULL;
}

struct queue_call *
queue_take(struct queue_client *q, queue_slot_cb cb, void *arg)
{
	struct queue_slot slot = {1, memfd_create("slot", MFD_CLOEXEC)};

	(void)q;
	slots++;
	cb(arg, &slot, 0);
	return NULL;
}

void
queue_abandon(struct queue_client *q, struct queue_slot *slot)
{
	(void)q;
	slots--;
	closefd(&slot->fd);
}

struct queue_call *
queue_commit(struct queue_client *q, struct queue_slot *slot, struct envelope *e,
    queue_durable_cb cb, void *arg)
{
	queue_abandon(q, slot);
	return call_later((struct ipc_call){.on_durable = cb, .arg = arg, .number = e->id});
}

void
queue_call_cancel(struct queue_call **call)
{
	ipc_call_cancel((struct ipc_call **)call);
}

struct ipc_call *
router_ask(struct router_client *r, struct span reverse_path, struct span recipient, uint64_t size,
    router_answer_cb cb, void *arg)
{
	(void)r, (void)reverse_path, (void)size;
	return call_later(
	    (struct ipc_call){.on_verdict = cb, .arg = arg, .number = recipient.at[0] & 15});
}

struct ipc_call *
router_sender(struct router_client *r, struct span address, struct span user, router_standing_cb cb,
    void *arg)
{
	(void)r, (void)user;
	return call_later(
	    (struct ipc_call){.on_standing = cb, .arg = arg, .number = address.at[0] & 3});
}

struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg)
{
	(void)a, (void)service, (void)name, (void)password, (void)client_address;
	(void)want;
	return call_later((struct ipc_call){.on_login = cb, .arg = arg});
}

static void
start(void)
{
	signal(SIGPIPE, SIG_IGN);
	smtpd.base = event_base_new();
	smtpd.settings = (struct smtpd_settings){.server = "mx.test",
	    .message_max = 20000,
	    .hops_max = 3,
	    .errors_max = 1000,
	    .commands_max = 1000,
	    .login_failures_max = 3,
	    .command_s = 60,
	    .data_s = 60,
	    .transaction_s = 60,
	    .handshake_s = 60,
	    .policy = {.require_auth = true,
		.restrict_relay = true,
		.relay_ips = ip_list_new(span_of("127.0.0.1")),
		.recipients_max = 10}};
}

static void
read_all(int fd)
{
	char replies[4096];

	while (read(fd, replies, sizeof replies) > 0)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (smtpd.base == NULL)
		start();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
		abort();
	session_new(&smtpd, pair[0], NULL, KIND_SMTP, false);
	for (size_t n = 0; n < size && !LIST_EMPTY(&smtpd.sessions);) {
		ssize_t sent = send(pair[1], data + n, size - n, MSG_NOSIGNAL);

		n += sent > 0 ? sent : 0;
		event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
		read_all(pair[1]);
	}
	shutdown(pair[1], SHUT_WR);
	while (!LIST_EMPTY(&smtpd.sessions)) {
		event_base_loop(smtpd.base, EVLOOP_ONCE);
		read_all(pair[1]);
	}
	event_base_loop(smtpd.base, EVLOOP_NONBLOCK);
	close(pair[1]);
	if (slots != 0)
		abort();
	return 0;
}
