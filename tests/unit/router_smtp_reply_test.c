/*
 * Replies of other servers: tables of lines and what they come to; looks at messages and dot
 * stuffing, split at each offset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "router/smtp_body.h"
#include "router/smtp_reply.h"

struct row {
	const char *lines; /* each ended by \n, which is no part of it */
	enum smtp_reply_end end;
	unsigned code;
	struct smtp_status status;
	const char *text;
};

static const struct row rows[] = {
    {"250 ok\n", SMTP_REPLY_WHOLE, 250, {0}, "250 ok"},
    {"250\n", SMTP_REPLY_WHOLE, 250, {0}, "250"}, /* RFC 5321 4.2: be lenient */
    {"250 \n", SMTP_REPLY_WHOLE, 250, {0}, "250"},
    {"250-\n250 b\n", SMTP_REPLY_WHOLE, 250, {0}, "250 b"},
    {"250-a\n", SMTP_REPLY_MORE, 250, {0}, "250 a"},
    {"550 5.1.1 no such user\n", SMTP_REPLY_WHOLE, 550, {5, 1, 1}, "550 5.1.1 no such user"},
    {"550-5.1.1 no\n550 5.1.1 such\n", SMTP_REPLY_WHOLE, 550, {5, 1, 1}, "550 5.1.1 no such"},
    {"550-5.1.1 no\n550-\n550 such\n", SMTP_REPLY_WHOLE, 550, {5, 1, 1}, "550 5.1.1 no such"},
    {"550 5.1.1\n", SMTP_REPLY_WHOLE, 550, {5, 1, 1}, "550 5.1.1"},
    {"550 5.7.509 x\n", SMTP_REPLY_WHOLE, 550, {5, 7, 509}, "550 5.7.509 x"},
    {"354 go\n", SMTP_REPLY_WHOLE, 354, {0}, "354 go"},
    {"599 odd\n", SMTP_REPLY_WHOLE, 599, {0}, "599 odd"},
    /* a status that is none, or that denies the code, is text */
    {"550 4.1.1 x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 4.1.1 x"},
    {"550 5.1 x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 5.1 x"},
    {"550 5.1.1000 x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 5.1.1000 x"},
    {"550 5..1 x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 5..1 x"},
    {"550 5.1. x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 5.1. x"},
    {"550 5.-1.1 x\n", SMTP_REPLY_WHOLE, 550, {0}, "550 5.-1.1 x"},
    {"550 5.1.18446744073709551617 x\n", SMTP_REPLY_WHOLE, 550, {0},
	"550 5.1.18446744073709551617 x"},
    {"220 10.0.0.1 x\n", SMTP_REPLY_WHOLE, 220, {0}, "220 10.0.0.1 x"},
    /* nothing that could be another line, a header or an escape sequence */
    {"550 a\rb\x1b[2J\x07\x7f\n", SMTP_REPLY_WHOLE, 550, {0}, "550 a?b?[2J??"},
    {"550 \xc3\xa9\xff\tx\n", SMTP_REPLY_WHOLE, 550, {0}, "550 ??? x"},
    /* no replies */
    {"\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"25\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"25x ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {" 250 ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"2500 ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"250ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"250\tok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"199 ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"600 ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"000 ok\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"+OK POP\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"* OK IMAP\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    {"HTTP/1.1 400 Bad Request\n", SMTP_REPLY_MALFORMED, 0, {0}, NULL},
    /* mixed codes */
    {"250-a\n550 b\n", SMTP_REPLY_MALFORMED, 250, {0}, NULL},
    {"250-a\n251 b\n", SMTP_REPLY_MALFORMED, 250, {0}, NULL},
    {"250-a\nb\n", SMTP_REPLY_MALFORMED, 250, {0}, NULL},
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span rest = span_of(rows[i].lines), line, text;
		enum smtp_reply_end end = SMTP_REPLY_MORE;
		struct smtp_reply r;

		smtp_reply_clear(&r);
		while (rest.len > 0 && end == SMTP_REPLY_MORE) {
			span_take(&rest, '\n', &line);
			end = smtp_reply_line(&r, line, &text);
		}
		if (end != rows[i].end || r.code != rows[i].code ||
		    memcmp(&r.status, &rows[i].status, sizeof r.status) != 0)
			fail_msg("%s: %d %u %u.%u.%u", rows[i].lines, end, r.code, r.status.class,
			    r.status.subject, r.status.detail);
		if (rows[i].text != NULL)
			assert_string_equal(r.text, rows[i].text);
	}
}

