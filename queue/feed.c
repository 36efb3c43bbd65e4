/*
 * The router's side of the queue: what is due goes out, results come in. Opens spool files for
 * reading; what must be written is a job of conclude.c. The newest connection that asks for
 * messages is the router; what an older one had in hand is due again.
 */
#include "queue/feed.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/conclude.h"
#include "queue/hand.h"
#include "queue/order.h"
#include "queue/own.h"
#include "queue/parking.h"
#include "queue/queue.h"

enum { HAND_MAX = 5000 };

struct feed {
	struct queue *queue;
	struct ipc_peer *router; /* NULL: not there */
	uint64_t generation;	 /* of the router's connection */
	uint64_t window;
	size_t n_in_hand, n_loading; /* of what takes a place in the window */
	size_t n_fetched;	     /* the others, both */
	struct parking parking;
	struct hand_list in_hand;
	struct event *turn;
	struct wall_clock *clock;
};

/* Reads the envelope of a message that was tried before, or found by a start. */
struct load {
	struct job job;
	struct queue *queue;
	struct message *message;
	uint64_t generation;
	struct lot *lot; /* it was fetched from; while the generation lasts */
	int fd;
	struct hand *hand;
	int error;
	const char *why;
	bool aside;
};

/* ---- what is wrong with a file ---- */

/* Set aside or vanished; what could not be moved is looked at again later, and not lost. */
static void
drop_bad(struct queue *q, struct message *m, const char *why, int error, bool aside)
{
	bool gone = aside || error == ENOENT;

	log_warn("%s %s: %s%s%s", queue_id_text(m->node.id),
	    aside  ? "set aside"
	    : gone ? "vanished"
		   : "ignored",
	    why, error != EPROTO ? ": " : "", error != EPROTO ? strerror(error) : "");
	if (gone)
		server_forget(q, m);
	else
		server_retry_later(q, m);
}

/* ---- destinations ---- */

static void serve(struct feed *f, struct lot *lot);

/* Where it is to be parked, or NULL. */
static struct lot *
lot_of_hand(const struct feed *f, const struct hand *h)
{
	return h != NULL && h->lot != NULL && h->generation == f->generation ? h->lot : NULL;
}

/* It has been parked, or will not be. */
static void
lot_done(struct feed *f, struct hand *h)
{
	struct lot *lot = lot_of_hand(f, h);

	if (lot == NULL)
		return;
	h->lot = NULL;
	lot->coming--;
	serve(f, lot);
}

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
	struct lot *lot = lot_of_hand(f, c->hand);

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
		drop_bad(q, m, c->why, c->error, c->aside);
		break;
	}
	lot_done(q->feed, c->hand);
	conclude_clear(c);
	hand_free(&c->hand);
	free(c);
}

static void
conclude_work(struct job *job)
{
	conclude((struct conclusion *)job);
}

static void
start_conclusion(struct queue *q, struct message *m, struct hand *h, char *reason)
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
	start_conclusion(q, m, NULL, reason);
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
		start_conclusion(q, m, h, NULL);
		return;
	}
	m->hand = NULL;
	lot_done(q->feed, h);
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
	lot_done(q->feed, h);
	hand_free(&h);
}

static void
leave_hand(struct feed *f, struct hand *h)
{
	TAILQ_REMOVE(&f->in_hand, h, entry);
	*(h->fetched ? &f->n_fetched : &f->n_in_hand) -= 1;
}

