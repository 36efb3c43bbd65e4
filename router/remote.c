/*
 * The part of an attempt that goes to other hosts: sorts its recipients by destination, and keeps
 * what deliver says of each. Touches nothing.
 */
#include "router/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/memory.h"
#include "router/attempt.h"
#include "router/route.h"

#define NO_MORE UINT32_MAX

/* Recipients by destination: a chain for each, through next. */
struct sorting {
	struct name_set destinations;
	uint32_t *first, *next;
	size_t n, room;		  /* destinations */
	struct route first_route; /* of the first of them, which mostly is the only one */
};

/* ---- ends ---- */

static void
set_end(struct attempt *a, uint32_t i, const struct deliver_result *r, bool logged)
{
	struct remote_end *e = &a->remote_ends[i];

	free(e->reply);
	free(e->route);
	*e = (struct remote_end){.logged = logged,
	    .end = r->end,
	    .flags = r->flags & DELIVER_DSN_PASSED_ON ? DSN_PASSED_ON : 0,
	    .reply = span_text(r->reply),
	    .route = span_text(r->route)};
}

static void
on_result(void *arg, const struct deliver_result *r, bool logged)
{
	struct sending *sending = arg;

	if (r->recipient < sending->attempt->e.n_recipients)
		set_end(sending->attempt, r->recipient, r, logged);
}

static void
sending_free(struct sending *s)
{
	TAILQ_REMOVE(&s->attempt->sendings, s, entry);
	outgoing_cancel(&s->job);
	free(s);
}

static void
on_end(void *arg)
{
	struct sending *s = arg;
	struct attempt *a = s->attempt;

	s->job = NULL;
	sending_free(s);
	if (TAILQ_EMPTY(&a->sendings))
		attempt_finish(a);
}

static const struct outgoing_ops ops = {on_result, on_end};

/* ---- sorting ---- */

static void
sorting_clear(struct sorting *s)
{
	name_set_clear(&s->destinations);
	free(s->first);
	free(s->next);
}

/* False: a reload, while store was asked, has made the domain one of ours. */
static bool
route_of(const struct attempt *a, uint32_t i, struct route *route)
{
	char lower[ADDRESS_TEXT_SIZE];
	struct place place;

	tables_place(a->router->tables, a->e.recipients[i].address, lower, &place);
	if (place.kind == DOMAIN_LOCAL)
		return false;
	*route = route_find(a->router->tables, &place, a->e.route_override);
	return true;
}

static void
sort_recipient(struct attempt *a, struct sorting *s, uint32_t i)
{
	struct deliver_result none = {.end = END_FAILED};
	struct route route;
	char why[REPLY_MAX_BYTES];
	size_t which;

	if (!route_of(a, i, &route)) {
		none.end = END_DEFERRED;
		none.reply = span_of("451 4.3.5 the configuration has changed");
		set_end(a, i, &none, false);
		return;
	}
	if (route.kind == ROUTE_NONE) {
		snprintf(why, sizeof why, "550 5.4.4 %s", route.why);
		none.reply = span_of(why);
		set_end(a, i, &none, false);
		return;
	}
	which = name_set_add(&s->destinations, span_of(route.destination));
	if (which == s->n) {
		if (s->n == 0)
			s->first_route = route;
		if (s->n == s->room) {
			s->room = s->room ? s->room * 2 : 1;
			s->first = xrealloc(s->first, s->room * sizeof *s->first);
		}
		s->first[s->n++] = NO_MORE;
	}
	s->next[i] = s->first[which];
	s->first[which] = i;
}

/* ---- handing over ---- */

static void
send_some(struct attempt *a, const struct route *route, const uint32_t *recipients, size_t n)
{
	struct sending *s = xcalloc(1, sizeof *s);
	struct deliver_job job = {.id = a->id,
	    .to = {.kind = route->kind == ROUTE_MX ? DELIVER_MX : DELIVER_HOST,
		.name = span_of(route->host),
		.port = route->port,
		.tls = route->tls,
		.implicit_tls = route->implicit_tls,
		.dane = route->dane,
		.tls_names = span_of(route->names),
		.user = span_of(route->user),
		.password = span_of(route->password),
		.auth_in_clear = route->auth_without_tls},
	    .recipients = recipients,
	    .n = n};

	/* A null reverse-path stays one: nobody is to answer. */
	if (a->e.reverse_path.len > 0)
		job.reverse_path = span_of(route->reverse_path);
	s->attempt = a;
	TAILQ_INSERT_TAIL(&a->sendings, s, entry);
	s->job =
	    outgoing_add(a->router->outgoing, span_of(route->destination), &job, a->fd, &ops, s);
}

