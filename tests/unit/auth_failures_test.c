/* Delays after failed logins: how they grow, end, and are forgotten. The clock is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/failures.h"
#include "common/memory.h"

enum { MINUTE = 60 * 1000, MAX = 15 * 1000 };

static int
setup(void **state)
{
	struct failures *f = failures_new();

	failures_set_max(f, MAX);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct failures *f = *state;

	failures_free(&f);
	failures_free(&f);
	return 0;
}

static void
delays_double(void **state)
{
	static const uint64_t delays[] = {1000, 2000, 4000, 8000, 15000, 15000, 15000};
	struct failures *f = *state;
	uint64_t now = 5000;

	for (size_t i = 0; i < nitems(delays); i++) {
		assert_int_equal(failures_add(f, 1, now), delays[i]);
		assert_int_equal(failures_left(f, 1, now), delays[i]);
		assert_int_equal(failures_left(f, 1, now + delays[i] - 1), 1);
		assert_int_equal(failures_left(f, 1, now + delays[i]), 0);
		now += delays[i];
	}
}

static void
others_do_not_suffer(void **state)
{
	struct failures *f = *state;

	assert_int_equal(failures_left(f, 1, 0), 0);
	assert_false(failures_any(f, 1, 0));
	for (int i = 0; i < 10; i++)
		failures_add(f, 1, 0);
	assert_int_equal(failures_left(f, 2, 0), 0);
	assert_false(failures_any(f, 2, 0));
	assert_int_equal(failures_add(f, 2, 0), 1000);
	assert_int_equal(failures_count(f), 2);
}

static void
one_a_minute_is_forgiven(void **state)
{
	struct failures *f = *state;

	for (int i = 0; i < 3; i++)
		failures_add(f, 1, 0);
	assert_int_equal(failures_add(f, 1, MINUTE - 1), 8000);
	/* two of four */
	assert_int_equal(failures_add(f, 1, 3 * MINUTE - 1), 4000);
	assert_true(failures_any(f, 1, 6 * MINUTE - 2));
	assert_false(failures_any(f, 1, 6 * MINUTE - 1));
	assert_int_equal(failures_count(f), 0);
	assert_int_equal(failures_add(f, 1, 6 * MINUTE), 1000);
}

/* Asking often takes nothing away from the time that counts. */
static void
asking_changes_nothing(void **state)
{
	struct failures *f = *state;

	failures_add(f, 1, 0);
	failures_add(f, 1, 0);
	for (uint64_t now = 0; now < 2 * MINUTE; now += 100)
		assert_true(failures_any(f, 1, now));
	assert_false(failures_any(f, 1, 2 * MINUTE));
}

/* A million failures are forgiven as soon as those that have led to the longest delay. */
static void
counts_no_further_than_needed(void **state)
{
	struct failures *f = *state;

	for (int i = 0; i < 1000000; i++)
		failures_add(f, 1, 0);
	assert_true(failures_any(f, 1, 5 * MINUTE - 1));
	assert_false(failures_any(f, 1, 5 * MINUTE));
}

static void
limits_of_the_delay(void **state)
{
	struct failures *f = *state;

	failures_set_max(f, 600 * 1000);
	for (int i = 0; i < 9; i++)
		failures_add(f, 1, 0);
	assert_int_equal(failures_add(f, 1, 0), 512 * 1000);
	assert_int_equal(failures_add(f, 1, 0), 600 * 1000);
	/* a new, lower one holds at once */
	failures_set_max(f, 500);
	assert_int_equal(failures_left(f, 1, 0), 500);
	assert_int_equal(failures_add(f, 2, 0), 500);
	assert_int_equal(failures_add(f, 2, 0), 500);
}

static void
zero_switches_off(void **state)
{
	struct failures *f = *state;

	failures_add(f, 1, 0);
	failures_set_max(f, 0);
	assert_int_equal(failures_count(f), 0);
	assert_int_equal(failures_add(f, 1, 0), 0);
	assert_int_equal(failures_left(f, 1, 0), 0);
	assert_false(failures_any(f, 1, 0));
	assert_int_equal(failures_count(f), 0);
}

static void
the_oldest_is_forgotten(void **state)
{
	struct failures *f = *state;

	for (uint64_t key = 0; key < FAILURES_MAX; key++)
		failures_add(f, key, key);
	failures_add(f, 0, FAILURES_MAX); /* not the oldest any more */
	failures_add(f, FAILURES_MAX, FAILURES_MAX);
	assert_int_equal(failures_count(f), FAILURES_MAX);
	assert_true(failures_any(f, 0, FAILURES_MAX));
	assert_false(failures_any(f, 1, FAILURES_MAX));
	assert_true(failures_any(f, 2, FAILURES_MAX));
	for (uint64_t key = 0; key < 3 * FAILURES_MAX; key++)
		failures_add(f, key * 7919, FAILURES_MAX);
	assert_int_equal(failures_count(f), FAILURES_MAX);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(delays_double),
	    WITH(others_do_not_suffer),
	    WITH(one_a_minute_is_forgiven),
	    WITH(asking_changes_nothing),
	    WITH(counts_no_further_than_needed),
	    WITH(limits_of_the_delay),
	    WITH(zero_switches_off),
	    WITH(the_oldest_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
