/*
 * An administrator's word about messages. What must be written is a job for the helper thread.
 * Touches spool files of messages that nobody else has in hand.
 */
#include "queue/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/conclude.h"
#include "queue/feed.h"
#include "queue/journal.h"

/* One that waits for a message. */
struct waiting_order {
	struct id_node node;
	struct order *order;
};

/* Changes a message's file. */
struct change {
	struct job job;
	struct queue *queue;
	struct message *message;
	struct order *order;
	struct spool_name at, name; /* where the file is, and where it is to be */
	int error;
	const char *why;
};

static const char *
verb(enum order_kind kind)
{
	switch (kind) {
	case ORDER_HOLD:
		return "held";
	case ORDER_RELEASE:
		return "released";
	case ORDER_RETRY:
	case ORDER_FLUSH:
		return "retried";
	case ORDER_REMOVE:
		return "removed";
	case ORDER_BOUNCE:
		return "given up";
	case ORDER_REROUTE:
		return "rerouted";
	}
	return "?";
}

struct order *
order_new(enum order_kind kind, char *who, char *why, char *route)
{
	struct order *o = xcalloc(1, sizeof *o);

	*o = (struct order){.refs = 1, .kind = kind, .who = who, .why = why, .route = route};
	return o;
}

void
order_release(struct order **op)
{
	struct order *o = *op;

	*op = NULL;
	if (o == NULL || --o->refs > 0)
		return;
	free(o->who);
	free(o->why);
	free(o->route);
	free(o);
}

static struct order *
hold_reference(struct order *o)
{
	o->refs++;
	return o;
}

/* "who: why". Allocated. */
static char *
reason_of(const struct order *o)
{
	const char *who = o->who != NULL ? o->who : "the administrator";

	return o->why != NULL ? xasprintf("%s: %s", who, o->why) : xstrdup(who);
}

static void
log_order(const struct message *m, const struct order *o)
{
	log_info("%s %s by=%s%s%s%s%s", queue_id_text(m->node.id), verb(o->kind),
	    log_safe(span_of(o->who != NULL ? o->who : "?")), o->route != NULL ? " to=" : "",
	    o->route != NULL ? log_safe(span_of(o->route)) : "", o->why != NULL ? " reason=" : "",
	    o->why != NULL ? log_safe(span_of(o->why)) : "");
}

/* ---- in the helper thread ---- */

static void
add_records(const struct change *c, struct journal *j)
{
	char *reason;

	switch (c->order->kind) {
	case ORDER_HOLD:
		reason = reason_of(c->order);
		journal_hold(j, (struct span){reason, strnlen(reason, REPLY_MAX_BYTES)});
		free(reason);
		break;
	case ORDER_RELEASE:
		journal_hold(j, span_of(""));
		break;
	case ORDER_REROUTE:
		journal_route(j, span_of(c->order->route));
		break;
	default:
		break;
	}
}

static int
write_change(struct change *c, int fd, const struct envelope *e)
{
	struct spool *sp = &c->queue->spool;
	uint64_t id = c->message->node.id;
	struct journal j = {0};
	int rv;

	if (spool_message_leave_incoming(sp, id, &c->at) == -1)
		return -1;
	add_records(c, &j);
	rv = spool_append(fd, e, &j);
	journal_clear(&j);
	return rv == 0 ? spool_message_move(sp, id, &c->at, &c->name) : -1;
}

static void
work(struct job *job)
{
	struct change *c = (struct change *)job;
	struct message *m = c->message;
	unsigned char *storage;
	struct envelope e;
	int fd = conclude_open(&c->queue->spool, m, O_RDWR, &e, &storage, &c->why);

	if (fd == -1) {
		c->error = errno;
		return;
	}
	if (write_change(c, fd, &e) == -1)
		c->error = errno;
	envelope_clear(&e);
	free(storage);
	closefd(&fd);
}

/* ---- in the loop ---- */

static void
done(struct job *job)
{
	struct change *c = (struct change *)job;
	struct queue *q = c->queue;
	struct message *m = c->message;

	if (c->error != 0) {
		c->order->failed++;
		log_warn("%s cannot be %s: %s", queue_id_text(m->node.id), verb(c->order->kind),
		    strerror(c->error)); /* what is wrong with the file its next attempt finds */
	} else {
		c->order->done++;
		log_order(m, c->order);
	}
	q->n_held -= m->name.held;
	m->name = c->at;
	q->n_held += m->name.held;
	m->ordered = c->error == 0 && c->order->kind != ORDER_HOLD;
	server_wait(q, m, m->name.next_s * 1000000);
	order_release(&c->order);
	free(c);
}

