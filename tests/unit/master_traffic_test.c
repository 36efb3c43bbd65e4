/*
 * Traffic by five minutes, from counters that start anew with each process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/counted.h"
#include "master/stats.h"
#include "master/totals.h"

enum { NOW = 1800000000 - 1800000000 % TRAFFIC_SLOT_S };

static struct counted counted;
static struct totals totals;
static int64_t now_s;

static void
on_counted(void *arg, const char *program, const char *counter, uint64_t n, int64_t since)
{
	traffic_count(arg, program, counter, n, now_s);
	totals_count(&totals, program, counter, n, since);
}

static void
add(struct traffic *t, const char *text, int64_t now)
{
	json_t *list = json_loads(text, 0, NULL);

	assert_non_null(list);
	now_s = now;
	counted_add(&counted, list, now, on_counted, t);
	json_decref(list);
}

static int
begin(void **state)
{
	(void)state;
	totals_init(&totals);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	counted_clear(&counted);
	totals_clear(&totals);
	return 0;
}

/* "since" too, when it is not NULL; -1: there is no such total. */
static json_int_t
total(const char *program, const char *counter, json_int_t *since)
{
	json_t *row = json_object_get(json_object_get(totals.doc, program), counter);

	if (since != NULL)
		*since = json_integer_value(json_object_get(row, "since"));
	return row != NULL ? json_integer_value(json_object_get(row, "n")) : -1;
}

/* Of one kind, in the slot that many before the last. */
static json_int_t
told(const struct traffic *t, const char *kind, size_t before, int64_t now)
{
	json_t *list = traffic_describe(t, now);
	json_int_t n = json_integer_value(
	    json_object_get(json_array_get(list, TRAFFIC_SLOTS - 1 - before), kind));

	assert_int_equal(json_array_size(list), TRAFFIC_SLOTS);
	json_decref(list);
	return n;
}

static void
differences_are_counted(void **state)
{
	struct traffic t = {.slots = {{0}}};

	(void)state;
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 10, \"counters\": "
	    "{\"messages_accepted\": 5, "
	    "\"messages_refused\": 1, \"recipients_refused\": 2}}, {\"name\": \"router\", \"pid\": "
	    "8, "
	    "\"uptime_s\": 10, \"counters\": {\"delivered\": 3, \"sent\": 2}}]",
	    NOW);
	assert_int_equal(told(&t, "received", 0, NOW), 5);
	assert_int_equal(told(&t, "rejected", 0, NOW), 3);
	assert_int_equal(told(&t, "delivered", 0, NOW), 3);
	assert_int_equal(told(&t, "sent", 0, NOW), 2);
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 70, \"counters\": "
	    "{\"messages_accepted\": 6}}]",
	    NOW + 60);
	assert_int_equal(told(&t, "received", 0, NOW + 60), 6);
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 310, \"counters\": "
	    "{\"messages_accepted\": 8}}]",
	    NOW + 300);
	assert_int_equal(told(&t, "received", 0, NOW + 300), 2);
	assert_int_equal(told(&t, "received", 1, NOW + 300), 6);
}

/* Another process, also with the same number, and several of one program. */
static void
processes_start_anew(void **state)
{
	struct traffic t = {.slots = {{0}}};

	(void)state;
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 1000, \"counters\": "
	    "{\"messages_accepted\": 5}}]",
	    NOW);
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 1, \"counters\": "
	    "{\"messages_accepted\": 4}}, "
	    "{\"name\": \"smtpd\", \"pid\": 9, \"uptime_s\": 1, \"counters\": "
	    "{\"messages_accepted\": 1}}]",
	    NOW + 1);
	assert_int_equal(told(&t, "received", 0, NOW + 1), 10);
	assert_int_equal(counted.n, 2);
	/* one that does not answer has counted nothing new, and is not forgotten */
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 2, \"counters\": null}, "
	    "{\"name\": \"pop3d\", \"pid\": null, \"uptime_s\": 0}]",
	    NOW + 2);
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 3, \"counters\": "
	    "{\"messages_accepted\": 4}}]",
	    NOW + 3);
	assert_int_equal(told(&t, "received", 0, NOW + 3), 10);
	/* nor has one whose clock was set meanwhile */
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 4, \"counters\": "
	    "{\"messages_accepted\": 4}}]",
	    NOW + 7200);
	assert_int_equal(told(&t, "received", 0, NOW + 7200), 0);
	assert_int_equal(counted.n, 1);
}

