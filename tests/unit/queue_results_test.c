/*
 * What router says of a message it was given: results, expansions and what it parks, as the whole
 * guardian in one process takes them. The spool and failures directories are looked at.
 */
#include "tests/unit/queue_play_support.h"

/* ---- results ---- */

static void
deferred_waits(void **state)
{
	uint64_t id = accepted(3);
	char name[256], expected[64];
	unsigned char *storage;
	struct envelope e;
	const char *why;
	struct message *m;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_DONE, true, false);
	result(id, 1, END_DEFERRED, true, false);
	result(id, 1, END_DEFERRED, true, false);
	result(id, 0, END_FAILED, true, false); /* too late */
	result(id, 2, END_DEFERRED, true, true);
	until(support_count(t.f.spool, "cur") == 1);
	until(chores_is_idle(t.f.q.chores) && commit_is_idle(t.f.q.commit));
	support_only(t.f.spool, "cur", name);
	m = server_message(&t.f.q, id);
	snprintf(expected, sizeof expected, "%s,S=%llu,A=1,N=%llu", queue_id_text(id),
	    (unsigned long long)m->name.size, (unsigned long long)m->name.next_s);
	assert_string_equal(name, expected);
	assert_true(m->name.next_s >= wall_clock_now() / 1000000 + 299);
	assert_int_equal(m->state, MESSAGE_WAITING);
	assert_int_equal(m->due_us, m->name.next_s * 1000000);
	assert_int_equal(envelope_read(&e, t.due[0].fd, &storage, &why), 0);
	assert_int_equal(e.recipients[0].status, RECIPIENT_DONE);
	assert_int_equal(e.recipients[1].status, RECIPIENT_PENDING);
	assert_true(span_is(e.recipients[1].reply, "some reply"));
	assert_true(span_is(e.recipients[1].route, "store"));
	assert_true(span_is(e.last_reply, "some reply"));
	assert_int_equal(e.attempts, 1);
	assert_int_equal(e.next_attempt_s, m->name.next_s);
	envelope_clear(&e);
	free(storage);
}

/* Volatile results of a message that goes on: its status bytes are written after the sync only. */
static void
deferred_after_sync(void **state)
{
	uint64_t id = accepted(2);
	struct message *m;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_DONE, false, false);
	result(id, 1, END_DEFERRED, false, true);
	m = server_message(&t.f.q, id);
	until(m->state == MESSAGE_WAITING);
	assert_int_equal(m->name.attempts, 1);
}

static void
second_attempt(void **state)
{
	uint64_t id = accepted(2);

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_DONE, true, false);
	result(id, 1, END_DEFERRED, true, true);
	until(t.n_due == 2); /* a second later */
	assert_int_equal(t.due[1].id, id);
	assert_int_equal(t.due[1].attempts, 1);
	result(id, 1, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
}

static void
read_failure(uint64_t id, const char *suffix, char *out, size_t size)
{
	char *path = xasprintf("%s/%s%s", t.f.failures, queue_id_text(id), suffix);
	int fd = open(path, O_RDONLY);
	ssize_t n;

	free(path);
	assert_int_not_equal(fd, -1);
	n = read(fd, out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
	close(fd);
}

static void
failed_is_kept(void **state)
{
	uint64_t id = accepted(2);
	char text[4096];

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_FAILED, true, false);
	result(id, 1, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_incoming(t.f.spool) + support_count(t.f.spool, "cur"), 0);
	assert_int_equal(support_count(t.f.failures, "."), 2);
	read_failure(id, ".eml", text, sizeof text);
	assert_string_equal(text, message);
	read_failure(id, ".txt", text, sizeof text);
	assert_non_null(strstr(text, "mail.example.org"));
	assert_non_null(strstr(text, "<u0@example.org>\n  some reply\n  via store\n"));
	assert_null(strstr(text, "u1@example.org"));
}

