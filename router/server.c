/*
 * router as a whole: its connections, settings and counters.
 */
#include "router/server.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "router/router.h"
#include "router/vacation.h"

/* ---- queue's side ---- */

static void
on_due(void *arg, uint64_t id, unsigned attempts, bool ordered, struct span destination, int fd)
{
	(void)attempts;
	attempt_start(arg, id, ordered, destination, fd);
}

static void
on_lost(void *arg)
{
	struct router *r = arg;

	attempt_forget_all(r);
	outgoing_forget_parked(r->outgoing);
}

static void
on_parked(void *arg, struct span destination, uint64_t left)
{
	struct router *r = arg;

	outgoing_left(r->outgoing, destination, left);
}

static void
on_flush(void *arg, struct span pattern)
{
	struct router *r = arg;

	outgoing_flush(r->outgoing, pattern);
}

static const struct queue_due_ops due_ops = {
    .on_due = on_due, .on_lost = on_lost, .on_parked = on_parked, .on_flush = on_flush};

void
router_attempt_ended(struct router *r)
{
	if (r->on_idle != NULL && r->n_attempts == 0 && vacations_count(r->vacations) == 0)
		r->on_idle(r->idle_arg);
}

/* ---- smtpd's side ---- */

static void
on_peer_close(struct ipc_peer *p)
{
	ask_forget(p->arg, p);
}

static const struct ipc_handler handlers[] = {
    {ROUTER_ASK, ROLE_SMTPD | ROLE_FETCHER | ROLE_WEBD, ask_handle},
    {ROUTER_SENDER, ROLE_SMTPD | ROLE_WEBD, ask_handle_sender},
    {ROUTER_EXPLAIN, ROLE_SMTPD, ask_handle_explain},
};

static const struct ipc_server_ops server_ops = {
    .handlers = handlers, .n_handlers = nitems(handlers), .on_close = on_peer_close};

/* ---- all of it ---- */

struct router *
router_new(struct event_base *base, int listen_fd, const char *queue_path, const char *store_path,
    const char *deliver_path, const struct settings *settings)
{
	struct router *r = xcalloc(1, sizeof *r);

	r->base = base;
	TAILQ_INIT(&r->asks);
	TAILQ_INIT(&r->attempts);
	resolution_init(&r->resolution);
	r->tables = tables_new(settings);
	r->window = settings_u64(settings, "limits", "Maximum Messages In Hand");
	r->known = known_new(base, store_path);
	r->feed = queue_feed_new(base, queue_path, r->window, &due_ops, r);
	r->vacations = vacations_new(r, queue_path);
	r->outgoing = outgoing_new(base, deliver_path, r->feed, settings);
	r->server = ipc_server_new(base, listen_fd, &server_ops, r);
	return r;
}

void
router_free(struct router **rp)
{
	struct router *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	r->on_idle = NULL;
	ipc_server_free(&r->server);
	ask_forget(r, NULL);
	attempt_forget_all(r);
	vacations_free(&r->vacations);
	outgoing_free(&r->outgoing);
	queue_feed_free(&r->feed);
	known_free(&r->known);
	resolution_clear(&r->resolution);
	tables_free(&r->tables);
	free(r);
}

void
router_settings(struct router *r, const struct settings *settings)
{
	unsigned window = settings_u64(settings, "limits", "Maximum Messages In Hand");

	tables_free(&r->tables);
	r->tables = tables_new(settings);
	outgoing_settings(r->outgoing, settings);
	if (window == r->window || r->on_idle != NULL)
		return;
	r->window = window;
	queue_feed_window(r->feed, window);
}

void
router_status(const struct router *r, json_t *counters)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
	    {"in_hand", r->n_attempts},
	    {"messages", r->count.messages},
	    {"delivered", r->count.delivered},
	    {"sent", r->count.sent},
	    {"deferred", r->count.deferred},
	    {"failed", r->count.failed},
	    {"dropped", r->count.dropped},
	    {"expanded", r->count.expanded},
	    {"vacation_replies", r->count.vacation_replies},
	    {"asks", r->count.asks},
	    {"asks_waiting", r->n_asks},
	    {"aliases", r->tables->n_entries},
	    {"mailboxes_known", known_count(r->known)},
	};

	for (size_t i = 0; i < nitems(rows); i++)
		json_object_set_new(counters, rows[i].name, json_integer(rows[i].value));
	outgoing_status(r->outgoing, counters);
}

void
router_drain(struct router *r, void (*on_idle)(void *arg), void *arg)
{
	r->on_idle = on_idle;
	r->idle_arg = arg;
	queue_feed_window(r->feed, 0);
	outgoing_drain(r->outgoing);
	attempt_park_waiting(r);
	vacations_drain(r->vacations);
	router_attempt_ended(r);
}
