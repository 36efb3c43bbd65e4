/*
 * Whose login is checked next: addresses take turns, failures slow down their own address only, too
 * many and too old ones are refused. The clock is the test's own.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/clock.h"
#include "auth/turns.h"
#include "common/memory.h"

static uint64_t now_ms;

uint64_t
clock_ms(void)
{
	return now_ms;
}

struct guest {
	struct turn turn; /* must be first */
	char name;
};

static struct event_base *base;
static struct failures *failures;
static struct turns *turns;
static struct guest guests[128];
static char happened[256];  /* a letter for each start, in parentheses for a refusal */
static const char *at_once; /* those that are over when they start */

static void
note(const char *text)
{
	strlcat(happened, text, sizeof happened);
}

static bool
on_start(void *arg, struct turn *t)
{
	const struct guest *g = (struct guest *)t;

	assert_ptr_equal(arg, &turns);
	note((char[]){g->name, '\0'});
	return strchr(at_once, g->name) == NULL;
}

static void
on_refuse(void *arg, struct turn *t)
{
	const struct guest *g = (struct guest *)t;

	assert_ptr_equal(arg, &turns);
	note((char[]){'(', g->name, ')', '\0'});
}

static const struct turns_ops ops = {on_start, on_refuse};

static int
setup(void **state)
{
	(void)state;
	now_ms = 1000000;
	happened[0] = '\0';
	at_once = "";
	base = event_base_new();
	failures = failures_new();
	failures_set_max(failures, 15000);
	turns = turns_new(base, failures, &ops, &turns);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	turns_free(&turns);
	failures_free(&failures);
	event_base_free(base);
	return 0;
}

/* Each letter of names comes from this address. */
static void
come(const char *names, uint64_t address)
{
	for (; *names != '\0'; names++) {
		struct guest *g = &guests[(unsigned char)*names];

		g->name = *names;
		turns_enter(turns, &g->turn, address);
	}
}

static void
leave(char name)
{
	turns_leave(&guests[(unsigned char)name].turn);
}

static void
lose(char name, uint64_t address)
{
	failures_add(failures, address, now_ms);
	leave(name);
}

static void
expect(const char *text)
{
	assert_string_equal(happened, text);
	happened[0] = '\0';
}

/* Lets the timers of so many real ms run out. */
static void
pass(unsigned ms)
{
	const struct timeval time = {0, ms * 1000};

	now_ms += ms;
	event_base_loopexit(base, &time);
	assert_int_not_equal(event_base_dispatch(base), -1);
}

static void
one_after_the_other(void **state)
{
	(void)state;
	come("abc", 1);
	expect("a");
	leave('a');
	expect("b");
	leave('b');
	leave('c');
	expect("c");
	assert_int_equal(turns_waiting(turns), 0);
}

static void
several_at_a_time(void **state)
{
	(void)state;
	turns_set_max(turns, 3);
	come("abcdefg", 1);
	expect("abc");
	turns_set_max(turns, 4);
	expect("d");
	turns_set_max(turns, 1);
	leave('a');
	leave('b');
	leave('c');
	expect("");
	leave('d');
	expect("e");
	for (const char *name = "efg"; *name != '\0'; name++)
		leave(*name);
	expect("fg");
}

/* A flood from one address: another's first one is next. */
static void
addresses_take_turns(void **state)
{
	(void)state;
	come("abcdef", 1);
	come("XY", 2);
	come("+", 3);
	expect("a");
	for (const char *name = "abX+cYdef"; *name != '\0'; name++)
		leave(*name);
	expect("bX+cYdef");
}

static void
what_need_not_wait_goes(void **state)
{
	(void)state;
	come("abcd", 1);
	come("X", 2);
	leave('b');
	leave('d');
	leave('X');
	assert_int_equal(turns_waiting(turns), 1);
	leave('a');
	expect("ac");
	leave('c');
	expect("");
}

static void
some_are_over_at_once(void **state)
{
	(void)state;
	at_once = "bcd";
	come("abc", 1);
	come("d", 2);
	leave('a');
	expect("abdc");
	come("b", 3);
	expect("b");
	assert_int_equal(turns_waiting(turns), 0);
}

/* After a failure an address has one login at a time, after a delay; others do not notice. */
static void
failures_slow_down(void **state)
{
	(void)state;
	failures_set_max(failures, 30);
	turns_set_max(turns, 3);
	come("abcde", 1);
	expect("abc");
	lose('a', 1);
	expect("");
	leave('b');
	leave('c');
	expect("");
	come("XY", 2);
	expect("XY");
	pass(29);
	expect("");
	pass(5);
	expect("d");
	leave('d');
	expect("e");
	leave('X');
	leave('Y');
	leave('e');
}

static void
a_delay_grows_while_others_wait(void **state)
{
	(void)state;
	failures_set_max(failures, 20);
	come("abc", 1);
	lose('a', 1);
	pass(25);
	lose('b', 1);
	expect("ab");
	pass(15);
	expect("");
	pass(10);
	expect("c");
	lose('c', 1);
}

/* Nobody waits for ever behind an address that failed. */
static void
old_ones_are_refused(void **state)
{
	(void)state;
	failures_set_max(failures, 600 * 1000);
	for (int i = 0; i < 9; i++)
		failures_add(failures, 1, now_ms);
	come("ab", 1);
	now_ms += TURNS_WAIT_MAX_S * 1000 - 1;
	come("c", 1);
	expect("");
	now_ms++;
	come("d", 1);
	expect("(a)(b)");
	leave('c');
	leave('d');
	/* nor behind those who do not end */
	come("e", 2);
	come("fg", 3);
	expect("e");
	now_ms += TURNS_WAIT_MAX_S * 1000;
	come("h", 3);
	leave('e');
	expect("(f)(g)h");
	leave('h');
}

/* The newest one of the address that has the most waiting. */
static void
too_many_are_refused(void **state)
{
	enum { MANY = TURNS_WAITING_MAX - 3 };
	struct guest *crowd = xcalloc(MANY + 1, sizeof *crowd);

	(void)state;
	come("XYZ", 2);
	come("+", 3);
	for (size_t i = 0; i < MANY; i++) {
		crowd[i].name = '.';
		turns_enter(turns, &crowd[i].turn, 1);
	}
	assert_int_equal(turns_waiting(turns), TURNS_WAITING_MAX);
	expect("X");
	crowd[MANY].name = '!';
	turns_enter(turns, &crowd[MANY].turn, 1);
	expect("(!)");
	come("*", 4);
	expect("(.)");
	come("-", 2);
	expect("(.)");
	assert_int_equal(turns_waiting(turns), TURNS_WAITING_MAX);
	leave('X');
	expect("Y");
	for (size_t i = 0; i < MANY - 2; i++)
		turns_leave(&crowd[i].turn);
	for (const char *name = "Y+*Z-"; *name != '\0'; name++)
		leave(*name);
	expect("+*Z-");
	assert_int_equal(turns_waiting(turns), 0);
	free(crowd);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(one_after_the_other),
	    WITH(several_at_a_time),
	    WITH(addresses_take_turns),
	    WITH(what_need_not_wait_goes),
	    WITH(some_are_over_at_once),
	    WITH(failures_slow_down),
	    WITH(a_delay_grows_while_others_wait),
	    WITH(old_ones_are_refused),
	    WITH(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
