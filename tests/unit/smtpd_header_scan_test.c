/* The header as it goes by: whole, byte by byte, split at each offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "smtpd/header_scan.h"

enum { DATE = 1, MESSAGE_ID = 2, FROM = 4, BLANK = 8, OPEN = 16 };

static const struct row {
	const char *in;
	unsigned received, flags;
	uint64_t end_at;
} rows[] = {
    {"Date: x\r\nMessage-ID: y\r\nFrom: z\r\n\r\nReceived: body\r\n", 0,
	DATE | MESSAGE_ID | FROM | BLANK, 33},
    {"Received: a\r\nReceived: b\r\n\r\n", 2, BLANK, 26},
    {"RECEIVED:\r\nreceived :\r\nReceived\t:x\r\n\r\n", 3, BLANK, 36},
    {"Received: a\r\n by b\r\n\tReceived: c\r\n\r\n", 1, BLANK, 34},
    {"X-Received: a\r\nReceivedX: b\r\nReceive: c\r\n\r\n", 0, BLANK, 41},
    {"Message-IDs: x\r\nDates: x\r\n\r\n", 0, BLANK, 26},
    {"Message-ID-and-a-very-long-name-of-a-field: x\r\n\r\n", 0, BLANK, 47},
    {"\r\nReceived: x\r\n", 0, BLANK, 0},
    {"Hello\r\nReceived: x\r\n", 0, 0, 0},
    {"Hello world: x\r\n", 0, 0, 0},
    {"Date: x\r\nno field\r\nFrom: x\r\n", 0, DATE, 9},
    {"Date: x\r\n: x\r\n", 0, DATE, 9},
    {"Date: x\r\n\xff: x\r\n", 0, DATE, 9},
    {"Da\xc3\xbc: x\r\n\r\n", 0, 0, 0},
    {" Date: x\r\n\r\n", 0, 0, 0},
    {"Date\r\n: x\r\n", 0, 0, 0},
    {"From ann Tue\r\nReceived: x\r\n\r\n", 0, 0, 0},
    {"", 0, OPEN, 0},
    {"Date: x\r\n", 0, DATE | OPEN, 9},
    {"Date: x\r\n\r", 0, DATE | OPEN, 9},
    {"Date: x\r\nRecei", 0, DATE | OPEN, 9},
};

static void
check(const struct row *row, struct header_scan *h)
{
	assert_int_equal(h->ended, !(row->flags & OPEN));
	header_scan_finish(h);
	assert_true(h->ended);
	assert_int_equal(h->received, row->received);
	assert_int_equal(h->has_date, !!(row->flags & DATE));
	assert_int_equal(h->has_message_id, !!(row->flags & MESSAGE_ID));
	assert_int_equal(h->has_from, !!(row->flags & FROM));
	assert_int_equal(h->blank, !!(row->flags & BLANK));
	assert_int_equal(h->end_at, row->end_at);
}

static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		size_t len = strlen(rows[i].in);

		for (size_t cut = 0; cut <= len; cut++) {
			struct header_scan h = {0};

			header_scan_feed(&h, (struct span){rows[i].in, cut});
			header_scan_feed(&h, (struct span){rows[i].in + cut, len - cut});
			check(&rows[i], &h);
		}
		struct header_scan h = {0};
		for (size_t n = 0; n < len; n++)
			header_scan_feed(&h, (struct span){rows[i].in + n, 1});
		check(&rows[i], &h);
	}
}

static void
many(void **state)
{
	struct header_scan h = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		header_scan_feed(&h, span_of("Received: x\r\n"));
	header_scan_finish(&h);
	assert_int_equal(h.received, 100000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