static void
send_all(struct attempt *a, const struct sorting *s, size_t which, const struct route *route)
{
	uint32_t some[DELIVER_RECIPIENTS_MAX];
	size_t n = 0;

	for (uint32_t i = s->first[which]; i != NO_MORE; i = s->next[i]) {
		some[n++] = i;
		if (n < nitems(some) && s->next[i] != NO_MORE)
			continue;
		send_some(a, route, some, n);
		n = 0;
	}
}

static void
defer_all(struct attempt *a, const struct sorting *s, size_t which, struct span reply)
{
	const struct deliver_result r = {
	    .end = END_DEFERRED, .reply = reply, .route = span_of("smtp")};

	for (uint32_t i = s->first[which]; i != NO_MORE; i = s->next[i])
		set_end(a, i, &r, false);
}

static void
park(struct attempt *a, struct span destination)
{
	if (a->park.len == 0)
		a->park = span_dup(destination);
}

/* It was parked for this, or for what was the SMTP Server when its time had not come. */
static bool
is_fetched(const struct attempt *a, struct span name, const struct route *route)
{
	struct span rest = a->fetched, kind;

	if (span_equal(name, a->fetched))
		return true;
	return route->smart_host && span_take(&rest, ':', &kind) && span_is(kind, "smart");
}

static void
send_destination(struct attempt *a, const struct sorting *s, size_t which)
{
	struct span name = s->destinations.names[which], reply;
	struct route route = s->first_route;
	bool scheduled;

	if (which > 0)
		(void)route_of(a, s->first[which], &route); /* as when it was sorted */
	scheduled = route.smart_host && a->router->tables->relay_scheduled;
	if (a->ordered)
		outgoing_revive(a->router->outgoing, name);
	switch (outgoing_look(
	    a->router->outgoing, name, scheduled, is_fetched(a, name, &route), &reply)) {
	case OUTGOING_READY:
		send_all(a, s, which, &route);
		break;
	case OUTGOING_BUSY:
		park(a, name);
		break;
	case OUTGOING_DEAD:
		defer_all(a, s, which, reply);
		break;
	}
}

void
remote_init(struct attempt *a, struct span fetched)
{
	TAILQ_INIT(&a->sendings);
	if (fetched.len > 0)
		a->fetched = span_dup(fetched);
}

static void
sort_and_send(struct attempt *a)
{
	struct sorting s = {0};

	a->remote_ends = xcalloc(a->e.n_recipients, sizeof *a->remote_ends);
	s.next = xcalloc(a->e.n_recipients, sizeof *s.next);
	name_set_init(&s.destinations, true);
	/* From the last on, so that chains are in the order of the envelope. */
	for (size_t i = a->e.n_recipients; i-- > 0;)
		if (a->parts[i].kind == PART_REMOTE)
			sort_recipient(a, &s, i);
	for (size_t which = 0; which < s.n; which++)
		send_destination(a, &s, which);
	sorting_clear(&s);
}

bool
remote_send(struct attempt *a)
{
	for (size_t i = 0; i < a->e.n_recipients; i++)
		if (a->parts[i].kind == PART_REMOTE) {
			sort_and_send(a);
			break;
		}
	return !TAILQ_EMPTY(&a->sendings);
}

bool
remote_park_waiting(struct attempt *a)
{
	struct sending *s, *next;

	for (s = TAILQ_FIRST(&a->sendings); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (!outgoing_waits(s->job))
			continue;
		park(a, outgoing_destination(s->job));
		sending_free(s);
	}
	return !TAILQ_EMPTY(&a->sendings);
}

void
remote_clear(struct attempt *a)
{
	while (!TAILQ_EMPTY(&a->sendings))
		sending_free(TAILQ_FIRST(&a->sendings));
	for (size_t i = 0; a->remote_ends != NULL && i < a->e.n_recipients; i++) {
		free(a->remote_ends[i].reply);
		free(a->remote_ends[i].route);
	}
	free(a->remote_ends);
	a->remote_ends = NULL;
	free((void *)(uintptr_t)a->fetched.at);
	free((void *)(uintptr_t)a->park.at);
}
