/*
 * auth, the guardian of the accounts: says whose password is right, and passes a session of the
 * user's mailbox on. Touches the directory of users. smtpd, pop3d and others connect to it; it
 * connects to store.
 */
#include <sys/stat.h>

#include "auth/admin.h"
#include "auth/server.h"
#include "common/log.h"
#include "common/role.h"

static void
take_settings(struct role *role)
{
	auth_settings(role->arg, role->settings);
}

static void
on_idle(void *arg)
{
	role_exit_when_done(arg);
}

static void
on_drain(struct role *role)
{
	auth_drain(role->arg, on_idle, role);
}

static void
on_status(struct role *role, json_t *counters)
{
	auth_status(role->arg, counters);
}

static void
on_admin(struct role *role, uint64_t tag, char **words, size_t n)
{
	admin_request(role->arg, tag, words, n);
}

static void
on_reply(void *arg, uint64_t tag, int code, json_t *doc)
{
	role_admin_reply(arg, tag, code, doc);
}

static const struct role_ops ops = {
    .on_reload = take_settings, .on_drain = on_drain, .on_status = on_status, .on_admin = on_admin};

int
main(void)
{
	struct role role;
	struct auth *a;
	int users, listening, rv;

	role_start(&role, "auth", &ops, NULL);
	users = role_required_socket(&role, "users");
	listening = role_required_socket(&role, "auth.sock");
	umask(077);
	role_confine(&role, CONFINE_FILES);
	/* the passwords' threads inherit what was given up */
	a = auth_new(&role, users, listening, role_peer_path(&role, "store.sock"), on_reply, &role);
	role.arg = a;
	take_settings(&role);
	rv = role_loop(&role);
	auth_free(&a);
	return rv;
}