/* One fails in the first attempt, the other is delivered in the second: the failure is not lost. */
static void
failed_before_the_others_are_done(void **state)
{
	uint64_t id = accepted(2);
	char text[4096];

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_FAILED, true, false);
	result(id, 1, END_DEFERRED, true, true);
	until(t.n_due == 2); /* a second later */
	assert_int_equal(support_count(t.f.failures, "."), 0);
	result(id, 1, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_incoming(t.f.spool) + support_count(t.f.spool, "cur"), 0);
	read_failure(id, ".eml", text, sizeof text);
	assert_string_equal(text, message);
	read_failure(id, ".txt", text, sizeof text);
	assert_non_null(strstr(text, "<u0@example.org>\n  some reply\n  via store\n"));
	assert_null(strstr(text, "u1@example.org"));
}

static void
given_up(void **state)
{
	uint64_t id;
	char text[4096];

	(void)state;
	support_settings(&t.f.q, "1", "0");
	id = accepted(2);
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_DONE, false, false);
	result(id, 1, END_DEFERRED, false, true);
	until(t.f.q.messages.n == 0);
	read_failure(id, ".txt", text, sizeof text);
	assert_non_null(strstr(text, "<u1@example.org>\n  given up after 1 attempts: some reply"));
	assert_null(strstr(text, "<u0@"));
}

/* The directory of failures cannot be written: nothing is lost. */
static void
failures_wait(void **state)
{
	uint64_t id = accepted(1);
	struct message *m;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	m = server_message(&t.f.q, id);
	rmdir(t.f.failures);
	result(id, 0, END_FAILED, true, true);
	until(m->state == MESSAGE_WAITING);
	assert_int_equal(support_count(t.f.spool, "cur"), 1);
}

static void
expand(uint64_t id, uint32_t recipient, const char *a, const char *b)
{
	struct span addresses[2] = {span_of(a), span_of(b)};

	queue_expand(t.feed, id, recipient, addresses, 2);
}

static void
expanded_once(void **state)
{
	uint64_t id = accepted(2);
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	expand(id, 1, "c@example.com", "d@example.com");
	expand(id, 1, "e@example.com", "f@example.com"); /* a repeat: ignored */
	result(id, 0, END_DONE, true, true);
	until(t.n_due == 2);
	assert_int_equal(t.due[1].attempts, 0); /* of the new ones */
	assert_int_equal(envelope_read(&e, t.due[1].fd, &storage, &why), 0);
	assert_int_equal(e.n_recipients, 4);
	assert_int_equal(e.recipients[0].status, RECIPIENT_DONE);
	assert_int_equal(e.recipients[1].status, RECIPIENT_EXPANDED);
	assert_int_equal(e.recipients[2].status, RECIPIENT_PENDING);
	assert_int_equal(e.recipients[2].parent, 1);
	assert_true(span_is(e.recipients[3].address, "d@example.com"));
	envelope_clear(&e);
	free(storage);
	expand(id, 1, "g@example.com", "h@example.com");
	result(id, 2, END_DONE, true, false);
	expand(id, 3, "i@example.com", "j@example.com");
	result(id, 0, END_DONE, true, true);
	until(t.n_due == 3);
	assert_int_equal(envelope_read(&e, t.due[2].fd, &storage, &why), 0);
	assert_int_equal(e.n_recipients, 6);
	assert_int_equal(e.recipients[2].status, RECIPIENT_DONE);
	assert_int_equal(e.recipients[3].status, RECIPIENT_EXPANDED);
	assert_int_equal(e.recipients[5].parent, 3);
	envelope_clear(&e);
	free(storage);
	result(id, 4, END_DONE, true, false);
	result(id, 5, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
	assert_int_equal(support_count(t.f.failures, "."), 0);
}

static void
expanded_to_very_many(void **state)
{
	enum { N = 4000 };
	uint64_t id = accepted(1);
	struct span addresses[N];
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)state;
	for (int i = 0; i < N; i++)
		addresses[i] = span_of("somebody.with.a.long.name@a.host.with.a.long.name.example");
	start_router(10);
	until(t.n_due == 1);
	queue_expand(t.feed, id, 0, addresses, N);
	queue_results(t.feed, id, true, true, NULL, 0);
	until(t.n_due == 2);
	assert_int_equal(envelope_read(&e, t.due[1].fd, &storage, &why), 0);
	assert_int_equal(e.n_recipients, N + 1);
	envelope_clear(&e);
	free(storage);
}

