/*
 * The router's side of the queue: what is due goes out, results come in. Opens spool files for
 * reading; what must be written is a job of conclude.c. The newest connection that asks for
 * messages is the router; what an older one had in hand is due again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/feed_private.h"

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

void
feed_drop_bad(struct queue *q, struct message *m, const char *why, int error, bool aside)
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

struct lot *
feed_lot_of_hand(const struct feed *f, const struct hand *h)
{
	return h != NULL && h->lot != NULL && h->generation == f->generation ? h->lot : NULL;
}

void
feed_lot_done(struct feed *f, struct hand *h)
{
	struct lot *lot = feed_lot_of_hand(f, h);

	if (lot == NULL)
		return;
	h->lot = NULL;
	lot->coming--;
	feed_serve(f, lot);
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
	feed_conclude(q, m, h, NULL);
}

static void
load_failed(struct queue *q, struct load *l)
{
	struct message *m = l->message;

	if (spool_is_bad(l->error)) {
		feed_drop_bad(q, m, l->why, l->error, l->aside);
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
		feed_serve(f, lot);
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

void
feed_serve(struct feed *f, struct lot *lot)
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
