/*
 * The body of a message: everything that looks like an end of data, whole, byte by byte and split
 * at each offset. The outcome must always be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "smtpd/data.h"

#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

enum outcome {
	DONE,	 /* ended, to be accepted */
	REFUSED, /* ended, with a fault */
	MORE,	 /* not ended: more bytes are the message's */
};

struct row {
	struct span in;
	enum outcome outcome;
	enum data_fault fault;
	struct span out, rest;
};

static const struct row rows[] = {
    /* RFC 5321 4.1.1.4, 4.5.2 */
    {BYTES(".\r\n"), DONE, DATA_SOUND, BYTES(""), BYTES("")},
    {BYTES("\r\n.\r\n"), DONE, DATA_SOUND, BYTES("\r\n"), BYTES("")},
    {BYTES("a\r\n.\r\n"), DONE, DATA_SOUND, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r\n.\r\nQUIT\r\n"), DONE, DATA_SOUND, BYTES("a\r\n"), BYTES("QUIT\r\n")},
    {BYTES("..a\r\n.\r\n"), DONE, DATA_SOUND, BYTES(".a\r\n"), BYTES("")},
    {BYTES("..\r\n.\r\n"), DONE, DATA_SOUND, BYTES(".\r\n"), BYTES("")},
    {BYTES("...\r\n.\r\n"), DONE, DATA_SOUND, BYTES("..\r\n"), BYTES("")},
    {BYTES(".a\r\n.\r\n"), DONE, DATA_SOUND, BYTES("a\r\n"), BYTES("")},
    {BYTES(". \r\n.\r\n"), DONE, DATA_SOUND, BYTES(" \r\n"), BYTES("")},
    {BYTES("a.\r\n.\r\n"), DONE, DATA_SOUND, BYTES("a.\r\n"), BYTES("")},
    {BYTES("a\r\n..\r\n.\r\n"), DONE, DATA_SOUND, BYTES("a\r\n.\r\n"), BYTES("")},
    {BYTES("\r\n\r\n\r\n.\r\n"), DONE, DATA_SOUND, BYTES("\r\n\r\n\r\n"), BYTES("")},
    {BYTES("\t\x01\x1f\x7f\xff\r\n.\r\n"), DONE, DATA_SOUND, BYTES("\t\x01\x1f\x7f\xff\r\n"),
	BYTES("")},
    {BYTES("a\r\n.\r\n.\r\n"), DONE, DATA_SOUND, BYTES("a\r\n"), BYTES(".\r\n")},
    /* not yet */
    {BYTES(""), MORE, DATA_SOUND, BYTES(""), BYTES("")},
    {BYTES("."), MORE, DATA_SOUND, BYTES(""), BYTES("")},
    {BYTES(".\r"), MORE, DATA_SOUND, BYTES(""), BYTES("")},
    {BYTES("a\r\n."), MORE, DATA_SOUND, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r\n.\r"), MORE, DATA_SOUND, BYTES("a\r\n"), BYTES("")},
    {BYTES("a.\r\n"), MORE, DATA_SOUND, BYTES("a.\r\n"), BYTES("")},
    {BYTES("a\r\n..\r\n"), MORE, DATA_SOUND, BYTES("a\r\n.\r\n"), BYTES("")},
    /* look-alikes of the end: within a message, then the true end */
    {BYTES("a\n.\nb\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a"), BYTES("")},
    {BYTES("a\n.\r\nb\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a"), BYTES("")},
    {BYTES("a\r\n.\nb\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r.\rb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r"), BYTES("")},
    {BYTES("a\r.\r\nb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r"), BYTES("")},
    {BYTES("a\r\n.\rb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r\n.\r\r\nb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\n\n.\n\nb\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a"), BYTES("")},
    {BYTES("a\n\r.\n\rb\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a"), BYTES("")},
    {BYTES("a\r\n\0.\r\nb\r\n.\r\n"), REFUSED, DATA_NUL, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r\n.\0\r\nb\r\n.\r\n"), REFUSED, DATA_NUL, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\r\0\n.\r\nb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r"), BYTES("")},
    {BYTES("a\r\n.\r\0\nb\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r\n"), BYTES("")},
    {BYTES("a\0\r\n.\r\n"), REFUSED, DATA_NUL, BYTES("a"), BYTES("")},
    /* CR CR LF holds a CRLF: what follows is at the start of a line */
    {BYTES("a\r\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r"), BYTES("")},
    {BYTES("a\r\r\n..\r\n.\r\n"), REFUSED, DATA_BARE_CR, BYTES("a\r"), BYTES("")},
    /* the same as the first bytes of DATA */
    {BYTES("\n.\n"), MORE, DATA_BARE_LF, BYTES(""), BYTES("")},
    {BYTES("\n.\r\n"), MORE, DATA_BARE_LF, BYTES(""), BYTES("")},
    {BYTES(".\n"), MORE, DATA_BARE_LF, BYTES(""), BYTES("")},
    {BYTES(".\r"), MORE, DATA_SOUND, BYTES(""), BYTES("")},
    {BYTES(".\rx"), MORE, DATA_BARE_CR, BYTES(""), BYTES("")},
    {BYTES("\r.\r"), MORE, DATA_BARE_CR, BYTES("\r"), BYTES("")},
    {BYTES("\r.\r\n"), MORE, DATA_BARE_CR, BYTES("\r"), BYTES("")},
    {BYTES("\r\n.\n"), MORE, DATA_BARE_LF, BYTES("\r\n"), BYTES("")},
    {BYTES("\r\n.\r\r\n"), MORE, DATA_BARE_CR, BYTES("\r\n"), BYTES("")},
    {BYTES(".\r\r\n"), MORE, DATA_BARE_CR, BYTES(""), BYTES("")},
    {BYTES("\0.\r\n"), MORE, DATA_NUL, BYTES(""), BYTES("")},
    {BYTES(".\0\r\n"), MORE, DATA_NUL, BYTES(""), BYTES("")},
    {BYTES("\r\n\0.\r\n"), MORE, DATA_NUL, BYTES("\r\n"), BYTES("")},
    {BYTES("\n.\n.\r\n\r\n.\r\nMAIL FROM:<>\r\n"), REFUSED, DATA_BARE_LF, BYTES(""),
	BYTES("MAIL FROM:<>\r\n")},
    /* the first fault counts */
    {BYTES("a\nb\0c\r\n.\r\n"), REFUSED, DATA_BARE_LF, BYTES("a"), BYTES("")},
    {BYTES("a\0b\nc\rd\r\n.\r\n"), REFUSED, DATA_NUL, BYTES("a"), BYTES("")},
};

struct result {
	struct data data;
	char *out;
	size_t n, consumed;
};

/* Exact allocations: what is read or written beyond is seen by sanitizers. */
static void
feed(struct result *r, const char *at, size_t len)
{
	char *in = xmalloc(len ? len : 1), *out = xmalloc(len ? len : 1);
	size_t written, taken;

	memcpy(in, at, len);
	taken = data_feed(&r->data, (struct span){in, len}, out, &written);
	assert_true(written <= len);
	assert_true(taken == len || r->data.ended);
	memcpy(r->out + r->n, out, written);
	r->n += written;
	r->consumed += taken;
	free(in);
	free(out);
}

static void
check(const struct row *row, const struct result *r)
{
	assert_int_equal(r->data.ended, row->outcome != MORE);
	assert_int_equal(r->data.fault, row->fault);
	assert_true(span_equal((struct span){r->out, r->n}, row->out));
	assert_true(span_equal(
	    (struct span){row->in.at + r->consumed, row->in.len - r->consumed}, row->rest));
}

static struct result
start(size_t len)
{
	struct result r = {.out = xmalloc(len + 1)};

	data_start(&r.data, true);
	return r;
}

static void
whole(const struct row *row)
{
	struct result r = start(row->in.len);

	feed(&r, row->in.at, row->in.len);
	check(row, &r);
	free(r.out);
}

static void
byte_by_byte(const struct row *row)
{
	struct result r = start(row->in.len);

	for (size_t i = 0; i < row->in.len && !r.data.ended; i++)
		feed(&r, row->in.at + i, 1);
	check(row, &r);
	free(r.out);
}

static void
split_at(const struct row *row, size_t cut)
{
	struct result r = start(row->in.len);

	feed(&r, row->in.at, cut);
	if (!r.data.ended)
		feed(&r, row->in.at + cut, row->in.len - cut);
	check(row, &r);
	free(r.out);
}

static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		whole(&rows[i]);
		byte_by_byte(&rows[i]);
		for (size_t cut = 0; cut <= rows[i].in.len; cut++)
			split_at(&rows[i], cut);
	}
}

