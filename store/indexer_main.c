/*
 * indexer looks into messages for store, and tells what they say. Touches the messages that it is
 * handed, and nothing else: no file, no network, no socket. master starts it when a connection of
 * store's waits.
 */
#include <event2/event.h>
#include <sys/resource.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/mime.h"
#include "common/role.h"
#include "store/indexer_private.h"

/* More than any message needs: what goes on longer, or wants more, dies and is left out. */
enum { MEMORY_MAX_MB = 512 };

struct program {
	struct role role;
	struct indexer_link *link;
};

/* One message an event: its answer has left before the next one is looked at. */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct program *p = arg;

	(void)fd, (void)what;
	if (indexer_link_serve(p->link) == -1)
		role_exit_when_done(&p->role);
}

static void
on_drain(struct role *role)
{
	struct program *p = role->arg;

	if (p->link != NULL)
		indexer_link_retire(p->link);
	role_exit_when_done(role);
}

/* There are no settings. */
static void
on_reload(struct role *role)
{
	(void)role;
}

static const struct role_ops ops = {.on_reload = on_reload, .on_drain = on_drain};

static void
limit_memory(void)
{
#ifndef SANITIZE
	struct rlimit limit = {(rlim_t)MEMORY_MAX_MB << 20, (rlim_t)MEMORY_MAX_MB << 20};

	if (setrlimit(RLIMIT_AS, &limit) == -1)
		fatal("cannot limit the memory");
#endif
}

int
main(void)
{
	static struct program p;
	struct event *readable;
	int listening, rv = 0;

	role_start(&p.role, "indexer", &ops, &p);
	listening = role_required_socket(&p.role, "indexer.sock");
	mime_prepare();
	limit_memory();
	role_confine(&p.role, CONFINE_READER);
	p.link = indexer_link_new(listening);
	closefd(&listening);
	if (p.link != NULL) {
		readable =
		    event_new(p.role.base, p.link->fd, EV_READ | EV_PERSIST, on_readable, &p);
		if (readable == NULL || event_add(readable, NULL) == -1)
			fatalx("cannot wait for store");
		rv = role_loop(&p.role);
		event_free(readable);
	}
	indexer_link_free(&p.link);
	log_flush();
	return rv;
}
