/* Parts of a mailbox's index: names of folders, flags in names, subjects, and how pages are found.
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
#include "store/index.h"
#include "store/message_flags.h"
#include "store/subject.h"

static void
names_of_folders(void **state)
{
	static const struct {
		const char *name, *directory;
	} rows[] = {
	    {"INBOX", ""}, {"Sent", ".Sent"}, {"A & B", ".A &- B"}, {"&", ".&-"}, {"&-", ".&--"},
	    {"Projekte/H\xc3\xa4user", ".Projekte.H&AOQ-user"}, {"\xc3\xbc", ".&APw-"},
	    {"\xf0\x9f\x93\xac", ".&2D3c7A-"}, {"a\xf0\x9f\x93\xacz\xc3\xbc", ".a&2D3c7A-z&APw-"},
	    {"\xe5\x8f\xb0\xe5\x8c\x97", ".&U,BTFw-"}, /* RFC 3501 5.1.3 */
	};
	static const char *const no_directories[] = {"Sent", ".", "..", "..a", ".a.", ".a..b", ".&",
	    ".&-&", ".&AOQ", ".&AOQ-&AOQ-", ".&AGE-", ".&AOR-", ".&A-", ".&!-", ".&2D0-",
	    ".&3KzYPQ-", ".\xc3\xbc", ".a\n", ".INBOX", ".inbox.x", ".a ", ".&AAA-", ".&AC8-",
	    ".&AC4-"};
	char directory[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1], text[300];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_true(folder_name_directory(span_of(rows[i].name), directory));
		assert_string_equal(directory, rows[i].directory);
		assert_true(folder_name_of(directory, name));
		assert_string_equal(name, rows[i].name);
	}
	for (size_t i = 0; i < nitems(no_directories); i++)
		if (folder_name_of(no_directories[i], name))
			fail_msg("%s is %s", no_directories[i], name);
	assert_true(folder_name_directory(span_of("iNbOx"), directory));
	assert_string_equal(directory, "");
	/* what is short as UTF-8 may be too long as a directory */
	for (size_t i = 0; i < 200; i += 2)
		memcpy(text + i, i % 4 ? "\xc3\xa4" : "a&", 2);
	assert_false(folder_name_directory((struct span){text, 200}, directory));
	assert_true(folder_name_within("a/b", "a"));
	assert_false(folder_name_within("ab", "a"));
}

static void
flags_in_names(void **state)
{
	static const struct {
		const char *tail, *printed;
		unsigned flags;
		uint32_t keywords;
	} rows[] = {
	    {"", ":2,", 0, 0},
	    {":2,", ":2,", 0, 0},
	    {":2,S", ":2,S", FLAG_SEEN, 0},
	    {":2,TSRPFD", ":2,DFPRST", FLAGS_ALL, 0},
	    {":2,SzaX9", ":2,Saz", FLAG_SEEN, 1u << 25 | 1},
	    {":1,S", ":2,", 0, 0},
	    {":2,S,x", ":2,S", FLAG_SEEN, 0},
	};
	char tail[MESSAGE_TAIL_SIZE];
	uint32_t keywords;
	unsigned flags;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		message_flags_parse(span_of(rows[i].tail), &flags, &keywords);
		assert_int_equal(flags, rows[i].flags);
		assert_int_equal(keywords, rows[i].keywords);
		message_flags_print(flags, keywords, tail);
		assert_string_equal(tail, rows[i].printed);
	}
	message_flags_print(FLAGS_ALL, (1u << FOLDERS_KEYWORDS_MAX) - 1, tail);
	assert_string_equal(tail, ":2,DFPRSTabcdefghijklmnopqrstuvwxyz");
}

