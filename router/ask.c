/*
 * ASK: where would this recipient go? Answered at once when all its mailboxes are known, else when
 * store has answered, or has not for a while.
 */
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "router/router.h"
#include "router/server.h"

enum { PATIENCE_S = 10, ROUNDS_MAX = 8, ASKS_MAX = 20000, REVERSE_PATH_MAX_BYTES = 1024 };

struct question {
	struct span recipient;
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
};

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

/* LOCAL when one of the mailboxes takes a message of this size. */
static enum router_verdict
judge_room(struct router *r, uint64_t size)
{
	const struct name_set *boxes = &r->resolution.mailboxes;
	enum router_verdict verdict = ROUTER_TOO_BIG;

	for (size_t i = 0; i < boxes->n; i++) {
		struct known_mailbox m;

		if (!known_get(r->known, boxes->names[i], &m))
			return ROUTER_LOCAL; /* so many that one was forgotten meanwhile */
		if (m.state == STORE_EXISTS && size <= m.room)
			return ROUTER_LOCAL;
		if (size <= m.limit)
			verdict = ROUTER_FULL;
	}
	return verdict;
}

static struct verdict
judge(struct router *r, uint64_t size)
{
	const struct resolution *res = &r->resolution;
	uint64_t targets = res->mailboxes.n + res->remotes.n;

	if (res->loop)
		return (struct verdict){ROUTER_LOOP, 0};
	if (targets == 0 && res->unclear)
		return (struct verdict){ROUTER_LATER, 0};
	if (targets == 0)
		return (struct verdict){res->dropped ? ROUTER_LOCAL : ROUTER_UNKNOWN, 0};
	if (!res->expanded && res->remotes.n > 0)
		return (struct verdict){res->relay ? ROUTER_RELAY : ROUTER_REMOTE, targets};
	if (res->remotes.n > 0 || res->dropped)
		return (struct verdict){ROUTER_LOCAL, targets};
	return (struct verdict){judge_room(r, size), targets};
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

/* False: the names in resolution.missing must be asked for. */
static bool
find_verdict(struct router *r, struct question *q, struct verdict *v)
{
	resolve(&r->resolution, r->tables, q->recipient, look, r->known);
	if (r->resolution.missing.n > 0)
		return false;
	*v = judge(r, q->size);
	return confirm(r, q, v->verdict);
}

static void
answer(struct router *r, struct ipc_peer *p, uint64_t tag, struct verdict v)
{
	struct writer w;

	if (r->tables->trace)
		log_trace("  verdict %d targets=%llu", v.verdict, (unsigned long long)v.targets);
	ipc_write(&w, ROUTER_ANSWER, tag);
	put_u64(&w, v.verdict);
	put_u64(&w, v.targets);
	put_text(&w, "");
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
	answer(a->router, a->peer, a->tag, v);
	ask_free(a);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	answer_and_free(arg, (struct verdict){ROUTER_LATER, 0});
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
		answer_and_free(a, (struct verdict){ROUTER_LATER, 0});
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
	memcpy(a->address, q->recipient.at, q->recipient.len);
	a->question.recipient.at = a->address;
	event_assign(&a->patience, r->base, -1, EV_TIMEOUT, on_patience, a);
	event_add(&a->patience, &patience);
	TAILQ_INSERT_TAIL(&r->asks, a, entry);
	r->n_asks++;
	a->wait = known_ask(r->known, missing->names, missing->n, on_known, a);
}

void
ask_handle(struct ipc_peer *p, uint64_t tag, struct reader *in)
{
	struct router *r = p->arg;
	struct question q = {.confirmed = false};
	struct verdict v;

	(void)get_str(in, REVERSE_PATH_MAX_BYTES);
	q.recipient = get_str(in, ADDRESS_TEXT_SIZE - 1);
	q.size = get_u64(in);
	if (get_end(in) == -1) {
		ipc_peer_refuse(p, "ASK");
		return;
	}
	r->count.asks++;
	if (find_verdict(r, &q, &v))
		answer(r, p, tag, v);
	else if (r->n_asks == ASKS_MAX)
		answer(r, p, tag, (struct verdict){ROUTER_LATER, 0});
	else
		wait_for_store(r, p, tag, &q);
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