static void
a_day_is_kept(void **state)
{
	struct traffic t = {.slots = {{0}}}, later = {.slots = {{0}}};
	json_t *list;

	(void)state;
	add(&t,
	    "[{\"name\": \"router\", \"pid\": 7, \"uptime_s\": 1, \"counters\": {\"failed\": 5}}]",
	    NOW);
	add(&t,
	    "[{\"name\": \"router\", \"pid\": 7, \"uptime_s\": 86101, \"counters\": {\"failed\": "
	    "6}}]",
	    NOW + 86100);
	assert_int_equal(told(&t, "bounced", 0, NOW + 86100), 1);
	assert_int_equal(told(&t, "bounced", TRAFFIC_SLOTS - 1, NOW + 86100), 5);
	list = traffic_describe(&t, NOW + 86100);
	traffic_restore(&later, list, NOW + 86500);
	assert_int_equal(told(&later, "bounced", 1, NOW + 86500), 1);
	assert_int_equal(told(&later, "bounced", TRAFFIC_SLOTS - 1, NOW + 86500), 0);
	json_decref(list);
	add(&t,
	    "[{\"name\": \"router\", \"pid\": 7, \"uptime_s\": 86401, \"counters\": {\"failed\": "
	    "8}}]",
	    NOW + 86400);
	assert_int_equal(told(&t, "bounced", 0, NOW + 86400), 2);
}

static void
what_is_kept_may_be_anything(void **state)
{
	static const char *const texts[] = {"null", "[]", "{}", "[1, null, {}]",
	    "[{\"time\": -300, \"sent\": 1}, {\"time\": 1799999999, \"sent\": 1}, {\"time\": "
	    "\"x\"}]",
	    "[{\"time\": 9223372036854775800, \"sent\": 1}]"};
	struct traffic t = {.slots = {{0}}};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_t *list = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		assert_non_null(list);
		traffic_restore(&t, list, NOW);
		json_decref(list);
	}
	for (size_t i = 0; i < TRAFFIC_SLOTS; i++)
		assert_int_equal(told(&t, "sent", i, NOW), 0);
	traffic_restore(&t, NULL, NOW);
}

/* Of all processes of a program, whatever comes between them; of what only grows. */
static void
totals_outlive_processes(void **state)
{
	static const char first[] =
	    "[{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 10, \"counters\": "
	    "{\"messages_accepted\": 5, \"connections_now\": 3, \"refused_quota\": 0, "
	    "\"refused_unheard_of\": 1}}, "
	    "{\"name\": \"queue\", \"pid\": 8, \"uptime_s\": 10, \"counters\": {\"messages\": 4}}]";
	struct traffic t = {.slots = {{0}}};
	json_t *kept, *last;
	json_int_t since;

	(void)state;
	add(&t, first, NOW);
	assert_int_equal(total("smtpd", "messages_accepted", &since), 5);
	assert_int_equal(since, NOW - 10);
	assert_int_equal(total("smtpd", "refused_quota", NULL), 0);
	assert_int_equal(total("smtpd", "connections_now", NULL), -1);
	assert_int_equal(total("smtpd", "refused_unheard_of", NULL), -1);
	assert_int_equal(total("queue", "messages", NULL), -1);
	/* what it says at its end counts, and once */
	last = json_loads("{\"name\": \"smtpd\", \"pid\": 7, \"uptime_s\": 30, \"counters\": "
			  "{\"messages_accepted\": 7}}",
	    0, NULL);
	counted_add_one(&counted, last, NOW + 20, on_counted, &t);
	counted_add_one(&counted, last, NOW + 20, on_counted, &t);
	json_decref(last);
	add(&t,
	    "[{\"name\": \"smtpd\", \"pid\": 9, \"uptime_s\": 1, \"counters\": "
	    "{\"messages_accepted\": 2}}]",
	    NOW + 30);
	assert_int_equal(total("smtpd", "messages_accepted", &since), 9);
	assert_int_equal(since, NOW - 10);
	assert_true(totals.changed);
	/* over a restart of all */
	kept = json_deep_copy(totals.doc);
	finish(NULL);
	begin(NULL);
	totals_restore(&totals, kept);
	json_decref(kept);
	add(&t, first, NOW + 100);
	assert_int_equal(total("smtpd", "messages_accepted", &since), 14);
	assert_int_equal(since, NOW - 10);
}

static void
kept_totals_may_be_anything(void **state)
{
	static const char *const texts[] = {"null", "[]", "{}", "{\"smtpd\": 3}",
	    "{\"smtpd\": {\"logins\": 5}}", "{\"smtpd\": {\"logins\": {\"n\": -1, \"since\": 5}}}",
	    "{\"smtpd\": {\"logins\": {\"n\": 1}}}",
	    "{\"smtpd\": {\"x\": {\"n\": 1, \"since\": 1}}}",
	    "{\"x\": {\"logins\": {\"n\": 1, \"since\": 1}}}"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_t *doc = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		assert_non_null(doc);
		totals_restore(&totals, doc);
		json_decref(doc);
	}
	totals_restore(&totals, NULL);
	assert_int_equal(json_object_size(totals.doc), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(differences_are_counted, begin, finish),
	    cmocka_unit_test_setup_teardown(processes_start_anew, begin, finish),
	    cmocka_unit_test_setup_teardown(a_day_is_kept, begin, finish),
	    cmocka_unit_test_setup_teardown(what_is_kept_may_be_anything, begin, finish),
	    cmocka_unit_test_setup_teardown(totals_outlive_processes, begin, finish),
	    cmocka_unit_test_setup_teardown(kept_totals_may_be_anything, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
