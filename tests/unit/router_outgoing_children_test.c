/*
 * How the destinations of mail for other hosts share deliver's children: their turns and limits,
 * and children that come, go and crash.
 */
#include "tests/unit/router_outgoing_support.h"

/* ---- turns ---- */

static void
one_child_is_shared(void **state)
{
	(void)state;
	come_many("mx:a", 1000);
	assert_true(counter("parked") > 0);
	come_many("mx:b", 1);
	come_many("mx:c", 1);
	come_many("mx:d", 120);
	UNTIL(n_sent == 1122);
	assert_int_equal(fake.most, 1);
	assert_true(place_of('b', 0) <= 50);
	assert_true(place_of('c', 0) <= 51);
	assert_true(place_of('d', 0) <= 52);
	assert_true(longest_run('a', place_of('d', 119)) <= 50);
	assert_true(longest_run('d', n_order) <= 50);
	assert_true(changes() <= 10); /* and sessions are used again */
	all_is_quiet();
}

/* A turn is not only so many jobs, but also so long. */
static void
slow_one_ends_its_turn(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 40);
	settle();
	come_many("mx:b", 1);
	ahead_s += 3;
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(place_of('b', 0), 1);
	fake.on_job = send_it;
	fake_finish(fake_busy("b"), END_DONE, "250 ok");
	UNTIL(n_sent == 41);
	all_is_quiet();
}

/* Each has the same time, and so the quick one is through long before. */
static void
quick_one_does_not_wait(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 20);
	come_many("mx:b", 90);
	settle();
	while (n_sent < 110) {
		struct fake_child *c = fake_busy(NULL);

		if (c == NULL) {
			fail_msg("%zu of 110 are sent, and nobody is busy", (size_t)n_sent);
			return;
		}
		ahead_s += strcmp(c->name, "a") == 0;
		fake_finish(c, END_DONE, "250 ok");
		settle();
	}
	assert_in_range(place_of('b', 89), 90, 92);
	all_is_quiet();
}

/* One that had a long conversation, and no mail waiting, is owed the time of the others for a
 * moment only: else it would have all children until it had caught up. */
static void
what_was_not_used_is_not_owed(void **state)
{
	(void)state;
	set("6", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 1);
	settle();
	come_many("mx:b", 95);
	settle();
	assert_int_equal(fake.n_busy, 6);
	for (unsigned i = 0; i < 100; i++)
		advance(1);
	come_many("mx:a", 90);
	n_order = 0;
	while (n_order < 60) {
		struct fake_child *c;

		ahead_s++;
		TAILQ_FOREACH (c, &fake.children, entry)
			if (c->busy)
				fake_finish(c, END_DONE, "250 ok");
		settle();
	}
	assert_in_range(place_of('b', 0), 1, 20);
	assert_true(place_of('b', 5) < 40);
	fake.on_job = send_it;
	while (fake_busy(NULL) != NULL)
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 186);
	all_is_quiet();
}

static void
few_children_are_shared(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	come_many("mx:a", 100);
	UNTIL(fake.n_jobs >= 20);
	come_many("mx:a", 1000);
	come_many("mx:b", 1);
	come_many("mx:c", 200);
	UNTIL(n_sent == 1301);
	assert_true(fake.most <= 4);
	assert_true(place_of('b', 0) <= 20 + 4 * 50);
	assert_true(place_of('c', 0) <= 20 + 4 * 50);
	assert_true(place_of('c', 199) < place_of('a', 1099));
	all_is_quiet();
}

static void
many_destinations(void **state)
{
	char name[16];

	(void)state;
	set("7", "3", "ondemand");
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "mx:%u", i % 50);
		(void)come(name, false);
		if (i % 100 == 0)
			settle();
	}
	UNTIL(n_sent == 5000);
	assert_true(fake.most <= 7);
	all_is_quiet();
}

/* A child that nobody needs is taken rather than a session that has mail waiting. */
static void
children_are_used_again(void **state)
{
	(void)state;
	set("3", "20", "ondemand");
	come_many("mx:a", 1);
	settle();
	come_many("mx:a", 1);
	settle();
	come_many("mx:b", 1);
	settle();
	assert_int_equal(fake.most, 1);
	assert_int_equal(n_sent, 3);
	all_is_quiet();
}

/* Slow destinations do not take all room. */
static void
slow_ones_leave_room(void **state)
{
	char name[16];

	(void)state;
	set("200", "20", "ondemand");
	fake.on_job = send_quick_ones;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "mx:s%u", i % 20);
		(void)come(name, false);
		settle();
	}
	assert_int_equal(fake.n_busy, 100);
	come_many("mx:quick", 500);
	UNTIL(n_sent == 500);
	/* when the slow ones end, all goes */
	fake.on_job = send_it;
	while (n_sent < 3500) {
		struct fake_child *c = fake_busy(NULL);

		if (c != NULL)
			fake_finish(c, END_DONE, "250 ok");
		settle();
	}
	all_is_quiet();
}

