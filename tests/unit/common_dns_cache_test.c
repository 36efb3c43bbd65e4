/*
 * Remembered answers: how long, how many, which ones go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/dns_cache.h"
#include "common/memory.h"

static void
put(struct dns_cache *c, const char *name, enum dns_status status, uint32_t ttl, size_t pool,
    uint64_t now)
{
	struct dns_answer *a = dns_answer_new(status == DNS_FOUND, pool, name);

	assert_non_null(a);
	a->status = status;
	a->n = status == DNS_FOUND;
	a->ttl = ttl;
	dns_cache_put(c, name, DNS_A, a, now);
	dns_answer_free(&a);
}

static bool
has(struct dns_cache *c, const char *name, uint64_t now)
{
	struct dns_answer *a = dns_cache_get(c, name, DNS_A, now);
	bool found = a != NULL;

	if (found)
		assert_string_equal(a->name, name);
	dns_answer_free(&a);
	return found;
}

static void
test_lifetimes(void **state)
{
	static const struct {
		enum dns_status status;
		uint32_t ttl;
		uint64_t lasts;
	} rows[] = {
	    {DNS_FOUND, 0, 0},
	    {DNS_FOUND, 1, 1},
	    {DNS_FOUND, 300, 300},
	    {DNS_FOUND, 86400, 86400},
	    {DNS_FOUND, 86401, 86400},
	    {DNS_FOUND, UINT32_MAX, 86400},
	    {DNS_NODATA, 0, 0},
	    {DNS_NODATA, 60, 60},
	    {DNS_NODATA, 3601, 3600},
	    {DNS_NXDOMAIN, 0, 0},
	    {DNS_NXDOMAIN, UINT32_MAX, 3600},
	    {DNS_LATER, 0, 5},
	    {DNS_LATER, 1000, 5},
	};
	const uint64_t starts[] = {0, 1000, UINT64_C(1) << 40};

	(void)state;
	for (size_t i = 0; i < nitems(rows) * nitems(starts); i++) {
		struct dns_cache *c = dns_cache_new(10, 100000);
		uint64_t start = starts[i % nitems(starts)];
		uint64_t end = start + rows[i / nitems(starts)].lasts;

		put(c, "a.example", rows[i / nitems(starts)].status, rows[i / nitems(starts)].ttl,
		    0, start);
		if (end > start) {
			assert_true(has(c, "a.example", start));
			assert_true(has(c, "a.example", end - 1));
		}
		assert_false(has(c, "a.example", end));
		assert_int_equal(dns_cache_entries(c), 0);
		dns_cache_free(&c);
		assert_null(c);
	}
}

static void
test_keys(void **state)
{
	struct dns_cache *c = dns_cache_new(10, 100000);
	struct dns_answer *a;

	(void)state;
	put(c, "a.example", DNS_FOUND, 100, 0, 0);
	assert_false(has(c, "b.example", 0));
	a = dns_cache_get(c, "a.example", DNS_MX, 0);
	assert_null(a);
	put(c, "a.example", DNS_NODATA, 50, 0, 0); /* in the place of the older one */
	assert_int_equal(dns_cache_entries(c), 1);
	a = dns_cache_get(c, "a.example", DNS_A, 0);
	assert_int_equal(a->status, DNS_NODATA);
	put(c, "a.example", DNS_FOUND, 0, 0, 0); /* not kept, and the older one is no more true */
	assert_false(has(c, "a.example", 0));
	assert_int_equal(a->status, DNS_NODATA); /* lives on with its holder */
	dns_answer_free(&a);
	dns_cache_free(&c);
	dns_cache_free(&c);
}

static void
test_the_least_used_goes(void **state)
{
	struct dns_cache *c = dns_cache_new(3, 100000);

	(void)state;
	put(c, "a.example", DNS_FOUND, 100, 0, 0);
	put(c, "b.example", DNS_FOUND, 100, 0, 0);
	put(c, "c.example", DNS_FOUND, 100, 0, 0);
	assert_true(has(c, "a.example", 1));
	put(c, "d.example", DNS_FOUND, 100, 0, 1);
	assert_true(has(c, "a.example", 1));
	assert_false(has(c, "b.example", 1));
	assert_true(has(c, "c.example", 1));
	assert_true(has(c, "d.example", 1));
	assert_int_equal(dns_cache_entries(c), 3);
	dns_cache_free(&c);
}

static void
test_bytes_are_bounded(void **state)
{
	struct dns_cache *c = dns_cache_new(1000, 100000);
	char name[32];

	(void)state;
	put(c, "large.example", DNS_FOUND, 100, DNS_CACHE_ANSWER_MAX_BYTES, 0);
	assert_int_equal(dns_cache_entries(c), 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "n%d.example", i);
		put(c, name, DNS_FOUND, 100, 10000, 0);
		assert_true(dns_cache_entries(c) <= 9);
		assert_true(has(c, name, 0));
	}
	assert_int_equal(dns_cache_entries(c), 9);
	dns_cache_free(&c);
}

static void
test_many_names(void **state)
{
	struct dns_cache *c = dns_cache_new(500, 1 << 20);
	unsigned seen = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "n%d.example", i);
		put(c, name, i % 3 ? DNS_FOUND : DNS_NXDOMAIN, 100, 0, i / 200);
	}
	assert_int_equal(dns_cache_entries(c), 500);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "n%d.example", i);
		seen += has(c, name, 50);
	}
	assert_int_equal(seen, 500);
	dns_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lifetimes),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_the_least_used_goes),
	    cmocka_unit_test(test_bytes_are_bounded),
	    cmocka_unit_test(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
