/*
 * Log lines as sambarctl reads them: stamps, queue ids, order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/queue_id.h"
#include "master/ctl_logs.h"

#define STAMP "2026-11-24T13:27:01.123456Z"

/* The microseconds of a time in the past. */
static const uint64_t some_id = 1700000000000000;

static void
test_stamps(void **state)
{
	static const struct {
		const char *line;
		bool good;
	} rows[] = {
	    {STAMP " smtpd[1]: x", true},
	    {STAMP, true},
	    {"2026-11-24T13:27:01.123456", false},
	    {"2026-11-24 13:27:01.123456Z smtpd[1]: x", false},
	    {"a line of no program of ours, and long", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char stamp[LOG_STAMP_BYTES + 1] = "before";

		assert_int_equal(log_stamp(span_of(rows[i].line), stamp), rows[i].good);
		assert_string_equal(stamp, rows[i].good ? STAMP : "before");
	}
}

static void
test_line_ids(void **state)
{
	static const struct {
		const char *before, *after;
		bool found;
	} rows[] = {
	    {STAMP " smtpd[1]: ", " accepted", true},
	    {STAMP " smtpd[1]: warn: ", " odd", true},
	    {STAMP " smtpd[1]: debug: ", "", true},
	    {STAMP " smtpd[1]: parent=", " accepted", false},
	    {STAMP " smtpd[1]: accepted ", "", false},
	    {STAMP " smtpd[1]: x", " accepted", false},
	    {"", "", false},
	};
	char line[200];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		uint64_t id = 0;

		snprintf(line, sizeof line, "%s%s%s", rows[i].before, queue_id_text(some_id),
		    rows[i].after);
		assert_int_equal(log_line_id(span_of(line), &id), rows[i].found);
		if (rows[i].found)
			assert_int_equal(id, some_id);
	}
}

/* Words of nine letters are no ids. */
static void
test_words(void **state)
{
	static const char *const words[] = {"delivered", "malformed", "connected", "abandoned",
	    "REFUSED12", "stephanie", "", "12345678", "1234567890", "1234-6789"};
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < nitems(words); i++)
		assert_false(log_is_id(span_of(words[i]), &id));
	assert_true(log_is_id(span_of(queue_id_text(some_id)), &id));
	assert_int_equal(id, some_id);
}

static void
test_order(void **state)
{
	static const char *const stamps[] = {"b", "a", "b", "a"};
	struct log_lines lines = {0};

	(void)state;
	for (size_t i = 0; i < nitems(stamps); i++)
		log_lines_add(&lines, (struct span){&"0123"[i], 1}, stamps[i]);
	log_lines_sort(&lines);
	assert_string_equal(lines.items[0].text, "1");
	assert_string_equal(lines.items[1].text, "3");
	assert_string_equal(lines.items[2].text, "0");
	assert_string_equal(lines.items[3].text, "2");
	log_lines_free(&lines);
	log_lines_sort(&lines);
}

/* ---- files ---- */

static char root[64];
static const char *const files[] = {"smtpd.log", "smtpd.log.1", "smtpd.log.10", "smtpd.log.2",
    "queue.log", "smtpd.trace", "smtpd.log.x", ".log", "smtpd.log2", "a.log.1.gz"};

static int
make_files(void **state)
{
	char path[160];

	(void)state;
	strcpy(root, "/tmp/sambar-logs-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/log", root);
	if (mkdir(path, 0755) == -1)
		return -1;
	for (size_t i = 0; i < nitems(files); i++) {
		FILE *f;

		snprintf(path, sizeof path, "%s/log/%s", root, files[i]);
		if ((f = fopen(path, "w")) == NULL || fclose(f) != 0)
			return -1;
	}
	return 0;
}

static int
remove_files(void **state)
{
	char path[160];

	(void)state;
	for (size_t i = 0; i < nitems(files); i++) {
		snprintf(path, sizeof path, "%s/log/%s", root, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/log", root);
	return rmdir(path) == -1 ? -1 : rmdir(root);
}

static void
expect_names(const char *program, bool rotated, const char *expected)
{
	struct log_names names;
	char text[300] = "";

	assert_int_equal(log_names_read(&names, root, program, rotated), 0);
	for (size_t i = 0; i < names.n; i++) {
		strlcat(text, names.items[i], sizeof text);
		strlcat(text, " ", sizeof text);
	}
	assert_string_equal(text, expected);
	log_names_free(&names);
}

static void
test_names(void **state)
{
	struct log_names names;

	(void)state;
	expect_names(NULL, false, "queue.log smtpd.log ");
	expect_names("smtpd", false, "smtpd.log ");
	expect_names("smtp", false, "");
	expect_names(NULL, true, "queue.log smtpd.log.10 smtpd.log.2 smtpd.log.1 smtpd.log ");
	assert_int_equal(log_names_read(&names, "/nonexistent", NULL, true), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stamps),
	    cmocka_unit_test(test_line_ids),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test_setup_teardown(test_names, make_files, remove_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
