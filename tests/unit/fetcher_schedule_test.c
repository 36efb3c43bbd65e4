/*
 * When sections are collected: after a restart, with a clock that is set, and after failures. The
 * children are the test; both clocks are its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/wall_clock.h"
#include "fetcher/server.h"

enum { INTERVAL_S = 600, NOON_S = 1800000000, YEAR_S = 365 * 86400 };

/* Seconds: of the day, and since the machine has started. */
static uint64_t day_s, machine_s;

uint64_t
wall_clock_now(void)
{
	return day_s * 1000000;
}

uint64_t
monotonic_us(void)
{
	return machine_s * 1000000;
}

uint64_t
monotonic_ms(void)
{
	return machine_s * 1000;
}

static void
pass(uint64_t seconds)
{
	day_s += seconds;
	machine_s += seconds;
}

struct fixture {
	char folder[40], path[60];
	int directory, listening, child; /* child -1: none */
	const char *interval, *idle, *password;
	struct role role;
	struct fetcher *fetcher;
};

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

/* ---- fetcher starts and ends ---- */

static void
configure(struct fixture *f)
{
	struct settings *s = settings_new();
	const struct {
		const char *section, *key, *value;
	} all[] = {{"mail", "Mail Server", "example.test"},
	    {"smtpd", "Maximum Message Size", "1000"}, {"smtpd", "Maximum Received Hops", "30"},
	    {"limits", "Maximum Fetches", "20"}, {"fetch work", "Protocol", "imap"},
	    {"fetch work", "Server", "imap.example"}, {"fetch work", "TLS", "implicit"},
	    {"fetch work", "Certificate Fingerprint", ""}, {"fetch work", "User", "ann"},
	    {"fetch work", "Password", f->password}, {"fetch work", "OAuth Token Endpoint", ""},
	    {"fetch work", "OAuth Client ID", ""}, {"fetch work", "OAuth Client Secret", ""},
	    {"fetch work", "OAuth Refresh Token", ""}, {"fetch work", "OAuth Token Command", ""},
	    {"fetch work", "Folders", "INBOX"}, {"fetch work", "Interval", f->interval},
	    {"fetch work", "IDLE", f->idle}, {"fetch work", "Maximum Message Size", ""},
	    {"fetch work", "At Server", "leave"}, {"fetch work", "Routing", "mailbox ann"},
	    {"fetch work", "Local Domains", ""}, {"fetch work", "Unknown Mailbox", ""}};

	for (size_t i = 0; i < nitems(all); i++)
		settings_add(s, all[i].section, all[i].key, all[i].value);
	settings_free(&f->role.settings);
	f->role.settings = s;
}

static void
start(struct fixture *f)
{
	struct fetcher *one = f->fetcher = xcalloc(1, sizeof *one);
	const char *why;

	configure(f);
	f->role.name = "fetcher";
	f->role.base = event_base_new();
	one->role = &f->role;
	one->means.base = f->role.base;
	one->means.fetch_path = f->path;
	one->means.queue = queue_client_new(f->role.base, "/nonexistent/queue.sock", "fetcher", 1);
	one->router = router_client_new(f->role.base, "/nonexistent/router.sock", "fetcher");
	one->means.routing = routing_new(one->router);
	one->means.seen = seen_open(f->directory, "test.db", &why);
	assert_non_null(one->means.seen);
	one->means.worker = worker_new(f->role.base);
	one->means.recorder = recorder_new(one->means.worker, one->means.seen);
	schedule_update(one);
	assert_non_null(one->sections);
}

static void
turn(struct fixture *f)
{
	event_base_loop(f->role.base, EVLOOP_ONCE);
}

