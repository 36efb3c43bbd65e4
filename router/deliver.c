/*
 * deliver's end of its one connection to router: jobs in, results out. A job runs to its end within
 * the event that brought it; until then nothing else is heard but the job that comes next. Blocks,
 * and tells of a result before anything else is waited for: what was delivered is known to router
 * even if this process dies a moment later.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/role.h"
#include "router/deliver_private.h"

/* A job, and what its spans show. */
struct order {
	bool is_there, ahead;
	struct deliver_job job;
	int fd;
	size_t length; /* of the message */
	uint32_t recipients[DELIVER_RECIPIENTS_MAX];
	unsigned char message[IPC_MESSAGE_MAX_BYTES];
};

/* The last result, which goes with DONE if that comes next: router wakes up once. */
struct last_result {
	bool is_there;
	struct deliver_result result;
	char reply[REPLY_MAX_BYTES + 1], route[DELIVER_ROUTE_MAX_BYTES + 1];
};

struct deliver {
	const struct deliver_config *config;
	struct carrier *carrier;
	struct event *readable, *idle;
	int fd; /* -1: it is over */
	bool retires;
	bool gives_back; /* what was sent ahead: the last session was not kept open */
	bool is_over;	 /* what came behind the job in hand is no job */
	void (*on_end)(void *arg);
	void *arg;
	struct last_result last;
	struct order orders[2];
	struct order *next; /* the other one is in hand */
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
put_result(struct writer *w, struct last_result *last)
{
	const struct deliver_result *result = &last->result;

	put_u64(w, result->recipient);
	put_u64(w, result->end);
	put_u64(w, result->flags);
	put_text(w, last->reply);
	put_text(w, last->route);
	last->is_there = false;
}

static void
say_result(struct deliver *d)
{
	struct writer w;

	if (!d->last.is_there)
		return;
	ipc_write(&w, DELIVER_RESULT, 0);
	put_result(&w, &d->last);
	say(d, &w);
}

static void
on_result(void *arg, const struct deliver_result *result)
{
	struct deliver *d = arg;

	say_result(d);
	d->last.is_there = true;
	d->last.result = *result;
	if (!span_copy(result->reply, d->last.reply, sizeof d->last.reply) ||
	    !span_copy(result->route, d->last.route, sizeof d->last.route))
		fatalx("a reply or a route that router would not take");
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
	if (d->last.is_there)
		put_result(&w, &d->last);
	say(d, &w);
}

/* Mail that is sent now, and that nobody hears of, would be sent again. */
static bool
is_router_there(const struct deliver *d)
{
	struct pollfd p = {d->fd, POLLRDHUP, 0};

	return poll(&p, 1, 0) <= 0;
}

/* Who asks goes on to another conversation: what is known now is not kept back. */
static bool
is_wanted(void *arg)
{
	struct deliver *d = arg;

	say_result(d);
	return is_router_there(d);
}

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
	uint64_t kind = get_u64(r), port, tls, implicit, dane, in_clear;

	to->name = get_str(r, DELIVER_NAME_MAX_BYTES);
	port = get_u64(r);
	tls = get_u64(r);
	implicit = get_u64(r);
	dane = get_u64(r);
	to->tls_names = get_str(r, DELIVER_TLS_NAMES_MAX_BYTES);
	to->user = get_str(r, DELIVER_CREDENTIAL_MAX_BYTES);
	to->password = get_str(r, DELIVER_CREDENTIAL_MAX_BYTES);
	in_clear = get_u64(r);
	if (kind > DELIVER_KIND_LAST || port == 0 || port > UINT16_MAX || tls > TLS_MODE_LAST ||
	    implicit > 1 || (implicit && tls < TLS_ENCRYPT) || dane > 1 || in_clear > 1 ||
	    to->name.len == 0)
		r->bad = true;
	to->kind = kind;
	to->port = port;
	to->tls = tls;
	to->implicit_tls = implicit;
	to->dane = dane;
	to->auth_in_clear = in_clear;
}