static void
test_limits(void **state)
{
	char line[SMTP_REPLY_LINE_MAX_BYTES];
	struct smtp_reply r;

	(void)state;
	smtp_reply_clear(&r);
	memset(line, 'x', sizeof line);
	memcpy(line, "250-", 4);
	for (unsigned i = 0; i < SMTP_REPLY_LINES_MAX; i++) {
		assert_int_equal(
		    smtp_reply_line(&r, (struct span){line, sizeof line}, NULL), SMTP_REPLY_MORE);
		assert_true(strlen(r.text) < sizeof r.text);
	}
	assert_int_equal(smtp_reply_line(&r, span_of("250 end"), NULL), SMTP_REPLY_MALFORMED);
}

static void
test_nul(void **state)
{
	struct smtp_reply r;

	(void)state;
	smtp_reply_clear(&r);
	assert_int_equal(smtp_reply_line(&r, (struct span){"550 a\0b", 7}, NULL), SMTP_REPLY_WHOLE);
	assert_string_equal(r.text, "550 a?b");
}

static void
test_local(void **state)
{
	struct smtp_reply r;

	(void)state;
	smtp_reply_local(&r, 451, "4.4.2", "%s: %d", "a\nb", 7);
	assert_string_equal(r.text, "451 4.4.2 a?b: 7");
	assert_int_equal(r.code, 451);
	assert_true(smtp_status_is(r.status, 4, 4, 2));
	assert_int_equal(smtp_reply_class(&r), 4);
}

/* ---- messages ---- */

struct look_row {
	struct span in;
	bool eight_bit, eight_bit_header, fault;
};
#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct look_row look_rows[] = {
    {BYTES(""), false, false, false},
    {BYTES("\r\n"), false, false, false},
    {BYTES("A: b\r\n\r\nc\r\n.\r\n..\r\n"), false, false, false},
    {BYTES("A: b\r\n\r\n\xc3\xa9\r\n"), true, false, false},
    {BYTES("A: \xc3\xa9\r\n\r\nb\r\n"), true, true, false},
    {BYTES("A: b\r\nC: \xc3\xa9\r\n"), true, true, false},
    {BYTES("\r\n\xc3\xa9\r\n"), true, false, false},
    {BYTES("a"), false, false, true},
    {BYTES("a\r"), false, false, true},
    {BYTES("\r"), false, false, true},
    {BYTES("a\r\nb"), false, false, true},
    {BYTES("\n"), false, false, true},
    {BYTES("a\n.\nb\r\n"), false, false, true},
    {BYTES("a\n.\r\nb\r\n"), false, false, true},
    {BYTES("a\r\n.\nb\r\n"), false, false, true},
    {BYTES("a\r.\rb\r\n"), false, false, true},
    {BYTES("a\r.\r\nb\r\n"), false, false, true},
    {BYTES("a\r\n.\r\r\nb\r\n"), false, false, true},
    {BYTES("a\r\n\r.\r\nb\r\n"), false, false, true},
    {BYTES("\r\r\n"), false, false, true},
    {BYTES("a\r\n\0.\r\nb\r\n"), false, false, true},
    {BYTES("a\r\0\n.\r\nb\r\n"), false, false, true},
};

static void
test_look(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(look_rows); i++) {
		const struct look_row *row = &look_rows[i];

		for (size_t cut = 0; cut <= row->in.len; cut++) {
			struct smtp_look l = {0};

			smtp_look_at(&l, (struct span){row->in.at, cut});
			smtp_look_at(&l, (struct span){row->in.at + cut, row->in.len - cut});
			smtp_look_end(&l);
			if ((l.fault != NULL) != row->fault)
				fail_msg("row %zu cut %zu: %s", i, cut, l.fault ? l.fault : "-");
			if (!row->fault)
				assert_true(l.eight_bit == row->eight_bit &&
					    l.eight_bit_header == row->eight_bit_header);
		}
	}
}

static const struct {
	const char *in, *out;
} stuff_rows[] = {
    {"", ""},
    {".", ".."},
    {"a.\r\n", "a.\r\n"},
    {".\r\n", "..\r\n"},
    {"..\r\n", "...\r\n"},
    {".\r\n.\r\n.\r\n", "..\r\n..\r\n..\r\n"},
    {"a\r\n.b\r\n", "a\r\n..b\r\n"},
    {"a\r\n\r\n.\r\n", "a\r\n\r\n..\r\n"},
    {".\n.\n.\n.", "..\n..\n..\n.."},
};

static void
test_stuff(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(stuff_rows); i++) {
		struct span in = span_of(stuff_rows[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct smtp_stuffing s = {false};
			char out[100];
			size_t n = smtp_stuff(&s, (struct span){in.at, cut}, out);

			assert_true(n <= smtp_stuffed_max(cut));
			n += smtp_stuff(&s, (struct span){in.at + cut, in.len - cut}, out + n);
			assert_true(span_is((struct span){out, n}, stuff_rows[i].out));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_local),
	    cmocka_unit_test(test_look),
	    cmocka_unit_test(test_stuff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
