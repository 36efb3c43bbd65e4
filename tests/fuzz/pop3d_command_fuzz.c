/*
 * Any bytes as a whole conversation with a session on a socket pair. auth and the mailbox are
 * replaced: the login is granted, the mailbox has three messages, one of which is gone, and is
 * closed now and then. Nothing may be left over when the client has gone.
 */
#include <event2/event_struct.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/auth.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "pop3d/session.h"
#include "store/store.h"

enum { MESSAGES = 3, GONE = 1, CLOSES_AFTER = 50 /* answers */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pop3d pop3d;
static int mailboxes;

/* ---- the mailbox ---- */

struct mailbox {
	struct event answer;
	const struct mailbox_ops *ops;
	void *arg;
	uint64_t next, last;
	size_t n_delete;
	int answers;
	bool listed, deleting;
};

static void
answer_later(struct mailbox *m)
{
	event_add(&m->answer, &(struct timeval){0, 0});
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
	static const char text[] = "Subject: a\n\n.\r\n..b";
	struct mailbox *m = arg;
	uint64_t i;

	(void)fd, (void)what;
	if (++m->answers == CLOSES_AFTER) {
		m->ops->on_close(m->arg);
	} else if (!m->listed) {
		m->listed = true;
		m->ops->on_listing(m->arg);
	} else if (m->next < m->last) {
		int message = -1;

		i = m->next++;
		if (i != GONE) {
			message = memfd_create("message", MFD_CLOEXEC);
			if (write(message, text, sizeof text - 1) == -1)
				abort();
		}
		if (m->next < m->last || m->deleting)
			answer_later(m);
		m->ops->on_message(m->arg, i, message);
	} else if (m->deleting) {
		m->deleting = false;
		m->ops->on_deleted(m->arg, m->n_delete);
	}
}

struct mailbox *
mailbox_new(struct event_base *base, int session_fd, const struct mailbox_ops *ops, void *arg)
{
	struct mailbox *m = xcalloc(1, sizeof *m);

	close(session_fd);
	mailboxes++;
	m->ops = ops;
	m->arg = arg;
	event_assign(&m->answer, base, -1, EV_TIMEOUT, on_answer, m);
	answer_later(m);
	return m;
}

void
mailbox_free(struct mailbox **m)
{
	if (*m == NULL)
		return;
	event_del(&(*m)->answer);
	free(*m);
	*m = NULL;
	mailboxes--;
}

uint64_t
mailbox_count(const struct mailbox *m)
{
	(void)m;
	return MESSAGES;
}

uint64_t
mailbox_total_bytes(const struct mailbox *m)
{
	(void)m;
	return 30;
}

uint64_t
mailbox_size(const struct mailbox *m, uint64_t index)
{
	(void)m, (void)index;
	return 10;
}

struct span
mailbox_uidl(const struct mailbox *m, uint64_t index)
{
	(void)m;
	return (struct span){"uidl" + index, 1};
}

void
mailbox_get(struct mailbox *m, uint64_t first, uint64_t count)
{
	if (m->next != m->last || count == 0 || first + count > MESSAGES)
		abort();
	m->next = first;
	m->last = first + count;
	answer_later(m);
}

void
mailbox_delete(struct mailbox *m, const uint64_t *indexes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (indexes[i] >= MESSAGES)
			abort();
	m->n_delete = n;
	m->deleting = true;
	answer_later(m);
}

/* ---- auth ---- */

struct ipc_call {
	auth_answer_cb cb;
	void *arg;
};

static void
on_login(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call c = *(struct ipc_call *)arg;
	struct auth_answer granted = {.user = "ann", .session = -1};

	(void)fd, (void)what;
	free(arg);
	if (c.cb == NULL)
		return;
	granted.session = memfd_create("session", MFD_CLOEXEC);
	c.cb(c.arg, &granted);
}

struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg)
{
	struct ipc_call *c = xcalloc(1, sizeof *c);

	(void)a, (void)service, (void)name, (void)password, (void)client_address;
	(void)want;
	c->cb = cb;
	c->arg = arg;
	event_base_once(pop3d.base, -1, EV_TIMEOUT, on_login, c, &(struct timeval){0, 0});
	return c;
}

void
ipc_call_cancel(struct ipc_call **call)
{
	if (*call != NULL)
		(*call)->cb = NULL;
	*call = NULL;
}

/* ---- the client ---- */

static void
start(void)
{
	signal(SIGPIPE, SIG_IGN);
	pop3d.base = event_base_new();
	LIST_INIT(&pop3d.sessions);
	pop3d.settings = (struct pop3d_settings){.server = "mx.test",
	    .errors_max = 1000,
	    .login_failures_max = 3,
	    .login_s = 60,
	    .idle_s = 60,
	    .handshake_s = 60};
}

static void
read_all(int fd)
{
	char answers[4096];

	while (read(fd, answers, sizeof answers) > 0)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (pop3d.base == NULL)
		start();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
		abort();
	session_new(&pop3d, pair[0], NULL, KIND_POP3, false);
	for (size_t n = 0; n < size && !LIST_EMPTY(&pop3d.sessions);) {
		ssize_t sent = send(pair[1], data + n, size - n, MSG_NOSIGNAL);

		n += sent > 0 ? sent : 0;
		event_base_loop(pop3d.base, EVLOOP_NONBLOCK);
		read_all(pair[1]);
	}
	shutdown(pair[1], SHUT_WR);
	while (!LIST_EMPTY(&pop3d.sessions)) {
		event_base_loop(pop3d.base, EVLOOP_ONCE);
		read_all(pair[1]);
	}
	event_base_loop(pop3d.base, EVLOOP_NONBLOCK);
	close(pair[1]);
	if (mailboxes != 0 || pop3d.ahead != 0)
		abort();
	return 0;
}