/* Out of router's hands. */
static void
finish_hand(struct feed *f, struct hand *h)
{
	struct queue *q = f->queue;

	leave_hand(f, h);
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

/* ---- handing out ---- */

static void
send_due(struct feed *f, struct message *m, struct hand *h, const struct lot *lot, int fd)
{
	struct writer w;

	h->queue = f->queue;
	h->fetched = lot != NULL;
	h->ordered = m->ordered;
	m->ordered = false;
	h->failed_syncs = commit_counters(f->queue->commit)->failed_syncs;
	m->hand = h;
	m->state = MESSAGE_IN_HAND;
	TAILQ_INSERT_TAIL(&f->in_hand, h, entry);
	*(h->fetched ? &f->n_fetched : &f->n_in_hand) += 1;
	ipc_write(&w, QUEUE_DUE, 0);
	put_u64(&w, m->node.id);
	put_u64(&w, m->name.attempts);
	put_u64(&w, h->ordered);
	put_str(&w, lot != NULL ? lot_name(lot) : span_of(""));
	ipc_peer_send(f->router, &w, fd);
}

/* No recipient is pending (a restart in between): only the end is left to do. */
static void
conclude_loaded(struct queue *q, struct message *m, struct hand *h)
{
	h->queue = q;
	h->has_failed = true; /* or done: the file will tell */
	m->state = MESSAGE_CONCLUDING;
	start_conclusion(q, m, h, NULL);
}

static void
load_failed(struct queue *q, struct load *l)
{
	struct message *m = l->message;

	if (spool_is_bad(l->error)) {
		drop_bad(q, m, l->why, l->error, l->aside);
		return;
	}
	log_warn("%s cannot be read: %s", queue_id_text(m->node.id), strerror(l->error));
	server_retry_later(q, m);
}

static void
on_loaded(struct job *job)
{
	struct load *l = (struct load *)job;
	struct queue *q = l->queue;
	struct feed *f = q->feed;
	struct lot *lot = f->generation == l->generation ? l->lot : NULL;

	*(l->lot != NULL ? &f->n_fetched : &f->n_loading) -= 1;
	if (l->error != 0) {
		load_failed(q, l);
	} else if (l->hand->n_pending == 0) {
		conclude_loaded(q, l->message, l->hand);
		l->hand = NULL;
	} else if (f->router == NULL || f->generation != l->generation) {
		server_schedule(q, l->message, l->message->due_us); /* it was due */
	} else {
		send_due(f, l->message, l->hand, lot, l->fd);
		l->hand = NULL;
		l->fd = -1;
	}
	hand_free(&l->hand);
	closefd(&l->fd);
	free(l);
	if (lot != NULL) {
		lot->loading--;
		serve(f, lot);
	}
	feed_wake(f);
}

static void
load_work(struct job *job)
{
	struct load *l = (struct load *)job;
	struct message *m = l->message;
	struct spool *sp = &l->queue->spool;
	struct envelope e;
	unsigned char *storage;

	if ((l->fd = conclude_open(sp, m, O_RDONLY, &e, &storage, &l->why)) == -1) {
		l->error = errno;
		if (spool_is_bad(l->error))
			l->aside = spool_message_set_aside(sp, m->node.id, &m->name) == 0;
		return;
	}
	l->hand = hand_from_envelope(m, &e);
	envelope_clear(&e);
	free(storage);
}

static void
start_load(struct feed *f, struct message *m, struct lot *lot)
{
	struct load *l = xmalloc(sizeof *l);

	*l = (struct load){.job = {.work = load_work, .done = on_loaded},
	    .queue = f->queue,
	    .message = m,
	    .generation = f->generation,
	    .lot = lot,
	    .fd = -1};
	m->state = MESSAGE_LOADING;
	if (lot != NULL) {
		lot->loading++;
		f->n_fetched++;
	} else {
		f->n_loading++;
	}
	worker_push(chores_worker(f->queue->chores), &l->job, false);
}

/* A descriptor for router. A kept slot keeps its own for the file's next message. */
static int
open_reader(struct queue *q, const struct message *m)
{
	struct slot *kept = server_kept(q, m->node.id);

	if (kept == NULL)
		return spool_message_open(&q->spool, m->node.id, &m->name, O_RDONLY);
	if (kept->reader == -1)
		kept->reader = spool_message_open(&q->spool, m->node.id, &m->name, O_RDONLY);
	return kept->reader == -1 ? -1 : fcntl(kept->reader, F_DUPFD_CLOEXEC, 3);
}

/* A message of this run: its envelope was checked at its COMMIT, and all recipients are pending. */
static void
hand_out(struct feed *f, struct message *m, struct lot *lot)
{
	struct hand *h;
	int fd;

	if (m->finished) {
		server_remove(f->queue, m);
		return;
	}
	if (m->n_recipients == 0) {
		start_load(f, m, lot);
		return;
	}
	fd = open_reader(f->queue, m);
	if (fd == -1) {
		start_load(f, m, lot); /* which finds out what is wrong */
		return;
	}
	h = hand_new(m, m->n_recipients);
	h->wants_success = m->wants_success;
	send_due(f, m, h, lot, fd);
}

/* Brings what was fetched, as far as it is here; when that is all, router hears what is left. */
static void
serve(struct feed *f, struct lot *lot)
{
	struct message *m;
	struct writer w;

	while (lot->wanted > 0 && (m = lot->first) != NULL) {
		parking_remove(&f->parking, m);
		lot->wanted--;
		hand_out(f, m, lot);
	}
	if (lot->asked && lot->loading == 0 && (lot->wanted == 0 || lot->coming == 0)) {
		ipc_write(&w, QUEUE_PARKED, 0);
		put_str(&w, lot_name(lot));
		put_u64(&w, lot->n + lot->coming);
		ipc_peer_send(f->router, &w, -1);
		lot->asked = false;
		lot->wanted = 0;
	}
	parking_settle(&f->parking, lot);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct feed *f = arg;
	struct schedule *schedule = &f->queue->schedule;
	uint64_t now_us = wall_clock_now();
	struct message *m;

	(void)fd, (void)what;
	if (f->router == NULL || f->queue->draining)
		return;
	while (f->n_in_hand + f->n_loading < f->window) {
		if ((m = schedule_take(schedule, now_us)) == NULL) {
			if ((m = schedule_first(schedule)) != NULL)
				wall_clock_set(f->clock, m->due_us);
			return;
		}
		hand_out(f, m, NULL);
	}
}

static void
on_clock(void *arg, bool jumped)
{
	struct feed *f = arg;
	struct queue *q = f->queue;

	if (jumped) {
		log_info("the clock was set");
		schedule_clamp(
		    &q->schedule, wall_clock_now() + retry_longest_s(&q->retry) * 1000000);
	}
	feed_wake(f);
}

void
feed_wake(struct feed *f)
{
	if (f->router != NULL)
		event_active(f->turn, EV_TIMEOUT, 0);
}

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
			finish_hand(f, h);
			continue;
		}
		leave_hand(f, h);
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
		finish_hand(q->feed, h);
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
		finish_hand(f, h);
		return;
	}
	leave_hand(f, h);
	m->ordered = h->ordered;
	hand_free(&h);
	server_close_kept(f->queue, m); /* it may wait for long */
	m->hand = NULL;
	if (!order_take_over(f->queue, m)) {
		m->state = MESSAGE_PARKED;
		parking_put(&f->parking, lot, m);
	}
	serve(f, lot);
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
	serve(f, lot);
}

void
feed_unpark(struct feed *f, struct message *m)
{
	struct lot *lot = parking_lot_of(&f->parking, m);

	parking_remove(&f->parking, m);
	m->state = MESSAGE_CONCLUDING;
	serve(f, lot);
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

/* ---- life ---- */

struct feed *
feed_new(struct queue *q)
{
	struct feed *f = xcalloc(1, sizeof *f);

	f->queue = q;
	TAILQ_INIT(&f->in_hand);
	if ((f->turn = event_new(q->base, -1, 0, on_turn, f)) == NULL)
		fatalx("out of memory");
	f->clock = wall_clock_new(q->base, on_clock, f);
	return f;
}

void
feed_free(struct feed **fp)
{
	struct feed *f = *fp;
	struct hand *h;

	if (f == NULL)
		return;
	while ((h = TAILQ_FIRST(&f->in_hand)) != NULL) {
		TAILQ_REMOVE(&f->in_hand, h, entry);
		hand_free(&h);
	}
	parking_clear(&f->parking);
	wall_clock_free(&f->clock);
	event_free(f->turn);
	free(f);
	*fp = NULL;
}

size_t
feed_in_hand(const struct feed *f)
{
	return f->n_in_hand + f->n_loading + f->n_fetched;
}
