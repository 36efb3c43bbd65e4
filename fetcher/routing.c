/* Decides by what router says; remembers that for a minute, for most mail is for the same few. */
#include "fetcher/routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/monotonic.h"

enum { KNOWN_MAX = 1024, KNOWN_FOR_US = 60 * 1000000 };

struct answer {
	enum router_verdict verdict;
	uint64_t room; /* LOCAL: for a message up to this size */
};

struct known {
	uint64_t until_us;
	struct answer answer;
	char address[ADDRESS_TEXT_SIZE];
};

struct routing {
	struct router_client *router;
	struct known *known; /* KNOWN_MAX places, by a hash of the address */
};

/* One address of a message. */
struct question {
	struct routing_call *call;
	struct routing_recipient recipient; /* as router is asked */
	struct answer answer;
};

struct routing_call {
	struct routing *routing;
	struct routing_rule rule;
	uint64_t size;
	routing_cb cb;
	void *arg;
	size_t n_pending;
	bool asking;	  /* the questions are not all asked yet */
	bool last_resort; /* the Unknown Mailbox was asked for */
	size_t n;
	struct question questions[]; /* at least one */
};

struct routing *
routing_new(struct router_client *router)
{
	struct routing *r = xcalloc(1, sizeof *r);

	r->router = router;
	r->known = xcalloc(KNOWN_MAX, sizeof *r->known);
	return r;
}

void
routing_free(struct routing **rp)
{
	struct routing *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	free(r->known);
	free(r);
}

void
routing_forget(struct routing *r)
{
	memset(r->known, 0, KNOWN_MAX * sizeof *r->known);
}

static struct known *
place_of(struct routing *r, const char *address)
{
	uint32_t hash = 2166136261u;

	for (const char *p = address; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return &r->known[hash % KNOWN_MAX];
}

/* ---- the end ---- */

static void
end(struct routing_call *c, enum routing_end how, const struct routing_recipient *recipients,
    size_t n, const char *why)
{
	struct routing_result result = {how, recipients, n, why};

	c->cb(c->arg, &result);
	free(c);
}

static void
end_with_nobody(struct routing_call *c)
{
	const char *mailbox = c->rule.mailbox;
	char why[FETCH_TEXT_MAX_BYTES + 1];

	if (mailbox[0] == '\0') {
		end(c, ROUTING_NOBODY, NULL, 0,
		    "nobody here is named, and there is no Unknown Mailbox");
		return;
	}
	snprintf(why, sizeof why, "%s is %s%s, and there is no such mailbox",
	    c->rule.mode == ROUTING_MAILBOX ? "Routing" : "Unknown Mailbox",
	    c->rule.mode == ROUTING_MAILBOX ? "mailbox " : "", mailbox);
	end(c, ROUTING_NOBODY, NULL, 0, why);
}

static bool
is_there(const struct routing_recipient *list, size_t n, const char *address)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].address, address) == 0)
			return true;
	return false;
}

/* What was found of one source, or of all (-2). */
struct gathered {
	struct routing_recipient recipients[FETCH_CANDIDATES_MAX + 1];
	size_t n;
	bool later, too_big;
};

static void
gather(const struct routing_call *c, int source, struct gathered *g)
{
	g->n = 0;
	g->later = g->too_big = false;
	for (size_t i = 0; i < c->n; i++) {
		const struct question *q = &c->questions[i];

		if (source != -2 && q->recipient.source != source)
			continue;
		if (q->answer.verdict == ROUTER_LATER || q->answer.verdict == ROUTER_FULL)
			g->later = true;
		else if (q->answer.verdict == ROUTER_TOO_BIG)
			g->too_big = true;
		else if (q->answer.verdict == ROUTER_LOCAL &&
			 !is_there(g->recipients, g->n, q->recipient.address))
			g->recipients[g->n++] = q->recipient;
	}
}

static void ask_last_resort(struct routing_call *c);

