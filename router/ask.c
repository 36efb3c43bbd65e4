/*
 * ASK, EXPLAIN: where would this recipient go? SENDER: whose is this address? Answered at once when
 * all mailboxes are known, else when store has answered, or has not for a while.
 */
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "router/route.h"
#include "router/router.h"
#include "router/sender.h"
#include "router/server.h"

enum { PATIENCE_S = 10, ROUNDS_MAX = 8, ASKS_MAX = 20000, REVERSE_PATH_MAX_BYTES = 1024 };

struct question {
	enum router_message type; /* ASK, SENDER or EXPLAIN */
	struct span address;
	struct span user; /* of SENDER: never there while it waits for store */
	uint64_t size;
	bool confirmed; /* what says no is as store said it just now */
};

/* One that waits. */
struct ask {
	TAILQ_ENTRY(ask) entry;
	struct router *router;
	struct ipc_peer *peer;
	uint64_t tag;
	struct question question;
	struct known_wait *wait;
	struct event patience;
	unsigned rounds;
	char address[ADDRESS_TEXT_SIZE];
};

/* ---- the verdict ---- */

struct verdict {
	enum router_verdict verdict;
	uint64_t targets;
	enum router_standing standing; /* of SENDER; the others are not set */
	uint64_t room;		       /* as the door says; 0 of a refusal for lack of it */
};

static const struct verdict later = {ROUTER_LATER, 0, ROUTER_STANDING_LATER, 0};

_Static_assert(ROUTER_NO_LIMIT == STORE_NO_LIMIT, "a room is passed on");

static enum mailbox_state
look(void *arg, struct span name)
{
	struct known *k = arg;
	struct known_mailbox m;

	if (!known_get(k, name, &m))
		return MAILBOX_NOT_YET;
	switch (m.state) {
	case STORE_NONE:
		return MAILBOX_NONE;
	case STORE_EXISTS:
	case STORE_FULL:
		return MAILBOX_IS;
	case STORE_UNCLEAR:
		break;
	}
	return MAILBOX_UNCLEAR;
}

/* LOCAL when one of the mailboxes takes a message of this size. *room is then all that it takes. */
static enum router_verdict
judge_room(struct router *r, uint64_t size, uint64_t *room)
{
	const struct name_set *boxes = &r->resolution.mailboxes;
	enum router_verdict verdict = ROUTER_TOO_BIG;

	for (size_t i = 0; i < boxes->n; i++) {
		struct known_mailbox m;

		if (!known_get(r->known, boxes->names[i], &m))
			return ROUTER_LOCAL; /* so many that one was forgotten meanwhile */
		if (m.state == STORE_EXISTS && size <= m.room) {
			*room = m.room;
			return ROUTER_LOCAL;
		}
		if (size <= m.limit)
			verdict = ROUTER_FULL;
	}
	return verdict;
}

/* There is a way to one of the targets at other hosts. */
static bool
has_way_out(struct router *r)
{
	const struct name_set *remotes = &r->resolution.remotes;
	char lower[ADDRESS_TEXT_SIZE];
	struct place p;

	for (size_t i = 0; i < remotes->n; i++) {
		tables_place(r->tables, remotes->names[i], lower, &p);
		if (route_is_there(r->tables, &p))
			return true;
	}
	return false;
}

static enum router_verdict
judge_remotes(struct router *r)
{
	const struct resolution *res = &r->resolution;

	if (!has_way_out(r))
		return ROUTER_NOWHERE;
	if (res->expanded)
		return ROUTER_AWAY;
	return res->relay ? ROUTER_RELAY : ROUTER_REMOTE;
}

static struct verdict
judge(struct router *r, uint64_t size)
{
	const struct resolution *res = &r->resolution;
	uint64_t targets = res->mailboxes.n + res->remotes.n, room = ROUTER_NO_LIMIT;
	enum router_verdict local;

	if (res->loop)
		return (struct verdict){.verdict = ROUTER_LOOP};
	if (targets == 0 && res->unclear)
		return later;
	if (targets == 0)
		return (struct verdict){
		    .verdict = res->dropped ? ROUTER_LOCAL : ROUTER_UNKNOWN, .room = room};
	if (res->mailboxes.n == 0 && !res->dropped && !res->unclear)
		return (struct verdict){judge_remotes(r), targets, 0, room};
	if (res->remotes.n > 0 || res->dropped)
		return (struct verdict){ROUTER_LOCAL, targets, 0, room};
	local = judge_room(r, size, &room);
	return (struct verdict){local, targets, 0, local == ROUTER_LOCAL ? room : 0};
}