/* In order: what is under way is finished. */
static void
end(struct fixture *f)
{
	struct fetcher *one = f->fetcher;

	schedule_drain(one);
	do
		closefd(&f->child);
	while ((f->child = accept(f->listening, NULL, NULL)) != -1);
	while (!event_base_got_exit(f->role.base))
		turn(f);
	while (one->sections != NULL) { /* as a reload without sections */
		settings_free(&f->role.settings);
		f->role.settings = settings_new();
		settings_add(f->role.settings, "limits", "Maximum Fetches", "20");
		schedule_update(one);
	}
	worker_on_idle(one->means.worker, NULL, NULL);
	worker_free(&one->means.worker);
	free(one->means.recorder);
	queue_client_free(&one->means.queue);
	routing_free(&one->means.routing);
	router_client_free(&one->router);
	seen_close(&one->means.seen);
	event_base_free(f->role.base);
	free(one);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	strlcpy(f->folder, "/tmp/fetcher-schedule-XXXXXX", sizeof f->folder);
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/fetch.sock", f->folder);
	f->directory = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->listening = listen_at(f->path);
	f->child = -1;
	f->interval = "600";
	f->idle = "false";
	f->password = "secret";
	day_s = NOON_S;
	machine_s = 1000;
	start(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = {"test.db", "test.db-wal", "fetch.sock"};
	struct fixture *f = *state;

	end(f);
	settings_free(&f->role.settings);
	for (size_t i = 0; i < nitems(names); i++)
		unlinkat(f->directory, names[i], 0);
	rmdir(f->folder);
	closefd(&f->listening);
	closefd(&f->directory);
	free(f);
	return 0;
}

/* ---- the child ---- */

static bool
is_collected(struct fixture *f)
{
	closefd(&f->child);
	f->child = accept(f->listening, NULL, NULL);
	assert_true(f->child != -1 || errno == EAGAIN);
	return f->child != -1;
}

static void
begin(struct fixture *f)
{
	struct writer w;

	assert_true(is_collected(f));
	ipc_write(&w, FETCH_BEGIN, 0);
	assert_int_equal(ipc_send_now(f->child, &w, -1), 0);
}

static void
finish(struct fixture *f, bool waits, enum remote_end how, const char *why)
{
	struct section *s = f->fetcher->sections;
	struct writer w;

	ipc_write(&w, FETCH_DONE, 0);
	put_u64(&w, waits);
	put_u64(&w, how);
	put_u64(&w, 3);
	put_u64(&w, 0);
	put_text(&w, why);
	assert_int_equal(ipc_send_now(f->child, &w, -1), 0);
	while (s->collecting)
		turn(f);
}

static void
collect(struct fixture *f, enum remote_end how, const char *why)
{
	begin(f);
	finish(f, false, how, why);
}

/* ---- tests ---- */

static void
expect_next(const struct fixture *f, uint64_t seconds)
{
	const struct section *s = f->fetcher->sections;

	assert_int_equal(s->next_us, (machine_s + seconds) * 1000000);
	assert_true(evtimer_pending(s->timer, NULL));
	assert_null(s->run);
}

static void
test_interval_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct section *s;

	collect(f, REMOTE_OK, "");
	expect_next(f, INTERVAL_S);
	pass(100);
	end(f);
	machine_s = 5; /* the machine too */
	day_s += 50;
	start(f);
	s = f->fetcher->sections;
	expect_next(f, INTERVAL_S - 150);
	assert_false(is_collected(f));
	assert_true(s->has_last);
	assert_int_equal(s->last_s, NOON_S);
	assert_int_equal(s->last.end, REMOTE_OK);
	assert_int_equal(s->last.counts.large, 3);
	assert_string_equal(s->last_why, "");
}

static void
test_nothing_is_missed(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_OK, "");
	pass(100);
	end(f);
	pass(INTERVAL_S);
	start(f);
	collect(f, REMOTE_OK, "");
	expect_next(f, INTERVAL_S);
}

/* Failures in a row stay as many, and so does the wait after them. */
static void
test_failures_stay(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		collect(f, REMOTE_LOGIN_REFUSED, "no \"such\" \xff user");
		schedule_now(f->fetcher->sections, NULL);
	}
	collect(f, REMOTE_LOGIN_REFUSED, "no \"such\" \xff user");
	expect_next(f, 8 * INTERVAL_S);
	end(f);
	pass(7 * INTERVAL_S);
	start(f);
	expect_next(f, INTERVAL_S);
	assert_int_equal(f->fetcher->sections->failures, 4);
	assert_int_equal(f->fetcher->sections->last.end, REMOTE_LOGIN_REFUSED);
	assert_string_equal(f->fetcher->sections->last_why, "no \"such\" \\xff user");
	schedule_now(f->fetcher->sections, NULL);
	collect(f, REMOTE_LOGIN_REFUSED, "no");
	expect_next(f, 16 * INTERVAL_S);
	schedule_now(f->fetcher->sections, NULL);
	collect(f, REMOTE_OK, "");
	expect_next(f, INTERVAL_S);
}

/* The time of day moves nothing while fetcher runs. */
static void
test_clock_is_set_while_it_runs(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_OK, "");
	day_s -= YEAR_S;
	expect_next(f, INTERVAL_S);
	day_s += 2 * YEAR_S;
	expect_next(f, INTERVAL_S);
	assert_int_equal(schedule_next_s(f->fetcher->sections), day_s + INTERVAL_S);
}