static void
decide(struct routing_call *c)
{
	static struct gathered g;
	bool by_source = c->rule.mode == ROUTING_LOCAL && !c->last_resort;

	for (int source = by_source ? 0 : -2; source <= (by_source ? SOURCE_LAST : -2); source++) {
		gather(c, source, &g);
		if (g.later || g.n > 0 || g.too_big)
			break;
	}
	if (g.later)
		end(c, ROUTING_LATER, NULL, 0, "a mailbox is full, or cannot be looked at");
	else if (g.n > 0)
		end(c, ROUTING_FOUND, g.recipients, g.n, "");
	else if (g.too_big)
		end(c, ROUTING_NOBODY, NULL, 0, "it is larger than the mailbox may be");
	else if (!c->last_resort)
		ask_last_resort(c);
	else
		end_with_nobody(c);
}

/* ---- router ---- */

static void
remember(struct routing *r, const struct question *q)
{
	struct known *k = place_of(r, q->recipient.address);

	/* What may change at any time is asked for again. */
	if (q->answer.verdict == ROUTER_LATER || q->answer.verdict == ROUTER_FULL ||
	    q->answer.verdict == ROUTER_TOO_BIG)
		return;
	k->until_us = monotonic_us() + KNOWN_FOR_US;
	k->answer = q->answer;
	memcpy(k->address, q->recipient.address, sizeof k->address);
}

static void
on_answer(void *arg, enum router_verdict verdict, uint64_t targets, uint64_t room, struct span text)
{
	struct question *q = arg;
	struct routing_call *c = q->call;

	(void)targets, (void)text;
	q->answer = (struct answer){verdict, room};
	remember(c->routing, q);
	if (--c->n_pending == 0 && !c->asking)
		decide(c);
}

static void
ask_one(struct routing_call *c, const char *address, int source)
{
	struct question *q = &c->questions[c->n++];
	const struct known *k = place_of(c->routing, address);

	*q = (struct question){.call = c};
	strlcpy(q->recipient.address, address, sizeof q->recipient.address);
	q->recipient.source = source;
	if (k->until_us > monotonic_us() && strcmp(k->address, address) == 0 &&
	    (k->answer.verdict != ROUTER_LOCAL || c->size <= k->answer.room)) {
		q->answer = k->answer;
		return;
	}
	c->n_pending++;
	(void)router_ask(
	    c->routing->router, span_of(""), span_of(q->recipient.address), c->size, on_answer, q);
}

/* The address as router is to be asked: a domain of the section means our own. */
static void
ask_candidate(struct routing_call *c, const struct header_candidate *candidate)
{
	struct span local, domain;
	char address[ADDRESS_TEXT_SIZE];
	int n;

	address_split(span_of(candidate->address), &local, &domain);
	if (!address_match_list(span_of(c->rule.local_domains), domain)) {
		ask_one(c, candidate->address, candidate->source);
		return;
	}
	n = snprintf(address, sizeof address, "%.*s@%s", (int)local.len, local.at, c->rule.server);
	if (n > 0 && n < (int)sizeof address)
		ask_one(c, address, candidate->source);
}

static void
ask_mailbox(struct routing_call *c)
{
	char address[ADDRESS_TEXT_SIZE];
	int n = snprintf(address, sizeof address, "%s@%s", c->rule.mailbox, c->rule.server);

	c->last_resort = true;
	if (c->rule.mailbox[0] != '\0' && n > 0 && n < (int)sizeof address)
		ask_one(c, address, -1);
}

static void
ask_last_resort(struct routing_call *c)
{
	c->n = 0;
	c->asking = true;
	ask_mailbox(c);
	c->asking = false;
	if (c->n_pending == 0)
		decide(c);
}

void
routing_ask(struct routing *r, const struct routing_rule *rule,
    const struct header_candidate *candidates, size_t n, uint64_t size, routing_cb cb, void *arg)
{
	struct routing_call *c = xcalloc(1, sizeof *c + (n + 1) * sizeof *c->questions);

	c->routing = r;
	c->rule = *rule;
	c->size = size;
	c->cb = cb;
	c->arg = arg;
	c->asking = true;
	if (rule->mode == ROUTING_MAILBOX)
		ask_mailbox(c);
	for (size_t i = 0; rule->mode != ROUTING_MAILBOX && i < n; i++)
		ask_candidate(c, &candidates[i]);
	c->asking = false;
	if (c->n_pending == 0)
		decide(c);
}
