/*
 * router decides where each recipient goes, hands local mail to store and tells queue what became
 * of it. Touches no file. smtpd connects to it; it connects to queue, store and deliver.
 */
#include <time.h>

#include "common/log.h"
#include "common/role.h"
#include "router/server.h"

static void
on_reload(struct role *role)
{
	router_settings(role->arg, role->settings);
}

static void
on_idle(void *arg)
{
	role_exit_when_done(arg);
}

static void
on_drain(struct role *role)
{
	router_drain(role->arg, on_idle, role);
}

static void
on_status(struct role *role, json_t *counters)
{
	router_status(role->arg, counters);
}

static const struct role_ops ops = {
    .on_reload = on_reload, .on_drain = on_drain, .on_status = on_status};

int
main(void)
{
	struct role role;
	struct router *r;
	int listening, rv;

	role_start(&role, "router", &ops, NULL);
	if ((listening = role_socket(&role, "router.sock")) == -1)
		fatalx("master did not send router.sock");
	tzset(); /* for Relay Delivery: later no file can be read */
	role_confine(&role, CONFINE_ROUTER);
	r = router_new(role.base, listening, role_peer_path(&role, "queue.sock"),
	    role_peer_path(&role, "store.sock"), role_peer_path(&role, "deliver.sock"),
	    role.settings);
	role.arg = r;
	rv = role_loop(&role);
	router_free(&r);
	return rv;
}
