/*
 * What senders are told: the guardian in one process, with a submitter and a router. The
 * notifications come out as messages that are due.
 */
#include "tests/unit/queue_play_support.h"

static const char from[] = "ann@example.org";

/* ---- handing in ---- */

/* notify and the age of the message as given. */
static uint64_t
hand_in(size_t n, unsigned notify, uint64_t age_s)
{
	struct envelope e;
	struct queue_slot slot = draft(&e, n);

	e.arrival_us -= age_s * 1000000;
	for (size_t i = 0; i < n; i++)
		e.recipients[i].notify = notify;
	return accepted_draft(slot, &e);
}

static void
ends(uint64_t id, uint32_t recipient, enum delivery_end end, const char *route, unsigned flags,
    bool finished)
{
	const char *reply =
	    end == END_DEFERRED ? "451 4.3.0 come back later" : "550 5.1.1 no such user";
	struct queue_result r = {recipient, end, span_of(reply), span_of(route), flags};

	queue_results(t.feed, id, finished, true, &r, 1);
}

/* ---- what comes out ---- */

/* The text of due number i, which must be a notification to ann. Allocated. */
static char *
notice(size_t i)
{
	unsigned char *storage;
	struct envelope e;
	const char *why;
	char *bytes;

	assert_int_equal(envelope_read(&e, t.due[i].fd, &storage, &why), 0);
	assert_int_equal(e.reverse_path.len, 0);
	assert_true(span_is(e.program, "queue"));
	assert_int_equal(e.n_recipients, 1);
	assert_true(span_is(e.recipients[0].address, from));
	assert_int_equal(e.recipients[0].notify, NOTIFY_NEVER);
	bytes = xcalloc(1, e.message_size + 1);
	assert_int_equal(
	    pread(t.due[i].fd, bytes, e.message_size, e.message_offset), e.message_size);
	assert_int_equal(crc32(0, (unsigned char *)bytes, e.message_size), e.message_crc);
	envelope_clear(&e);
	free(storage);
	return bytes;
}

static size_t
occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

/* Due number i tells this of so many recipients, and nothing else. It is delivered. */
static void
expect_told(size_t i, const char *action, size_t n)
{
	char *text, *line = xasprintf("\r\nAction: %s\r\n", action);

	until(t.n_due > i);
	text = notice(i);
	assert_int_equal(occurrences(text, line), n);
	assert_int_equal(occurrences(text, "\r\nAction: "), n);
	assert_non_null(strstr(text, "Auto-Submitted: auto-replied"));
	free(line);
	free(text);
	ends(t.due[i].id, 0, END_DONE, "store", 0, true);
}

/* All is over, and nothing was told but what the test has seen. */
static void
expect_end(size_t n_due, size_t failures)
{
	until(t.f.q.messages.n == 0 && chores_is_idle(t.f.q.chores));
	assert_int_equal(t.n_due, n_due);
	assert_int_equal(support_count(t.f.failures, "."), failures);
	assert_int_equal(support_incoming(t.f.spool) + support_count(t.f.spool, "cur"), 0);
}

/* ---- failures ---- */

static void
one_for_all_of_an_attempt(void **state)
{
	uint64_t id = hand_in(4, 0, 0);
	char *text;

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_FAILED, "smtp:mx.example.net", 0, false);
	ends(id, 1, END_DEFERRED, "smtp:mx.example.net", 0, false);
	ends(id, 2, END_DONE, "store", 0, false);
	ends(id, 3, END_FAILED, "store", 0, true);
	until(t.n_due == 2);
	text = notice(1);
	assert_non_null(strstr(text, "u0@example.org"));
	assert_non_null(strstr(text, "u3@example.org"));
	assert_null(strstr(text, "u1@example.org"));
	assert_null(strstr(text, "u2@example.org"));
	assert_non_null(strstr(text, "Remote-MTA: dns; mx.example.net\r\n"
				     "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"));
	assert_non_null(strstr(text, "Hello."));
	free(text);
	expect_told(1, "failed", 2);
	until(t.n_due == 3); /* a second later */
	assert_int_equal(t.due[2].id, id);
	ends(id, 1, END_FAILED, "store", 0, true);
	expect_told(3, "failed", 1);
	expect_end(4, 0);
}

