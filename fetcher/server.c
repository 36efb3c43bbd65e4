/*
 * fetcher's start and end, its settings and counters.
 */
#include "fetcher/server.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "fetcher/token.h"

static void
on_reload(struct role *role)
{
	schedule_update(role->arg);
}

static void
on_drain(struct role *role)
{
	schedule_drain(role->arg);
}

static void
on_status(struct role *role, json_t *counters)
{
	const struct fetcher *f = role->arg;
	size_t sections = 0, collecting = 0, failing = 0;

	for (const struct section *s = f->sections; s != NULL; s = s->next) {
		sections++;
		collecting += s->collecting;
		failing += s->failures > 0;
	}
	json_object_set_new(counters, "sections", json_integer(sections));
	json_object_set_new(counters, "collecting", json_integer(collecting));
	json_object_set_new(counters, "failing", json_integer(failing));
	json_object_set_new(counters, "messages_taken", json_integer(f->n_taken));
	json_object_set_new(counters, "bytes_taken", json_integer(f->n_bytes));
	json_object_set_new(counters, "messages_taken_before", json_integer(f->n_before));
	json_object_set_new(counters, "failures", json_integer(f->n_failures));
}

static void
on_token(struct role *role, uint64_t tag, bool good, struct span text)
{
	const struct fetcher *f = role->arg;

	tokens_hear(f->means.tokens, tag, good, text);
}

const struct role_ops server_ops = {.on_reload = on_reload,
    .on_drain = on_drain,
    .on_status = on_status,
    .on_admin = admin_handle,
    .on_token = on_token};

void
server_run(struct role *role, int directory)
{
	struct fetcher *f = xcalloc(1, sizeof *f);
	const char *why;

	f->role = role;
	role->arg = f;
	f->fetch_path = xstrdup(role_peer_path(role, "fetch.sock"));
	f->means.base = role->base;
	f->means.fetch_path = f->fetch_path;
	if ((f->means.seen = seen_open(directory, "fetcher.db", &why)) == NULL)
		fatalx("cannot open fetcher/fetcher.db: %s", why);
	f->means.worker = worker_new(role->base);
	f->means.tokens = tokens_new(role);
	f->means.recorder = recorder_new(f->means.worker, f->means.seen);
	f->means.queue = queue_client_new(
	    role->base, role_peer_path(role, "queue.sock"), "fetcher", FETCH_SLOTS / 4);
	f->router = router_client_new(role->base, role_peer_path(role, "router.sock"), "fetcher");
	f->means.routing = routing_new(f->router);
	schedule_update(f);
}