/* ---- limits ---- */

static void
limits_follow_success(void **state)
{
	struct fake_child *c;

	(void)state;
	set("50", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 90);
	settle();
	assert_int_equal(fake.n_busy, 5);
	for (unsigned i = 0; i < 5; i++) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
	}
	assert_in_range(fake.n_busy, 5, 6);
	come_many("mx:a", 500);
	for (unsigned i = 0; i < 300; i++) {
		fake_finish(fake_busy(NULL), END_FAILED, "550 no");
		settle();
	}
	assert_int_equal(fake.n_busy, 20);
	fake_finish(fake_busy(NULL), END_DEFERRED, "451 too many");
	settle();
	assert_int_equal(fake.n_busy, 19); /* 10 may be; those that are there go on */
	for (unsigned i = 0; i < 8; i++)
		fake_finish(fake_busy(NULL), END_DEFERRED, "451 too many");
	settle();
	assert_int_equal(fake.n_busy, 11);
	while (
	    (c = fake_busy(NULL)) != NULL && counter("outgoing_waiting") + counter("parked") > 0) {
		fake_finish(c, END_DEFERRED, "451 too many");
		settle();
	}
	assert_int_equal(fake.n_busy, 1);
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	all_is_quiet();
}

/* What waits for hosts that are slow is parked before it takes the place of all else in hand. */
static void
slow_ones_do_not_fill_the_window(void **state)
{
	(void)state;
	in_hand = "40";
	set("4", "20", "ondemand");
	fake.on_job = send_quick_ones;
	come_many("mx:s1", 4);
	settle();
	come_many("mx:s1", 11);
	assert_int_equal(counter("conversations"), 4);
	assert_int_equal(counter("outgoing_waiting"), 11);
	assert_int_equal(look("mx:s1", false), OUTGOING_BUSY);
	come_many("mx:s2", 5);
	assert_int_equal(look("mx:s2", false), OUTGOING_BUSY);
	assert_int_equal(look("mx:s3", false), OUTGOING_READY); /* half of 40 are taken */
	come_many("mx:s3", 5);
	assert_int_equal(look("mx:s3", false), OUTGOING_BUSY); /* as many as it may talk to */
	assert_int_equal(counter("parked"), 0);
	in_hand = "1000";
	set("4", "20", "ondemand");
	assert_int_equal(look("mx:s1", false), OUTGOING_READY);
	fake.on_job = send_it;
	while (fake_busy(NULL) != NULL) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
	}
	UNTIL(n_sent == 25);
	all_is_quiet();
}

static void
setting_limits_connections(void **state)
{
	(void)state;
	set("50", "2", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 50);
	settle();
	assert_int_equal(fake.n_busy, 2);
	set("50", "1", "ondemand");
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 50);
	all_is_quiet();
}

/* ---- children ---- */

static void
fewer_children(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 3);
	come_many("mx:b", 80);
	settle();
	assert_int_equal(fake.n_busy, 4);
	set("1", "20", "ondemand");
	settle();
	assert_int_equal(fake.n_busy, 4);
	for (unsigned i = 0; i < 3; i++) {
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
		settle();
		assert_int_equal(fake.n, 3 - i);
		assert_int_equal(fake.n_busy, 3 - i);
	}
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 83);
	assert_int_equal(fake.n, 1);
	set("3", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:c", 5);
	settle();
	assert_int_equal(fake.n_busy, 3);
	fake.on_job = send_it;
	while (fake_busy(NULL) != NULL)
		fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 88);
	all_is_quiet();
}

static void
idle_children_go(void **state)
{
	(void)state;
	set("4", "20", "ondemand");
	come_many("mx:a", 4);
	UNTIL(n_sent == 4);
	settle();
	assert_true(fake.n > 0);
	advance(20);
	come_many("mx:b", 1);
	UNTIL(n_sent == 5);
	settle();
	advance(11);
	assert_int_equal(fake.n, 1); /* the one that had work since */
	advance(20);
	assert_int_equal(fake.n, 0);
	assert_int_equal(counter("children"), 0);
	come_many("mx:a", 1);
	UNTIL(n_sent == 6);
	all_is_quiet();
}

/* It has said what became of the recipient, but not that it is done. */
static void
crash_before_done(void **state)
{
	(void)state;
	set("2", "3", "ondemand");
	fake.on_job = hold_it;
	for (unsigned i = 0; i < 10; i++) {
		struct fake_child *c;

		(void)come("mx:a", false);
		UNTIL((c = fake_busy(NULL)) != NULL);
		fake_result(c, 0, END_DONE, 0, "250 ok");
		settle();
		fake_child_end(c);
		settle();
		assert_int_equal(n_sent, i + 1);
		assert_int_equal(n_ends, i + 1);
		assert_int_equal(counter("conversations"), 0);
	}
	all_is_quiet();
}

