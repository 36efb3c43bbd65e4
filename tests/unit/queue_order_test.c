/*
 * An administrator's orders in every state that a message may be in, and which messages a filter
 * means. The guardian in one process, with a submitter and a router.
 */
#include "tests/unit/queue_play_support.h"

#include "queue/admin_filter.h"
#include "queue/conclude.h"
#include "queue/order.h"

/* ---- orders ---- */

static struct order *
order(enum order_kind kind)
{
	return order_new(kind, xstrdup("carl"), xstrdup("odd"),
	    kind == ORDER_REROUTE ? xstrdup("smart.example:2525") : NULL);
}

static void
settle(void)
{
	until(chores_is_idle(t.f.q.chores) && commit_is_idle(t.f.q.commit));
}

/* Gives it and waits until it is done; how it is counted. */
static struct order
give(uint64_t id, enum order_kind kind)
{
	struct order *o = order(kind), counted;

	order_give(&t.f.q, server_message(&t.f.q, id), o);
	settle();
	counted = *o;
	order_release(&o);
	return counted;
}

static void
expect_file(uint64_t id, const char *hold, const char *route)
{
	struct message *m = server_message(&t.f.q, id);
	unsigned char *storage;
	struct envelope e;
	const char *why;
	int fd = conclude_open(&t.f.q.spool, m, O_RDONLY, &e, &storage, &why);

	assert_int_not_equal(fd, -1);
	assert_true(span_is(e.hold, hold));
	assert_true(span_is(e.route_override, route));
	assert_int_equal(m->name.held, hold[0] != '\0');
	envelope_clear(&e);
	free(storage);
	close(fd);
}