/* Room may have been made by others, of which store does not hear. False: ask store first. */
static bool
confirm(struct router *r, struct question *q, enum router_verdict verdict)
{
	struct name_set *boxes = &r->resolution.mailboxes;

	if ((verdict != ROUTER_FULL && verdict != ROUTER_TOO_BIG) || q->confirmed)
		return true;
	q->confirmed = true;
	for (size_t i = 0; i < boxes->n; i++) {
		known_forget(r->known, boxes->names[i]);
		name_set_add(&r->resolution.missing, boxes->names[i]);
	}
	return false;
}

static bool
find_standing(struct router *r, const struct question *q, struct verdict *v)
{
	static const enum router_standing standings[] = {[MAILBOX_NONE] = ROUTER_FOREIGN,
	    [MAILBOX_IS] = ROUTER_OWN,
	    [MAILBOX_UNCLEAR] = ROUTER_STANDING_LATER};
	enum mailbox_state state;

	if (q->user.len > 0)
		state = sender_is_users(&r->resolution, r->tables, q->address, q->user)
			    ? MAILBOX_IS
			    : MAILBOX_NONE;
	else
		state = sender_is_account(&r->resolution, r->tables, q->address, look, r->known);
	if (state == MAILBOX_NOT_YET)
		return false;
	v->standing = standings[state];
	return true;
}

/* False: the names in resolution.missing must be asked for. */
static bool
find_verdict(struct router *r, struct question *q, struct verdict *v)
{
	if (q->type == ROUTER_SENDER)
		return find_standing(r, q, v);
	resolve(&r->resolution, r->tables, q->address, look, r->known);
	if (r->resolution.missing.n > 0)
		return false;
	*v = judge(r, q->size);
	return confirm(r, q, v->verdict);
}

/* ---- the way, told step by step ---- */

enum { HOP_MAX_BYTES = 3 * 8 + ADDRESS_TEXT_SIZE + ROUTER_ROUTE_MAX_BYTES };

struct telling {
	struct writer *w;
	const struct tables *tables;
	bool cut;
};

_Static_assert((int)ROUTE_TEXT_SIZE <= (int)ROUTER_ROUTE_MAX_BYTES, "a route's text is sent whole");

static void
print_route(const struct telling *t, const struct place *p, char out[ROUTER_ROUTE_MAX_BYTES])
{
	struct route route = route_find(t->tables, p, span_of(""));

	route_describe(&route, out);
}

/* Where an end leads; "" of a step that others follow. */
static void
print_end(const struct telling *t, enum router_step step, struct span name, const struct place *p,
    char out[ROUTER_ROUTE_MAX_BYTES])
{
	out[0] = '\0';
	if (p != NULL)
		print_route(t, p, out);
	else if (step == STEP_MAILBOX)
		snprintf(out, ROUTER_ROUTE_MAX_BYTES, "mailbox %.*s", (int)name.len, name.at);
	else if (step == STEP_NULL)
		strlcpy(out, "dropped", ROUTER_ROUTE_MAX_BYTES);
}

static void
put_hop(
    struct writer *w, unsigned depth, enum router_step step, struct span name, const char *route)
{
	put_u64(w, depth);
	put_u64(w, step);
	put_str(w, name);
	put_text(w, route);
}

static void
on_step(void *arg, unsigned depth, enum router_step step, struct span name, const struct place *p)
{
	struct telling *t = arg;
	char route[ROUTER_ROUTE_MAX_BYTES];

	if (t->cut)
		return;
	t->cut = put_room(t->w) < 2 * HOP_MAX_BYTES;
	if (t->cut)
		step = STEP_CUT;
	print_end(t, step, name, p, route);
	put_hop(t->w, depth, step, name, route);
}

/* All mailboxes are known: the same once more, aloud. */
static void
put_way(struct router *r, struct writer *w, struct span address)
{
	struct telling telling = {w, r->tables, false};

	r->resolution.on_step = on_step;
	r->resolution.step_arg = &telling;
	resolve(&r->resolution, r->tables, address, look, r->known);
	r->resolution.on_step = NULL;
}

static const char *const verdict_words[] = {
    [ROUTER_LOCAL] = "local",
    [ROUTER_RELAY] = "relay",
    [ROUTER_REMOTE] = "remote",
    [ROUTER_AWAY] = "away",
    [ROUTER_UNKNOWN] = "unknown",
    [ROUTER_FULL] = "full",
    [ROUTER_TOO_BIG] = "too-big",
    [ROUTER_LOOP] = "loop",
    [ROUTER_LATER] = "later",
    [ROUTER_NOWHERE] = "nowhere",
};
static const char *const standing_words[] = {
    [ROUTER_OWN] = "own", [ROUTER_FOREIGN] = "foreign", [ROUTER_STANDING_LATER] = "later"};

static void
answer(
    struct router *r, struct ipc_peer *p, uint64_t tag, const struct question *q, struct verdict v)
{
	struct writer w;

