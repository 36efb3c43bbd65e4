/*
 * deliver's end of its one connection to router: jobs in, results out. A job runs to its end within
 * the event that brought it; until then nothing else is heard. Blocks, and sends at once: what was
 * delivered is known to router even if this process dies a moment later.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/role.h"
#include "router/deliver_private.h"

enum { SEND_TIMEOUT_S = 60 };

struct deliver {
	struct event_base *base;
	const struct deliver_config *config;
	struct carrier *carrier;
	struct event *readable, *idle;
	int fd; /* -1: it is over */
	bool retires;
	void (*on_end)(void *arg);
	void *arg;
	uint32_t recipients[DELIVER_RECIPIENTS_MAX];
	unsigned char message[IPC_MESSAGE_MAX_BYTES];
};

static void
end(struct deliver *d)
{
	if (d->fd == -1)
		return;
	event_del(d->readable);
	event_del(d->idle);
	closefd(&d->fd);
	carrier_quit(d->carrier);
	d->on_end(d->arg);
}

/* ---- to router ---- */

/* One that cannot be sent ends the connection, later: a job may be running. */
static void
say(struct deliver *d, struct writer *w)
{
	if (ipc_send_now(d->fd, w, -1) == -1) {
		log_warn("- router does not listen error=%s", strerror(errno));
		(void)shutdown(d->fd, SHUT_RDWR);
	}
}

static void
on_result(void *arg, const struct deliver_result *result)
{
	struct deliver *d = arg;
	struct writer w;

	ipc_write(&w, DELIVER_RESULT, 0);
	put_u64(&w, result->recipient);
	put_u64(&w, result->end);
	put_u64(&w, result->flags);
	put_str(&w, result->reply);
	put_str(&w, result->route);
	say(d, &w);
}

static void
say_done(struct deliver *d, const struct deliver_done *done)
{
	struct writer w;

	ipc_write(&w, DELIVER_DONE, 0);
	put_u64(&w, done->id);
	put_u64(&w, done->kept_open);
	put_u64(&w, done->end);
	put_str(&w, done->text);
	say(d, &w);
}

/* Mail that is sent now, and that nobody hears of, would be sent again. */
static bool
is_wanted(void *arg)
{
	const struct deliver *d = arg;
	struct pollfd p = {d->fd, POLLRDHUP, 0};

	return poll(&p, 1, 0) <= 0;
}

static const struct carrier_ops carrier_ops = {on_result, is_wanted};

void
deliver_retire(struct deliver *d)
{
	struct writer w;

	if (d->retires || d->fd == -1)
		return;
	d->retires = true;
	ipc_write(&w, DELIVER_RETIRE, 0);
	say(d, &w);
}

/* ---- from router ---- */

static void
read_destination(struct reader *r, struct deliver_destination *to)
{
	uint64_t kind = get_u64(r), port, tls, dane, in_clear;

	to->name = get_str(r, DELIVER_NAME_MAX_BYTES);
	port = get_u64(r);
	tls = get_u64(r);
	dane = get_u64(r);
	to->tls_names = get_str(r, DELIVER_TLS_NAMES_MAX_BYTES);
	to->user = get_str(r, DELIVER_CREDENTIAL_MAX_BYTES);
	to->password = get_str(r, DELIVER_CREDENTIAL_MAX_BYTES);
	in_clear = get_u64(r);
	if (kind > DELIVER_KIND_LAST || port == 0 || port > UINT16_MAX || tls > DELIVER_TLS_LAST ||
	    dane > 1 || in_clear > 1 || to->name.len == 0)
		r->bad = true;
	to->kind = kind;
	to->port = port;
	to->tls = tls;
	to->dane = dane;
	to->auth_in_clear = in_clear;
}