static int
read_job(struct reader *r, struct order *o)
{
	struct deliver_job *job = &o->job;
	uint64_t ahead;

	job->id = get_u64(r);
	ahead = get_u64(r);
	if (ahead > 1)
		r->bad = true;
	o->ahead = ahead;
	read_destination(r, &job->to);
	job->reverse_path = get_str(r, ENVELOPE_FIELD_MAX_BYTES);
	job->recipients = o->recipients;
	job->n = 0;
	while (get_more(r) && job->n < nitems(o->recipients)) {
		uint64_t recipient = get_u64(r);

		if (recipient >= ENVELOPE_RECIPIENTS_MAX)
			r->bad = true;
		o->recipients[job->n++] = recipient;
	}
	o->fd = get_fd(r);
	return get_end(r) == -1 || job->n == 0 ? -1 : 0;
}

static void
order_clear(struct order *o)
{
	closefd(&o->fd);
	explicit_bzero(o->message, o->length); /* there may be a password in it */
	o->length = 0;
	o->is_there = false;
}

/* -1: it is over with router. */
static int
receive(struct deliver *d, struct order *o)
{
	struct reader r;
	uint32_t type;
	uint64_t tag;
	int n = ipc_receive_now(d->fd, o->message, &type, &tag, &r);

	if (n == 1) {
		o->length = r.at + r.left - o->message;
		o->is_there = type == DELIVER_JOB && read_job(&r, o) == 0;
		closefd(&r.fd);
	}
	if (o->is_there)
		return 0;
	if (n == 1 && type == DELIVER_JOB)
		log_warn("- refused: malformed JOB from router");
	else if (n == 1)
		log_warn("- refused: unknown message %u from router", type);
	else if (n == -1)
		log_warn("- cannot read from router error=%s", strerror(errno));
	order_clear(o);
	return -1;
}

/* ---- jobs ---- */

static const struct deliver_job *
on_next(void *arg, int *fd)
{
	struct deliver *d = arg;
	struct pollfd p = {d->fd, POLLIN, 0};

	if (!d->next->is_there && !d->is_over && poll(&p, 1, 0) == 1)
		d->is_over = receive(d, d->next) == -1;
	*fd = d->next->fd;
	return d->next->is_there ? &d->next->job : NULL;
}

static const struct carrier_ops carrier_ops = {on_result, is_wanted, on_next};

static void
wait_for_next(struct deliver *d)
{
	struct timeval limit = {d->config->idle_s, 0};

	if (carrier_has_session(d->carrier))
		event_add(d->idle, &limit);
}

/* -1: nobody hears of its end. */
static int
run(struct deliver *d, struct order *o)
{
	struct deliver_done done;

	carrier_run(d->carrier, &o->job, o->fd, &done);
	if (!is_router_there(d)) {
		log_warn("%s router has gone: it will try again what it has not heard of",
		    queue_id_text(o->job.id));
		return -1;
	}
	say_done(d, &done);
	d->gives_back = !done.kept_open;
	return 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct deliver *d = arg;
	int rv;

	(void)fd, (void)what;
	event_del(d->idle);
	rv = receive(d, d->next);
	while (rv == 0 && d->next->is_there) {
		struct order *o = d->next;

		d->next = o == &d->orders[0] ? &d->orders[1] : &d->orders[0];
		if (!o->ahead || !d->gives_back)
			rv = run(d, o);
		order_clear(o);
	}
	if (rv == -1 || d->is_over)
		end(d);
	else
		wait_for_next(d);
}

static void
on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct deliver *d = arg;

	(void)fd, (void)what;
	carrier_quit(d->carrier);
}

/* ---- life ---- */

struct deliver *
deliver_new(struct event_base *base, int listen_fd, const struct deliver_config *config,
    void (*on_end)(void *arg), void *arg)
{
	int fd = role_accept_one(listen_fd, ROLE_ROUTER, "router");
	struct deliver *d;

	if (fd == -1)
		return NULL;
	d = xcalloc(1, sizeof *d);
	d->config = config;
	d->fd = fd;
	d->orders[0].fd = d->orders[1].fd = -1;
	d->next = &d->orders[0];
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
	for (size_t i = 0; i < nitems(d->orders); i++)
		order_clear(&d->orders[i]);
	free(d);
}
