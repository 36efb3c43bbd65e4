/* mbox files as many programs write them, fed whole and cut at each place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "master/import_mbox.h"

#define FROM "From a@b Thu Nov 26 13:00:00 2026\n"

static void
on_begin(void *arg, uint64_t offset, uint64_t arrival_s)
{
	text_printf(arg, "[%llu %llu ", (unsigned long long)offset, (unsigned long long)arrival_s);
}

static void
on_text(void *arg, struct span text)
{
	text_put(arg, text);
}

static void
on_end(void *arg)
{
	text_put_text(arg, "]");
}

static void
on_damage(void *arg, uint64_t offset, const char *why)
{
	(void)why;
	text_printf(arg, "!%llu ", (unsigned long long)offset);
}

static void
check(const char *in, size_t cut, const char *expected)
{
	static const struct mbox_ops ops = {on_begin, on_text, on_end, on_damage};
	struct text_buffer out;
	struct mbox *m;
	size_t n = strlen(in);

	text_buffer_init(&out, 100000);
	m = mbox_new(&ops, &out);
	mbox_put(m, (struct span){in, cut});
	mbox_put(m, (struct span){in + cut, n - cut});
	mbox_end(m);
	assert_string_equal(out.at != NULL ? out.at : "", expected);
	mbox_free(&m);
	text_buffer_free(&out);
}

static void
files(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"", ""},
	    {"\n\n", ""},
	    {"x\n", "!0 "},
	    {FROM, "!0 "},
	    {FROM "\nA: b\n", "!0 "},
	    {FROM "no header\n", "!0 "},
	    {FROM "A: b\n\nx\n", "[0 1795698000 A: b\n\nx\n]"},
	    {FROM "A: b\n\nx\n\n", "[0 1795698000 A: b\n\nx\n]"},
	    {FROM "A: b\r\n\r\nx\r\n\r\n", "[0 1795698000 A: b\r\n\r\nx\r\n]"},
	    {FROM "A: b\n\nx", "[0 1795698000 A: b\n\nx]"},
	    {FROM "A: b\n\nx\n\n\n" FROM "C: d\n",
		"[0 1795698000 A: b\n\nx\n\n][44 1795698000 C: d\n]"},
	    {FROM "A: b\n\n" FROM "C: d\n\n>From x\n>>From y\n> From z\nFrom nobody\n",
		"[0 1795698000 A: b\n][40 1795698000 C: d\n\nFrom x\n>From y\n> From z\nFrom "
		"nobody\n]"},
	    {FROM "A: b\nx\n" FROM "text\n", "[0 1795698000 A: b\nx\n" FROM "text\n]"},
	    {FROM ">From old\nA: b\n", "[0 1795698000 From old\nA: b\n]"},
	    {"junk\nmore\n\n" FROM "A: b\n", "!0 [11 1795698000 A: b\n]"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (size_t cut = 0; cut <= strlen(rows[i].in); cut++)
			check(rows[i].in, cut, rows[i].out);
}

static void
from_lines(void **state)
{
	static const struct {
		const char *line;
		uint64_t at; /* 0: none */
	} rows[] = {
	    {"From a@b Thu Nov 26 13:00:00 2026\n", 1795698000},
	    {"From a@b Thu Nov 26 13:00:00 2026\r\n", 1795698000},
	    {"From a@b  Thu Nov 26 13:00:00 +0100 2026", 1795694400},
	    {"From a@b Thu Nov 26 13:00:00 2026 -0100", 1795701600},
	    {"From a b Thu Nov 26 13:00 UTC 2026", 1795698000},
	    {"From - Thu Nov 26 13:00:00 2026", 1795698000},
	    {"From Thu Nov 26 13:00:00 2026", 1795698000},
	    {"From a@b Thu Nov 26 2026", 0},
	    {"From a@b Thu 26 13:00:00 2026", 0},
	    {"From a@b Nov 13:00:00 2026", 0},
	    {"From a@b Thu Nov 26 25:00:00 2026", 0},
	    {"From a@b Thu Nov 26 13:00:00", 0},
	    {"From here on it is text, from 13:00 on Nov 3", 0},
	    {"from a@b Thu Nov 26 13:00:00 2026", 0},
	    {"From", 0},
	    {"", 0},
	};
	uint64_t at;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		if (mbox_from_line(span_of(rows[i].line), &at) != (rows[i].at != 0))
			fail_msg("%s", rows[i].line);
		if (rows[i].at != 0)
			assert_int_equal(at, rows[i].at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(files), cmocka_unit_test(from_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
