/*
 * The program around the conversations: who is let in, and what a reload or a drain means for those
 * who are.
 */
#include "pop3d/server.h"

#include <string.h>

#include "auth/auth.h"
#include "common/listeners.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/tls.h"
#include "pop3d/ahead.h"
#include "pop3d/session.h"

/* For connections to auth, and what is being opened. */
enum { FDS_RESERVED = 64 };

static struct pop3d pop3d;
static struct listeners *listeners;
static struct role *role;

/* ---- accepting ---- */

static int
kind_of(const char *key)
{
	return strcmp(key, "POP3S") == 0 ? KIND_POP3S : KIND_POP3;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *address, socklen_t length, int kind)
{
	struct admission *a = &pop3d.admission;
	bool implicit = kind == KIND_POP3S;
	enum admission_verdict verdict;

	(void)arg, (void)length;
	if (implicit && pop3d.tls == NULL) {
		admission_refuse(a, fd, address, "", "no-tls");
		return;
	}
	verdict = admission_enter(a, fd, address, implicit);
	if (verdict != ADMISSION_REFUSED)
		session_new(&pop3d, fd, address, kind, verdict == ADMISSION_COUNTED);
}

/* ---- settings ---- */

static void
read_settings(struct role *r)
{
	SSL_CTX *old = pop3d.tls;

	pop3d_settings_read(&pop3d.settings, r->settings);
	pop3d.admission.unlimited = pop3d.settings.unlimited;
	pop3d.admission.max_all = pop3d.settings.connections_max;
	pop3d.admission.max_each = pop3d.settings.connections_each_max;
	pop3d.tls = tls_server_context(r->settings, old);
	SSL_CTX_free(old); /* its connections hold it as long as they live */
}

static void
on_reload(struct role *r)
{
	read_settings(r);
	if (!pop3d.draining)
		listeners_update(&listeners, r, kind_of, on_accept, NULL);
	log_info("- reloaded");
}

/* ---- drain ---- */

static void
on_empty(struct pop3d *d)
{
	(void)d;
	role_exit_when_done(role);
}

static void
on_drain(struct role *r)
{
	if (pop3d.draining)
		return;
	listeners_close(&listeners);
	if (LIST_EMPTY(&pop3d.sessions))
		role_exit_when_done(r);
	sessions_drain(&pop3d);
}

/* ---- status ---- */

static json_int_t
sessions_now(void)
{
	const struct session *s;
	json_int_t n = 0;

	LIST_FOREACH (s, &pop3d.sessions, entry)
		n++;
	return n;
}

static void
on_status(struct role *r, json_t *counters)
{
	const struct pop3d_counters *c = &pop3d.counters;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
	    {"connections", c->connections},
	    {"connections_refused", pop3d.admission.n_refused},
	    {"tls_sessions", c->tls_sessions},
	    {"logins", c->logins},
	    {"logins_failed", c->login_failures},
	    {"messages_retrieved", c->retrieved},
	    {"bytes_sent", c->bytes_sent},
	    {"messages_deleted", c->deleted},
	};

	(void)r;
	json_object_set_new(counters, "connections_now", json_integer(sessions_now()));
	for (size_t i = 0; i < nitems(rows); i++)
		json_object_set_new(counters, rows[i].name, json_integer(rows[i].value));
}

const struct role_ops server_ops = {
    .on_reload = on_reload, .on_drain = on_drain, .on_status = on_status};

/* ---- the start ---- */

void
server_open(struct role *r)
{
	int fd = role_socket(r, "connections");

	role = r;
	pop3d.base = r->base;
	pop3d.worker = r->worker;
	pop3d.on_empty = on_empty;
	LIST_INIT(&pop3d.sessions);
	read_settings(r);
	/* Messages that are read ahead have theirs. */
	admission_reserve_fds(&pop3d.admission, AHEAD_ALL_MAX + FDS_RESERVED);
	pop3d.admission.full_reply = "-ERR [SYS/TEMP] Too many connections; try again later\r\n";
	pop3d.admission.address_reply =
	    "-ERR [SYS/TEMP] Too many connections from your address\r\n";
	if (fd != -1)
		pop3d.admission.table = connections_open(fd, r->worker, r->workers);
}

void
server_run(struct role *r)
{
	pop3d.auth = auth_client_new(r->base, role_peer_path(r, "auth.sock"), "pop3d");
	listeners_update(&listeners, r, kind_of, on_accept, NULL);
}