/* Set back by a year, it does not wait for a year. */
static void
test_clock_is_set_back_at_a_restart(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_OK, "");
	end(f);
	day_s -= YEAR_S;
	start(f);
	expect_next(f, INTERVAL_S);
}

static void
test_clock_is_set_forward_at_a_restart(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_OK, "");
	end(f);
	day_s += YEAR_S;
	start(f);
	collect(f, REMOTE_OK, "");
	expect_next(f, INTERVAL_S);
}

/* Other settings are tried at once; what became of the last collection is known still. */
static void
test_other_settings(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_LOGIN_REFUSED, "no");
	end(f);
	f->password = "right";
	start(f);
	assert_true(f->fetcher->sections->has_last);
	assert_int_equal(f->fetcher->sections->last.end, REMOTE_LOGIN_REFUSED);
	assert_string_equal(f->fetcher->sections->last_why, "no");
	assert_int_equal(f->fetcher->sections->failures, 0);
	assert_true(is_collected(f));
	end(f);
	f->password = "secret";
	start(f);
	assert_true(is_collected(f)); /* the others' last state is in its place */
}

/* One that our end cuts off is no failure, and is due at once. */
static void
test_cut_off(void **state)
{
	struct fixture *f = *state;

	collect(f, REMOTE_TEMPORARY, "no answer");
	schedule_now(f->fetcher->sections, NULL);
	begin(f);
	turn(f);
	end(f);
	pass(1);
	start(f);
	assert_int_equal(f->fetcher->sections->failures, 1);
	assert_true(is_collected(f));
}

/* What is told of who only waits for news is the last collection, not its end. */
static void
test_waiting_for_news(void **state)
{
	struct fixture *f = *state;

	end(f);
	f->idle = "true";
	start(f);
	begin(f);
	finish(f, true, REMOTE_OK, "");
	assert_true(run_waits(f->fetcher->sections->run));
	pass(10);
	end(f);
	start(f);
	assert_int_equal(f->fetcher->sections->last_s, NOON_S);
	assert_int_equal(f->fetcher->sections->last.counts.large, 3);
	assert_true(is_collected(f)); /* to hear of news again */
}

static void
test_manual(void **state)
{
	struct fixture *f = *state;

	end(f);
	f->interval = "0";
	start(f);
	assert_false(is_collected(f));
	schedule_now(f->fetcher->sections, NULL);
	collect(f, REMOTE_OK, "");
	end(f);
	start(f);
	assert_false(is_collected(f));
	assert_int_equal(f->fetcher->sections->last_s, NOON_S);
	assert_int_equal(schedule_next_s(f->fetcher->sections), 0);
}

/* A state that says what no state says is none. */
static void
test_states_that_are_none(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "{\"last\": 1}",
	    "{\"last\": 1, \"next\": 99999999999, \"failures\": -1, \"end\": 0, \"why\": \"\", "
	    "\"counts\": {\"listed\": 0, \"fresh\": 0, \"new\": 0, \"before\": 0, "
	    "\"too_large\": 0, \"left\": 0, \"refused\": 0, \"bytes\": 0}}",
	    "{\"last\": 1, \"next\": 99999999999, \"failures\": 0, \"end\": 99, \"why\": \"\", "
	    "\"counts\": {\"listed\": 0, \"fresh\": 0, \"new\": 0, \"before\": 0, "
	    "\"too_large\": 0, \"left\": 0, \"refused\": 0, \"bytes\": 0}}",
	    "{\"last\": 1, \"next\": 99999999999, \"failures\": 0, \"end\": 0, \"why\": \"\", "
	    "\"counts\": {}}"};
	struct fixture *f = *state;
	unsigned char digest[FETCH_DIGEST_BYTES];
	const char *why;

	memcpy(digest, f->fetcher->sections->conf->digest, sizeof digest);
	for (size_t i = 0; i < nitems(texts); i++) {
		struct seen *s;

		end(f);
		assert_non_null(s = seen_open(f->directory, "test.db", &why));
		assert_int_equal(seen_keep_state(s, "work", digest, texts[i]), 0);
		seen_close(&s);
		start(f);
		assert_false(f->fetcher->sections->has_last);
		assert_true(is_collected(f));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_interval_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_is_missed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failures_stay, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_clock_is_set_while_it_runs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_clock_is_set_back_at_a_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_clock_is_set_forward_at_a_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_other_settings, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_waiting_for_news, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_manual, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_states_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
