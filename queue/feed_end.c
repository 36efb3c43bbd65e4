/*
 * The end of an attempt: what router has reported goes into the spool file, and into notifications.
 * See feed_private.h.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/feed_private.h"

/* ---- the end of an attempt ---- */

/* Those that router failed are in its own log. */
static void
log_given_up(const struct conclusion *c)
{
	const char *id = queue_id_text(c->message->node.id);

	for (size_t i = 0; c->hand != NULL && i < c->hand->n && i < c->envelope.n_recipients; i++) {
		const struct recipient *r = &c->envelope.recipients[i];

		if (r->status == RECIPIENT_FAILED && c->hand->status[i] == RECIPIENT_PENDING)
			log_info("%s failed to=<%s> reason=%s", id, log_safe(r->address),
			    log_safe(r->reply));
	}
}

static void
log_again(const struct conclusion *c)
{
	const char *id = queue_id_text(c->message->node.id);

	if (c->error != 0)
		log_warn(
		    "%s cannot be written: %s", id, c->why != NULL ? c->why : strerror(c->error));
	if (c->hand != NULL && !c->hand->interrupted)
		log_info("%s deferred attempts=%u next=%llu", id, c->name.attempts,
		    (unsigned long long)c->due_s);
}

/* It is a message now, whatever became of the one that it is about. */
static void
take_notice(struct queue *q, const struct conclusion *c)
{
	const struct notice *n = &c->notice;

	if (n->id == 0)
		return;
	log_info("%s notified id=%s to=<%s> failed=%zu delayed=%zu delivered=%zu relayed=%zu "
		 "expanded=%zu",
	    queue_id_text(c->message->node.id), queue_id_text(n->id),
	    log_safe(c->envelope.reverse_path), n->count[DSN_FAILED], n->count[DSN_DELAYED],
	    n->count[DSN_DELIVERED], n->count[DSN_RELAYED], n->count[DSN_EXPANDED]);
	server_add(q, n->id, &n->name, 1)->mark = own_mark(span_of(""));
}

/* Parked, if that is what router wanted and it is still there. */
static void
wait_again(struct feed *f, struct conclusion *c)
{
	struct lot *lot = feed_lot_of_hand(f, c->hand);

	if (lot == NULL || c->error != 0) {
		c->message->ordered = c->hand->interrupted && c->hand->ordered;
		server_wait(f->queue, c->message, c->due_s * 1000000);
		return;
	}
	if (order_take_over(f->queue, c->message))
		return;
	c->message->ordered = c->hand->ordered;
	c->message->state = MESSAGE_PARKED;
	parking_put(&f->parking, lot, c->message);
}

static void
on_concluded(struct job *job)
{
	struct conclusion *c = (struct conclusion *)job;
	struct queue *q = c->queue;
	struct message *m = c->message;

	log_given_up(c);
	take_notice(q, c);
	switch (c->outcome) {
	case CONCLUDE_AGAIN:
		log_again(c);
		m->name = c->name;
		m->n_recipients = 0;
		wait_again(q->feed, c);
		commit_want_sync(q->commit);
		break;
	case CONCLUDE_GONE:
		if (c->n_keep > 0)
			log_info("%s removed with failures", queue_id_text(m->node.id));
		else
			log_debug("%s removed", queue_id_text(m->node.id));
		server_forget(q, m);
		break;
	case CONCLUDE_BAD:
		feed_drop_bad(q, m, c->why, c->error, c->aside);
		break;
	}
	feed_lot_done(q->feed, c->hand);
	conclude_clear(c);
	hand_free(&c->hand);
	free(c);
}

static void
conclude_work(struct job *job)
{
	conclude((struct conclusion *)job);
}

void
feed_conclude(struct queue *q, struct message *m, struct hand *h, char *reason)
{
	struct conclusion *c = xcalloc(1, sizeof *c);

	*c = (struct conclusion){.job = {.work = conclude_work, .done = on_concluded},
	    .queue = q,
	    .spool = &q->spool,
	    .message = m,
	    .hand = h,
	    .reason = reason,
	    .retry = q->retry,
	    .rules = q->rules,
	    .limit = q->limit,
	    .now_s = wall_clock_now() / 1000000};
	worker_push(chores_worker(q->chores), &c->job, false);
}

void
feed_give_up(struct queue *q, struct message *m, char *reason)
{
	server_unkeep(q, m);
	m->state = MESSAGE_CONCLUDING;
	feed_conclude(q, m, NULL, reason);
}

/* Nothing need be written of a message that was delivered to all. */
static bool
is_complete(const struct hand *h)
{
	return h->n_pending == 0 && !h->has_failed && !h->has_expanded && !h->wants_success;
}

static void
end_hand(struct queue *q, struct hand *h)
{
	struct message *m = h->message;

	if (!is_complete(h)) {
		server_unkeep(q, m);
		feed_conclude(q, m, h, NULL);
		return;
	}
	m->hand = NULL;
	feed_lot_done(q->feed, h);
	hand_free(&h);
	m->finished = true;
	server_remove(q, m);
}

static void
on_covered(struct covered *item, bool ok)
{
	struct hand *h = (struct hand *)item;
	struct queue *q = h->queue;

	if (ok && commit_counters(q->commit)->failed_syncs == h->failed_syncs) {
		end_hand(q, h);
		return;
	}
	/* What was delivered may be lost: as if it had not been. */
	log_warn(
	    "%s deferred: its delivery could not be synced", queue_id_text(h->message->node.id));
	server_retry_later(q, h->message);
	feed_lot_done(q->feed, h);
	hand_free(&h);
}

void
feed_leave_hand(struct feed *f, struct hand *h)
{
	TAILQ_REMOVE(&f->in_hand, h, entry);
	*(h->fetched ? &f->n_fetched : &f->n_in_hand) -= 1;
}

void
feed_finish_hand(struct feed *f, struct hand *h)
{
	struct queue *q = f->queue;

	feed_leave_hand(f, h);
	h->message->state = MESSAGE_CONCLUDING;
	hand_drop_open(h);
	if (h->is_volatile && h->has_results) {
		h->covered.done = on_covered;
		commit_cover(q->commit, &h->covered);
	} else {
		end_hand(q, h);
	}
	feed_wake(f);
	server_settled(q);
}
