/*
 * Mail for other hosts that cannot go now: dead destinations, what is parked in queue, and what
 * waits for the times of Relay Delivery.
 */
#include "tests/unit/router_outgoing_support.h"

/* ---- death ---- */

static void
dead_destination(void **state)
{
	(void)state;
	set("10", "20", "ondemand");
	fake.on_job = hold_it;
	come_many("mx:a", 400);
	come_many("mx:b", 1);
	settle();
	assert_int_equal(fake.n_busy, 6);
	assert_int_equal(counter("parked"), 300);
	fake_is_dead(fake_busy("a"));
	settle();
	/* what waited, and what was parked; the other four conversations go on */
	assert_int_equal(n_deferred, 96);
	assert_int_equal(n_dead, 300);
	assert_int_equal(fake.n_busy, 5);
	assert_int_equal(counter("destinations_dead"), 1);
	assert_int_equal(come("mx:a", false), OUTGOING_DEAD);
	assert_string_equal(dead_reply, "451 4.4.1 nobody there");
	for (unsigned i = 0; i < 4; i++)
		fake_is_dead(fake_busy("a"));
	fake_finish(fake_busy("b"), END_DONE, "250 ok");
	settle();
	advance(290);
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	advance(20);
	/* one conversation tries, and more when it has gone well */
	come_many("mx:a", 50);
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(fake.n_busy, 2);
	fake_is_dead(fake_busy("a"));
	settle();
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	fake_finish(fake_busy("a"), END_DONE, "250 ok");
	settle();
	assert_int_equal(look("mx:a", false), OUTGOING_READY);
	all_is_quiet();
}

/* An administrator has one message tried: of many, not each. */
static void
order_revives(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 1);
	settle();
	fake_is_dead(fake_busy("a"));
	settle();
	outgoing_revive(o, span_of("mx:a"));
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD); /* it has just been tried */
	advance(3);
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	outgoing_revive(o, span_of("mx:b")); /* nobody knows it */
	outgoing_revive(o, span_of("mx:a"));
	assert_int_equal(look("mx:a", false), OUTGOING_READY);
	come_many("mx:a", 5);
	settle();
	assert_int_equal(fake.n_busy, 1);
	fake_is_dead(fake_busy("a"));
	settle();
	all_is_quiet();
}

static void
flush_revives(void **state)
{
	(void)state;
	fake.on_job = fake_is_dead;
	come_many("mx:a", 1);
	come_many("mx:b,tls=encrypt", 1);
	come_many("host:h:25", 1);
	settle();
	assert_int_equal(counter("destinations_dead"), 3);
	outgoing_flush(o, span_of("b"));
	assert_int_equal(look("mx:a", false), OUTGOING_DEAD);
	assert_int_equal(look("mx:b,tls=encrypt", false), OUTGOING_READY);
	assert_int_equal(look("host:h:25", false), OUTGOING_READY);
	outgoing_flush(o, span_of(""));
	assert_int_equal(counter("destinations_dead"), 0);
	all_is_quiet();
}

/* ---- what is parked ---- */

/* Parked while the fetch was under way, and not counted by queue's answer. */
static void
park_crosses_parked(void **state)
{
	size_t a = lot_of("mx:a");

	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 100);
	settle();
	assert_int_equal(counter("outgoing_waiting"), 99);
	fetches_wait = true;
	come_many("mx:a", 10);
	settle();
	assert_int_equal(lots[a].parked, 9); /* one took the place of the one under way */
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(lots[a].asked);
	assert_int_equal(lots[a].wanted, 9);
	settle();
	/* PARKED says 0, and PARK of another one comes to queue behind it */
	(void)come("mx:a", false);
	assert_int_equal(lots[a].parked, 10);
	lots[a].parked = 9;
	bring_fetched(a);
	lots[a].parked++;
	UNTIL(lots[a].asked);
	assert_int_equal(lots[a].wanted, 1);
	bring_fetched(a);
	UNTIL(n_sent == 111);
	all_is_quiet();
}

/* Counted twice: there is one fetch too many, and that is all. */
static void
park_is_counted_twice(void **state)
{
	size_t a = lot_of("mx:a");

	(void)state;
	fake.on_job = hold_it;
	fetches_wait = true;
	come_many("mx:a", 101);
	settle();
	(void)come("mx:a", false);
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(lots[a].asked);
	(void)come("mx:a", false); /* there before queue answers */
	lots[a].wanted = 1;
	bring_fetched(a);
	fetches_wait = false;
	UNTIL(n_sent == n_mails && lots[a].parked == 0);
	all_is_quiet();
	assert_true(n_fetches <= 3);
}