/* The failed one was told of, so that the end of the others need not look again. */
static void
told_once(void **state)
{
	uint64_t id = hand_in(2, 0, 0);

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_FAILED, "store", 0, false);
	ends(id, 1, END_DEFERRED, "store", 0, true);
	expect_told(1, "failed", 1);
	until(t.n_due == 3);
	ends(id, 1, END_DONE, "store", 0, true);
	expect_end(3, 0);
}

static void
given_up_is_told(void **state)
{
	uint64_t id = hand_in(1, 0, 3 * 24 * 3600);
	char *text;

	(void)state;
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_DEFERRED, "smtp:mx.example.net", 0, true);
	until(t.n_due == 2);
	text = notice(1);
	assert_non_null(strstr(text, "\r\nStatus: 4.3.0\r\n"));
	free(text);
	expect_told(1, "failed", 1);
	expect_end(2, 0);
}

static void
bounce_of_a_bounce_is_kept(void **state)
{
	uint64_t id = hand_in(1, 0, 0);

	(void)state;
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_FAILED, "store", 0, true);
	until(t.n_due == 2);
	ends(t.due[1].id, 0, END_FAILED, "store", 0, true);
	expect_end(2, 2);
}

/* The second one within an hour is too many; NOTIFY=NEVER leaves nothing at all. */
static void
too_many_are_kept(void **state)
{
	uint64_t id;

	(void)state;
	support_maximum_bounces = "1";
	support_settings(&t.f.q, "300", "12");
	support_maximum_bounces = "100";
	start_router(9);
	id = hand_in(1, 0, 0);
	until(t.n_due == 1);
	ends(id, 0, END_FAILED, "store", 0, true);
	expect_told(1, "failed", 1);
	id = hand_in(1, NOTIFY_NEVER, 0);
	until(t.n_due == 3);
	ends(id, 0, END_FAILED, "store", 0, true);
	expect_end(3, 0);
	id = hand_in(1, 0, 0);
	until(t.n_due == 4);
	ends(id, 0, END_FAILED, "store", 0, true);
	expect_end(4, 2);
}

/* ---- NOTIFY ---- */

/* One recipient, one end: told or not. */
static void
as_notify_says(void **state)
{
	static const struct {
		unsigned notify;
		enum delivery_end end;
		const char *route;
		unsigned flags;
		const char *told; /* NULL: nothing */
	} rows[] = {
	    {0, END_FAILED, "store", 0, "failed"},
	    {NOTIFY_FAILURE, END_FAILED, "store", 0, "failed"},
	    {NOTIFY_FAILURE, END_DONE, "store", 0, NULL},
	    {NOTIFY_NEVER, END_FAILED, "store", 0, NULL},
	    {NOTIFY_DELAY, END_FAILED, "store", 0, NULL},
	    {NOTIFY_SUCCESS, END_FAILED, "store", 0, NULL},
	    {NOTIFY_SUCCESS, END_DONE, "store", 0, "delivered"},
	    {NOTIFY_SUCCESS | NOTIFY_FAILURE, END_DONE, "store", 0, "delivered"},
	    {NOTIFY_SUCCESS, END_DONE, "smtp:mx.example.net", 0, "relayed"},
	    {NOTIFY_SUCCESS, END_DONE, "smtp:mx.example.net", DSN_PASSED_ON, NULL},
	};
	size_t due = 0;

	(void)state;
	start_router(9);
	for (size_t i = 0; i < nitems(rows); i++) {
		uint64_t id = hand_in(1, rows[i].notify, 0);

		until(t.n_due == due + 1);
		due++;
		ends(id, 0, rows[i].end, rows[i].route, rows[i].flags, true);
		if (rows[i].told != NULL)
			expect_told(due++, rows[i].told, 1);
		expect_end(due, 0);
	}
}

