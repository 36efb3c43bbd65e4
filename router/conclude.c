/*
 * The end of an attempt: what queue is told of each recipient, and the log's line for it. Pure but
 * for that.
 *
 * A recipient whose mailboxes all ended alike ends like them. Else, and when it also goes to remote
 * addresses, those where it was not delivered take its place: each a recipient of its own, final
 * (no alias is followed again, see resolve_final()), so that nobody gets the message twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/attempt.h"

/* RECIPIENTS_SIZE: one address as log_safe() writes it always fits. */
enum { NAMES_SIZE = 300, RECIPIENTS_SIZE = 640 };

struct conclusion {
	struct attempt *a;
	struct queue_result *results;
	size_t n;
	double delay_s;
};

/* ---- the log ---- */

static const char *
address_of(const struct conclusion *c, size_t i)
{
	return log_safe(c->a->e.recipients[i].address);
}

/* The mailboxes of p from *at on that ended like that, as many as a line has room for: "ann,bob".
 */
static const char *
names_of(const struct attempt *a, const struct part *p, enum delivery_end end, uint32_t *at)
{
	static char text[NAMES_SIZE];
	size_t len = 0;

	text[0] = '\0';
	for (; *at < p->n; ++*at) {
		uint32_t box = a->refs.at[p->first + *at];
		struct span name = a->names.names[box];

		if (a->boxes[box].end != end)
			continue;
		if (len + name.len + sizeof "," > sizeof text)
			break;
		len += snprintf(text + len, sizeof text - len, "%s%.*s", len ? "," : "",
		    (int)name.len, name.at);
	}
	return text;
}

/* Those that the line of the recipient had no room for. */
static void
log_more_names(
    const struct conclusion *c, size_t i, const struct part *p, enum delivery_end end, uint32_t at)
{
	while (at < p->n) {
		const char *names = names_of(c->a, p, end, &at);

		if (names[0] != '\0')
			log_info("%s mailboxes to=<%s> mailboxes=%s", queue_id_text(c->a->id),
			    address_of(c, i), names);
	}
}

/* What has taken the place of a recipient, in as many lines as it takes. */
static void
log_new_recipients(const struct conclusion *c, size_t i, const struct span *to, size_t n)
{
	char text[RECIPIENTS_SIZE];

	for (size_t at = 0; at < n;) {
		size_t len = 0;

		do {
			len +=
			    snprintf(text + len, sizeof text - len, " to=<%s>", log_safe(to[at]));
		} while (++at < n && len + 4 * to[at].len + sizeof " to=<>" < sizeof text);
		log_info(
		    "%s recipients of=<%s>%s", queue_id_text(c->a->id), address_of(c, i), text);
	}
}

/* ---- ends ---- */

static void
add_result(
    struct conclusion *c, size_t i, enum delivery_end end, const char *reply, const char *route)
{
	c->results[c->n++] = (struct queue_result){
	    .recipient = i, .end = end, .reply = span_of(reply), .route = span_of(route)};
}

/* Mailboxes are named where it went to any: all ended alike. */
static void
log_end(const struct conclusion *c, size_t i, enum delivery_end end, const char *reply)
{
	const struct part *p = &c->a->parts[i];
	bool routed = p->kind == PART_ROUTED;
	uint32_t at = 0;

	log_info("%s %s to=<%s>%s%s reason=%s", queue_id_text(c->a->id),
	    end == END_DEFERRED ? "deferred" : "failed", address_of(c, i),
	    routed ? " mailboxes=" : "", routed ? names_of(c->a, p, end, &at) : "",
	    log_safe(span_of(reply)));
	if (routed)
		log_more_names(c, i, p, end, at);
}

static void
end_deferred(struct conclusion *c, size_t i, const char *reply, const char *route)
{
	log_end(c, i, END_DEFERRED, reply);
	c->a->router->count.deferred++;
	add_result(c, i, END_DEFERRED, reply, route);
}

static void
end_failed(struct conclusion *c, size_t i, const char *reply, const char *route)
{
	log_end(c, i, END_FAILED, reply);
	c->a->router->count.failed++;
	add_result(c, i, END_FAILED, reply, route);
}

static void
end_dropped(struct conclusion *c, size_t i)
{
	log_info("%s dropped to=<%s> via=null", queue_id_text(c->a->id), address_of(c, i));
	c->a->router->count.dropped++;
	add_result(c, i, END_DONE, "", "null");
}

static void
end_delivered(struct conclusion *c, size_t i, const struct part *p)
{
	uint32_t at = 0;

	log_info("%s delivered to=<%s> via=store mailboxes=%s delay=%.3f", queue_id_text(c->a->id),
	    address_of(c, i), names_of(c->a, p, END_DONE, &at), c->delay_s);
	log_more_names(c, i, p, END_DONE, at);
	c->a->router->count.delivered++;
	add_result(c, i, END_DONE, "", "store");
}

/* ---- recipients that others take the place of ---- */