static void
subjects(void **state)
{
	static const struct {
		const char *subject, *base;
		bool is_answer;
	} rows[] = {
	    {"", "", false},
	    {"Hello", "hello", false},
	    {"Re: Hello", "hello", true},
	    {"RE:AW: re[2]: Fwd:  Hello ", "hello", true},
	    {"Fwd: Hello", "hello", false},
	    {"[list] Re: [list] Hello", "hello", true},
	    {"[list]", "[list]", false},
	    {"Re: [x]", "[x]", true},
	    {"Re", "re", false},
	    {"Report: x", "report: x", false},
	    {"R\xc3\xa9p: \xc3\x84pfel", "\xc3\xa4pfel", true},
	    {"Re:", "", true},
	};
	char base[100];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_int_equal(
		    subject_base(span_of(rows[i].subject), base, sizeof base), rows[i].is_answer);
		assert_string_equal(base, rows[i].base);
	}
	sort_key(span_of("\"\xc3\x84nne\" <a@x>"), base, sizeof base);
	assert_string_equal(base, "\xc3\xa4nne\" <a@x>");
	sort_key(span_of("aa\xc3\xa4"), base, 4);
	assert_string_equal(base, "aa");
	sort_key(span_of("\xd0\x98\xd0\x90"), base, sizeof base);
	assert_string_equal(base, "\xd0\xb8\xd0\xb0");
}

/* ---- how pages are found ---- */

static sqlite3 *
make_tables(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, index_sql_schema, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* The plan's lines, with line feeds. */
static char *
plan_of(sqlite3 *db, const char *sql)
{
	char *explain = xasprintf("EXPLAIN QUERY PLAN %s", sql), *plan = xstrdup("");
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		char *longer = xasprintf("%s%s\n", plan, sqlite3_column_text(st, 3));

		free(plan);
		plan = longer;
	}
	sqlite3_finalize(st);
	free(explain);
	return plan;
}

static void
pages_come_from_an_index(void **state)
{
	static const char *const columns[] = {"arrival", "date", "from", "subject", "size"};
	sqlite3 *db = make_tables();

	(void)state;
	for (int order = ORDER_ARRIVAL; order <= ORDER_SIZE; order++)
		for (int variant = 0; variant < 4; variant++) {
			bool threads = variant & 1, descending = variant & 2;
			char *sql = index_view_sql(false, threads, order, descending);
			char *plan = plan_of(db, sql), expected[100];

			snprintf(expected, sizeof expected,
			    "SEARCH messages USING COVERING INDEX %s_%s (folder=?)",
			    threads ? "top" : "by", columns[order]);
			if (strstr(plan, expected) == NULL ||
			    strstr(plan, "SCAN messages") != NULL || strstr(plan, "SCAN m") != NULL)
				fail_msg("%s\n%s", sql, plan);
			free(plan);
			sqlite3_free(sql);
		}
	for (int order = ORDER_ARRIVAL; order <= ORDER_DATE; order++) {
		char *sql = index_view_sql(true, false, order, true), *plan = plan_of(db, sql);

		if (strstr(plan, "USING COVERING INDEX shown_") == NULL)
			fail_msg("%s\n%s", sql, plan);
		free(plan);
		sqlite3_free(sql);
	}
	sqlite3_close(db);
}

/* Every statement that is kept is sound, and none walks through all messages. */
static void
statements_find_their_rows(void **state)
{
	sqlite3 *db = make_tables();

	(void)state;
	for (size_t i = SQL_META; i < SQL_STATEMENTS; i++) {
		char *plan = plan_of(db, index_sql_texts[i]);

		if ((strstr(plan, "SCAN messages") != NULL && strstr(plan, "USING INDEX") == NULL &&
			strstr(plan, "USING COVERING INDEX") == NULL) ||
		    (strstr(plan, "SCAN m\n") != NULL))
			fail_msg("%s\n%s", index_sql_texts[i], plan);
		free(plan);
	}
	sqlite3_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_folders),
	    cmocka_unit_test(flags_in_names),
	    cmocka_unit_test(subjects),
	    cmocka_unit_test(pages_come_from_an_index),
	    cmocka_unit_test(statements_find_their_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