/* -1: malformed. *fd is the caller's. */
static int
read_job(struct deliver *d, struct reader *r, struct deliver_job *job, int *fd)
{
	job->id = get_u64(r);
	read_destination(r, &job->to);
	job->reverse_path = get_str(r, ENVELOPE_FIELD_MAX_BYTES);
	job->recipients = d->recipients;
	job->n = 0;
	while (get_more(r) && job->n < nitems(d->recipients)) {
		uint64_t recipient = get_u64(r);

		if (recipient >= ENVELOPE_RECIPIENTS_MAX)
			r->bad = true;
		d->recipients[job->n++] = recipient;
	}
	*fd = get_fd(r);
	return get_end(r) == -1 || job->n == 0 ? -1 : 0;
}

static void
wait_for_next(struct deliver *d)
{
	struct timeval limit = {d->config->idle_s, 0};

	if (carrier_has_session(d->carrier))
		event_add(d->idle, &limit);
}

static void
on_job(struct deliver *d, struct reader *r)
{
	struct deliver_job job;
	struct deliver_done done;
	int fd = -1;

	if (read_job(d, r, &job, &fd) == -1) {
		closefd(&fd);
		log_warn("- refused: malformed JOB from router");
		end(d);
		return;
	}
	event_del(d->idle);
	carrier_run(d->carrier, &job, fd, &done);
	closefd(&fd);
	if (!is_wanted(d)) {
		log_warn("%s router has gone: it will try again what it has not heard of",
		    queue_id_text(job.id));
		end(d);
		return;
	}
	say_done(d, &done);
	wait_for_next(d);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct deliver *d = arg;
	struct reader r;
	uint32_t type;
	uint64_t tag;
	int n = ipc_receive_now(fd, d->message, &type, &tag, &r);
	size_t length = n == 1 ? r.at + r.left - d->message : 0;

	(void)what;
	if (n == 1 && type == DELIVER_JOB) {
		on_job(d, &r);
	} else {
		if (n == 1)
			log_warn("- refused: unknown message %u from router", type);
		else if (n == -1)
			log_warn("- cannot read from router error=%s", strerror(errno));
		end(d);
	}
	if (n == 1)
		closefd(&r.fd);
	explicit_bzero(d->message, length); /* there may be a password in it */
}

static void
on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct deliver *d = arg;

	(void)fd, (void)what;
	carrier_quit(d->carrier);
}

/* ---- life ---- */

static bool
is_router(int fd)
{
	uid_t router = role_uid(ROLE_ROUTER);
	struct ucred peer;
	socklen_t length = sizeof peer;

	if (router == (uid_t)-1)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == -1)
		return false;
	if (peer.uid != router)
		log_warn("- refused: account %u is not router", peer.uid);
	return peer.uid == router;
}

/* -1: nobody is there. */
static int
accept_router(int listen_fd)
{
	struct timeval limit = {SEND_TIMEOUT_S, 0};
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) != -1 || errno == ECONNABORTED ||
	       errno == EINTR) {
		if (fd != -1 && is_router(fd) &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0)
			return fd;
		closefd(&fd);
	}
	if (errno != EAGAIN)
		fatal("cannot accept a connection");
	return -1;
}

struct deliver *
deliver_new(struct event_base *base, int listen_fd, const struct deliver_config *config,
    void (*on_end)(void *arg), void *arg)
{
	int fd = accept_router(listen_fd);
	struct deliver *d;

	if (fd == -1)
		return NULL;
	d = xcalloc(1, sizeof *d);
	d->base = base;
	d->config = config;
	d->fd = fd;
	d->on_end = on_end;
	d->arg = arg;
	d->carrier = carrier_new(config, &carrier_ops, d);
	d->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, d);
	d->idle = evtimer_new(base, on_idle, d);
	if (d->readable == NULL || d->idle == NULL || event_add(d->readable, NULL) == -1)
		fatalx("cannot wait for router");
	return d;
}

void
deliver_free(struct deliver **dp)
{
	struct deliver *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	event_free(d->readable);
	event_free(d->idle);
	closefd(&d->fd);
	carrier_free(&d->carrier);
	free(d);
}
