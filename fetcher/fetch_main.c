/*
 * fetch collects one mailbox at another host, by POP3 or IMAP. Touches the network and the spool
 * files that it is handed, and no file, no socket and no secret else. master starts it when a
 * connection of fetcher's waits.
 */
#include <event2/event.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "fetcher/fetch_private.h"

struct program {
	struct role role;
	struct fetch_link *link;
	struct fetch_config *config;
};

/* All of it happens within this event: nothing else is heard meanwhile. */
static void
on_job(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;

	(void)fd, (void)what;
	while (!p->link->over && !p->link->has_job)
		(void)fetch_link_receive(p->link);
	if (p->link->has_job)
		fetch_collect(p->link, p->config);
	role_exit_when_done(&p->role);
}

/* A process serves one connection: new settings are for the next. fetcher says when to stop. */
static void
on_reload(struct role *role)
{
	(void)role;
}

static const struct role_ops ops = {.on_reload = on_reload};

int
main(void)
{
	static struct program p;
	struct event *readable;
	int listening, rv = 0;

	role_start(&p.role, "fetch", &ops, &p);
	listening = role_required_socket(&p.role, "fetch.sock");
	p.config = fetch_config_new(p.role.settings);
	tzset();
	role_confine(&p.role, CONFINE_OUTGOING);
	p.link = fetch_link_new(listening);
	closefd(&listening);
	if (p.link != NULL) {
		readable = event_new(p.role.base, p.link->fd, EV_READ, on_job, &p);
		if (readable == NULL || event_add(readable, NULL) == -1)
			fatalx("cannot wait for fetcher");
		rv = role_loop(&p.role);
		event_free(readable);
	}
	fetch_link_free(&p.link);
	fetch_config_free(&p.config);
	log_flush();
	return rv;
}