static struct span
mailbox_address(const struct attempt *a, struct span name)
{
	char *text = xasprintf("%.*s@%s", (int)name.len, name.at, a->router->tables->server);

	return span_of(text);
}

static void
end_expanded(struct conclusion *c, size_t i, const struct part *p)
{
	struct attempt *a = c->a;
	struct span *to = xcalloc(p->n + p->n_remotes, sizeof *to);
	size_t n = 0, n_mailboxes;
	uint32_t at = 0;

	for (uint32_t m = 0; m < p->n; m++) {
		uint32_t box = a->refs.at[p->first + m];

		if (a->boxes[box].end != END_DONE)
			to[n++] = mailbox_address(a, a->names.names[box]);
	}
	n_mailboxes = n;
	for (uint32_t m = 0; m < p->n_remotes; m++)
		to[n++] = a->remotes.names[a->remote_refs.at[p->first_remote + m]];
	queue_expand(a->router->feed, a->id, i, to, n);
	log_info("%s expanded to=<%s> recipients=%zu mailboxes=%s delay=%.3f", queue_id_text(a->id),
	    address_of(c, i), n, names_of(a, p, END_DONE, &at), c->delay_s);
	log_more_names(c, i, p, END_DONE, at);
	log_new_recipients(c, i, to, n);
	a->router->count.expanded++;
	for (size_t m = 0; m < n_mailboxes; m++)
		free((void *)(uintptr_t)to[m].at);
	free(to);
}

static void
end_routed(struct conclusion *c, size_t i, const struct part *p)
{
	const struct attempt *a = c->a;
	const struct box *first = p->n ? &a->boxes[a->refs.at[p->first]] : NULL;
	bool alike = p->n_remotes == 0;

	for (uint32_t m = 1; m < p->n; m++)
		alike &= a->boxes[a->refs.at[p->first + m]].end == first->end;
	if (p->partly_unknown)
		log_warn("%s an alias has a target that is no mailbox to=<%s>",
		    queue_id_text(a->id), address_of(c, i));
	if (!alike)
		end_expanded(c, i, p);
	else if (first->end == END_DONE)
		end_delivered(c, i, p);
	else if (first->end == END_DEFERRED)
		end_deferred(c, i, first->text, "store");
	else
		end_failed(c, i, first->text, "store");
}

/* ---- other hosts ---- */

/* Without an end it is parked. */
static void
end_remote(struct conclusion *c, size_t i)
{
	struct router *r = c->a->router;
	const struct remote_end *e = c->a->remote_ends != NULL ? &c->a->remote_ends[i] : NULL;

	if (e == NULL || e->reply == NULL)
		return;
	if (e->end == END_DONE)
		r->count.sent++;
	else if (e->end == END_DEFERRED)
		r->count.deferred++;
	else
		r->count.failed++;
	if (!e->logged)
		log_end(c, i, e->end, e->reply);
	add_result(c, i, e->end, e->reply, e->route);
	c->results[c->n - 1].flags = e->flags;
}

/* ---- all recipients ---- */

static void
end_recipient(struct conclusion *c, size_t i)
{
	const struct part *p = &c->a->parts[i];

	switch (p->kind) {
	case PART_OPEN:
	case PART_SETTLED:
		break;
	case PART_ROUTED:
		end_routed(c, i, p);
		break;
	case PART_REMOTE:
		end_remote(c, i);
		break;
	case PART_DROPPED:
		end_dropped(c, i);
		break;
	case PART_UNKNOWN:
		end_failed(c, i, "550 5.1.1 no such mailbox here", "");
		break;
	case PART_LOOP:
		end_failed(c, i, "550 5.4.6 aliases lead in a circle", "");
		break;
	case PART_LATER:
		end_deferred(c, i, "451 4.3.0 its mailboxes are not known yet", "");
		break;
	}
}

static double
delay_of(const struct envelope *e)
{
	int64_t us = (int64_t)(wall_clock_now() - e->arrival_us);

	return us > 0 ? us / 1e6 : 0;
}

static void
report(const struct conclusion *c)
{
	const struct attempt *a = c->a;

	if (a->park.len == 0) {
		queue_results(a->router->feed, a->id, true, a->durable, c->results, c->n);
		return;
	}
	if (c->n > 0)
		queue_results(a->router->feed, a->id, false, a->durable, c->results, c->n);
	queue_park(a->router->feed, a->id, a->park);
	outgoing_parked(a->router->outgoing, a->park);
}

void
attempt_conclude(struct attempt *a)
{
	struct queue_result one;
	struct conclusion c = {.a = a, .results = &one, .delay_s = delay_of(&a->e)};

	if (a->e.n_recipients > 1)
		c.results = xcalloc(a->e.n_recipients, sizeof *c.results);
	for (size_t i = 0; i < a->e.n_recipients; i++)
		end_recipient(&c, i);
	report(&c);
	if (c.results != &one)
		free(c.results);
}
