/*
 * queue, the guardian of the spool: makes messages durable, knows what is due, hands it to router.
 * Touches the spool and the directory of failures. smtpd, fetcher, router and webd connect to it;
 * it connects to nobody.
 */
#include <time.h>

#include "common/log.h"
#include "queue/admin.h"
#include "queue/server.h"

static void
on_reload(struct role *role)
{
	server_settings(role->arg, role->settings);
}

static void
on_drain(struct role *role)
{
	server_drain(role->arg);
}

static void
on_status(struct role *role, json_t *counters)
{
	server_status(role->arg, counters);
}

static void
on_admin(struct role *role, uint64_t tag, char **words, size_t n)
{
	admin_request(role->arg, tag, words, n);
}

int
main(void)
{
	static const struct role_ops ops = {.on_reload = on_reload,
	    .on_drain = on_drain,
	    .on_status = on_status,
	    .on_admin = on_admin};
	static struct queue q;
	struct role role;
	int spool, failures, sock;

	role_start(&role, "queue", &ops, &q);
	q.role = &role;
	q.base = role.base;
	spool = role_required_socket(&role, "spool"); /* directories, already open */
	failures = role_required_socket(&role, "failures");
	sock = role_required_socket(&role, "queue.sock");
	server_settings(&q, role.settings);
	tzset(); /* the zone's file is out of reach later */
	role_confine(&role, CONFINE_FILES);
	spool_open(&q.spool, spool, failures); /* as our own account, below those two only */
	spool_lock(&q.spool);		       /* a predecessor may still be ending */
	server_recover(&q);
	server_start(&q, sock);	 /* its threads inherit what was given up */
	return role_loop(&role); /* at any moment the spool is what a restart needs */
}