static void
start_change(struct queue *q, struct message *m, struct order *o)
{
	struct change *c = xmalloc(sizeof *c);

	*c = (struct change){.job = {.work = work, .done = done},
	    .queue = q,
	    .message = m,
	    .order = hold_reference(o),
	    .at = m->name,
	    .name = m->name};
	c->name.in_cur = true;
	c->name.held = o->kind == ORDER_HOLD || (o->kind == ORDER_REROUTE && m->name.held);
	if (o->kind == ORDER_RETRY)
		c->name.release_s = 0;
	if (o->kind != ORDER_HOLD)
		c->name.next_s = wall_clock_now() / 1000000;
	server_unkeep(q, m);
	m->state = MESSAGE_CONCLUDING;
	worker_push(chores_worker(q->chores), &c->job, false);
}

static void
retry(struct queue *q, struct message *m, struct order *o)
{
	uint64_t now_us = wall_clock_now();
	bool waits_for_release = m->name.release_s * 1000000 > now_us;

	if (o->kind == ORDER_RETRY && waits_for_release && !m->name.held) {
		start_change(q, m, o);
		return;
	}
	if (m->name.held || waits_for_release) {
		o->skipped++;
	} else {
		o->done++;
		m->ordered = true;
		if (o->kind == ORDER_RETRY) /* a flush may be of all there is */
			log_order(m, o);
	}
	server_wait(q, m, now_us);
}

/* The message is in nobody's list. */
static void
carry_out(struct queue *q, struct message *m, struct order *o)
{
	switch (o->kind) {
	case ORDER_RETRY:
	case ORDER_FLUSH:
		retry(q, m, o);
		break;
	case ORDER_REMOVE:
		log_order(m, o);
		o->done++;
		server_unkeep(q, m);
		server_remove(q, m);
		break;
	case ORDER_BOUNCE:
		log_order(m, o);
		o->done++;
		feed_give_up(q, m, reason_of(o));
		break;
	case ORDER_HOLD:
	case ORDER_RELEASE:
	case ORDER_REROUTE:
		start_change(q, m, o);
		break;
	}
}

static void
put_off(struct queue *q, const struct message *m, struct order *o)
{
	struct waiting_order *w = (struct waiting_order *)id_map_get(&q->orders, m->node.id);

	if (o->kind == ORDER_RETRY || o->kind == ORDER_FLUSH) {
		o->skipped++; /* it is being tried */
		return;
	}
	o->waiting++;
	if (w == NULL) {
		w = xmalloc(sizeof *w);
		*w = (struct waiting_order){.node.id = m->node.id};
		id_map_put(&q->orders, &w->node);
	} else {
		order_release(&w->order);
	}
	w->order = hold_reference(o);
}

static bool
is_tried_anyway(const struct message *m, const struct order *o)
{
	return m->state == MESSAGE_PARKED && (o->kind == ORDER_RETRY || o->kind == ORDER_FLUSH);
}

void
order_give(struct queue *q, struct message *m, struct order *o)
{
	if ((o->kind == ORDER_RELEASE && m->state == MESSAGE_WAITING) || is_tried_anyway(m, o) ||
	    (m->finished && o->kind != ORDER_RETRY && o->kind != ORDER_REMOVE)) {
		o->skipped++;
		return;
	}
	switch ((enum message_state)m->state) {
	case MESSAGE_WAITING:
		schedule_remove(&q->schedule, m);
		break;
	case MESSAGE_PARKED:
		feed_unpark(q->feed, m);
		break;
	case MESSAGE_HELD:
		break;
	case MESSAGE_LOADING:
	case MESSAGE_IN_HAND:
	case MESSAGE_CONCLUDING:
		put_off(q, m, o);
		return;
	}
	carry_out(q, m, o);
}

static struct order *
take_waiting(struct queue *q, uint64_t id)
{
	struct waiting_order *w = (struct waiting_order *)id_map_get(&q->orders, id);
	struct order *o;

	if (w == NULL)
		return NULL;
	o = w->order;
	id_map_remove(&q->orders, &w->node);
	free(w);
	return o;
}

bool
order_take_over(struct queue *q, struct message *m)
{
	struct order *o = q->orders.n > 0 ? take_waiting(q, m->node.id) : NULL;

	if (o == NULL)
		return false;
	carry_out(q, m, o);
	order_release(&o);
	return true;
}

void
order_forget(struct queue *q, const struct message *m)
{
	struct order *o = q->orders.n > 0 ? take_waiting(q, m->node.id) : NULL;

	order_release(&o);
}

void
order_clear(struct queue *q)
{
	struct id_node *node;

	while ((node = id_map_next(&q->orders, NULL)) != NULL) {
		struct order *o = take_waiting(q, node->id);

		order_release(&o);
	}
	id_map_clear(&q->orders);
}
