/*
 * A queue with one submitter and one router that a test plays, and what they heard. For queue's
 * unit tests; defines what one program may have once.
 */
#ifndef TESTS_UNIT_QUEUE_PLAY_SUPPORT_H
#define TESTS_UNIT_QUEUE_PLAY_SUPPORT_H

#include "tests/unit/queue_support.h"

__attribute__((unused)) static const char message[] =
    "Received: by mail.example.org\r\nSubject: x\r\n\r\nHello.\r\n";

enum { DUES_MAX = 64 };

/* One submitter and one router, and what they heard. */
static struct {
	struct fixture f;
	struct queue_client *client;
	struct queue_feed *feed;
	struct queue_slot slot;
	int slot_error;
	bool has_slot;
	size_t n_durable, n_refused;
	uint64_t last_id;
	int last_error;
	size_t n_due, n_lost;
	struct {
		uint64_t id;
		unsigned attempts;
		bool ordered;
		char destination[64];
		int fd;
	} due[DUES_MAX];
	size_t n_parked;
	char parked[64], flushed[64];
	uint64_t left;
} t;

static inline void
on_slot(void *arg, const struct queue_slot *slot, int error)
{
	(void)arg;
	t.has_slot = true;
	t.slot_error = error;
	t.slot = slot ? *slot : (struct queue_slot){.fd = -1};
}

static inline void
on_durable(void *arg, uint64_t id, int error)
{
	(void)arg;
	t.last_id = id;
	t.last_error = error;
	if (error == 0)
		t.n_durable++;
	else
		t.n_refused++;
}

static inline void
on_due(void *arg, uint64_t id, unsigned attempts, bool ordered, struct span destination, int fd)
{
	(void)arg;
	assert_true(t.n_due < DUES_MAX);
	t.due[t.n_due].id = id;
	t.due[t.n_due].attempts = attempts;
	t.due[t.n_due].ordered = ordered;
	assert_true(span_copy(destination, t.due[t.n_due].destination, 64));
	t.due[t.n_due++].fd = fd;
}

static inline void
on_lost(void *arg)
{
	(void)arg;
	t.n_lost++;
}

static inline void
on_parked(void *arg, struct span destination, uint64_t left)
{
	(void)arg;
	assert_true(span_copy(destination, t.parked, sizeof t.parked));
	t.left = left;
	t.n_parked++;
}

static inline void
on_flush(void *arg, struct span pattern)
{
	(void)arg;
	assert_true(span_copy(pattern, t.flushed, sizeof t.flushed));
}

static const struct queue_due_ops due_ops = {on_due, on_lost, on_parked, on_flush};

/* Turns of the loop until the expression holds; a test that waits for ever is ended by its alarm.
 */
#define until(expression)     \
	while (!(expression)) \
	event_base_loop(t.f.base, EVLOOP_ONCE)

static inline void
start_with(const char *intervals, const char *maximum)
{
	support_start(&t.f, intervals, maximum);
	t.client = queue_client_new(t.f.base, t.f.socket, "smtpd", 2);
}

static inline void
start_router(unsigned window)
{
	t.feed = queue_feed_new(t.f.base, t.f.socket, window, &due_ops, NULL);
}

static inline int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	support_make(&t.f);
	start_with("300 900", "12");
	alarm(60);
	return 0;
}

static inline void
forget_dues(void)
{
	for (size_t i = 0; i < t.n_due; i++)
		closefd(&t.due[i].fd);
	t.n_due = 0;
}

static inline void
stop(void)
{
	queue_client_free(&t.client);
	queue_feed_free(&t.feed);
	support_stop(&t.f);
	forget_dues();
}

static inline int
teardown(void **state)
{
	(void)state;
	stop();
	support_clear(t.f.root);
	support_sender = "ann@example.org";
	alarm(0);
	return 0;
}

static inline struct queue_slot
take(void)
{
	t.has_slot = false;
	queue_take(t.client, on_slot, NULL);
	until(t.has_slot);
	assert_int_equal(t.slot_error, 0);
	return t.slot;
}

/* A slot, and the envelope of a message with n recipients that is to go into it. */
static inline struct queue_slot
draft(struct envelope *e, size_t n)
{
	struct queue_slot slot = take();

	support_envelope(e, slot.id, n, message);
	return slot;
}

/* Writes the message and hands it in; frees the envelope. */
static inline uint64_t
submit_draft(struct queue_slot slot, struct envelope *e)
{
	assert_int_equal(
	    pwrite(slot.fd, message, strlen(message), envelope_size(e)), (ssize_t)strlen(message));
	queue_commit(t.client, &slot, e, on_durable, NULL);
	assert_int_equal(slot.fd, -1);
	support_free_envelope(e);
	return slot.id;
}

static inline uint64_t
accepted_draft(struct queue_slot slot, struct envelope *e)
{
	size_t before = t.n_durable;
	uint64_t id = submit_draft(slot, e);

	until(t.n_durable > before);
	assert_int_equal(t.last_id, id);
	return id;
}

/* The same for one with n recipients, as it is. */
static inline uint64_t
submit(size_t n)
{
	struct envelope e;
	struct queue_slot slot = draft(&e, n);

	return submit_draft(slot, &e);
}

static inline uint64_t
accepted(size_t n)
{
	struct envelope e;
	struct queue_slot slot = draft(&e, n);

	return accepted_draft(slot, &e);
}

static inline void
result(uint64_t id, uint32_t recipient, enum delivery_end end, bool durable, bool finished)
{
	struct queue_result r = {recipient, end, span_of("some reply"), span_of("store"), 0};

	queue_results(t.feed, id, finished, durable, &r, 1);
}

#endif
