/*
 * The program around the conversations: who is let in, and what a reload or a drain means for those
 * who are.
 */
#include "smtpd/server.h"

#include <string.h>
#include <time.h>

#include "auth/auth.h"
#include "common/ipc.h"
#include "common/listeners.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/tls.h"
#include "queue/queue.h"
#include "router/router.h"
#include "smtpd/explain.h"
#include "smtpd/replies.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

/* For connections to other programs, and what they send. */
enum { FDS_RESERVED = 64 };

static struct smtpd smtpd;
static struct listeners *listeners;
static struct role *role;

/* ---- accepting ---- */

/* One user must not take what all others need: Maximum SMTP Connections Per Address, to each
 * process. */
static bool
local_user_has_enough(int fd)
{
	const struct session *s;
	uid_t uid = ipc_peer_uid(fd);
	unsigned n = 0;

	LIST_FOREACH (s, &smtpd.sessions, entry)
		n += s->kind == KIND_LOCAL && s->uid == uid;
	return n >= smtpd.settings.connections_each_max && smtpd.settings.connections_each_max > 0;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *address, socklen_t length, int kind)
{
	struct admission *a = &smtpd.admission;
	bool implicit = kind == KIND_SMTPS;
	enum admission_verdict verdict;

	(void)arg, (void)length;
	if (implicit && smtpd.tls == NULL) {
		admission_refuse(a, fd, address, "", "no-tls");
		return;
	}
	if (kind == KIND_LOCAL && local_user_has_enough(fd)) {
		admission_refuse(
		    a, fd, address, "421 4.7.0 Too many connections of this user\r\n", "user-full");
		return;
	}
	verdict = admission_enter(a, fd, address, implicit);
	if (verdict != ADMISSION_REFUSED)
		session_new(&smtpd, fd, address, kind, verdict == ADMISSION_COUNTED);
}

/* ---- settings ---- */

static void
read_settings(struct role *r)
{
	SSL_CTX *old = smtpd.tls;

	smtpd_settings_read(&smtpd.settings, r->settings);
	smtpd.admission.unlimited = smtpd.settings.unlimited;
	smtpd.admission.max_all = smtpd.settings.connections_max;
	smtpd.admission.max_each = smtpd.settings.connections_each_max;
	smtpd.tls = tls_server_context(r->settings, old);
	SSL_CTX_free(old); /* its connections hold it as long as they live */
}

static void
on_reload(struct role *r)
{
	read_settings(r);
	if (!smtpd.draining)
		listeners_update(&listeners, r, policy_kind_of, on_accept, NULL);
	log_info("- reloaded");
}

/* ---- drain ---- */

static void
on_empty(struct smtpd *d)
{
	(void)d;
	role_exit_when_done(role);
}

static bool
is_idle(const struct session *s)
{
	return s->transaction == NULL && s->input != INPUT_SWALLOW;
}

/* Who is between commands is told at once; who is sending a message is let finish. */
static void
dismiss_idle(void)
{
	for (struct session *s = LIST_FIRST(&smtpd.sessions), *next; s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (s->handshaking)
			session_free(&s);
		else if (is_idle(s))
			session_close(s, REPLY_RESTARTS, "drain");
	}
}

static void
on_drain(struct role *r)
{
	if (smtpd.draining)
		return;
	listeners_close(&listeners);
	dismiss_idle();
	smtpd.draining = true; /* not before: the last one of the loop must not end it */
	if (LIST_EMPTY(&smtpd.sessions))
		role_exit_when_done(r);
}

/* ---- status ---- */

static json_int_t
sessions_now(void)
{
	const struct session *s;
	json_int_t n = 0;

	LIST_FOREACH (s, &smtpd.sessions, entry)
		n++;
	return n;
}

static void
on_status(struct role *r, json_t *counters)
{
	const struct smtpd_counters *c = &smtpd.counters;
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
	    {"connections", c->connections},
	    {"connections_refused", smtpd.admission.n_refused},
	    {"tls_sessions", c->tls_sessions},
	    {"messages_accepted", c->messages_accepted},
	    {"messages_refused", c->messages_refused},
	    {"recipients_refused", c->recipients_refused},
	    {"bytes_accepted", c->bytes_accepted},
	    {"logins", c->auth_granted},
	    {"logins_failed", c->auth_failures},
	};

	(void)r;
	json_object_set_new(counters, "connections_now", json_integer(sessions_now()));
	for (size_t i = 0; i < nitems(rows); i++)
		json_object_set_new(counters, rows[i].name, json_integer(rows[i].value));
	for (size_t i = 0; i < REFUSALS; i++)
		json_object_set_new(counters, refusal_name(i), json_integer(c->refusals.n[i]));
}

/* ---- sambarctl ---- */

static void
on_admin(struct role *r, uint64_t tag, char **words, size_t n)
{
	explain_request(&smtpd, r, tag, words, n);
}

const struct role_ops server_ops = {
    .on_reload = on_reload, .on_drain = on_drain, .on_status = on_status, .on_admin = on_admin};

/* ---- the start ---- */

void
server_open(struct role *r)
{
	int fd = role_socket(r, "connections");

	role = r;
	tzset(); /* the zone's file is out of reach later */
	smtpd.base = r->base;
	smtpd.worker = r->worker;
	smtpd.on_empty = on_empty;
	LIST_INIT(&smtpd.sessions);
	read_settings(r);
	admission_reserve_fds(&smtpd.admission,
	    FDS_RESERVED + settings_u64(r->settings, "limits", "Spare Spool Files"));
	smtpd.admission.full_reply = "421 4.3.2 Too many connections; try again later\r\n";
	smtpd.admission.address_reply = "421 4.7.0 Too many connections from your address\r\n";
	if (fd != -1)
		smtpd.admission.table = connections_open(fd, r->worker, r->workers);
}

void
server_run(struct role *r)
{
	unsigned spares = settings_u64(r->settings, "limits", "Spare Spool Files");

	smtpd.auth = auth_client_new(r->base, role_peer_path(r, "auth.sock"), "smtpd");
	smtpd.router = router_client_new(r->base, role_peer_path(r, "router.sock"), "smtpd");
	smtpd.queue = queue_client_new(r->base, role_peer_path(r, "queue.sock"), "smtpd", spares);
	listeners_update(&listeners, r, policy_kind_of, on_accept, NULL);
}