/* Runs are read eight bytes at a time: each special byte at each place of a word. */
static void
alignment(void **state)
{
	static const char specials[] = {'\r', '\n', '\0'};

	(void)state;
	for (size_t at = 0; at < 24; at++)
		for (size_t i = 0; i < sizeof specials; i++) {
			char text[32];
			struct row row = {{text, sizeof text}, MORE, DATA_BARE_CR + i, {text, at},
			    {text + sizeof text, 0}};

			memset(text, 'x', sizeof text);
			text[at] = specials[i];
			row.out.len += specials[i] == '\r';
			whole(&row);
			byte_by_byte(&row);
		}
}

static void
line_limit(void **state)
{
	(void)state;
	for (size_t n = TEXT_LINE_MAX_BYTES - 1; n <= TEXT_LINE_MAX_BYTES + 1; n++) {
		char *text = xmalloc(n + 3);
		struct result r = start(n + 3);

		memset(text, 'x', n);
		memcpy(text + n - 2, "\r\n.\r\n", 5);
		feed(&r, text, n + 3);
		assert_true(r.data.ended);
		assert_int_equal(
		    r.data.fault, n <= TEXT_LINE_MAX_BYTES ? DATA_SOUND : DATA_LONG_LINE);
		free(text);
		free(r.out);
	}
}

