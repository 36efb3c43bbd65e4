/*
 * The caller's side of queue's door: slots in hand for submitters, and the router's feed.
 * Knows the messages of queue.h, nothing of the spool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "queue/queue.h"

enum { PART_BYTES = 60000, SPARES_MAX = 4096, STACK_ENVELOPE_BYTES = 4096 };

/* Either waits for a slot (in the client's list) or for the answer to its COMMIT. */
struct queue_call {
	TAILQ_ENTRY(queue_call) entry;
	struct queue_client *client;
	queue_slot_cb on_slot;
	queue_durable_cb on_durable;
	void *arg;
	uint64_t id;
	struct ipc_call *commit;
};

TAILQ_HEAD(queue_calls, queue_call);

struct queue_client {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
	struct queue_slot *spares;
	unsigned n_spares, want_spares;
	unsigned asked; /* TAKEs without an answer; never fewer than calls that wait */
	unsigned n_waiting;
	bool refused; /* the last answer was no: ask for no more than is needed */
	struct queue_calls waiting, committing;
};

/* ---- slots ---- */

/* What the lost connection gave belongs to nobody now: queue has removed the files. */
static void
drop_spares(void *arg)
{
	struct queue_client *q = arg;

	while (q->n_spares > 0)
		closefd(&q->spares[--q->n_spares].fd);
}

struct queue_client *
queue_client_new(struct event_base *base, const char *path, const char *own_role, unsigned spares)
{
	struct queue_client *q = xcalloc(1, sizeof *q);

	q->want_spares = spares < SPARES_MAX ? spares : SPARES_MAX;
	q->spares = xcalloc(q->want_spares, sizeof *q->spares);
	TAILQ_INIT(&q->waiting);
	TAILQ_INIT(&q->committing);
	q->ops = (struct ipc_client_ops){.own_role = own_role, .on_close = drop_spares};
	q->ipc = ipc_client_new(base, path, &q->ops, q);
	return q;
}

static void
forget_call(struct queue_call *call)
{
	struct queue_client *q = call->client;

	if (call->on_slot != NULL) {
		TAILQ_REMOVE(&q->waiting, call, entry);
		q->n_waiting--;
	} else {
		ipc_call_cancel(&call->commit);
		TAILQ_REMOVE(&q->committing, call, entry);
	}
	free(call);
}

void
queue_client_free(struct queue_client **qp)
{
	struct queue_client *q = *qp;
	struct queue_call *call;

	if (q == NULL)
		return;
	*qp = NULL;
	ipc_client_free(&q->ipc);
	while ((call = TAILQ_FIRST(&q->waiting)) != NULL)
		forget_call(call);
	while ((call = TAILQ_FIRST(&q->committing)) != NULL) {
		call->commit = NULL; /* went with the connection */
		forget_call(call);
	}
	drop_spares(q);
	free(q->spares);
	free(q);
}

struct ipc_client *
queue_client_ipc(struct queue_client *q)
{
	return q->ipc;
}

/* The longest waiting call gets the slot, or hears why there is none. */
static void
give(struct queue_client *q, const struct queue_slot *slot, int error)
{
	struct queue_call *call = TAILQ_FIRST(&q->waiting);
	queue_slot_cb cb = call->on_slot;
	void *arg = call->arg;

	forget_call(call);
	cb(arg, slot, error);
}

static void
on_taken(void *arg, uint32_t type, struct reader *r)
{
	struct queue_client *q = arg;
	struct queue_slot slot = {.fd = -1};
	uint64_t number = get_u64(r);

	q->asked--;
	if (type == QUEUE_TAKEN) {
		slot.id = number;
		slot.fd = get_fd(r);
	}
	if (get_end(r) == -1 || (type != QUEUE_TAKEN && type != QUEUE_REFUSED) || number == 0) {
		closefd(&slot.fd);
		type = QUEUE_REFUSED;
		number = EPROTO;
	}
	q->refused = type == QUEUE_REFUSED;
	if (!TAILQ_EMPTY(&q->waiting))
		give(q, type == QUEUE_TAKEN ? &slot : NULL, type == QUEUE_TAKEN ? 0 : (int)number);
	else if (type == QUEUE_TAKEN && q->n_spares < q->want_spares)
		q->spares[q->n_spares++] = slot;
	else if (type == QUEUE_TAKEN)
		queue_abandon(q, &slot);
}

/* In batches: when half of the spares are gone, or when a call waits. */
static void
refill(struct queue_client *q)
{
	unsigned spares = q->refused ? 0 : q->want_spares;
	unsigned want = q->n_waiting + spares, have = q->n_spares + q->asked;
	struct writer w;

	if (q->asked >= q->n_waiting && have - q->n_waiting > spares / 2)
		return;
	for (; have < want; have++) {
		ipc_write(&w, QUEUE_TAKE, 0);
		ipc_call(q->ipc, &w, -1, on_taken, q);
		q->asked++;
	}
}

