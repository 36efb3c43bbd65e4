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

#include "master/stats.h"

enum { NOW = 1800000000 - 1800000000 % TRAFFIC_SLOT_S };

static void
add(struct traffic *t, const char *text, int64_t now)
{
	json_t *list = json_loads(text, 0, NULL);

	assert_non_null(list);
	traffic_add(t, list, now);
	json_decref(list);
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
	struct traffic t = {.seen = NULL};

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
	traffic_clear(&t);
}

/* Another process, also with the same number, and several of one program. */
static void
processes_start_anew(void **state)
{
	struct traffic t = {.seen = NULL};

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
	assert_int_equal(t.n_seen, 2);
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
	traffic_clear(&t);
}

static void
a_day_is_kept(void **state)
{
	struct traffic t = {.seen = NULL}, later = {.seen = NULL};
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
	traffic_clear(&t);
	traffic_clear(&later);
}

static void
what_is_kept_may_be_anything(void **state)
{
	static const char *const texts[] = {"null", "[]", "{}", "[1, null, {}]",
	    "[{\"time\": -300, \"sent\": 1}, {\"time\": 1799999999, \"sent\": 1}, {\"time\": "
	    "\"x\"}]",
	    "[{\"time\": 9223372036854775800, \"sent\": 1}]"};
	struct traffic t = {.seen = NULL};

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(differences_are_counted),
	    cmocka_unit_test(processes_start_anew),
	    cmocka_unit_test(a_day_is_kept),
	    cmocka_unit_test(what_is_kept_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