static void
held_and_released(void **state)
{
	uint64_t id = accepted(1);

	(void)state;
	assert_int_equal(give(id, ORDER_HOLD).done, 1);
	expect_file(id, "carl: odd", "");
	assert_int_equal(t.f.q.n_held, 1);
	assert_int_equal(give(id, ORDER_HOLD).done, 1); /* with a newer reason */
	assert_int_equal(t.f.q.n_held, 1);
	start_router(9);
	assert_int_equal(give(id, ORDER_RETRY).skipped, 1);
	assert_int_equal(give(id, ORDER_FLUSH).skipped, 1);
	queue_client_free(&t.client);
	queue_feed_free(&t.feed);
	support_stop(&t.f);
	start_with("300", "12");
	assert_int_equal(server_message(&t.f.q, id)->state, MESSAGE_HELD);
	expect_file(id, "carl: odd", "");
	assert_int_equal(give(id, ORDER_RELEASE).done, 1);
	assert_int_equal(t.f.q.n_held, 0);
	expect_file(id, "", "");
	start_router(9);
	until(t.n_due == 1);
	result(id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
}

static void
rerouted(void **state)
{
	uint64_t id = accepted(1);
	struct order *o;

	(void)state;
	assert_int_equal(give(id, ORDER_REROUTE).done, 1);
	expect_file(id, "", "smart.example:2525");
	o = order_new(ORDER_REROUTE, NULL, NULL, xstrdup(""));
	order_give(&t.f.q, server_message(&t.f.q, id), o);
	settle();
	assert_int_equal(o->done, 1);
	order_release(&o);
	expect_file(id, "", "");
}

static void
removed(void **state)
{
	uint64_t held = accepted(1), waiting = accepted(1);

	(void)state;
	give(held, ORDER_HOLD);
	assert_int_equal(give(held, ORDER_REMOVE).done, 1);
	assert_int_equal(give(waiting, ORDER_REMOVE).done, 1);
	assert_int_equal(t.f.q.messages.n, 0);
	assert_int_equal(t.f.q.n_held, 0);
	assert_int_equal(support_incoming(t.f.spool) + support_count(t.f.spool, "cur"), 0);
	assert_int_equal(support_count(t.f.failures, "."), 0);
}

/* The sender is told, also of a held one. */
static void
given_up_by_order(void **state)
{
	uint64_t id = accepted(2);

	(void)state;
	give(id, ORDER_HOLD);
	assert_int_equal(give(id, ORDER_BOUNCE).done, 1);
	until(t.f.q.messages.n == 1);
	assert_int_equal(t.f.q.n_held, 0);
	assert_null(server_message(&t.f.q, id));
	start_router(9);
	until(t.n_due == 1);
	result(t.due[0].id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(support_count(t.f.failures, "."), 0);
}

/* What is in hand is dealt with when its attempt has ended, the last order of several. */
static void
waits_for_the_attempt(void **state)
{
	static const enum order_kind kinds[] = {
	    ORDER_HOLD, ORDER_REROUTE, ORDER_REMOVE, ORDER_BOUNCE};

	(void)state;
	start_router(9);
	for (size_t i = 0; i < nitems(kinds); i++) {
		size_t due = t.n_due;
		uint64_t id = accepted(2);
		struct order *o = order(kinds[i]), *earlier = order(ORDER_HOLD);

		until(t.n_due > due && t.due[t.n_due - 1].id == id);
		order_give(&t.f.q, server_message(&t.f.q, id), earlier);
		order_give(&t.f.q, server_message(&t.f.q, id), o);
		assert_int_equal(o->waiting, 1);
		assert_int_equal(o->done, 0);
		assert_int_equal(give(id, ORDER_RETRY).skipped, 1);
		result(id, 0, END_DONE, true, false);
		result(id, 1, END_DEFERRED, true, true);
		until(o->done == 1);
		settle();
		assert_int_equal(earlier->done, 0);
		assert_int_equal(t.f.q.orders.n, 0);
		assert_int_equal(server_message(&t.f.q, id) != NULL, i < 2);
		if (i == 0)
			expect_file(id, "carl: odd", "");
		order_release(&o);
		order_release(&earlier);
	}
}

/* An order for a message that its attempt delivers is forgotten. */
static void
delivered_meanwhile(void **state)
{
	uint64_t id = accepted(1);
	struct order *o = order(ORDER_HOLD);

	(void)state;
	start_router(9);
	until(t.n_due == 1);
	order_give(&t.f.q, server_message(&t.f.q, id), o);
	result(id, 0, END_DONE, true, true);
	until(t.f.q.messages.n == 0);
	assert_int_equal(t.f.q.orders.n, 0);
	assert_int_equal(o->refs, 1);
	order_release(&o);
}

/* Parked: hold and remove take it out; it is tried anyway. In hand, about to be parked: the same.
 */
static void
of_parked_ones(void **state)
{
	uint64_t ids[3];
	struct order *o = order(ORDER_HOLD);

	(void)state;
	for (size_t i = 0; i < nitems(ids); i++)
		ids[i] = accepted(1);
	start_router(9);
	until(t.n_due == 3);
	queue_park(t.feed, ids[0], span_of("a.example"));
	queue_park(t.feed, ids[1], span_of("a.example"));
	until(feed_parked(t.f.q.feed) == 2);
	assert_int_equal(give(ids[0], ORDER_RETRY).skipped, 1);
	assert_int_equal(give(ids[0], ORDER_HOLD).done, 1);
	assert_int_equal(give(ids[1], ORDER_REMOVE).done, 1);
	assert_int_equal(feed_parked(t.f.q.feed), 0);
	order_give(&t.f.q, server_message(&t.f.q, ids[2]), o);
	queue_park(t.feed, ids[2], span_of("a.example"));
	until(o->done == 1);
	order_release(&o);
	assert_int_equal(t.f.q.n_held, 2);
	assert_int_equal(feed_parked(t.f.q.feed), 0);
	forget_dues();
	t.n_parked = 0;
	queue_fetch(t.feed, span_of("a.example"), 9);
	until(t.n_parked == 1);
	assert_int_equal(t.n_due, 0);
}

/* retry overrides the time that the sender wanted; flush does not. */
static void
before_its_release(void **state)
{
	struct envelope e;
	struct queue_slot slot = draft(&e, 1);

	(void)state;
	e.release_s = wall_clock_now() / 1000000 + 10000;
	accepted_draft(slot, &e);
	start_router(9);
	assert_int_equal(give(t.last_id, ORDER_FLUSH).skipped, 1);
	assert_int_equal(t.n_due, 0);
	assert_int_equal(give(t.last_id, ORDER_RETRY).done, 1);
	until(t.n_due == 1);
}

/* What an administrator has tried now and then does not wait longer for its own turn. */
static void
orders_are_no_turns(void **state)
{
	uint64_t id = accepted(1);
	struct message *m;

	(void)state;
	start_router(9);
	until(t.n_due == 1);
	assert_false(t.due[0].ordered);
	for (int i = 0; i < 3; i++) {
		result(id, 0, END_DEFERRED, true, true);
		until((m = server_message(&t.f.q, id)) != NULL && m->state == MESSAGE_WAITING);
		assert_int_equal(m->name.attempts, 1);
		forget_dues();
		assert_int_equal(give(id, i == 1 ? ORDER_FLUSH : ORDER_RETRY).done, 1);
		until(t.n_due == 1);
		assert_true(t.due[0].ordered);
		assert_int_equal(t.due[0].attempts, 1);
	}
	queue_park(t.feed, id, span_of("a.example")); /* nor is it one when it had to wait */
	until(feed_parked(t.f.q.feed) == 1);
	forget_dues();
	queue_fetch(t.feed, span_of("a.example"), 1);
	until(t.n_due == 1);
	assert_true(t.due[0].ordered);
	queue_feed_free(&t.feed); /* nor is it forgotten with a router */
	until(feed_in_hand(t.f.q.feed) == 0);
	forget_dues();
	start_router(9);
	until(t.n_due == 1);
	assert_true(t.due[0].ordered);
}

/* ---- filters ---- */

static bool
means(const char *const *words, const struct envelope *e)
{
	struct admin_filter f = {0};
	const char *why = NULL;
	bool rv;

	for (; *words != NULL; words++)
		assert_int_equal(admin_filter_take(&f, *words, &why), 1);
	assert_true(admin_filter_is_set(&f));
	rv = admin_filter_matches(&f, e, e->arrival_us + 3600 * 1000000ULL);
	admin_filter_clear(&f);
	return rv;
}

static void
filters(void **state)
{
	static const struct {
		const char *words[3];
		bool means;
	} rows[] = {
	    {{"sender=ann@example.org"}, true},
	    {{"sender=ANN@*"}, true},
	    {{"sender=ann"}, false},
	    {{"sender=<>"}, false},
	    {{"recipient=u0@example.org"}, false}, /* it is done */
	    {{"recipient=u1@*"}, true},
	    {{"recipient=u1@*", "sender=bob*"}, false},
	    {{"domain=example.org"}, true},
	    {{"domain=*.org", "recipient=u1*"}, true},
	    {{"domain=example.com"}, false},
	    {{"reason=greylisted"}, true},
	    {{"reason=GREY*later"}, true},
	    {{"reason=no such user"}, false},
	    {{"older=3600"}, true},
	    {{"older=3601"}, false},
	    {{"younger=3600"}, true},
	    {{"younger=3599"}, false},
	    {{"all=true"}, true},
	};
	struct envelope e;

	(void)state;
	support_envelope(&e, 1, 2, message);
	e.recipients[0].status = RECIPIENT_DONE;
	e.recipients[0].reply = span_of("no such user");
	e.recipients[1].status = RECIPIENT_PENDING;
	e.recipients[1].reply = span_of("450 4.2.0 greylisted, come back later");
	for (size_t i = 0; i < nitems(rows); i++)
		if (means(rows[i].words, &e) != rows[i].means)
			fail_msg("row %zu: %s", i, rows[i].words[0]);
	e.reverse_path = span_of("");
	assert_true(means((const char *const[]){"sender=<>", NULL}, &e));
	support_free_envelope(&e);
}

static void
wrong_filters(void **state)
{
	static const struct {
		const char *word;
		int rv;
	} rows[] = {{"older=x", -1}, {"older=0", -1}, {"younger=", -1}, {"ids=123", -1},
	    {"ids=123456789 x", -1}, {"held=true", 1}, {"ids=", 1}, {"nonsense=1", 0}, {"all", 0}};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct admin_filter f = {0};
		const char *why = NULL;

		assert_int_equal(admin_filter_take(&f, rows[i].word, &why), rows[i].rv);
		assert_int_equal(why != NULL, rows[i].rv == -1);
		admin_filter_clear(&f);
	}
}

#define row(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(held_and_released),
	    row(rerouted),
	    row(removed),
	    row(given_up_by_order),
	    row(waits_for_the_attempt),
	    row(delivered_meanwhile),
	    row(of_parked_ones),
	    row(before_its_release),
	    row(orders_are_no_turns),
	    cmocka_unit_test(filters),
	    cmocka_unit_test(wrong_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
