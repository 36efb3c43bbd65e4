/* Borrowed bytes: tables of what is cut and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "common/xtext.h"

static void
numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} rows[] = {
	    {"0", 0, true, 0},
	    {"1", 0, false, 0},
	    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, false, 0},
	    {"99999999999999999999", UINT64_MAX, false, 0},
	    {"00007", 7, true, 7},
	    {"", UINT64_MAX, false, 0},
	    {"-1", UINT64_MAX, false, 0},
	    {"+1", UINT64_MAX, false, 0},
	    {" 1", UINT64_MAX, false, 0},
	    {"1 ", UINT64_MAX, false, 0},
	    {"1x", UINT64_MAX, false, 0},
	    {"\xd9\xa1", UINT64_MAX, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		uint64_t value = 0;

		assert_int_equal(span_u64(span_of(rows[i].text), rows[i].max, &value), rows[i].ok);
		assert_int_equal(value, rows[i].value);
	}
	assert_false(span_u64((struct span){"1\0", 2}, 100, &(uint64_t){0}));
}

static void
cutting(void **state)
{
	struct span rest = span_of("a,,b"), token;

	(void)state;
	assert_true(span_take(&rest, ',', &token) && span_is(token, "a"));
	assert_true(span_take(&rest, ',', &token) && token.len == 0);
	assert_false(span_take(&rest, ',', &token));
	assert_true(span_is(token, "b") && rest.len == 0);
	assert_false(span_take(&rest, ',', &token));
	assert_int_equal(token.len, 0);
	assert_true(span_is(span_trim(span_of(" \t a b\t ")), "a b"));
	assert_int_equal(span_trim(span_of(" \t ")).len, 0);
}

static void
comparing(void **state)
{
	(void)state;
	assert_true(span_is_nocase(span_of("EhLo"), "ehlo"));
	assert_false(span_is_nocase(span_of("ehl"), "ehlo"));
	assert_false(span_is_nocase(span_of("ehlox"), "ehlo"));
	assert_false(span_is_nocase((struct span){"eh\0o", 4}, "eh"));
	/* ASCII only: a dotless i or a Kelvin sign is no letter of ours. */
	assert_false(span_is_nocase(span_of("\xe2\x84\xaa"), "k"));
	assert_true(span_starts_nocase(span_of("List-Id"), "list-"));
	assert_true(span_starts_nocase(span_of("list-"), "list-"));
	assert_true(span_starts_nocase(span_of("x"), ""));
	assert_false(span_starts_nocase(span_of("list"), "list-"));
	assert_false(span_starts_nocase(span_of("a list-"), "list-"));
	assert_true(span_holds_nocase(span_of("DR, rn, All"), "all"));
	assert_true(span_holds_nocase(span_of("all"), "all"));
	assert_true(span_holds_nocase(span_of(""), ""));
	assert_true(span_holds_nocase((struct span){"a\0All", 5}, "all"));
	assert_false(span_holds_nocase(span_of("al"), "all"));
	assert_false(span_holds_nocase((struct span){"small", 4}, "all"));
	assert_true(span_is((struct span){NULL, 0}, ""));
}

