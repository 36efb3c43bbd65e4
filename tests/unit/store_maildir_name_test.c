/*
 * Names of files in a Maildir: ours come back as they were printed, others say what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "store/maildir_name.h"
#include "store/store.h"

static const struct row {
	const char *file, *base;
	uint64_t seconds;
	bool ours, has_size, has_wire_size;
	uint64_t size, wire_size;
} rows[] = {
    {"", "", 0, false, false, false, 0, 0},
    {":2,S", "", 0, false, false, false, 0, 0},
    {"x", "x", 0, false, false, false, 0, 0},
    {"1234.M5P6.host:2,RS", "1234.M5P6.host", 1234, false, false, false, 0, 0},
    {"1234.M5P6.host,S=77:2,RS", "1234.M5P6.host,S=77", 1234, false, true, false, 77, 0},
    {"1234.a,S=77,W=80:2,", "1234.a,S=77,W=80", 1234, false, true, true, 77, 80},
    {"1234.a,W=80,S=77", "1234.a,W=80,S=77", 1234, false, true, true, 77, 80},
    {"1234.a,S=1,S=2", "1234.a,S=1,S=2", 1234, false, true, false, 1, 0},
    {"1234.a,S=", "1234.a,S=", 1234, false, false, false, 0, 0},
    {"1234.a,S=-1", "1234.a,S=-1", 1234, false, false, false, 0, 0},
    {"1234.a,S=x,W=3", "1234.a,S=x,W=3", 1234, false, false, true, 0, 3},
    {"1234.a,S=99999999999999999999", "1234.a,S=99999999999999999999", 1234, false, false, false, 0,
	0},
    {"99999999999999999999.a", "99999999999999999999.a", 0, false, false, false, 0, 0},
    {",", ",", 0, false, false, false, 0, 0},
    {",S=5", ",S=5", 0, false, true, false, 5, 0},
    {"1234.a:2,S=5", "1234.a", 1234, false, false, false, 0, 0},
    /* ours, but for: the microseconds, the id, the dots, a second size */
    {"7.M00001Q000000001.h,S=5", "7.M00001Q000000001.h,S=5", 7, false, true, false, 5, 0},
    {"7.M0000012Q000000001.h,S=5", "7.M0000012Q000000001.h,S=5", 7, false, true, false, 5, 0},
    {"7.M00000xQ000000001.h,S=5", "7.M00000xQ000000001.h,S=5", 7, false, true, false, 5, 0},
    {"7.M000001P000000001.h,S=5", "7.M000001P000000001.h,S=5", 7, false, true, false, 5, 0},
    {"7.M000001Q00000000!.h,S=5", "7.M000001Q00000000!.h,S=5", 7, false, true, false, 5, 0},
    {"7.M000001Q000000001-h,S=5", "7.M000001Q000000001-h,S=5", 7, false, true, false, 5, 0},
    {"7,M000001Q000000001.h,S=5", "7,M000001Q000000001.h,S=5", 7, false, true, false, 5, 0},
    {"7.M000001Q000000001.h,S=5,W=6", "7.M000001Q000000001.h,S=5,W=6", 7, false, true, true, 5, 6},
    {"7.M000001Q000000001.h", "7.M000001Q000000001.h", 7, false, false, false, 0, 0},
    {"7.M000001Q000000001", "7.M000001Q000000001", 7, false, false, false, 0, 0},
    {"7.M000001Q000000001.h,S=5:2,S", "7.M000001Q000000001.h,S=5", 7, true, true, true, 5, 5},
};

static void
parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		const struct row *row = &rows[i];
		struct maildir_name n;

		maildir_name_parse(span_of(row->file), &n);
		assert_true(span_is(n.base, row->base));
		assert_int_equal(n.seconds, row->seconds);
		assert_int_equal(n.ours, row->ours);
		assert_int_equal(n.has_size, row->has_size);
		assert_int_equal(n.has_wire_size, row->has_wire_size);
		assert_int_equal(n.size, row->size);
		assert_int_equal(n.wire_size, row->wire_size);
	}
}

static void
prints_what_it_reads(void **state)
{
	static const uint64_t ids[] = {1, 999999, 1700000000123456, 13537086546263551};
	static const uint64_t arrivals[] = {1000000, 1700000000000001, 9999999999999999};
	static const uint64_t sizes[] = {0, 1, 4096, 99999999999999};
	static const char *const hosts[] = {"", "mail.example.org",
	    "a-very-long-host-name.with.labels.example.org", "b\303\266se/x:y"};

	(void)state;
	for (size_t i = 0; i < nitems(ids) * nitems(arrivals); i++)
		for (size_t s = 0; s < nitems(sizes); s++)
			for (size_t h = 0; h < nitems(hosts); h++) {
				uint64_t arrival = arrivals[i % nitems(arrivals)];
				char host[MAILDIR_HOST_MAX_BYTES + 1], name[MAILDIR_NAME_SIZE];
				char uidl[MAILBOX_UIDL_MAX_BYTES];
				struct maildir_name n;

				maildir_name_host(hosts[h], host);
				maildir_name_print(
				    ids[i / nitems(arrivals)], arrival, host, sizes[s], name);
				maildir_name_parse(span_of(name), &n);
				assert_true(n.ours);
				assert_int_equal(n.wire_size, sizes[s]);
				assert_int_equal(n.seconds, arrival / 1000000);
				assert_int_equal(maildir_name_uidl(n.base, uidl), strlen(name));
				assert_memory_equal(uidl, name, strlen(name));
			}
}

/* The name of a message that came later is behind, whichever id it has. */
static void
names_sort_by_arrival(void **state)
{
	char one[MAILDIR_NAME_SIZE], two[MAILDIR_NAME_SIZE];

	(void)state;
	maildir_name_print(1700000000999999, 1700000000000099, "h", 1, one);
	maildir_name_print(1700000000000000, 1700000000100000, "h", 1, two);
	assert_true(strcmp(one, two) < 0);
	maildir_name_print(UINT64_MAX, UINT64_MAX, "a-host-of-20-letters", UINT64_MAX, one);
	assert_true(strlen(one) < sizeof one);
}

static void
uidls(void **state)
{
	char text[MAILBOX_UIDL_MAX_BYTES], longest[256];
	static const char *const hashed[] = {"", "a b", "tab\t", "\177", "\303\266"};

	(void)state;
	memset(longest, 'x', sizeof longest);
	assert_int_equal(maildir_name_uidl((struct span){longest, 70}, text), 70);
	assert_int_equal(maildir_name_uidl((struct span){longest, 71}, text), 64);
	for (size_t i = 0; i < nitems(hashed); i++)
		assert_int_equal(maildir_name_uidl(span_of(hashed[i]), text), 64);
	assert_int_equal(maildir_name_uidl(span_of("!~"), text), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses),
	    cmocka_unit_test(prints_what_it_reads),
	    cmocka_unit_test(names_sort_by_arrival),
	    cmocka_unit_test(uidls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
