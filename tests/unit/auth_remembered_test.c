/* Logins that are remembered: which one is the same, for how long, and how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/remembered.h"
#include "common/memory.h"

enum { TIME = 5000 };

static struct secret *secret;

static int
setup(void **state)
{
	struct remembered *r;

	secret = secret_new();
	r = remembered_new(secret);
	remembered_set_time(r, TIME);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct remembered *r = *state;

	remembered_free(&r);
	remembered_free(&r);
	secret_free(&secret);
	secret_free(&secret);
	return 0;
}

static struct login
login(const char *user, const char *address, const char *hash, const char *password)
{
	return (struct login){span_of(user), span_of(address), span_of(hash), span_of(password)};
}

static bool
has(struct remembered *r, struct login l, uint64_t now)
{
	return remembered_has(r, &l, now);
}

static void
only_the_same(void **state)
{
	const struct login same = login("ann", "192.0.2.1", "$y$x", "secret");
	const struct {
		struct login l;
		bool forgets; /* the entry of the same */
	} others[] = {
	    {login("bob", "192.0.2.1", "$y$x", "secret"), false},
	    {login("ann", "192.0.2.2", "$y$x", "secret"), false},
	    {login("annn", "192.0.2.1", "$y$x", "secret"), false},
	    {login("", "192.0.2.1", "$y$x", "secret"), false},
	    {login("ann1", "92.0.2.1", "$y$x", "secret"), false}, /* the same bytes in all */
	    {login("ann", "192.0.2.1", "$y$y", "secret"), true},
	    {login("ann", "192.0.2.1", "$y$x", "Secret"), true},
	    {login("ann", "192.0.2.1", "$y$x", "secret1"), true},
	    {login("ann", "192.0.2.1", "$y$x", "secre"), true},
	    {login("ann", "192.0.2.1", "$y$x", ""), true},
	    {login("ann", "192.0.2.1", "$y$xs", "ecret"), true},
	    {login("ann", "192.0.2.1", "", "$y$xsecret"), true},
	};
	struct remembered *r = *state;

	assert_false(has(r, same, 0));
	for (size_t i = 0; i < nitems(others); i++) {
		remembered_add(r, &same, 0);
		assert_true(has(r, same, 1));
		assert_false(has(r, others[i].l, 1));
		assert_int_equal(has(r, same, 1), !others[i].forgets);
	}
}

static void
bytes_of_any_kind(void **state)
{
	struct remembered *r = *state;
	struct login l = login("ann", "", "$y$x", "");

	l.password = (struct span){"a\0b", 3};
	remembered_add(r, &l, 0);
	assert_true(has(r, l, 0));
	l.password = (struct span){"a\0c", 3};
	assert_false(has(r, l, 0));
}

static void
each_use_counts_anew(void **state)
{
	const struct login ann = login("ann", "x", "h", "p"), bob = login("bob", "x", "h", "p");
	struct remembered *r = *state;

	remembered_add(r, &ann, 0);
	remembered_add(r, &bob, 0);
	assert_true(has(r, ann, TIME - 1));
	assert_true(has(r, ann, 2 * TIME - 2));
	assert_false(has(r, bob, TIME));
	assert_false(has(r, ann, 3 * TIME - 2));
	assert_int_equal(remembered_count(r), 0);
}

static void
old_ones_go_when_new_ones_come(void **state)
{
	const struct login ann = login("ann", "x", "h", "p"), bob = login("bob", "x", "h", "p");
	struct remembered *r = *state;

	remembered_add(r, &ann, 0);
	remembered_add(r, &ann, 1);
	assert_int_equal(remembered_count(r), 1);
	remembered_add(r, &bob, TIME + 1);
	assert_int_equal(remembered_count(r), 1);
}

static void
zero_switches_off(void **state)
{
	const struct login ann = login("ann", "x", "h", "p");
	struct remembered *r = *state;

	remembered_add(r, &ann, 0);
	remembered_set_time(r, 0);
	assert_int_equal(remembered_count(r), 0);
	remembered_add(r, &ann, 0);
	assert_false(has(r, ann, 0));
	remembered_set_time(r, 1);
	assert_false(has(r, ann, 0));
}

static void
the_one_used_longest_ago_is_forgotten(void **state)
{
	struct remembered *r = *state;
	char user[16];

	for (unsigned i = 0; i <= REMEMBERED_MAX; i++) {
		const struct login first = login("u0", "x", "h", "p");
		struct login l;

		snprintf(user, sizeof user, "u%u", i);
		l = login(user, "x", "h", "p");
		remembered_add(r, &l, 0);
		if (i == REMEMBERED_MAX - 1)
			assert_true(has(r, first, 0));
	}
	assert_int_equal(remembered_count(r), REMEMBERED_MAX);
	assert_true(has(r, login("u0", "x", "h", "p"), 0));
	assert_false(has(r, login("u1", "x", "h", "p"), 0));
	assert_true(has(r, login("u2", "x", "h", "p"), 0));
}

static void
secrets_differ(void **state)
{
	const struct span texts[] = {span_of("a"), span_of("b")}, other[] = {span_of("ab")};
	struct secret *second = secret_new();
	uint64_t number = secret_number(secret, texts, 2);

	(void)state;
	assert_int_equal(secret_number(secret, texts, 2), number);
	assert_int_not_equal(secret_number(secret, other, 1), number);
	assert_int_not_equal(secret_number(second, texts, 2), number);
	secret_free(&second);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(only_the_same),
	    WITH(bytes_of_any_kind),
	    WITH(each_use_counts_anew),
	    WITH(old_ones_go_when_new_ones_come),
	    WITH(zero_switches_off),
	    WITH(the_one_used_longest_ago_is_forgotten),
	    WITH(secrets_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
