/*
 * The logs read from their ends, in portions.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "master/log_scan.h"

static char root[64];

static int
setup(void **state)
{
	char path[80];

	(void)state;
	strlcpy(root, "/tmp/log-scan-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/log", root);
	return mkdir(path, 0700);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static FILE *
open_log(const char *name)
{
	char path[120];
	FILE *f;

	snprintf(path, sizeof path, "%s/log/%s", root, name);
	f = fopen(path, "a");
	assert_non_null(f);
	return f;
}

static void
write_log(const char *name, const char *text)
{
	FILE *f = open_log(name);

	fputs(text, f);
	fclose(f);
}

/* "program time text;" of each line. */
static const char *
scan(const char *program, size_t lines, const char *filter, unsigned *steps)
{
	static char out[4096];
	struct log_scan *s = log_scan_new(root, program, lines, filter);
	const json_t *line;
	json_t *list;
	size_t i;

	assert_non_null(s);
	for (*steps = 1; log_scan_step(s);)
		++*steps;
	list = log_scan_result(s);
	out[0] = '\0';
	json_array_foreach(list, i, line) if (i < 20)
	    snprintf(out + strlen(out), sizeof out - strlen(out), "%s %.6f %.40s;",
		json_string_value(json_object_get(line, "program")),
		json_real_value(json_object_get(line, "time")),
		json_string_value(json_object_get(line, "text")));
	json_decref(list);
	log_scan_free(&s);
	assert_null(s);
	return out;
}

static void
lines_are_merged(void **state)
{
	unsigned steps;

	(void)state;
	write_log("smtpd.log", "2026-11-24T13:27:05.000001Z smtpd[1]: "
			       "a\n2026-11-24T13:27:05.000003Z smtpd[1]: c Needle\n");
	write_log("smtpd.log.1", "2026-11-24T13:27:01.000001Z smtpd[1]: old needle\n");
	write_log("smtpd.log.2", "2026-11-24T13:27:00.000001Z smtpd[1]: older needle\n");
	write_log("router.log", "2026-11-24T13:27:05.000002Z router[2]: "
				"b\n2026-11-24T13:27:05.000004Z router[2]: needle d\n");
	write_log("stats.json", "needle\n");
	assert_string_equal(scan(NULL, 3, "", &steps),
	    "router 1795526825.000002 b;smtpd 1795526825.000003 c Needle;router 1795526825.000004 "
	    "needle d;");
	assert_string_equal(scan("smtpd", 100, "nEEDLE", &steps),
	    "smtpd 1795526821.000001 old needle;smtpd 1795526825.000003 c Needle;");
	assert_string_equal(scan("smtpd", 0, "", &steps), "");
	assert_string_equal(scan("queue", 100, "", &steps), "");
}

/* A line of several portions' length in the middle, one without an end, and what is no line. */
static void
odd_lines(void **state)
{
	FILE *f = open_log("smtpd.log");
	unsigned steps;

	(void)state;
	fputs("\n\n2026-11-24T13:27:05.000001Z smtpd[1]: a\n", f);
	for (int i = 0; i < 300000; i++)
		fputc('x', f);
	fputs("\n\xff\xfe no stamp\n2026-11-24T13:27:05.000002Z smtpd[1]: b\n", f);
	fputs("2026-11-24T13:27:05.000003Z smtpd[1]: without an end", f);
	fclose(f);
	assert_string_equal(scan(NULL, 3, "T13:27:05.00000", &steps),
	    "smtpd 1795526825.000001 a;smtpd 1795526825.000002 b;smtpd 1795526825.000003 without "
	    "an "
	    "end;");
	assert_true(steps > 3);
	scan(NULL, 100, "", &steps);
}

/* As many lines as are wished for end the reading; a filter that nothing holds ends it, too. */
static void
long_files(void **state)
{
	FILE *f = open_log("smtpd.log");
	unsigned few, all;
	const char *text;

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(f, "2026-11-24T13:27:05.%06dZ smtpd[1]: line %d\n", i, i);
	fclose(f);
	text = scan("smtpd", 3, "", &few);
	assert_string_equal(text,
	    "smtpd 1795526825.099997 line 99997;smtpd 1795526825.099998 line 99998;smtpd "
	    "1795526825.099999 line 99999;");
	assert_true(few < 5);
	assert_string_equal(
	    scan("smtpd", 3, "line 77777", &all), "smtpd 1795526825.077777 line 77777;");
	assert_true(all > 50);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(lines_are_merged),
	    WITH(odd_lines),
	    WITH(long_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