	if (r->tables->trace && q->type == ROUTER_SENDER)
		log_trace("sender %s user=%s standing=%s", log_safe(q->address), log_safe(q->user),
		    standing_words[v.standing]);
	else if (r->tables->trace)
		log_trace("  verdict=%s targets=%llu", verdict_words[v.verdict],
		    (unsigned long long)v.targets);
	if (q->type == ROUTER_SENDER) {
		ipc_write(&w, ROUTER_STANDING, tag);
		put_u64(&w, v.standing);
	} else {
		ipc_write(&w, q->type == ROUTER_ASK ? ROUTER_ANSWER : ROUTER_EXPLAINED, tag);
		put_u64(&w, v.verdict);
		put_u64(&w, v.targets);
	}
	if (q->type == ROUTER_ASK) {
		put_u64(&w, v.room);
		put_text(&w, "");
	} else if (q->type == ROUTER_EXPLAIN) {
		put_way(r, &w, q->address);
	}
	ipc_peer_send(p, &w, -1);
}

/* ---- waiting for store ---- */

static void
ask_free(struct ask *a)
{
	known_cancel(&a->wait);
	event_del(&a->patience);
	TAILQ_REMOVE(&a->router->asks, a, entry);
	a->router->n_asks--;
	free(a);
}

static void
answer_and_free(struct ask *a, struct verdict v)
{
	answer(a->router, a->peer, a->tag, &a->question, v);
	ask_free(a);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	answer_and_free(arg, later);
}

static void
on_known(void *arg)
{
	struct ask *a = arg;
	struct name_set *missing = &a->router->resolution.missing;
	struct verdict v;

	a->wait = NULL;
	if (find_verdict(a->router, &a->question, &v))
		answer_and_free(a, v);
	else if (++a->rounds == ROUNDS_MAX)
		answer_and_free(a, later);
	else
		a->wait = known_ask(a->router->known, missing->names, missing->n, on_known, a);
}

static void
wait_for_store(struct router *r, struct ipc_peer *p, uint64_t tag, const struct question *q)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct name_set *missing = &r->resolution.missing;
	struct ask *a = xcalloc(1, sizeof *a);

	a->router = r;
	a->peer = p;
	a->tag = tag;
	a->question = *q;
	memcpy(a->address, q->address.at, q->address.len);
	a->question.address.at = a->address;
	event_assign(&a->patience, r->base, -1, EV_TIMEOUT, on_patience, a);
	event_add(&a->patience, &patience);
	TAILQ_INSERT_TAIL(&r->asks, a, entry);
	r->n_asks++;
	a->wait = known_ask(r->known, missing->names, missing->n, on_known, a);
}

/* ---- the questions ---- */

static void
handle(struct ipc_peer *p, uint64_t tag, struct question *q)
{
	struct router *r = p->arg;
	struct verdict v;

	if (find_verdict(r, q, &v))
		answer(r, p, tag, q, v);
	else if (r->n_asks == ASKS_MAX)
		answer(r, p, tag, q, later);
	else
		wait_for_store(r, p, tag, q);
}

void
ask_handle(struct ipc_peer *p, uint64_t tag, struct reader *in)
{
	struct router *r = p->arg;
	struct question q = {.type = ROUTER_ASK};

	(void)get_str(in, REVERSE_PATH_MAX_BYTES);
	q.address = get_str(in, ADDRESS_TEXT_SIZE - 1);
	q.size = get_u64(in);
	if (get_end(in) == -1) {
		ipc_peer_refuse(p, "ASK");
		return;
	}
	r->count.asks++;
	handle(p, tag, &q);
}

void
ask_handle_sender(struct ipc_peer *p, uint64_t tag, struct reader *in)
{
	struct question q = {.type = ROUTER_SENDER};

	q.address = get_str(in, ADDRESS_TEXT_SIZE - 1);
	q.user = get_str(in, ROUTER_USER_MAX_BYTES);
	if (get_end(in) == -1)
		ipc_peer_refuse(p, "SENDER");
	else
		handle(p, tag, &q);
}

void
ask_handle_explain(struct ipc_peer *p, uint64_t tag, struct reader *in)
{
	struct question q = {.type = ROUTER_EXPLAIN};

	q.address = get_str(in, ADDRESS_TEXT_SIZE - 1);
	if (get_end(in) == -1)
		ipc_peer_refuse(p, "EXPLAIN");
	else
		handle(p, tag, &q);
}

void
ask_forget(struct router *r, const struct ipc_peer *p)
{
	struct ask *a, *next;

	for (a = TAILQ_FIRST(&r->asks); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (p == NULL || a->peer == p)
			ask_free(a);
	}
}