static void
result_of_nobody_closes(void **state)
{
	uint64_t id = accepted(2);

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	result(id, 0, END_DONE, true, false);
	result(id, 2, END_DONE, true, false); /* there is none */
	until(t.n_lost == 1 && t.n_due == 2);
	assert_int_equal(t.due[1].attempts, 0);
	result(id, 1, END_DONE, true, true); /* 0 was remembered */
	until(t.f.q.messages.n == 0);
}

/* ---- parked messages ---- */

static void
park(uint64_t id, const char *destination)
{
	queue_park(t.feed, id, span_of(destination));
}

static void
expect_parked(const char *destination, uint64_t left, size_t n_due)
{
	until(t.n_parked == 1);
	t.n_parked = 0;
	assert_string_equal(t.parked, destination);
	assert_int_equal(t.left, left);
	assert_int_equal(t.n_due, n_due);
}

/* The oldest first, beyond the window, and without a write. */
static void
parked_until_fetched(void **state)
{
	uint64_t ids[5], batches;

	(void)state;
	for (size_t i = 0; i < nitems(ids); i++)
		ids[i] = accepted(1);
	batches = commit_counters(t.f.q.commit)->batches;
	start_router(1);
	for (size_t i = 0; i < nitems(ids); i++) {
		until(t.n_due == i + 1);
		assert_int_equal(t.due[i].id, ids[i]);
		assert_string_equal(t.due[i].destination, "");
		park(ids[i], i < 4 ? "a.example" : "b.example");
	}
	until(feed_parked(t.f.q.feed) == 5);
	assert_int_equal(feed_in_hand(t.f.q.feed), 0);
	forget_dues();
	queue_fetch(t.feed, span_of("a.example"), 3);
	expect_parked("a.example", 1, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(t.due[i].id, ids[i]);
		assert_int_equal(t.due[i].attempts, 0);
		assert_string_equal(t.due[i].destination, "a.example");
		result(ids[i], 0, END_DONE, true, true);
	}
	until(t.f.q.messages.n == 2);
	queue_fetch(t.feed, span_of("a.example"), 5);
	expect_parked("a.example", 0, 4);
	queue_fetch(t.feed, span_of("a.example"), 5);
	expect_parked("a.example", 0, 4);
	result(ids[3], 0, END_DONE, true, true);
	until(t.f.q.messages.n == 1);
	queue_fetch(t.feed, span_of("b.example"), 1);
	expect_parked("b.example", 0, 5);
	result(ids[4], 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(commit_counters(t.f.q.commit)->batches, batches);
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
}

/* What was reported is kept, and no attempt is counted. A FETCH that comes meanwhile waits. */
static void
parked_with_results(void **state)
{
	uint64_t id = accepted(3);
	char name[256];
	unsigned char *storage;
	struct envelope e;
	const char *why;

	(void)state;
	start_router(1);
	until(t.n_due == 1);
	result(id, 1, END_DONE, true, false);
	park(id, "a.example");
	queue_fetch(t.feed, span_of("a.example"), 1);
	expect_parked("a.example", 0, 2);
	assert_int_equal(t.due[1].attempts, 0);
	assert_int_equal(envelope_read(&e, t.due[1].fd, &storage, &why), 0);
	assert_int_equal(e.recipients[0].status, RECIPIENT_PENDING);
	assert_int_equal(e.recipients[1].status, RECIPIENT_DONE);
	envelope_clear(&e);
	free(storage);
	result(id, 0, END_DONE, true, false);
	park(id, "b.example");
	until(feed_parked(t.f.q.feed) == 1);
	support_only(t.f.spool, "cur", name);
	assert_non_null(strstr(name, ",A=0,"));
	queue_fetch(t.feed, span_of("b.example"), 1);
	expect_parked("b.example", 0, 3);
	result(id, 2, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
}

/* All its recipients were reported on: nothing is left to be parked. */
static void
parked_when_complete(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	start_router(1);
	until(t.n_due == 1);
	result(id, 0, END_DONE, true, false);
	park(id, "a.example");
	until(t.f.q.messages.n == 0);
	queue_fetch(t.feed, span_of("a.example"), 1);
	expect_parked("a.example", 0, 1);
}

/* With router's connection all are due again; with a result that is under way, too. */
static void
parked_router_goes(void **state)
{
	uint64_t a = accepted(1), b = accepted(2);

	(void)state;
	start_router(5);
	until(t.n_due == 2);
	park(a, "a.example");
	result(b, 0, END_DONE, true, false);
	park(b, "a.example");
	until(feed_parked(t.f.q.feed) == 2 || t.f.q.messages.n < 2);
	queue_feed_free(&t.feed);
	until(feed_parked(t.f.q.feed) == 0);
	forget_dues();
	start_router(5);
	until(t.n_due == 2);
	assert_string_equal(t.due[0].destination, "");
	for (size_t i = 0; i < 2; i++)
		result(t.due[i].id, t.due[i].id == b, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
}

/* A parked one in the middle is taken out for an administrator. */
static void
parked_taken_out(void **state)
{
	uint64_t ids[3];

	(void)state;
	for (size_t i = 0; i < nitems(ids); i++)
		ids[i] = accepted(1);
	start_router(5);
	until(t.n_due == 3);
	for (size_t i = 0; i < nitems(ids); i++)
		park(ids[i], "a.example");
	until(feed_parked(t.f.q.feed) == 3);
	feed_unpark(t.f.q.feed, server_message(&t.f.q, ids[1]));
	assert_int_equal(feed_parked(t.f.q.feed), 2);
	server_schedule(&t.f.q, server_message(&t.f.q, ids[1]), wall_clock_now());
	until(t.n_due == 4);
	assert_int_equal(t.due[3].id, ids[1]);
	assert_string_equal(t.due[3].destination, "");
	forget_dues();
	queue_fetch(t.feed, span_of("a.example"), 9);
	expect_parked("a.example", 0, 2);
	assert_int_equal(t.due[0].id, ids[0]);
	assert_int_equal(t.due[1].id, ids[2]);
	for (size_t i = 0; i < nitems(ids); i++)
		result(ids[i], 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
}

static void
hears_a_flush(void **state)
{
	(void)state;
	accepted(1);
	start_router(1);
	until(t.n_due == 1);
	feed_flush(t.f.q.feed, span_of("*.example"));
	until(t.flushed[0] != '\0');
	assert_string_equal(t.flushed, "*.example");
}

static int
setup_null_sender(void **state)
{
	support_sender = "";
	return setup(state);
}

#define null_sender(function) cmocka_unit_test_setup_teardown(function, setup_null_sender, teardown)
#define row(function)	      cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(deferred_waits),
	    row(deferred_after_sync),
	    row(second_attempt),
	    null_sender(failed_is_kept),
	    null_sender(failed_before_the_others_are_done),
	    null_sender(given_up),
	    null_sender(failures_wait),
	    row(expanded_once),
	    row(expanded_to_very_many),
	    row(result_of_nobody_closes),
	    row(parked_until_fetched),
	    row(parked_with_results),
	    row(parked_when_complete),
	    row(parked_router_goes),
	    row(parked_taken_out),
	    row(hears_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
