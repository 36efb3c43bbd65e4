/*
 * One attempt to deliver a message: resolves its pending recipients, and hands it to store for all
 * their mailboxes together, each once. conclude.c ends it. Reads the spool file's envelope through
 * the descriptor that queue has sent.
 */
#include "router/attempt.h"
#include "router/vacation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"

enum {
	ROUNDS_MAX = 16,
	REFS_MAX = 1000 * 1000, /* mailboxes of all recipients, each counted for each */
	RETURN_PATH_SIZE = ADDRESS_TEXT_SIZE + 32
};

/* ---- life ---- */

static void
attempt_free(struct attempt *a)
{
	TAILQ_REMOVE(&a->router->attempts, a, entry);
	a->router->n_attempts--;
	known_cancel(&a->wait);
	ipc_call_cancel(&a->call);
	remote_clear(a);
	envelope_clear(&a->e);
	free(a->storage);
	closefd(&a->fd);
	name_set_clear(&a->names);
	name_set_clear(&a->remotes);
	free(a->parts);
	free(a->refs.at);
	free(a->remote_refs.at);
	free(a->boxes);
	free(a);
}

void
attempt_finish(struct attempt *a)
{
	struct router *r = a->router;

	attempt_conclude(a);
	attempt_free(a);
	router_attempt_ended(r);
}

void
attempt_forget_all(struct router *r)
{
	while (!TAILQ_EMPTY(&r->attempts))
		attempt_free(TAILQ_FIRST(&r->attempts));
	router_attempt_ended(r);
}

void
attempt_park_waiting(struct router *r)
{
	struct attempt *a, *next;

	for (a = TAILQ_FIRST(&r->attempts); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (!TAILQ_EMPTY(&a->sendings) && !remote_park_waiting(a))
			attempt_finish(a);
	}
}

/* ---- delivery ---- */

static void deliver_next(struct attempt *a);

static void
on_delivered(void *arg, bool durable, const struct store_result *results, size_t n)
{
	struct attempt *a = arg;
	struct box *box = &a->boxes[a->n_asked - n];
	bool any = false;

	a->call = NULL;
	/* Without results what was asked for stays deferred, as it was set. */
	for (size_t i = 0; i < n; i++) {
		box[i].end = results[i].end;
		span_copy(results[i].text, box[i].text, sizeof box[i].text);
		box[i].away = results[i].away && results[i].end == END_DONE;
		any |= box[i].end == END_DONE;
		a->away |= box[i].away;
	}
	if (any)
		a->durable &= durable;
	deliver_next(a);
}

/* To so many mailboxes as go into one DELIVER. */
static void
deliver_next(struct attempt *a)
{
	size_t n = a->names.n - a->n_asked;
	const struct span *names = a->names.names + a->n_asked;
	struct span path = a->e.reverse_path;
	char line[RETURN_PATH_SIZE];

	if (n == 0) {
		/* Now, while the message is sure to be in its file. */
		if (a->away)
			vacations_consider(a);
		if (!remote_send(a))
			attempt_finish(a);
		return;
	}
	if (n > STORE_DELIVER_MAX_MAILBOXES)
		n = STORE_DELIVER_MAX_MAILBOXES;
	for (size_t i = 0; i < n; i++) {
		a->boxes[a->n_asked + i].end = END_DEFERRED;
		strlcpy(a->boxes[a->n_asked + i].text, "451 4.3.0 the mailbox does not answer",
		    sizeof a->boxes[0].text);
	}
	a->n_asked += n;
	snprintf(
	    line, sizeof line, "Return-Path: <%.*s>\r\n", (int)path.len, path.len ? path.at : "");
	a->call = store_deliver(known_store(a->router->known), a->id, a->e.arrival_us, a->fd,
	    a->e.message_offset, a->e.message_size, span_of(line), names, n, on_delivered, a);
}

static void
deliver(struct attempt *a)
{
	a->boxes = xcalloc(a->names.n, sizeof *a->boxes);
	deliver_next(a);
}

/* ---- routes ---- */

/* What store cannot see now is tried: DELIVER will say. */
static enum mailbox_state
look(void *arg, struct span name)
{
	struct known *k = arg;
	struct known_mailbox m;

	if (!known_get(k, name, &m))
		return MAILBOX_NOT_YET;
	return m.state == STORE_NONE ? MAILBOX_NONE : MAILBOX_IS;
}

