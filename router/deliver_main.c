/*
 * deliver carries mail to other hosts by SMTP: one process, one conversation at a time, for as long
 * as router has work for it. Touches the network and the spool files that it is handed, and no
 * file, no socket and no secret else. master starts it when a connection of router's waits.
 */
#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "router/deliver_private.h"

static void
on_end(void *arg)
{
	role_exit_when_done(arg);
}

/* New settings are for a new process: what is read by name cannot be read any more. */
static void
retire(struct role *role)
{
	deliver_retire(role->arg);
}

static const struct role_ops ops = {.on_reload = retire, .on_drain = retire};

int
main(void)
{
	struct deliver_config *config;
	struct deliver *d;
	struct role role;
	int listening, rv = 0;

	role_start(&role, "deliver", &ops, NULL);
	listening = role_required_socket(&role, "deliver.sock");
	config = deliver_config_new(role.settings);
	role_confine(&role, CONFINE_OUTGOING);
	d = deliver_new(role.base, listening, config, on_end, &role);
	closefd(&listening);
	if (d != NULL) {
		role.arg = d;
		rv = role_loop(&role);
	}
	deliver_free(&d);
	deliver_config_free(&config);
	log_flush();
	return rv;
}
