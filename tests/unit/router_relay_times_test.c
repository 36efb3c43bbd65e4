/*
 * The times of Relay Delivery, in zones whose clocks are set twice a year, and with a wall clock of
 * the test's own that is set and comes too early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/wall_clock.h"
#include "router/relay_times.h"

/* ---- the clock ---- */

struct wall_clock {
	wall_clock_cb cb;
	void *arg;
};

static uint64_t now_us, alarm_us;
static struct wall_clock *the_clock;

uint64_t
wall_clock_now(void)
{
	return now_us;
}

struct wall_clock *
wall_clock_new(struct event_base *base, wall_clock_cb cb, void *arg)
{
	(void)base;
	the_clock = xcalloc(1, sizeof *the_clock);
	*the_clock = (struct wall_clock){cb, arg};
	return the_clock;
}

void
wall_clock_free(struct wall_clock **c)
{
	free(*c);
	*c = the_clock = NULL;
}

void
wall_clock_set(struct wall_clock *c, uint64_t at_us)
{
	(void)c;
	alarm_us = at_us;
}

static void
set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* "2026-03-29 01:59:59" of UTC. */
static uint64_t
utc(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

/* ---- times ---- */

static void
times(void **state)
{
	/* Zones in full, so that no zone file is needed. */
	static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3", india[] = "IST-5:30",
			  lord_howe[] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
			  beirut[] = "EET-2EEST,M3.5.0/0,M10.5.0/0",
			  havana[] = "CST5CDT,M3.2.0/0,M11.1.0/1";
	static const struct {
		const char *zone, *delivery, *now, *next; /* UTC */
	} rows[] = {
	    {"UTC", "hourly", "2026-01-01 11:59:59", "2026-01-01 12:00:00"},
	    {"UTC", "hourly", "2026-01-01 12:00:00", "2026-01-01 13:00:00"},
	    {"UTC", "hourly", "2026-12-31 23:30:00", "2027-01-01 00:00:00"},
	    {"UTC", "daily", "2026-12-31 23:59:59", "2027-01-01 00:00:00"},
	    {"UTC", "daily", "2027-01-01 00:00:00", "2027-01-02 00:00:00"},
	    {"UTC", "daily", "2028-02-28 12:00:00", "2028-02-29 00:00:00"},
	    {india, "hourly", "2026-01-01 12:00:00", "2026-01-01 12:30:00"},
	    {india, "hourly", "2026-01-01 12:30:00", "2026-01-01 13:30:00"},
	    {india, "daily", "2026-01-01 12:00:00", "2026-01-01 18:30:00"},
	    /* Spring: after 01:59 comes 03:00. */
	    {berlin, "hourly", "2026-03-29 00:30:00", "2026-03-29 01:00:00"},
	    {berlin, "hourly", "2026-03-29 01:00:00", "2026-03-29 02:00:00"},
	    {berlin, "daily", "2026-03-28 12:00:00", "2026-03-28 23:00:00"},
	    {berlin, "daily", "2026-03-28 23:00:00", "2026-03-29 22:00:00"},
	    /* Autumn: 02:00 to 02:59 comes twice. */
	    {berlin, "hourly", "2026-10-25 00:15:00", "2026-10-25 01:00:00"},
	    {berlin, "hourly", "2026-10-25 01:00:00", "2026-10-25 02:00:00"},
	    {berlin, "daily", "2026-10-24 22:00:00", "2026-10-25 23:00:00"},
	    /* By half an hour: in spring 02:00 is 02:30; in autumn 02:00 is 01:30. */
	    {lord_howe, "hourly", "2026-04-04 14:40:00", "2026-04-04 15:00:00"},
	    {lord_howe, "hourly", "2026-04-04 15:00:00", "2026-04-04 15:30:00"},
	    {lord_howe, "daily", "2026-04-04 15:00:00", "2026-04-05 13:30:00"},
	    /* There is no midnight: the day begins at 01:00. */
	    {beirut, "daily", "2026-03-28 12:00:00", "2026-03-28 22:00:00"},
	    {beirut, "daily", "2026-03-28 21:30:00", "2026-03-28 22:00:00"},
	    {beirut, "daily", "2026-03-28 22:00:00", "2026-03-29 21:00:00"},
	    /* The clock is set back at midnight to 23:00, whose hour comes twice. */
	    {beirut, "daily", "2026-10-24 20:30:00", "2026-10-24 22:00:00"},
	    {beirut, "daily", "2026-10-24 21:30:00", "2026-10-24 22:00:00"},
	    {beirut, "daily", "2026-10-24 22:00:00", "2026-10-25 22:00:00"},
	    {havana, "daily", "2026-03-08 04:59:59", "2026-03-08 05:00:00"},
	    {havana, "daily", "2026-03-08 05:00:00", "2026-03-09 04:00:00"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		uint64_t next;

		set_zone(rows[i].zone);
		next = relay_times_after(rows[i].delivery, utc(rows[i].now));
		if (next != utc(rows[i].next)) {
			time_t t = next;
			char text[32];

			strftime(text, sizeof text, "%F %T", gmtime(&t));
			fail_msg("%s %s after %s: %s", rows[i].zone, rows[i].delivery, rows[i].now,
			    text);
		}
	}
}

static void
never(void **state)
{
	static const char *const words[] = {"ondemand", "never", "", "Hourly"};

	(void)state;
	for (size_t i = 0; i < nitems(words); i++) {
		assert_int_equal(relay_times_after(words[i], 1700000000), 0);
		assert_false(relay_times_is_scheduled(words[i]));
	}
	assert_true(relay_times_is_scheduled("hourly") && relay_times_is_scheduled("daily"));
}

/* Midnight comes once a day, twice a year also: from any second on, in each zone. */
static void
years_of_days(void **state)
{
	static const char *const zones[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
	    "EET-2EEST,M3.5.0/0,M10.5.0/0", "CST5CDT,M3.2.0/0,M11.1.0/1",
	    "<-03>3<-02>,M10.3.0/0,M2.3.0/0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "UTC"};

	(void)state;
	for (size_t i = 0; i < nitems(zones); i++) {
		uint64_t t = utc("2026-01-15 12:00:00"), end = utc("2028-01-15 12:00:00");
		unsigned n = 0;

		set_zone(zones[i]);
		for (; t < end; n++) {
			uint64_t next = relay_times_after("daily", t);

			assert_in_range(next, t + 1, t + 25 * 3600);
			assert_int_equal(relay_times_after("daily", next - 1), next);
			t = next;
		}
		assert_in_range(n, 730, 731);
	}
}

/* ---- the alarm ---- */

static unsigned n_times;
static struct relay_times *t;

static void
on_time(void *arg)
{
	(void)arg;
	n_times++;
}

static int
setup(void **state)
{
	(void)state;
	set_zone("UTC");
	now_us = utc("2026-01-01 12:30:00") * 1000000;
	alarm_us = n_times = 0;
	t = relay_times_new(NULL, on_time, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	relay_times_free(&t);
	relay_times_free(&t);
	return 0;
}

/* It is this time, and the alarm fires, or says that the clock was set; then it is set for next. */
static void
fire(const char *now, bool jumped, unsigned is_time, const char *next)
{
	unsigned before = n_times;

	now_us = utc(now) * 1000000;
	alarm_us = 0;
	the_clock->cb(the_clock->arg, jumped);
	assert_int_equal(n_times, before + is_time);
	assert_int_equal(alarm_us / 1000000, next != NULL ? utc(next) : 0);
}

static void
alarms(void **state)
{
	(void)state;
	relay_times_set(t, "hourly");
	assert_int_equal(alarm_us / 1000000, utc("2026-01-01 13:00:00"));
	fire("2026-01-01 13:00:00", false, 1, "2026-01-01 14:00:00");
	fire("2026-01-01 13:59:59", false, 0, "2026-01-01 14:00:00"); /* too early */
	fire("2026-01-01 14:00:01", false, 1, "2026-01-01 15:00:00"); /* a little late */
	relay_times_set(t, "daily");
	fire("2026-01-01 15:00:00", false, 0, "2026-01-02 00:00:00");
	fire("2026-01-02 00:00:00", false, 1, "2026-01-03 00:00:00");
	relay_times_set(t, "ondemand");
	fire("2026-01-03 00:00:00", false, 0, NULL);
}

static void
clock_is_set(void **state)
{
	(void)state;
	relay_times_set(t, "hourly");
	fire("2026-01-01 12:40:00", true, 0, "2026-01-01 13:00:00");
	fire("2026-01-01 10:15:00", true, 0, "2026-01-01 11:00:00"); /* back */
	fire("2026-01-01 20:15:00", true, 1, "2026-01-01 21:00:00"); /* over several */
	fire("2025-06-01 23:15:00", true, 0, "2025-06-02 00:00:00");
}

/* A reload between the full hour and its alarm. */
static void
reload_loses_nothing(void **state)
{
	(void)state;
	relay_times_set(t, "hourly");
	now_us = utc("2026-01-01 13:00:00") * 1000000;
	relay_times_set(t, "hourly");
	fire("2026-01-01 13:00:00", false, 1, "2026-01-01 14:00:00");
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times),
	    cmocka_unit_test(never),
	    cmocka_unit_test(years_of_days),
	    WITH(alarms),
	    WITH(clock_is_set),
	    WITH(reload_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