/* A child that has a job ahead, whose destination another child has found dead since. */
static struct fake_child *
with_a_job_ahead_when_dead(void)
{
	struct fake_child *first, *second;

	set("2", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 8);
	settle();
	first = TAILQ_FIRST(&fake.children);
	second = TAILQ_NEXT(first, entry);
	assert_true(first->busy && second->busy);
	fake_finish(first, END_DONE, "250 ok");
	settle();
	assert_non_null(first->next);
	fake_is_dead(second);
	settle();
	return first;
}

/* What a child had ahead waits for nobody when its destination has died meanwhile. */
static void
crash_of_a_dead_destination(void **state)
{
	struct fake_child *first = with_a_job_ahead_when_dead();

	(void)state;
	fake_child_end(first);
	settle();
	assert_int_equal(n_sent, 1);
	assert_int_equal(n_ends, 8);
	assert_int_equal(counter("outgoing_waiting"), 0);
	advance(400);
	all_is_quiet();
}

/* The same, when the child goes on but has lost its session. */
static void
end_of_a_session_with_a_dead_destination(void **state)
{
	struct fake_child *first = with_a_job_ahead_when_dead();

	(void)state;
	fake_result(first, 0, END_FAILED, 0, "550 5.1.2 no such host");
	fake_done(first, false, DELIVER_NEVER, "550 5.1.2 no such host");
	settle();
	assert_int_equal(n_sent, 1);
	assert_int_equal(n_failed, 1);
	assert_int_equal(n_ends, 8);
	assert_int_equal(counter("outgoing_waiting"), 0);
	advance(400);
	all_is_quiet();
}

static void
crash_before_any_result(void **state)
{
	(void)state;
	set("2", "3", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 10);
	for (unsigned i = 0; i < 10; i++) {
		UNTIL(fake_busy(NULL) != NULL);
		fake_child_end(fake_busy(NULL));
		UNTIL(n_deferred == i + 1);
	}
	for (size_t i = 0; i < n_mails; i++)
		assert_true(!mails[i].logged && mails[i].flags == DELIVER_MAYBE_SENT);
	all_is_quiet();
}

static void
child_retires(void **state)
{
	(void)state;
	come_many("mx:a", 1);
	UNTIL(n_sent == 1);
	settle();
	fake_retire(TAILQ_FIRST(&fake.children));
	settle();
	assert_int_equal(fake.n, 0);
	fake.on_job = hold_it;
	come_many("mx:a", 2);
	settle();
	fake_retire(fake_busy(NULL));
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_sent == 3);
	assert_int_equal(fake.most, 1);
	all_is_quiet();
}

static void
socket_is_missing(void **state)
{
	(void)state;
	fake_stop();
	unlink(path);
	come_many("mx:a", 3);
	settle();
	assert_int_equal(counter("outgoing_waiting"), 3);
	assert_int_equal(counter("children"), 0);
	fake_start(base, path);
	fake.on_job = send_it;
	settle();
	assert_int_equal(n_sent, 0);
	advance(2);
	UNTIL(n_sent == 3);
	all_is_quiet();
}

/* Nobody would hear what became of it: it is broken off. */
static void
cancelled(void **state)
{
	struct mail *under_way, *waits;

	(void)state;
	fake.on_job = hold_it;
	under_way = add_mail("mx:a");
	settle();
	waits = add_mail("mx:a");
	settle();
	assert_false(outgoing_waits(under_way->job));
	assert_true(outgoing_waits(waits->job));
	outgoing_cancel(&waits->job);
	outgoing_cancel(&waits->job);
	settle();
	assert_int_equal(fake.n_busy, 1);
	outgoing_cancel(&under_way->job);
	settle();
	assert_int_equal(fake.n, 0);
	assert_int_equal(n_ends, 0);
	fake.on_job = send_it;
	come_many("mx:a", 1);
	UNTIL(n_sent == 1);
	all_is_quiet();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(one_child_is_shared),
	    WITH(slow_one_ends_its_turn),
	    WITH(quick_one_does_not_wait),
	    WITH(what_was_not_used_is_not_owed),
	    WITH(few_children_are_shared),
	    WITH(many_destinations),
	    WITH(children_are_used_again),
	    WITH(slow_ones_leave_room),
	    WITH(limits_follow_success),
	    WITH(slow_ones_do_not_fill_the_window),
	    WITH(setting_limits_connections),
	    WITH(fewer_children),
	    WITH(idle_children_go),
	    WITH(crash_before_done),
	    WITH(crash_of_a_dead_destination),
	    WITH(end_of_a_session_with_a_dead_destination),
	    WITH(crash_before_any_result),
	    WITH(child_retires),
	    WITH(socket_is_missing),
	    WITH(cancelled),
	};

	take_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
