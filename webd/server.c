/*
 * The program around the requests: who is let in, and what a reload or a drain means for those who
 * are.
 */
#include "webd/server.h"

#include <string.h>

#include "auth/auth.h"
#include "common/listeners.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/tls.h"
#include "queue/queue.h"
#include "router/router.h"
#include "webd/background.h"
#include "webd/http.h"
#include "webd/sessions.h"
#include "webd/webd.h"

/* For the doors, each user's mailbox, uploads and messages that are read: an idle connection to a
 * mailbox is one descriptor. */
enum { FDS_RESERVED = 4096, SPOOL_SPARES = 4 };

static struct webd webd;
static struct listeners *listeners;

/* ---- accepting ---- */

static int
kind_of(const char *key)
{
	return strcmp(key, "HTTPS") == 0 ? KIND_HTTPS : KIND_HTTP;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *address, socklen_t length, int kind)
{
	struct admission *a = &webd.admission;
	bool implicit = kind == KIND_HTTPS;
	enum admission_verdict verdict;

	(void)arg, (void)length;
	if (implicit && webd.tls == NULL) {
		admission_refuse(a, fd, address, "", "no-tls");
		return;
	}
	verdict = admission_enter(a, fd, address, implicit);
	if (verdict != ADMISSION_REFUSED)
		http_new(&webd, fd, address, kind, verdict == ADMISSION_COUNTED);
}

/* ---- settings ---- */

static void
read_settings(struct role *r)
{
	SSL_CTX *old = webd.tls;

	webd_settings_read(&webd.settings, r->settings);
	webd.admission.unlimited = webd.settings.unlimited;
	webd.admission.max_all = webd.settings.connections_max;
	webd.admission.max_each = webd.settings.connections_each_max;
	webd.tls = tls_server_context(r->settings, old);
	SSL_CTX_free(old); /* its connections hold it as long as they live */
}

static void
on_reload(struct role *r)
{
	read_settings(r);
	sessions_expire(webd.sessions);
	if (!webd.draining)
		listeners_update(&listeners, r, kind_of, on_accept, NULL);
	log_info("- reloaded");
}

/* ---- drain ---- */

static void
on_empty(struct webd *w)
{
	role_exit_when_done(w->role);
}

static void
on_drain(struct role *r)
{
	if (webd.draining)
		return;
	webd.draining = true;
	listeners_close(&listeners);
	if (LIST_EMPTY(&webd.connections))
		role_exit_when_done(r);
	http_drain(&webd);
}

/* ---- status ---- */

void
server_count(const struct webd *w, json_t *counters)
{
	const struct webd_counters *c = &w->counters;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
	    {"connections_now", http_count(w)},
	    {"sessions_now", sessions_count(w->sessions)},
	    {"connections", c->connections},
	    {"connections_refused", w->admission.n_refused},
	    {"tls_sessions", c->tls_sessions},
	    {"requests", c->requests},
	    {"requests_malformed", c->malformed},
	    {"logins", c->logins},
	    {"logins_failed", c->login_failures},
	    {"messages_sent", c->sent},
	    {"uploads", c->uploads},
	    {"bytes_sent", c->bytes_sent},
	};

	for (size_t i = 0; i < nitems(rows); i++)
		json_object_set_new(counters, rows[i].name, json_integer(rows[i].value));
}

static void
on_status(struct role *r, json_t *counters)
{
	(void)r;
	server_count(&webd, counters);
}

const struct role_ops server_ops = {
    .on_reload = on_reload, .on_drain = on_drain, .on_status = on_status};

/* ---- the start ---- */

void
server_open(struct role *r)
{
	int fd = role_socket(r, "connections");

	webd.role = r;
	webd.base = r->base;
	webd.on_empty = on_empty;
	LIST_INIT(&webd.connections);
	read_settings(r);
	admission_reserve_fds(&webd.admission, FDS_RESERVED);
	webd.admission.full_reply =
	    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 37\r\n\r\n"
	    "Too many connections; come back soon\n";
	webd.admission.address_reply =
	    "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 10\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 40\r\n\r\n"
	    "Too many connections from your address.\n";
	if (fd != -1)
		webd.admission.table = connections_open(fd, r->worker, r->workers);
}

void
server_run(struct role *r)
{
	webd.sessions = sessions_new(&webd);
	webd.background = background_new(r->base);
	webd.auth = auth_client_new(r->base, role_peer_path(r, "auth.sock"), "webd");
	webd.router = router_client_new(r->base, role_peer_path(r, "router.sock"), "webd");
	webd.queue =
	    queue_client_new(r->base, role_peer_path(r, "queue.sock"), "webd", SPOOL_SPARES);
	listeners_update(&listeners, r, kind_of, on_accept, NULL);
}