static void
ordering(void **state)
{
	static const char *const sorted[] = {"", "A", "Aa", "B", "a", "aa", "ab", "b", "\xc3"};

	(void)state;
	for (size_t i = 0; i < nitems(sorted); i++)
		for (size_t j = 0; j < nitems(sorted); j++) {
			int order = span_compare(span_of(sorted[i]), span_of(sorted[j]));

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	assert_int_equal(span_compare((struct span){NULL, 0}, span_of("")), 0);
	assert_true(span_compare((struct span){"a\0b", 3}, span_of("a")) > 0);
}

/* Wherever the one byte is. */
static void
ascii(void **state)
{
	char text[20];

	(void)state;
	assert_true(span_is_ascii((struct span){NULL, 0}));
	for (size_t len = 1; len <= sizeof text; len++)
		for (size_t at = 0; at < len; at++) {
			memset(text, 0x7f, sizeof text);
			assert_true(span_is_ascii((struct span){text, len}));
			text[at] = (char)0x80;
			assert_false(span_is_ascii((struct span){text, len}));
			assert_true(span_is_ascii((struct span){text, at}));
		}
}

static void
escapes(void **state)
{
	static const struct {
		const char *text;
		int byte;
	} rows[] = {{"+00", 0}, {"+2B", '+'}, {"+FFx", 0xff}, {"+ff", -1}, {"+F", -1}, {"+", -1},
	    {"", -1}, {"a+2B", -1}, {"+G0", -1}, {"+0G", -1}, {"+ 1", -1}, {"2B+", -1}};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if (xtext_escape(span_of(rows[i].text)) != rows[i].byte)
			fail_msg("row %zu", i);
}

static void
copying(void **state)
{
	char out[4];

	(void)state;
	assert_true(span_copy(span_of("abc"), out, sizeof out));
	assert_string_equal(out, "abc");
	assert_false(span_copy(span_of("abcd"), out, sizeof out));
	assert_string_equal(out, "");
	assert_false(span_copy((struct span){"a\0b", 3}, out, sizeof out));
	assert_true(span_copy((struct span){NULL, 0}, out, sizeof out));
}

static void
safe_text(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"ann@example.org", "ann@example.org"},
	    {"a\nb\r", "a\\x0ab\\x0d"},
	    {"<a>", "\\x3ca\\x3e"},
	    {"\\x0a", "\\x5cx0a"},
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	    {"\xc3", "\\xc3"},
	    {"\xc0\xaf", "\\xc0\\xaf"},		 /* overlong slash */
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
	    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
	    {"\xc2\x9b"
	     "31m",
		"\\xc2\\x9b31m"}, /* C1 control sequence introducer */
	    {"\x1b[31m", "\\x1b[31m"},
	    {"\x7f", "\\x7f"},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_string_equal(log_safe(span_of(rows[i].in)), rows[i].out);
	assert_string_equal(log_safe((struct span){"a\0b", 3}), "a\\x00b");
	assert_string_equal(log_printable(span_of("<a\\b> gr\xc3\xbc\n\x1b\xc3")),
	    "<a\\b> gr\xc3\xbc\\x0a\\x1b\\xc3");
	assert_string_equal(log_printable((struct span){"a\0b", 3}), "a\\x00b");
	char *much = xmalloc(10000);
	memset(much, '\n', 10000);
	assert_true(strlen(log_safe((struct span){much, 10000})) <= 600);
	free(much);
}

static void
putting(void **state)
{
	char room[] = "........", *at = room;
	struct span first = span_put(&at, (struct span){"a\0b", 3}),
		    none = span_put(&at, (struct span){NULL, 0}),
		    second = span_put(&at, span_of("cd"));

	(void)state;
	assert_ptr_equal(first.at, room);
	assert_true(span_equal(first, (struct span){"a\0b", 3}));
	assert_int_equal(none.len, 0);
	assert_true(span_is(second, "cd"));
	assert_ptr_equal(at, room + 5);
	assert_memory_equal(room, "a\0bcd...", sizeof room);
}

static void
owning(void **state)
{
	struct span bytes = {"a\0bc", 3}, copy = span_dup(bytes);
	char *text = span_text(bytes), *none = span_text((struct span){NULL, 0});

	(void)state;
	assert_ptr_not_equal(copy.at, bytes.at);
	assert_true(span_equal(copy, bytes));
	assert_int_equal(copy.at[copy.len], '\0');
	assert_memory_equal(text, "a\0b", 4);
	assert_string_equal(none, "");
	free((char *)(uintptr_t)copy.at);
	free(text);
	free(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(cutting),
	    cmocka_unit_test(comparing),
	    cmocka_unit_test(ordering),
	    cmocka_unit_test(ascii),
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(copying),
	    cmocka_unit_test(putting),
	    cmocka_unit_test(owning),
	    cmocka_unit_test(safe_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