static void
endless_line(void **state)
{
	static char much[1 << 20];
	char *out = xmalloc(sizeof much);
	struct data d;
	size_t written;

	(void)state;
	memset(much, 'x', sizeof much);
	data_start(&d, true);
	for (int i = 0; i < 100; i++) {
		data_feed(&d, (struct span){much, sizeof much}, out, &written);
		assert_int_equal(written, 0);
	}
	assert_int_equal(d.fault, DATA_LONG_LINE);
	assert_false(d.ended);
	data_feed(&d, span_of("\r\n.\r\n"), out, &written);
	assert_true(d.ended);
	free(out);
}

static void
chunks(void **state)
{
	static const struct {
		struct span in;
		enum data_fault fault;
		struct span out;
		bool unfinished;
	} bodies[] = {
	    {BYTES("a\r\n"), DATA_SOUND, BYTES("a\r\n"), false},
	    {BYTES(".\r\n"), DATA_SOUND, BYTES(".\r\n"), false},
	    {BYTES("..a\r\n.\r\nb\r\n"), DATA_SOUND, BYTES("..a\r\n.\r\nb\r\n"), false},
	    {BYTES(""), DATA_SOUND, BYTES(""), false},
	    {BYTES("a"), DATA_SOUND, BYTES("a"), true},
	    {BYTES("a\r"), DATA_BARE_CR, BYTES("a\r"), false},
	    {BYTES("a\n"), DATA_BARE_LF, BYTES("a"), true},
	    {BYTES("\n.\n"), DATA_BARE_LF, BYTES(""), true},
	    {BYTES("a\0"), DATA_NUL, BYTES("a"), true},
	};

	(void)state;
	for (size_t i = 0; i < nitems(bodies); i++) {
		struct result r = start(bodies[i].in.len);

		data_start(&r.data, false);
		for (size_t n = 0; n < bodies[i].in.len; n++)
			feed(&r, bodies[i].in.at + n, 1);
		assert_false(r.data.ended);
		assert_int_equal(data_finish(&r.data), bodies[i].unfinished);
		assert_int_equal(r.data.fault, bodies[i].fault);
		assert_true(span_equal((struct span){r.out, r.n}, bodies[i].out));
		free(r.out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table),
	    cmocka_unit_test(alignment),
	    cmocka_unit_test(line_limit),
	    cmocka_unit_test(endless_line),
	    cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
