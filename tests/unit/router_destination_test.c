/*
 * One destination of outgoing mail: its limit, its death, its name; and the table of all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/destination.h"

static struct destinations all;

static int
setup(void **state)
{
	(void)state;
	destinations_init(&all);
	destinations_limit(&all, 20);
	return 0;
}

static int
teardown(void **state)
{
	struct destination *d;

	(void)state;
	while ((d = destinations_next(&all, NULL)) != NULL)
		destinations_remove(&all, d);
	return (int)all.n;
}

static struct destination *
get(const char *name)
{
	return destinations_get(&all, span_of(name));
}

static void
table(void **state)
{
	static const char *const names[] = {"mx:b", "mx:a", "mx:aa", "", "host:a:25"};
	static const char *const ordered[] = {"", "host:a:25", "mx:a", "mx:aa", "mx:b"};
	struct destination *d = NULL, *first = get("mx:b");

	(void)state;
	for (size_t i = 0; i < 5; i++)
		(void)get(names[i]);
	assert_int_equal(all.n, 5);
	assert_ptr_equal(get("mx:b"), first);
	assert_ptr_equal(destinations_find(&all, span_of("mx:b")), first);
	assert_null(destinations_find(&all, span_of("mx:")));
	for (size_t i = 0; i < 5; i++) {
		d = destinations_next(&all, d);
		assert_true(span_is(d->name, ordered[i]));
	}
	assert_null(destinations_next(&all, d));
	destinations_remove(&all, first);
	assert_null(destinations_find(&all, span_of("mx:b")));
	assert_int_equal(all.n, 4);
}

static void
limit_grows_and_shrinks(void **state)
{
	struct destination *d = get("mx:a");
	unsigned n = 0;

	(void)state;
	assert_int_equal((int)d->limit, 5);
	/* one more a round of as many as there are */
	for (; d->limit < 6; n++)
		destination_grow(d, &all);
	assert_in_range(n, 5, 6);
	for (n = 0; n < 1000; n++)
		destination_grow(d, &all);
	assert_int_equal((int)d->limit, 20);
	destination_shrink(d);
	assert_int_equal((int)d->limit, 10);
	for (n = 0; n < 10; n++)
		destination_shrink(d);
	assert_true(d->limit >= 1 && d->limit < 2);
	destination_grow(d, &all);
	assert_true(d->limit >= 2);
}

/* Maximum Connections To A Host holds at once, and from the beginning. */
static void
limit_is_never_above_the_setting(void **state)
{
	struct destination *d = get("mx:a"), *later;

	(void)state;
	destinations_limit(&all, 2);
	later = get("mx:b");
	assert_true(d->limit <= 2 && later->limit <= 2);
	destinations_limit(&all, 1);
	for (unsigned n = 0; n < 100; n++)
		destination_grow(later, &all);
	assert_true(later->limit == 1 && d->limit == 1);
	later->n_waiting = 2;
	assert_true(destination_can_send(later, 0));
	later->n_active = 1;
	assert_false(destination_can_send(later, 0));
	destinations_limit(&all, 1000);
	assert_true(later->limit == 1);
	destination_grow(later, &all);
	assert_true(destination_can_send(later, 0));
}

static void
dies_for_a_while(void **state)
{
	struct destination *d = get("mx:a");

	(void)state;
	d->n_waiting = 3;
	assert_false(destination_is_dead(d, 0));
	destination_dies(d, 100, span_of("451 first"));
	destination_dies(d, 200, span_of("451 second"));
	assert_string_equal(d->dead_reply, "451 second");
	assert_true(destination_is_dead(d, 199));
	assert_false(destination_can_send(d, 199));
	/* then one conversation tries it, and no second one before that has gone well */
	assert_false(destination_is_dead(d, 200));
	assert_true(destination_can_send(d, 200));
	d->n_active = 1;
	assert_false(destination_can_send(d, 200));
	destination_dies(d, 400, span_of("451 third"));
	destination_revives(d);
	assert_false(destination_is_dead(d, 300));
}

static void
idleness(void **state)
{
	struct destination *d = get("mx:a");

	(void)state;
	assert_true(destination_is_idle(d, 0));
	d->n_waiting = 1;
	assert_false(destination_is_idle(d, 0));
	d->n_waiting = 0;
	d->n_active = 1;
	assert_false(destination_is_idle(d, 0));
	d->n_active = 0;
	d->n_parked = 1;
	assert_false(destination_is_idle(d, 0));
	d->n_parked = 0;
	d->n_asked = 1;
	assert_false(destination_is_idle(d, 0));
	d->n_asked = 0;
	destination_dies(d, 100, span_of(""));
	assert_false(destination_is_idle(d, 99));
	assert_true(destination_is_idle(d, 100));
}

static void
patterns(void **state)
{
	static const struct {
		const char *name, *pattern;
		bool fits;
	} rows[] = {
	    {"mx:far.example", "", true},
	    {"mx:far.example", "far.example", true},
	    {"mx:far.example", "FAR.example", true},
	    {"mx:far.example", "*.example", true},
	    {"mx:far.example", "near.example", false},
	    {"mx:far.example", "ar.example", false},
	    {"mx:far.example,tls=encrypt", "far.example", true},
	    {"mx:far.example,tls=verify,dane,names=a+b", "far.example", true},
	    {"mx:far.example,tls=encrypt", "encrypt", false},
	    {"mx:[192.0.2.1]", "[192.0.2.1]", true},
	    {"mx:[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]", true},
	    /* the configuration may send any domain there */
	    {"host:relay.example:25", "far.example", true},
	    {"smart:[2001:db8::1]:587,tls=verify", "far.example", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (destination_matches(get(rows[i].name), span_of(rows[i].pattern)) !=
		    rows[i].fits)
			fail_msg("%s, %s", rows[i].name, rows[i].pattern);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(table),
	    WITH(limit_grows_and_shrinks),
	    WITH(limit_is_never_above_the_setting),
	    WITH(dies_for_a_while),
	    WITH(idleness),
	    WITH(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