/* Queue has gone: nothing is parked there any more, and no answer to a FETCH will come. */
static void
queue_forgets(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	fetches_wait = true;
	come_many("mx:a", 300);
	come_many("mx:b", 300);
	settle();
	fake.on_job = send_it;
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	UNTIL(n_fetches == 2);
	settle();
	memset(lots, 0, sizeof lots);
	outgoing_forget_parked(o);
	fetches_wait = false;
	settle();
	assert_int_equal(counter("parked"), 0);
	come_many("mx:a", 300);
	UNTIL(n_sent == n_mails && lots[0].parked == 0);
	assert_int_equal(n_sent, 500);
	all_is_quiet();
}

static void
drained(void **state)
{
	(void)state;
	fake.on_job = hold_it;
	come_many("mx:a", 150);
	settle();
	outgoing_drain(o);
	assert_int_equal(look("mx:b", false), OUTGOING_BUSY);
	assert_int_equal(look("mx:a", true), OUTGOING_BUSY);
	for (size_t i = 0; i < n_mails; i++)
		if (outgoing_waits(mails[i].job))
			outgoing_cancel(&mails[i].job);
	assert_int_equal(counter("outgoing_waiting"), 0);
	fake_finish(fake_busy(NULL), END_DONE, "250 ok");
	settle();
	assert_int_equal(n_sent, 1);
	assert_int_equal(n_fetches, 0);
	assert_int_equal(fake.n_busy, 0);
}

/* ---- Relay Delivery ---- */

static void
scheduled_mail_waits_for_its_time(void **state)
{
	(void)state;
	set("4", "20", "hourly");
	scheduled = true;
	come_many("smart:s:25", 120);
	settle();
	assert_int_equal(counter("parked"), 120);
	assert_int_equal(fake.n_jobs, 0);
	hour_comes();
	UNTIL(n_sent == 120);
	come_many("smart:s:25", 3);
	settle();
	assert_int_equal(n_sent, 120);
	/* a time at which there is nothing to send does not open the gate for later */
	hour_comes();
	UNTIL(n_sent == 123);
	hour_comes();
	come_many("smart:s:25", 3);
	settle();
	assert_int_equal(n_sent, 123);
	outgoing_flush(o, span_of(""));
	UNTIL(n_sent == 126);
	all_is_quiet();
}

/* It was found busy before the flush, and is parked behind it. */
static void
flush_reaches_what_is_on_its_way(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	assert_int_equal(look("smart:s:25", false), OUTGOING_BUSY);
	outgoing_flush(o, span_of(""));
	lots[lot_of("smart:s:25")].parked++;
	outgoing_parked(o, span_of("smart:s:25"));
	UNTIL(n_sent == 1);
	all_is_quiet();
}

/* What waited in queue for its next attempt comes as due soon after the flush. */
static void
flush_brings_what_was_not_parked(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	outgoing_flush(o, span_of("some.example"));
	come_many("smart:s:25", 120);
	UNTIL(n_sent == 120);
	settle();
	advance(61);
	advance(61);
	come_many("smart:s:25", 1);
	settle();
	assert_int_equal(n_sent, 120);
	outgoing_flush(o, span_of("some.example"));
	UNTIL(n_sent == 121);
	all_is_quiet();
}

static void
reload_ends_the_schedule(void **state)
{
	(void)state;
	set("4", "20", "daily");
	scheduled = true;
	come_many("smart:s:25", 60);
	settle();
	assert_int_equal(n_fetches, 0);
	scheduled = false;
	set("4", "20", "ondemand");
	UNTIL(n_sent == 60);
	all_is_quiet();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(dead_destination),
	    WITH(order_revives),
	    WITH(flush_revives),
	    WITH(park_crosses_parked),
	    WITH(park_is_counted_twice),
	    WITH(queue_forgets),
	    WITH(drained),
	    WITH(scheduled_mail_waits_for_its_time),
	    WITH(flush_reaches_what_is_on_its_way),
	    WITH(flush_brings_what_was_not_parked),
	    WITH(reload_ends_the_schedule),
	};

	take_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
