/*
 * What router says on its connection: how many messages it takes, what became of recipients, what
 * is to be parked and fetched. See feed_private.h.
 */
#include <errno.h>

#include "queue/feed_private.h"

enum { HAND_MAX = 5000 };

/* ---- router's messages ---- */

static void
empty_lots(struct feed *f, uint64_t now_us)
{
	struct message *m;
	struct lot *lot;

	while ((lot = parking_any(&f->parking)) != NULL) {
		while ((m = lot->first) != NULL) {
			parking_remove(&f->parking, m);
			server_schedule(f->queue, m, now_us);
		}
		parking_forget(&f->parking, lot);
	}
}

/* All is due again, at once; what is known of results is kept. */
static void
take_back(struct feed *f)
{
	uint64_t now_us = wall_clock_now();
	struct hand *h;

	while ((h = TAILQ_FIRST(&f->in_hand)) != NULL) {
		server_unkeep(f->queue, h->message); /* someone may still read the file */
		if (h->has_results) {
			h->interrupted = true;
			feed_finish_hand(f, h);
			continue;
		}
		feed_leave_hand(f, h);
		h->message->ordered = h->ordered;
		server_schedule(f->queue, h->message, now_us);
		hand_free(&h);
	}
	empty_lots(f, now_us);
	server_settled(f->queue);
}

void
feed_lost(struct feed *f, struct ipc_peer *p)
{
	if (f->router != p)
		return;
	f->router = NULL;
	f->generation++;
	take_back(f);
}

void
feed_on_window(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct queue *q = p->arg;
	struct feed *f = q->feed;
	uint64_t window = get_u64(r);

	(void)tag;
	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "WINDOW");
		return;
	}
	if (f->router != p) {
		if (f->router != NULL)
			feed_lost(f, f->router);
		f->router = p;
	}
	f->window = window < HAND_MAX ? window : HAND_MAX;
	feed_wake(f);
}

/* The hand of a message that this peer has, else NULL: it belongs to an earlier connection. */
static struct hand *
hand_of(struct ipc_peer *p, uint64_t id)
{
	struct queue *q = p->arg;
	struct message *m = server_message(q, id);

	return m != NULL && m->state == MESSAGE_IN_HAND && q->feed->router == p ? m->hand : NULL;
}

/* False when malformed. Without a hand it only looks. */
static bool
read_results(struct reader *r, struct hand *h)
{
	while (get_more(r)) {
		uint64_t recipient = get_u64(r), end = get_u64(r), flags = get_u64(r);
		struct span reply = get_str(r, REPLY_MAX_BYTES),
			    route = get_str(r, REPLY_MAX_BYTES);
		struct queue_result one = {recipient, (enum delivery_end)end, reply, route, flags};

		if (end > END_LAST || flags > RESULT_FLAGS_ALL || recipient > UINT32_MAX)
			return false;
		if (!r->bad && h != NULL && hand_result(h, &one) == -1)
			return false;
	}
	return get_end(r) == 0;
}

void
feed_on_results(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct queue *q = p->arg;
	uint64_t id = get_u64(r), finished = get_u64(r), durable = get_u64(r);
	struct reader look = *r;
	struct hand *h = hand_of(p, id);

	(void)tag;
	if (!read_results(&look, NULL) || finished > 1 || durable > 1 || !read_results(r, h)) {
		ipc_peer_refuse(p, "RESULTS");
		return;
	}
	if (h == NULL)
		return;
	h->is_volatile |= durable == 0;
	if (finished)
		feed_finish_hand(q->feed, h);
}

static bool
read_addresses(struct reader *r, struct hand *h, uint64_t recipient)
{
	while (get_more(r)) {
		struct span address = get_str(r, IPC_MESSAGE_MAX_BYTES);

		if (!r->bad && h != NULL && hand_expand(h, recipient, &address) == -1)
			return false;
	}
	return get_end(r) == 0;
}

void
feed_on_expand(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	uint64_t id = get_u64(r), recipient = get_u64(r), more = get_u64(r);
	struct hand *h = hand_of(p, id);

	(void)tag;
	if (more > 1 || !read_addresses(r, h, recipient) ||
	    (h != NULL && more == 0 && hand_expand(h, recipient, NULL) == -1))
		ipc_peer_refuse(p, "EXPAND");
}

/* Without results nothing need be written. */
static void
park(struct feed *f, struct hand *h, struct lot *lot)
{
	struct message *m = h->message;

	if (h->has_results) {
		h->interrupted = true;
		h->lot = lot;
		h->generation = f->generation;
		lot->coming++;
		feed_finish_hand(f, h);
		return;
	}
	feed_leave_hand(f, h);
	m->ordered = h->ordered;
	hand_free(&h);
	server_close_kept(f->queue, m); /* it may wait for long */
	m->hand = NULL;
	if (!order_take_over(f->queue, m)) {
		m->state = MESSAGE_PARKED;
		parking_put(&f->parking, lot, m);
	}
	feed_serve(f, lot);
	feed_wake(f);
	server_settled(f->queue);
}

void
feed_on_park(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct feed *f = ((struct queue *)p->arg)->feed;
	uint64_t id = get_u64(r);
	struct span destination = get_str(r, QUEUE_DESTINATION_MAX_BYTES);
	struct hand *h = hand_of(p, id);

	(void)tag;
	if (get_end(r) == -1 || destination.len == 0)
		ipc_peer_refuse(p, "PARK");
	else if (h != NULL)
		park(f, h, parking_lot(&f->parking, destination));
}

void
feed_on_fetch(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct queue *q = p->arg;
	struct feed *f = q->feed;
	struct span destination = get_str(r, QUEUE_DESTINATION_MAX_BYTES);
	uint64_t n = get_u64(r);
	struct lot *lot;

	(void)tag;
	if (get_end(r) == -1 || destination.len == 0) {
		ipc_peer_refuse(p, "FETCH");
		return;
	}
	if (f->router != p || q->draining)
		return; /* it will ask our successor */
	lot = parking_lot(&f->parking, destination);
	lot->asked = true;
	lot->wanted += n < HAND_MAX ? n : HAND_MAX;
	if (lot->wanted > HAND_MAX)
		lot->wanted = HAND_MAX;
	feed_serve(f, lot);
}

void
feed_unpark(struct feed *f, struct message *m)
{
	struct lot *lot = parking_lot_of(&f->parking, m);

	parking_remove(&f->parking, m);
	m->state = MESSAGE_CONCLUDING;
	feed_serve(f, lot);
}

size_t
feed_parked(const struct feed *f)
{
	return f->parking.n_messages;
}

void
feed_flush(struct feed *f, struct span pattern)
{
	struct writer w;

	if (f->router == NULL)
		return;
	ipc_write(&w, QUEUE_FLUSH, 0);
	put_str(&w, pattern);
	ipc_peer_send(f->router, &w, -1);
}