/* Adds the names to all, and their places there to refs. */
static void
add_refs(struct refs *refs, struct name_set *all, const struct name_set *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if ((refs->n & (refs->n - 1)) == 0)
			refs->at =
			    xrealloc(refs->at, (refs->n ? refs->n * 2 : 1) * sizeof *refs->at);
		refs->at[refs->n++] = name_set_add(all, names->names[i]);
	}
}

static void
set_route(struct attempt *a, struct part *p)
{
	const struct resolution *r = &a->router->resolution;

	if (a->refs.n + a->remote_refs.n + r->mailboxes.n + r->remotes.n > REFS_MAX) {
		p->kind = PART_LATER; /* in the next attempt, when the others are done */
		return;
	}
	p->kind = PART_ROUTED;
	p->partly_unknown = r->unknown;
	p->first = a->refs.n;
	p->n = r->mailboxes.n;
	p->first_remote = a->remote_refs.n;
	p->n_remotes = r->remotes.n;
	add_refs(&a->refs, &a->names, &r->mailboxes);
	add_refs(&a->remote_refs, &a->remotes, &r->remotes);
}

static void
set_part(struct attempt *a, struct part *p)
{
	const struct resolution *r = &a->router->resolution;

	if (r->loop)
		p->kind = PART_LOOP;
	else if (r->mailboxes.n + r->remotes.n == 0)
		p->kind = r->dropped ? PART_DROPPED : PART_UNKNOWN;
	else if (!r->expanded && r->remotes.n > 0)
		p->kind = PART_REMOTE;
	else
		set_route(a, p);
}

/* Adds to missing what store must be asked for first. */
static void
resolve_part(struct attempt *a, size_t i, struct name_set *missing)
{
	struct resolution *r = &a->router->resolution;
	const struct recipient *to = &a->e.recipients[i];

	if (to->parent == -1)
		resolve(r, a->router->tables, to->address, look, a->router->known);
	else
		resolve_final(r, a->router->tables, to->address, look, a->router->known);
	if (r->missing.n == 0)
		set_part(a, &a->parts[i]);
	for (size_t n = 0; n < r->missing.n; n++)
		name_set_add(missing, r->missing.names[n]);
}

static void
give_up_open(struct attempt *a)
{
	for (size_t i = 0; i < a->e.n_recipients; i++)
		if (a->parts[i].kind == PART_OPEN)
			a->parts[i].kind = PART_LATER;
}

static void
route(void *arg)
{
	struct attempt *a = arg;
	struct name_set missing;

	a->wait = NULL;
	name_set_init(&missing, true);
	for (size_t i = 0; i < a->e.n_recipients; i++)
		if (a->parts[i].kind == PART_OPEN)
			resolve_part(a, i, &missing);
	if (missing.n > 0 && a->rounds++ < ROUNDS_MAX) {
		a->wait = known_ask(a->router->known, missing.names, missing.n, route, a);
	} else {
		give_up_open(a);
		deliver(a);
	}
	name_set_clear(&missing);
}

/* ---- start ---- */

static void
refuse(struct router *r, uint64_t id, const char *why)
{
	log_warn("%s cannot be read: %s", queue_id_text(id), why);
	queue_results(r->feed, id, true, true, NULL, 0);
}

void
attempt_start(struct router *r, uint64_t id, bool ordered, struct span destination, int fd)
{
	struct attempt *a = xcalloc(1, sizeof *a);
	const char *why;

	a->router = r;
	a->id = id;
	a->fd = fd;
	a->durable = true;
	a->ordered = ordered;
	remote_init(a, destination);
	name_set_init(&a->names, true);
	name_set_init(&a->remotes, true);
	TAILQ_INSERT_TAIL(&r->attempts, a, entry);
	r->n_attempts++;
	if (envelope_read(&a->e, fd, &a->storage, &why) == -1 || a->e.id != id) {
		refuse(r, id, a->e.id != 0 ? "it is another message" : why);
		attempt_free(a);
		router_attempt_ended(r);
		return;
	}
	r->count.messages++;
	if (r->tables->trace)
		log_trace("%s from=<%s> recipients=%zu", queue_id_text(id),
		    log_safe(a->e.reverse_path), a->e.n_recipients);
	a->parts = xcalloc(a->e.n_recipients, sizeof *a->parts);
	for (size_t i = 0; i < a->e.n_recipients; i++)
		if (a->e.recipients[i].status != RECIPIENT_PENDING)
			a->parts[i].kind = PART_SETTLED;
	route(a);
}
