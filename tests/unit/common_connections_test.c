/*
 * Connections counted by several workers in one memory: limits in all and from one address, and
 * what a worker leaves behind.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/connections.h"

enum { WORKERS = 130, NO_LIMIT = 1000000 };
/* At the front of the memory, so that no worker makes one: which addresses share places is fixed. */
static const uint64_t key = 0x5deece66d1234567u;

static int memory;

static int
setup(void **state)
{
	(void)state;
	memory = memfd_create("connections", MFD_CLOEXEC);
	if (memory == -1 || ftruncate(memory, connections_size(WORKERS)) == -1)
		return -1;
	return pwrite(memory, &key, sizeof key, 0) == sizeof key ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return close(memory);
}

static struct connections *
worker(unsigned n)
{
	return connections_open(dup(memory), n, WORKERS);
}

static const struct sockaddr *
address(const char *text)
{
	static union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;

	memset(&a, 0, sizeof a);
	if (strcmp(text, "local") == 0) {
		a.any.sa_family = AF_UNIX;
	} else if (strchr(text, ':') != NULL) {
		a.any.sa_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
	} else {
		a.any.sa_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &a.v4.sin_addr), 1);
	}
	return &a.any;
}

static void
limit_in_all(void **state)
{
	struct connections *one = worker(0), *two = worker(65), *last = worker(WORKERS - 1);

	(void)state;
	assert_int_equal(connections_enter(one, address("192.0.2.1"), 3, 0), CONNECTIONS_OK);
	assert_int_equal(connections_enter(two, address("192.0.2.2"), 3, 0), CONNECTIONS_OK);
	assert_int_equal(connections_enter(last, address("local"), 3, 0), CONNECTIONS_OK);
	assert_int_equal(connections_enter(one, address("192.0.2.4"), 3, 0), CONNECTIONS_FULL);
	assert_int_equal(connections_enter(last, address("192.0.2.4"), 3, 0), CONNECTIONS_FULL);
	assert_int_equal(connections_own(one), 1);
	connections_leave(two, address("192.0.2.2"));
	assert_int_equal(connections_own(two), 0);
	assert_int_equal(connections_enter(one, address("192.0.2.4"), 3, 0), CONNECTIONS_OK);
	assert_int_equal(connections_own(one), 2);
	connections_close(&one);
	connections_close(&two);
	connections_close(&last);
}

/* Which addresses count as one. */
static void
limit_of_an_address(void **state)
{
	static const struct {
		const char *first, *second;
		enum connections_verdict verdict;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", CONNECTIONS_ADDRESS_FULL},
	    {"192.0.2.1", "192.0.2.2", CONNECTIONS_OK},
	    {"192.0.2.1", "::ffff:192.0.2.1", CONNECTIONS_ADDRESS_FULL},
	    {"2001:db8::1", "2001:db8::ffff", CONNECTIONS_ADDRESS_FULL},
	    {"2001:db8::1", "2001:db8:0:1::1", CONNECTIONS_OK},
	    {"::1", "192.0.2.1", CONNECTIONS_OK},
	    {"local", "local", CONNECTIONS_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct connections *one = worker(1), *two = worker(2);

		assert_int_equal(
		    connections_enter(one, address(rows[i].first), NO_LIMIT, 1), CONNECTIONS_OK);
		assert_int_equal(
		    connections_enter(two, address(rows[i].second), NO_LIMIT, 1), rows[i].verdict);
		assert_int_equal(
		    connections_enter(two, address(rows[i].first), NO_LIMIT, 0), CONNECTIONS_OK);
		connections_leave(one, address(rows[i].first));
		connections_leave(two, address(rows[i].first));
		assert_int_equal(
		    connections_enter(two, address(rows[i].second), NO_LIMIT, 2), CONNECTIONS_OK);
		connections_close(&one);
		connections_close(&two);
	}
}

static void
each_address_has_its_own_count(void **state)
{
	struct connections *c = worker(0);
	char text[32];

	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		snprintf(text, sizeof text, "10.0.%u.%u", n / 250, n % 250);
		for (int i = 0; i < 5; i++)
			assert_int_equal(
			    connections_enter(c, address(text), NO_LIMIT, 50), CONNECTIONS_OK);
	}
	for (int i = 0; i < 45; i++)
		assert_int_equal(
		    connections_enter(c, address("10.0.0.7"), NO_LIMIT, 50), CONNECTIONS_OK);
	assert_int_equal(
	    connections_enter(c, address("10.0.0.7"), NO_LIMIT, 50), CONNECTIONS_ADDRESS_FULL);
	assert_int_equal(connections_own(c), 3000 * 5 + 45);
	connections_close(&c);
}

static void
a_dead_worker_leaves_nothing(void **state)
{
	struct connections *one = worker(0), *two = worker(1);

	(void)state;
	for (int i = 0; i < 5; i++)
		connections_enter(one, address("192.0.2.1"), NO_LIMIT, 0);
	assert_int_equal(
	    connections_enter(two, address("192.0.2.1"), NO_LIMIT, 5), CONNECTIONS_ADDRESS_FULL);
	connections_close(&one);
	one = worker(0);
	assert_int_equal(connections_own(one), 0);
	assert_int_equal(connections_enter(two, address("192.0.2.1"), 1, 1), CONNECTIONS_OK);
	connections_leave(one, address("192.0.2.1"));
	assert_int_equal(connections_own(one), 0);
	assert_int_equal(connections_enter(one, address("192.0.2.1"), 2, 2), CONNECTIONS_OK);
	connections_close(&one);
	connections_close(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(limit_in_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(limit_of_an_address, setup, teardown),
	    cmocka_unit_test_setup_teardown(each_address_has_its_own_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_dead_worker_leaves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
