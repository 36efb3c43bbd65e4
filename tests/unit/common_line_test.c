/* Which bytes are a line, and which are not, with a limit of eight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/line.h"
#include "common/memory.h"

enum { MAX = 8 };

static const struct {
	const char *bytes;
	size_t len;
	enum line_end end;
	const char *line;
} rows[] = {
    {"", 0, LINE_UNFINISHED, ""},
    {"a", 1, LINE_UNFINISHED, ""},
    {"a\r", 2, LINE_UNFINISHED, ""},
    {"a\rb", 3, LINE_UNFINISHED, ""},
    {"1234567", 7, LINE_UNFINISHED, ""},
    {"\r\n", 2, LINE_WHOLE, ""},
    {"a\r\n", 3, LINE_WHOLE, "a"},
    {"a\r\nb\n", 5, LINE_WHOLE, "a"},
    {"a\r\r\n", 4, LINE_WHOLE, "a\r"},
    {"123456\r\n", 8, LINE_WHOLE, "123456"},
    {"123456\r\n7", 9, LINE_WHOLE, "123456"},
    {"1234567\r\n", 9, LINE_TOO_LONG, ""},
    {"12345678", 8, LINE_TOO_LONG, ""},
    {"123456789\n", 10, LINE_TOO_LONG, ""},
    {"\n", 1, LINE_BARE_LF, ""},
    {"a\n", 2, LINE_BARE_LF, ""},
    {"a\n\r\n", 4, LINE_BARE_LF, ""},
    {"\0\n", 2, LINE_BARE_LF, ""},
};

static void
lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span bytes = {rows[i].bytes, rows[i].len}, line = {"", 0};

		assert_int_equal(line_cut(bytes, MAX, &line), rows[i].end);
		assert_true(span_is(line, rows[i].line));
	}
}

/* Byte by byte: unfinished up to the byte that decides. */
static void
bytewise(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		enum line_end end = LINE_UNFINISHED;
		struct span line = {"", 0};

		for (size_t n = 0; n <= rows[i].len && end == LINE_UNFINISHED; n++)
			end = line_cut((struct span){rows[i].bytes, n}, MAX, &line);
		assert_int_equal(end, rows[i].end);
		assert_true(span_is(line, rows[i].line));
	}
}

static const struct {
	const char *bytes;
	bool after_cr;
	enum line_end end;
	size_t passed;
	bool ends_with_cr;
} passed_over[] = {
    {"abc", false, LINE_UNFINISHED, 3, false},
    {"abc\r", false, LINE_UNFINISHED, 4, true},
    {"abc", true, LINE_UNFINISHED, 3, false},
    {"a\rb", false, LINE_UNFINISHED, 3, false},
    {"abc\r\nNOOP\r\n", false, LINE_WHOLE, 5, false},
    {"\nNOOP\r\n", true, LINE_WHOLE, 1, false},
    {"\r\n", false, LINE_WHOLE, 2, false},
    {"\n", false, LINE_BARE_LF, 1, false},
    {"a\nb\r\n", true, LINE_BARE_LF, 2, false},
};

static void
rests(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(passed_over); i++) {
		bool after_cr = passed_over[i].after_cr;
		enum line_end end;
		size_t n = line_pass_over(span_of(passed_over[i].bytes), &after_cr, &end);

		assert_int_equal(end, passed_over[i].end);
		assert_int_equal(n, passed_over[i].passed);
		if (end == LINE_UNFINISHED)
			assert_int_equal(after_cr, passed_over[i].ends_with_cr);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines), cmocka_unit_test(bytewise), cmocka_unit_test(rests)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
