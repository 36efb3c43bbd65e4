/*
 * What router does for messages to other hosts: who carries them, what is parked, and what is lost
 * on the way.
 */
#include "tests/unit/router_server_support.h"

/* ---- other hosts ---- */

static void
remote_attempts(void **state)
{
	static const struct {
		const char *recipients, *report, *carried;
	} rows[] = {
	    {"x@far.example", "0 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	    {"x@no.example", "0 failed via=smtp:peer 550 5.1.1; durable finished",
		"no.example n=1; "},
	    {"x@later.example", "0 deferred via=smtp:peer 450 4.2.0; durable finished",
		"later.example n=1; "},
	    {"x@some.example y@some.example z@some.example",
		"0 done via=smtp:peer 250 2.1.5; flags=1 1 failed via=smtp:peer 550 5.7.1; "
		"2 done via=smtp:peer 250 2.1.5; flags=1 durable finished",
		"some.example n=3; "},
	    /* destinations, each with all of its recipients, and mailboxes before them */
	    {"x@far.example ann@our.example y@no.example z@FAR.example full@our.example",
		"0 done via=smtp:peer 250 2.0.0; 1 done via=store ; "
		"2 failed via=smtp:peer 550 5.1.1; 3 done via=smtp:peer 250 2.0.0; "
		"4 deferred via=store 452 4.2.2; finished",
		"far.example n=2; no.example n=1; "},
	    {"x@[192.0.2.1]", "0 done via=smtp:peer 250 2.0.0; durable finished",
		"[192.0.2.1] n=1; "},
	    /* nowhere to go */
	    {"x@lost.example y@far.example",
		"0 failed via= 550 5.4.4; 1 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	    /* dead: the second message is not tried */
	    {"x@dead.example y@dead.example",
		"0 deferred via=smtp:peer 451 4.4.1; 1 deferred via=smtp:peer 451 4.4.1; "
		"durable finished",
		"dead.example n=2; "},
	    {"x@dead.example y@far.example",
		"0 deferred via=smtp 451 4.4.1; 1 done via=smtp:peer 250 2.0.0; durable finished",
		"far.example n=1; "},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		attempt(first_id + i, rows[i].recipients);
		if (strcmp(reported, rows[i].report) != 0 || strcmp(carried, rows[i].carried) != 0)
			fail_msg(
			    "%s: reported %s, carried %s", rows[i].recipients, reported, carried);
	}
	assert_int_equal(fake.most, 1);
}

static void
many_recipients_of_one_destination(void **state)
{
	char *recipients = xcalloc(1500, 32), *at = recipients;

	(void)state;
	for (int i = 0; i < 1500; i++)
		at += sprintf(at, "%sx%d@far.example", i ? " " : "", i);
	attempt(first_id, recipients);
	assert_string_equal(carried, "far.example n=1000; far.example n=500; ");
	assert_int_equal(n_results, 1500);
	/* the host dies with the first of them: so does the second */
	n_results = 0;
	for (at = recipients; (at = strstr(at, "far.example")) != NULL; at++)
		memcpy(at, "die", 3);
	fake.on_job = fake_is_dead;
	attempt(first_id + 1, recipients);
	assert_int_equal(n_results, 1500);
	assert_int_equal(fake.n_jobs, 3);
	free(recipients);
}

static void
ordered_route(void **state)
{
	(void)state;
	route_override = "slow.example:2525";
	send_due(first_id, "x@no.example y@lost.example ann@our.example");
	until(fake_busy("slow.example") != NULL);
	assert_int_equal(fake_busy(NULL)->kind, DELIVER_HOST);
	expect_end();
	fake_finish(fake_busy(NULL), END_DONE, "250 2.0.0 ok");
	assert_string_equal(wait_end(), "0 done via=smtp:peer 250 2.0.0; 1 done via=smtp:peer 250 "
					"2.0.0; 2 done via=store ; finished");
}

static void
set_relay(const char *delivery, const char *server)
{
	reload(make_settings("20", delivery, server));
}

/* Relay FROM User takes the sender's place on the way to the SMTP Server, but not that of nobody.
 */
static void
relay_from_user(void **state)
{
	(void)state;
	set_relay("ondemand", "smart.example");
	attempt(first_id, "x@isp.example y@far.example");
	assert_string_equal(carried, "far.example n=1; smart.example n=1 from=relay@our.example; ");
	reverse_path = "";
	attempt(first_id + 1, "x@isp.example");
	assert_string_equal(carried, "smart.example n=1; ");
}

/* ---- parked ---- */

static void
tell_left(const char *destination, uint64_t left)
{
	struct writer w;

	ipc_write(&w, QUEUE_PARKED, 0);
	put_text(&w, destination);
	put_u64(&w, left);
	ipc_peer_send(feed, &w, -1);
}

static void
scheduled_mail_is_parked(void **state)
{
	static const char smart[] = "smart:smart.example:25";
	struct writer w;

	(void)state;
	set_relay("daily", "smart.example");
	assert_string_equal(
	    attempt(first_id, "x@isp.example"), "parked for smart:smart.example:25");
	/* with what became of the others */
	assert_string_equal(attempt(first_id + 1, "x@isp.example ann@our.example y@no.example"),
	    "1 done via=store ; 2 failed via=smtp:peer 550 5.1.1; more parked for "
	    "smart:smart.example:25");
	assert_string_equal(carried, "no.example n=1; ");
	/* a flush: it is fetched, and goes */
	ipc_write(&w, QUEUE_FLUSH, 0);
	put_text(&w, "isp.example");
	ipc_peer_send(feed, &w, -1);
	until(fetched[0] != '\0');
	assert_string_equal(fetched, smart);
	assert_int_equal(n_fetched, 2);
	expect_end();
	send_due_of(first_id, smart, spool_file(first_id, "x@isp.example"));
	tell_left(smart, 1);
	assert_string_equal(wait_end(), "0 done via=smtp:peer 250 2.0.0; durable finished");
	until(n_fetched == 1);
	tell_left(smart, 0);
}

/* Of a message that was parked for this destination. */
static const char *
attempt_of(uint64_t id, const char *destination, const char *recipients)
{
	expect_end();
	send_due_of(id, destination, spool_file(id, recipients));
	return wait_end();
}

/* What was parked for one destination has another that is busy. */
static void
parked_again_for_another(void **state)
{
	(void)state;
	set_relay("daily", "smart.example");
	assert_string_equal(attempt_of(first_id, "mx:far.example", "x@far.example y@isp.example"),
	    "0 done via=smtp:peer 250 2.0.0; durable more parked for smart:smart.example:25");
}

/* Its time has come, and the SMTP Server is another one now. */
static void
smart_host_has_changed(void **state)
{
	(void)state;
	set_relay("daily", "smart.example");
	assert_string_equal(attempt_of(first_id, "smart:old.example:25", "x@isp.example"),
	    "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* A hundred wait for one conversation: the next one is parked, and fetched when there is room. */
static void
busy_destination(void **state)
{
	uint64_t id = first_id;

	(void)state;
	reload(make_settings("400", "ondemand", "")); /* of which it may have a quarter */
	for (; id < first_id + 101; id++)
		send_due(id, "x@slow.example");
	until(fake_busy(NULL) != NULL && router->n_attempts >= 101);
	assert_string_equal(attempt(id++, "x@slow.example ann@our.example"),
	    "1 done via=store ; more parked for mx:slow.example");
	fake.on_job = NULL;
	while (fetched[0] == '\0') {
		struct fake_child *c = fake_busy(NULL);

		if (c != NULL)
			fake_finish(c, END_DONE, "250 2.0.0 ok");
		turn();
	}
	assert_string_equal(fetched, "mx:slow.example");
	assert_int_equal(n_fetched, 1);
}

/* ---- lost on the way ---- */

static void
child_crashes(void **state)
{
	struct fake_child *c;

	(void)state;
	send_due(first_id, "x@slow.example y@slow.example z@slow.example");
	until((c = fake_busy(NULL)) != NULL);
	expect_end();
	fake_result(c, 1, END_DONE, 0, "250 2.0.0 ok");
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_NONBLOCK), -1);
	fake_child_end(c);
	assert_string_equal(wait_end(),
	    "0 deferred via=smtp 451 4.3.0; 1 done via=smtp:peer 250 2.0.0; "
	    "2 deferred via=smtp 451 4.3.0; durable finished");
	assert_string_equal(
	    attempt(first_id, "x@far.example"), "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* The conversation is broken off: its message comes again, and nobody would hear of it. */
static void
queue_is_lost_during_a_conversation(void **state)
{
	(void)state;
	send_due(first_id, "x@slow.example");
	send_due(first_id + 1, "x@slow.example");
	until(fake_busy(NULL) != NULL && router->n_attempts >= 2);
	restart_queue();
	assert_string_equal(
	    attempt(first_id, "x@far.example"), "0 done via=smtp:peer 250 2.0.0; durable finished");
}

static void
deliver_is_missing_at_first(void **state)
{
	(void)state;
	fake_stop();
	unlink(path_of("deliver.sock"));
	expect_end();
	send_due(first_id, "x@far.example");
	until(router->n_attempts > 0);
	fake_start(base, path_of("deliver.sock"));
	fake.on_job = carry;
	assert_string_equal(wait_end(), "0 done via=smtp:peer 250 2.0.0; durable finished");
}

static void
child_retires(void **state)
{
	(void)state;
	attempt(first_id, "x@far.example");
	fake_retire(TAILQ_FIRST(&fake.children));
	until(fake.n == 0);
	assert_string_equal(attempt(first_id + 1, "x@far.example"),
	    "0 done via=smtp:peer 250 2.0.0; durable finished");
}

/* What waits is parked, and with it what is fetched just now; what is under way ends. */
static void
drains_during_a_conversation(void **state)
{
	(void)state;
	send_due(first_id, "x@slow.example");
	send_due(first_id + 1, "x@slow.example y@lost.example");
	until(fake_busy(NULL) != NULL && router->n_attempts >= 2);
	expect_end();
	drain();
	assert_string_equal(
	    wait_end(), "1 failed via= 550 5.4.4; durable more parked for mx:slow.example");
	assert_string_equal(attempt_of(first_id + 2, "mx:slow.example", "x@slow.example"),
	    "parked for mx:slow.example");
	assert_false(idle);
	expect_end();
	fake_finish(fake_busy(NULL), END_DONE, "250 2.0.0 ok");
	until(finished && idle);
	assert_string_equal(reported, "0 done via=smtp:peer 250 2.0.0; durable finished");
	assert_int_equal(fetched[0], '\0');
	assert_int_equal(fake.n_jobs, 1);
}

/* A reload, while store is asked, makes a remote domain ours. */
static void
domain_becomes_ours(void **state)
{
	struct settings *settings = make_settings("20", "ondemand", "");

	(void)state;
	store_is_silent = true;
	send_due(first_id, "x@far.example what@our.example");
	until(n_lookups > 0);
	for (size_t i = 0; i < settings->n; i++)
		if (strcmp(settings->items[i].key, "Local Domains") == 0) {
			free(settings->items[i].value);
			settings->items[i].value = xstrdup("far.example");
		}
	reload(settings);
	expect_end();
	restart_store();
	assert_string_equal(wait_end(), "0 deferred via= 451 4.3.5; 1 done via=store ; finished");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(remote_attempts),
	    WITH(many_recipients_of_one_destination),
	    WITH(ordered_route),
	    WITH(relay_from_user),
	    WITH(scheduled_mail_is_parked),
	    WITH(parked_again_for_another),
	    WITH(smart_host_has_changed),
	    WITH(busy_destination),
	    WITH(child_crashes),
	    WITH(queue_is_lost_during_a_conversation),
	    WITH(deliver_is_missing_at_first),
	    WITH(child_retires),
	    WITH(drains_during_a_conversation),
	    WITH(domain_becomes_ours),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