struct queue_call *
queue_take(struct queue_client *q, queue_slot_cb cb, void *arg)
{
	struct queue_call *call;
	struct queue_slot slot;

	if (q->n_spares > 0) {
		slot = q->spares[--q->n_spares];
		refill(q);
		cb(arg, &slot, 0);
		return NULL;
	}
	call = xcalloc(1, sizeof *call);
	call->client = q;
	call->on_slot = cb;
	call->arg = arg;
	TAILQ_INSERT_TAIL(&q->waiting, call, entry);
	q->n_waiting++;
	refill(q);
	return call;
}

void
queue_abandon(struct queue_client *q, struct queue_slot *slot)
{
	struct writer w;

	ipc_write(&w, QUEUE_ABANDON, 0);
	put_u64(&w, slot->id);
	ipc_client_send(q->ipc, &w, -1);
	closefd(&slot->fd);
}

void
queue_call_cancel(struct queue_call **callp)
{
	if (*callp != NULL)
		forget_call(*callp);
	*callp = NULL;
}

/* ---- committing ---- */

static void
on_committed(void *arg, uint32_t type, struct reader *r)
{
	struct queue_call *call = arg;
	queue_durable_cb cb = call->on_durable;
	void *cb_arg = call->arg;
	uint64_t id = call->id, number = get_u64(r);
	int error = EPROTO;

	if (get_end(r) == 0 && type == QUEUE_DURABLE && number == id)
		error = 0;
	else if (get_end(r) == 0 && type == QUEUE_REFUSED && number > 0 && number < INT32_MAX)
		error = number;
	call->commit = NULL;
	forget_call(call);
	cb(cb_arg, id, error);
}

/* All but the last part of a long envelope. Returns what is left. */
static struct span
send_parts(struct queue_client *q, uint64_t id, struct span bytes)
{
	struct writer w;

	while (bytes.len > PART_BYTES) {
		ipc_write(&w, QUEUE_ENVELOPE_PART, 0);
		put_u64(&w, id);
		put_str(&w, (struct span){bytes.at, PART_BYTES});
		ipc_client_send(q->ipc, &w, -1);
		bytes.at += PART_BYTES;
		bytes.len -= PART_BYTES;
	}
	return bytes;
}

static void
send_commit(struct queue_call *call, struct envelope *e, unsigned char *bytes, size_t size)
{
	struct queue_client *q = call->client;
	struct writer w;
	struct span last;

	envelope_encode(e, bytes);
	last = send_parts(q, e->id, (struct span){(char *)bytes, size});
	ipc_write(&w, QUEUE_COMMIT, 0);
	put_u64(&w, e->id);
	put_u64(&w, e->message_size);
	put_u64(&w, e->message_crc);
	put_str(&w, last);
	call->commit = ipc_call(q->ipc, &w, -1, on_committed, call);
}

struct queue_call *
queue_commit(struct queue_client *q, struct queue_slot *slot, struct envelope *e,
    queue_durable_cb cb, void *arg)
{
	struct queue_call *call = xcalloc(1, sizeof *call);
	unsigned char here[STACK_ENVELOPE_BYTES], *bytes = here;
	size_t size = envelope_size(e);

	call->client = q;
	call->on_durable = cb;
	call->arg = arg;
	call->id = e->id;
	TAILQ_INSERT_TAIL(&q->committing, call, entry);
	if (size > sizeof here)
		bytes = xmalloc(size);
	send_commit(call, e, bytes, size);
	if (bytes != here)
		free(bytes);
	closefd(&slot->fd);
	return call;
}

/* ---- the router's feed ---- */

struct queue_feed {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
	const struct queue_due_ops *due;
	void *arg;
	unsigned window;
};

static void
on_feed_open(void *arg)
{
	struct queue_feed *f = arg;
	struct writer w;

	ipc_write(&w, QUEUE_WINDOW, 0);
	put_u64(&w, f->window);
	ipc_client_send(f->ipc, &w, -1);
}

static void
on_feed_close(void *arg)
{
	struct queue_feed *f = arg;

	if (f->due->on_lost != NULL)
		f->due->on_lost(f->arg);
}

static void
hear_due(struct queue_feed *f, struct reader *r)
{
	uint64_t id = get_u64(r), attempts = get_u64(r), ordered = get_u64(r);
	struct span destination = get_str(r, QUEUE_DESTINATION_MAX_BYTES);
	int fd = get_fd(r);

	if (get_end(r) == -1)
		closefd(&fd);
	else
		f->due->on_due(f->arg, id, attempts, ordered != 0, destination, fd);
}

