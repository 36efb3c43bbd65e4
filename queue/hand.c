/*
 * What router has said so far about a message. Memory only.
 */
#include "queue/hand.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "queue/notify.h"

struct hand *
hand_new(struct message *m, uint32_t n)
{
	struct hand *h = xmalloc(sizeof *h + n);

	*h = (struct hand){.message = m, .n = n, .n_pending = n};
	STAILQ_INIT(&h->replies);
	STAILQ_INIT(&h->expansions);
	memset(h->status, RECIPIENT_PENDING, n);
	return h;
}

struct hand *
hand_from_envelope(struct message *m, const struct envelope *e)
{
	struct hand *h = hand_new(m, e->n_recipients);

	for (size_t i = 0; i < e->n_recipients; i++) {
		const struct recipient *r = &e->recipients[i];

		h->status[i] = r->status;
		h->n_pending -= r->status != RECIPIENT_PENDING;
		/* In an earlier attempt; it is not forgotten when the others are done. */
		h->has_failed |= r->status == RECIPIENT_FAILED && !r->told;
	}
	h->wants_success = notify_wants_success(e);
	return h;
}

static void
free_expansion(struct hand *h, struct hand_expansion *x)
{
	STAILQ_REMOVE(&h->expansions, x, hand_expansion, link);
	journal_clear(&x->addresses);
	free(x);
}

void
hand_free(struct hand **hp)
{
	struct hand *h = *hp;
	struct hand_reply *reply;

	if (h == NULL)
		return;
	while ((reply = STAILQ_FIRST(&h->replies)) != NULL) {
		STAILQ_REMOVE_HEAD(&h->replies, link);
		free(reply);
	}
	while (!STAILQ_EMPTY(&h->expansions))
		free_expansion(h, STAILQ_FIRST(&h->expansions));
	free(h);
	*hp = NULL;
}

static struct span
cut_reply(struct span text)
{
	return (struct span){text.at, text.len < REPLY_MAX_BYTES ? text.len : REPLY_MAX_BYTES};
}

static void
add_reply(struct hand *h, const struct queue_result *result)
{
	struct span reply = cut_reply(result->reply), route = cut_reply(result->route);
	struct hand_reply *r = xmalloc(sizeof *r + reply.len + route.len);

	r->recipient = result->recipient;
	r->flags = result->flags;
	r->reply_len = reply.len;
	r->route_len = route.len;
	if (reply.len)
		memcpy(r->text, reply.at, reply.len);
	if (route.len)
		memcpy(r->text + reply.len, route.at, route.len);
	STAILQ_INSERT_TAIL(&h->replies, r, link);
}

int
hand_result(struct hand *h, const struct queue_result *r)
{
	if (r->recipient >= h->n)
		return -1;
	if (h->status[r->recipient] != RECIPIENT_PENDING)
		return 0;
	h->has_results = true;
	if (r->end != END_DONE || h->wants_success)
		add_reply(h, r);
	if (r->end == END_DEFERRED)
		return 0;
	h->status[r->recipient] = r->end == END_DONE ? RECIPIENT_DONE : RECIPIENT_FAILED;
	h->n_pending--;
	h->has_failed |= r->end == END_FAILED;
	return 0;
}

/* The parts of one expansion follow one another: only the last one may be open. NULL: another one
 * is.
 */
static struct hand_expansion *
open_expansion(struct hand *h, uint32_t recipient)
{
	struct hand_expansion *x = STAILQ_LAST(&h->expansions, hand_expansion, link);

	if (x != NULL && x->open)
		return x->recipient == recipient ? x : NULL;
	x = xcalloc(1, sizeof *x);
	x->recipient = recipient;
	x->open = true;
	STAILQ_INSERT_TAIL(&h->expansions, x, link);
	return x;
}

static void
end_expansion(struct hand *h, struct hand_expansion *x)
{
	x->open = false;
	h->status[x->recipient] = RECIPIENT_EXPANDED;
	h->n_pending += x->count;
	h->n_pending--;
	h->has_results = h->has_expanded = true;
}

static int
fail_expansion(struct hand *h, uint32_t recipient)
{
	const struct queue_result failed = {.recipient = recipient,
	    .end = END_FAILED,
	    .reply = span_of("5.4.6 it expands to too many recipients"),
	    .route = span_of("")};

	return hand_result(h, &failed);
}

int
hand_expand(struct hand *h, uint64_t recipient, const struct span *address)
{
	struct hand_expansion *x;

	if (recipient >= h->n)
		return -1;
	if (h->status[recipient] != RECIPIENT_PENDING)
		return 0; /* a repeat, or what is left of one that failed */
	if ((x = open_expansion(h, recipient)) == NULL)
		return -1;
	if (address == NULL) {
		end_expansion(h, x);
		return 0;
	}
	if (address->len == 0 || address->len >= ADDRESS_TEXT_SIZE)
		return -1;
	if (h->n + h->n_added >= ENVELOPE_RECIPIENTS_MAX) {
		h->n_added -= x->count;
		free_expansion(h, x);
		return fail_expansion(h, recipient);
	}
	journal_string(&x->addresses, *address);
	x->count++;
	h->n_added++;
	return 0;
}

void
hand_drop_open(struct hand *h)
{
	struct hand_expansion *x = STAILQ_LAST(&h->expansions, hand_expansion, link);

	if (x != NULL && x->open) {
		h->n_added -= x->count;
		free_expansion(h, x);
	}
}

struct span
hand_last_reply(const struct hand *h)
{
	struct hand_reply *last = STAILQ_LAST(&h->replies, hand_reply, link);

	return last ? (struct span){last->text, last->reply_len} : (struct span){"", 0};
}
