/*
 * Headers of collected messages: addresses, counts and the digest, fed whole and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/address_list.h"
#include "common/memory.h"
#include "fetcher/header.h"

/* ---- addresses ---- */

static void
collect(void *arg, const char *address)
{
	strlcat(arg, address, 1000);
	strlcat(arg, " ", 1000);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *value, *addresses;
	} rows[] = {
	    {"ann@example.org", "ann@example.org "},
	    {" Ann <ann@Example.ORG>\r\n", "ann@example.org "},
	    {"a@b.test, c@d.test;e@f.test", "a@b.test c@d.test e@f.test "},
	    {"\"x, y@z.test\" <a@b.test>", "a@b.test "},
	    {"(a@b.test) c@d.test (e@(f)@g.test)", "c@d.test "},
	    {"group: a@b.test, X <c@d.test>;", "a@b.test c@d.test "},
	    {"undisclosed-recipients:;", ""},
	    {"\"john doe\"@x.test", "\"john doe\"@x.test "},
	    {"<@relay.test:a@b.test>", ""}, /* RFC 5322 4.4: nobody writes that any more */
	    {"<>, <a@b.test", ""},
	    {"\"open a@b.test", ""},
	    {"(open a@b.test", ""},
	    {"a@", ""},
	    {"@b.test", ""},
	    {"a\\@b.test", ""},
	    {"<a@b.test>c@d.test", "a@b.test c@d.test "},
	    {"", ""},
	    {"\\", ""},
	    {"\"\\", ""},
	    {"(\\", ""},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char found[1000] = "";
		/* of its own, so that a read beyond it is seen */
		struct span value = span_dup(span_of(rows[i].value));

		address_list_read(value, collect, found);
		if (strcmp(found, rows[i].addresses) != 0)
			fail_msg("%s: \"%s\"", rows[i].value, found);
		free((char *)(uintptr_t)value.at);
	}
}

/* ---- messages ---- */

static void
feed(struct header *h, const char *text, size_t step, unsigned char digest[FETCH_DIGEST_BYTES])
{
	size_t len = strlen(text);

	header_start(h);
	for (size_t at = 0; at < len; at += step)
		header_feed(h, (struct span){text + at, len - at < step ? len - at : step});
	header_finish(h, digest);
}

static const char message[] = "Received: a\r\n"
			      "RECEIVED: b\r\n"
			      "Delivered-To: one@a.test\r\n"
			      "To: two@a.test,\r\n"
			      "\tthree@a.test\r\n"
			      "Cc : one@a.test\r\n"
			      "From: x@y.test\r\n"
			      "Subject: s\r\n"
			      " t\r\n"
			      "\r\n"
			      "To: body@a.test\r\n";

static void
test_fields(void **state)
{
	static const struct {
		enum fetch_source source;
		const char *address;
	} expected[] = {{SOURCE_DELIVERED_TO, "one@a.test"}, {SOURCE_TO, "two@a.test"},
	    {SOURCE_TO, "three@a.test"}, {SOURCE_CC, "one@a.test"}};
	unsigned char digest[FETCH_DIGEST_BYTES], first[FETCH_DIGEST_BYTES];
	struct header *h = header_new();

	(void)state;
	for (size_t step = 1; step <= sizeof message; step++) {
		feed(h, message, step, digest);
		assert_int_equal(h->received, 2);
		assert_int_equal(h->n_candidates, nitems(expected));
		for (size_t i = 0; i < nitems(expected); i++) {
			assert_int_equal(h->candidates[i].source, expected[i].source);
			assert_string_equal(h->candidates[i].address, expected[i].address);
		}
		assert_string_equal(h->from, "x@y.test");
		assert_string_equal(h->subject, "s t");
		if (step == 1)
			memcpy(first, digest, sizeof first);
		assert_memory_equal(digest, first, sizeof first);
	}
	header_free(&h);
}

/* Pairs that are one message, or are not. */
static void
test_digest(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} rows[] = {
	    {"A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n", true},
	    {"A: b\r\n\r\nx\r\n", "Status: RO\r\nA: b\r\n\r\nx\r\n", true},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\nx-uidl: 1\r\n 2\r\n\t3\r\nX-Status: \r\n\r\nx\r\n",
		true},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\nX-Keywords: k\r\nX-UID : 7\r\n\r\nx\r\n", true},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\n\r\nStatus: RO\r\nx\r\n", false},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\nStatus-X: RO\r\n\r\nx\r\n", false},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\nStat: RO\r\n\r\nx\r\n", false},
	    {"A: b\r\n\r\nx\r\n", "A: c\r\n\r\nx\r\n", false},
	    {"A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n\r\n", false},
	    {"A: b\r\n", "A: b\r\nStatus: x", true},
	};
	unsigned char one[FETCH_DIGEST_BYTES], other[FETCH_DIGEST_BYTES];
	struct header *h = header_new();

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (size_t step = 1; step < 20; step++) {
			feed(h, rows[i].one, 1000, one);
			feed(h, rows[i].other, step, other);
			if ((memcmp(one, other, sizeof one) == 0) != rows[i].same)
				fail_msg("row %zu, step %zu", i, step);
		}
	header_free(&h);
}

/* A field without an end, and more addresses than are looked at. */
static void
test_limits(void **state)
{
	size_t size = 300000;
	char *text = xmalloc(size + 100), *at = text;
	unsigned char one[FETCH_DIGEST_BYTES], other[FETCH_DIGEST_BYTES];
	struct header *h = header_new();

	(void)state;
	at += sprintf(at, "To: ");
	for (int i = 0; at < text + size; i++)
		at += sprintf(at, "a%d@b.test, ", i);
	feed(h, text, 16384, one);
	assert_int_equal(h->n_candidates, FETCH_CANDIDATES_MAX);
	feed(h, text, 1, other);
	assert_memory_equal(one, other, sizeof one);
	at[-1] = 'x';
	feed(h, text, 16384, other);
	assert_memory_not_equal(one, other, sizeof one);
	header_free(&h);
	header_free(&h);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_digest),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