static void
hear_parked(struct queue_feed *f, struct reader *r)
{
	struct span destination = get_str(r, QUEUE_DESTINATION_MAX_BYTES);
	uint64_t left = get_u64(r);

	if (get_end(r) == 0 && f->due->on_parked != NULL)
		f->due->on_parked(f->arg, destination, left);
}

static void
hear_flush(struct queue_feed *f, struct reader *r)
{
	struct span pattern = get_str(r, IPC_MESSAGE_MAX_BYTES);

	if (get_end(r) == 0 && f->due->on_flush != NULL)
		f->due->on_flush(f->arg, pattern);
}

static void
on_feed_notice(void *arg, uint32_t type, struct reader *r)
{
	struct queue_feed *f = arg;

	if (type == QUEUE_DUE)
		hear_due(f, r);
	else if (type == QUEUE_PARKED)
		hear_parked(f, r);
	else if (type == QUEUE_FLUSH)
		hear_flush(f, r);
}

struct queue_feed *
queue_feed_new(struct event_base *base, const char *path, unsigned window,
    const struct queue_due_ops *ops, void *arg)
{
	struct queue_feed *f = xcalloc(1, sizeof *f);

	f->due = ops;
	f->arg = arg;
	f->window = window;
	f->ops = (struct ipc_client_ops){.own_role = "router",
	    .on_open = on_feed_open,
	    .on_close = on_feed_close,
	    .on_notice = on_feed_notice};
	f->ipc = ipc_client_new(base, path, &f->ops, f);
	return f;
}

void
queue_feed_free(struct queue_feed **f)
{
	if (*f == NULL)
		return;
	ipc_client_free(&(*f)->ipc);
	free(*f);
	*f = NULL;
}

void
queue_feed_window(struct queue_feed *f, unsigned window)
{
	f->window = window;
	on_feed_open(f);
}

static struct span
cut_to(struct span text, size_t max)
{
	return (struct span){text.at, text.len < max ? text.len : max};
}

/* Room that one result takes at most. */
enum { RESULT_MAX_BYTES = 3 * 8 + 2 * (4 + REPLY_MAX_BYTES) };

/* Where the results that fit into room, from at on, end. */
static size_t
fitting(const struct queue_result *results, size_t n, size_t at, size_t room)
{
	while (at < n && room >= RESULT_MAX_BYTES) {
		room -= 3 * 8 + 2 * 4 + cut_to(results[at].reply, REPLY_MAX_BYTES).len +
			cut_to(results[at].route, REPLY_MAX_BYTES).len;
		at++;
	}
	return at;
}

void
queue_results(struct queue_feed *f, uint64_t id, bool finished, bool durable,
    const struct queue_result *results, size_t n)
{
	size_t at = 0, last;
	struct writer w;

	do {
		ipc_write(&w, QUEUE_RESULTS, 0);
		last = fitting(results, n, at, put_room(&w) - 3 * 8);
		put_u64(&w, id);
		put_u64(&w, finished && last == n);
		put_u64(&w, durable);
		for (; at < last; at++) {
			put_u64(&w, results[at].recipient);
			put_u64(&w, results[at].end);
			put_u64(&w, results[at].flags);
			put_str(&w, cut_to(results[at].reply, REPLY_MAX_BYTES));
			put_str(&w, cut_to(results[at].route, REPLY_MAX_BYTES));
		}
		ipc_client_send(f->ipc, &w, -1);
	} while (at < n);
}

void
queue_expand(
    struct queue_feed *f, uint64_t id, uint32_t recipient, const struct span *addresses, size_t n)
{
	size_t at = 0;
	struct writer w;

	do {
		size_t room, last = at;

		ipc_write(&w, QUEUE_EXPAND, 0);
		room = put_room(&w) - 3 * 8;
		for (; last < n && room >= 4 + addresses[last].len; last++)
			room -= 4 + addresses[last].len;
		put_u64(&w, id);
		put_u64(&w, recipient);
		put_u64(&w, last < n);
		for (; at < last; at++)
			put_str(&w, addresses[at]);
		ipc_client_send(f->ipc, &w, -1);
		if (at < n && addresses[at].len > PART_BYTES)
			return; /* no address: queue forgets what has no end */
	} while (at < n);
}

void
queue_park(struct queue_feed *f, uint64_t id, struct span destination)
{
	struct writer w;

	ipc_write(&w, QUEUE_PARK, 0);
	put_u64(&w, id);
	put_str(&w, cut_to(destination, QUEUE_DESTINATION_MAX_BYTES));
	ipc_client_send(f->ipc, &w, -1);
}

void
queue_fetch(struct queue_feed *f, struct span destination, unsigned n)
{
	struct writer w;

	ipc_write(&w, QUEUE_FETCH, 0);
	put_str(&w, cut_to(destination, QUEUE_DESTINATION_MAX_BYTES));
	put_u64(&w, n);
	ipc_client_send(f->ipc, &w, -1);
}
