/*
 * Messages from the file to the line: each row whole, byte by byte and cut at every place. The
 * bytes without stuffed dots are as many as store counts for POP3's sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "pop3d/wire.h"

enum { WHOLE = -1, OUTPUT_MAX_BYTES = 4096 };

static struct output {
	char bytes[OUTPUT_MAX_BYTES];
	size_t len;
	unsigned runs;
} output;

static void
put(void *arg, struct span bytes)
{
	struct output *out = arg;

	assert_true(bytes.len > 0 && out->len + bytes.len < sizeof out->bytes);
	memcpy(out->bytes + out->len, bytes.at, bytes.len);
	out->len += bytes.len;
	out->runs++;
}

static const struct {
	const char *in;
	long lines; /* of the body, or WHOLE */
	const char *out;
} rows[] = {
    {"", WHOLE, ""},
    {"a\r\n", WHOLE, "a\r\n"},
    {"a\r\n\r\nb\r\n", WHOLE, "a\r\n\r\nb\r\n"},
    /* line ends */
    {"a\nb\n\n", WHOLE, "a\r\nb\r\n\r\n"},
    {"\n", WHOLE, "\r\n"},
    {"\r\n", WHOLE, "\r\n"},
    {"\n\r\n", WHOLE, "\r\n\r\n"},
    {"a", WHOLE, "a\r\n"},
    {"a\nb", WHOLE, "a\r\nb\r\n"},
    {"a\r", WHOLE, "a\r\r\n"},
    {"\r", WHOLE, "\r\r\n"},
    {"a\rb\r\n", WHOLE, "a\rb\r\n"},
    {"a\r\r\n", WHOLE, "a\r\r\n"},
    {"a\n\rb\n", WHOLE, "a\r\n\rb\r\n"},
    {"\r\n\n", WHOLE, "\r\n\r\n"},
    /* dots */
    {".", WHOLE, "..\r\n"},
    {".\r\n", WHOLE, "..\r\n"},
    {"..\r\n", WHOLE, "...\r\n"},
    {".a\n.\n..b\n", WHOLE, "..a\r\n..\r\n...b\r\n"},
    {"a.\r\nb.c\r\n", WHOLE, "a.\r\nb.c\r\n"},
    {"a\r.b\r\n", WHOLE, "a\r.b\r\n"},
    {"a\r\n.\r\nQUIT\r\n", WHOLE, "a\r\n..\r\nQUIT\r\n"},
    {"a\n.\nb", WHOLE, "a\r\n..\r\nb\r\n"},
    {"\n.", WHOLE, "\r\n..\r\n"},
    /* TOP */
    {"h\r\n\r\na\r\nb\r\n", 0, "h\r\n\r\n"},
    {"h\r\n\r\na\r\nb\r\n", 1, "h\r\n\r\na\r\n"},
    {"h\r\n\r\na\r\nb\r\n", 2, "h\r\n\r\na\r\nb\r\n"},
    {"h\r\n\r\na\r\nb\r\n", 3, "h\r\n\r\na\r\nb\r\n"},
    {"h\n\na\nb", 1, "h\r\n\r\na\r\n"},
    {"h\n\na\nb", 2, "h\r\n\r\na\r\nb\r\n"},
    {"h\r\n\r\n\r\n\r\nb\r\n", 2, "h\r\n\r\n\r\n\r\n"},
    {"h\r\n", 0, "h\r\n"},
    {"h", 0, "h\r\n"},
    {"", 0, ""},
    {"\r\na\r\n", 0, "\r\n"},
    {"\na\n", 1, "\r\na\r\n"},
    {"h\r\n \r\na\r\n", 0, "h\r\n \r\na\r\n"}, /* a blank is no blank line */
    {"h\r\n\r\r\na\r\n", 0, "h\r\n\r\r\na\r\n"},
    {"h\r\n\r\n.\r\n.b\r\nc\r\n", 2, "h\r\n\r\n..\r\n..b\r\n"},
    {".h\r\n.\r\n\r\n.", 1, "..h\r\n..\r\n\r\n..\r\n"},
};

static void
start(struct wire *w, long lines)
{
	output.len = output.runs = 0;
	if (lines == WHOLE)
		wire_start(w);
	else
		wire_start_top(w, lines);
}

static void
check(const char *in, const char *expected)
{
	output.bytes[output.len] = '\0';
	assert_string_equal(output.bytes, expected);
	assert_int_equal(output.len, strlen(expected));
	(void)in;
}

static void
whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct wire w;

		start(&w, rows[i].lines);
		wire_feed(&w, span_of(rows[i].in), put, &output);
		wire_finish(&w, put, &output);
		check(rows[i].in, rows[i].out);
	}
}

static void
byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct wire w;

		start(&w, rows[i].lines);
		for (const char *at = rows[i].in; *at != '\0'; at++)
			wire_feed(&w, (struct span){at, 1}, put, &output);
		wire_finish(&w, put, &output);
		check(rows[i].in, rows[i].out);
	}
}

static void
cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (size_t cut = 0; cut <= strlen(rows[i].in); cut++) {
			struct wire w;

			start(&w, rows[i].lines);
			wire_feed(&w, (struct span){rows[i].in, cut}, put, &output);
			wire_feed(&w, span_of(rows[i].in + cut), put, &output);
			wire_finish(&w, put, &output);
			check(rows[i].in, rows[i].out);
		}
}

/* As store does for LIST: CR LF for each line end, and one at the end. */
static size_t
listed_size(const char *in)
{
	size_t n = 0;
	char last = '\n';

	for (; *in != '\0'; in++) {
		n += 1 + (*in == '\n' && last != '\r');
		last = *in;
	}
	return n + (last != '\n' ? 2 : 0);
}

static size_t
stuffed_dots(const char *out)
{
	size_t n = out[0] == '.';

	for (; (out = strstr(out, "\r\n.")) != NULL; out++)
		n++;
	return n;
}

static void
sizes_are_those_of_the_list(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if (rows[i].lines == WHOLE)
			assert_int_equal(strlen(rows[i].out) - stuffed_dots(rows[i].out),
			    listed_size(rows[i].in));
}

/* Speed is in long runs: a message of ours without dots is one. */
static void
ours_pass_in_one_run(void **state)
{
	struct wire w;

	(void)state;
	start(&w, WHOLE);
	wire_feed(&w, span_of("a: b\r\n\r\nline\r\nline.\r\n\r\n"), put, &output);
	wire_finish(&w, put, &output);
	assert_int_equal(output.runs, 1);
}

static void
nul_and_8_bit(void **state)
{
	static const char in[] = "\0\n\0.\xff\0\n.\0";
	struct wire w;

	(void)state;
	start(&w, WHOLE);
	wire_feed(&w, (struct span){in, sizeof in - 1}, put, &output);
	wire_finish(&w, put, &output);
	assert_int_equal(output.len, 14);
	assert_memory_equal(output.bytes, "\0\r\n\0.\xff\0\r\n..\0\r\n", 14);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(cut_anywhere),
	    cmocka_unit_test(sizes_are_those_of_the_list),
	    cmocka_unit_test(ours_pass_in_one_run),
	    cmocka_unit_test(nul_and_8_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
