/*
 * auth as a whole: who may ask what, settings, counters, and its end.
 */
#include "auth/server.h"

#include <fcntl.h>
#include <stdlib.h>

#include "auth/admin.h"
#include "auth/auth.h"
#include "common/log.h"
#include "common/memory.h"

static const unsigned callers = ROLE_SMTPD | ROLE_POP3D | ROLE_IMAPD | ROLE_WEBD;

static const struct ipc_handler handlers[] = {
    {AUTH_LOGIN, callers, attempt_on_login},
    {AUTH_PASSWD, ROLE_WEBD, attempt_on_passwd},
    {AUTH_VALID, ROLE_WEBD, first_on_valid},
    {AUTH_SETUP, ROLE_WEBD, first_on_setup},
};

static void
on_peer_close(struct ipc_peer *p)
{
	attempt_forget_peer(p->arg, p);
	first_forget_peer(p->arg, p);
}

static const struct ipc_server_ops server_ops = {
    .handlers = handlers, .n_handlers = nitems(handlers), .on_close = on_peer_close};

struct auth *
auth_new(struct role *role, int users, int listen_fd, const char *store_path,
    admin_reply_cb on_reply, void *arg)
{
	struct event_base *base = role->base;
	struct auth *a = xcalloc(1, sizeof *a);

	a->role = role;
	a->base = base;
	TAILQ_INIT(&a->attempts);
	TAILQ_INIT(&a->firsts);
	a->mail_server = xstrdup("");
	a->local_domains = xstrdup("");
	a->secret = secret_new();
	if ((a->directory = fcntl(users, F_DUPFD_CLOEXEC, 3)) == -1)
		fatal("cannot duplicate the directory of users");
	a->users = users_new(users);
	a->passwords = passwords_new(base);
	a->failures = failures_new();
	a->remembered = remembered_new(a->secret);
	a->turns = turns_new(base, a->failures, &attempt_turns_ops, a);
	a->store = store_client_new(base, store_path, "auth", NULL, NULL);
	a->admin = admin_new(a, on_reply, arg);
	a->server = ipc_server_new(base, listen_fd, &server_ops, a);
	return a;
}

void
auth_free(struct auth **ap)
{
	struct auth *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	a->on_idle = NULL;
	ipc_server_free(&a->server);
	admin_close(a->admin);
	passwords_free(&a->passwords);
	store_client_free(&a->store);
	admin_free(&a->admin);
	attempt_forget_all(a);
	first_forget_all(a);
	turns_free(&a->turns);
	remembered_free(&a->remembered);
	failures_free(&a->failures);
	users_free(&a->users);
	closefd(&a->directory);
	secret_free(&a->secret);
	free(a->mail_server);
	free(a->local_domains);
	free(a);
}

void
auth_settings(struct auth *a, const struct settings *settings)
{
	uint64_t workers = settings_u64(settings, "limits", "Auth Workers");

	free(a->mail_server);
	free(a->local_domains);
	a->mail_server = xstrdup(settings_text(settings, "mail", "Mail Server"));
	a->local_domains = xstrdup(settings_text(settings, "smtpd", "Local Domains"));
	remembered_set_time(
	    a->remembered, settings_u64(settings, "timeouts", "Remember Login") * 1000);
	failures_set_max(
	    a->failures, settings_u64(settings, "timeouts", "Maximum Login Delay") * 1000);
	passwords_set_threads(a->passwords, workers);
	turns_set_max(a->turns, workers);
}

void
auth_status(const struct auth *a, json_t *counters)
{
	json_object_set_new(counters, "users", json_integer(users_count(a->users)));
	json_object_set_new(counters, "logins", json_integer(a->n_logins));
	json_object_set_new(counters, "logins_remembered", json_integer(a->n_remembered));
	json_object_set_new(counters, "logins_failed", json_integer(a->n_failed));
	json_object_set_new(counters, "logins_waiting", json_integer(turns_waiting(a->turns)));
	json_object_set_new(counters, "answers_held_back", json_integer(a->n_held));
	json_object_set_new(counters, "hashing", json_integer(passwords_load(a->passwords)));
}

void
auth_settled(struct auth *a)
{
	if (a->on_idle != NULL && TAILQ_EMPTY(&a->attempts) && TAILQ_EMPTY(&a->firsts) &&
	    admin_is_idle(a->admin))
		a->on_idle(a->idle_arg);
}

void
auth_drain(struct auth *a, void (*on_idle)(void *arg), void *arg)
{
	a->draining = true;
	attempt_drain(a);
	a->on_idle = on_idle;
	a->idle_arg = arg;
	auth_settled(a);
}