/* Delivered now, told now; the other one later. Also when a restart lies in between. */
static void
success_of_some(void **state)
{
	uint64_t id = hand_in(2, NOTIFY_SUCCESS, 0);

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_DONE, "store", 0, false);
	ends(id, 1, END_DEFERRED, "store", 0, true);
	expect_told(1, "delivered", 1);
	until(t.f.q.messages.n == 1);
	stop();
	start_with("1", "12");
	start_router(9);
	until(t.n_due == 1);
	ends(id, 1, END_DONE, "smtp:mx.example.net", 0, true);
	expect_told(1, "relayed", 1);
	expect_end(2, 0);
}

/* To several: told at once; what becomes of them is not, unless it fails. */
static void
expanded_is_told(void **state)
{
	uint64_t id = hand_in(1, NOTIFY_SUCCESS | NOTIFY_FAILURE, 0);
	const struct span to[] = {span_of("b@example.net"), span_of("c@example.net")};

	(void)state;
	start_router(9);
	until(t.n_due == 1);
	queue_expand(t.feed, id, 0, to, 2);
	queue_results(t.feed, id, true, true, NULL, 0);
	until(t.n_due == 2);
	assert_int_equal(t.due[1].id, id);
	ends(id, 1, END_DONE, "smtp:mx.example.net", 0, false);
	ends(id, 2, END_DONE, "store", 0, true);
	expect_told(2, "expanded", 1);
	expect_end(3, 0);
}

/* ---- delay ---- */

static void
delay_is_told_once(void **state)
{
	uint64_t id = hand_in(2, 0, 5 * 3600);
	char *text;

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(9);
	until(t.n_due == 1);
	ends(id, 0, END_DEFERRED, "store", 0, false);
	ends(id, 1, END_DEFERRED, "store", 0, true);
	until(t.n_due == 2);
	text = notice(1);
	assert_non_null(strstr(text, "\r\nWill-Retry-Until: "));
	free(text);
	expect_told(1, "delayed", 2);
	until(t.f.q.messages.n == 1);
	stop();
	start_with("1", "12");
	start_router(9);
	for (size_t i = 0; i < 2; i++) {
		until(t.n_due == i + 1);
		assert_int_equal(t.due[i].id, id);
		ends(id, i, END_DONE, "store", 0, i == 1);
		if (i == 0)
			ends(id, 1, END_DEFERRED, "store", 0, true);
	}
	expect_end(2, 0);
}

static void
delay_is_not_wanted(void **state)
{
	uint64_t id = hand_in(1, NOTIFY_FAILURE, 5 * 3600);

	(void)state;
	support_settings(&t.f.q, "1", "12");
	start_router(9);
	for (size_t i = 0; i < 2; i++) {
		until(t.n_due == i + 1);
		assert_int_equal(t.due[i].id, id);
		ends(id, 0, i == 0 ? END_DEFERRED : END_DONE, "store", 0, true);
	}
	expect_end(2, 0);
}

/* An attempt is made when the notice is due, not long after it. */
static void
attempt_before_the_notice(void **state)
{
	const struct retry r = {
	    .intervals_s = {7200}, .n = 1, .maximum_s = 100000, .notice_s = 14400};

	(void)state;
	assert_int_equal(retry_next_s(&r, 1, 1000, 1000), 8200);
	assert_int_equal(retry_next_s(&r, 2, 9000, 1000), 1000 + 14400);
	assert_int_equal(retry_next_s(&r, 3, 15400, 1000), 15400 + 7200);
}

#define row(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(one_for_all_of_an_attempt),
	    row(told_once),
	    row(given_up_is_told),
	    row(bounce_of_a_bounce_is_kept),
	    row(too_many_are_kept),
	    row(as_notify_says),
	    row(success_of_some),
	    row(expanded_is_told),
	    row(delay_is_told_once),
	    row(delay_is_not_wanted),
	    row(attempt_before_the_notice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
