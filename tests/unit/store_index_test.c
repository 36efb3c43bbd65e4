/* Parts of a mailbox's index: names of folders, flags in names, subjects, and how pages are found.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/sqlite_files.h"
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

/* What an expression asks of messages is in the index that is walked, in the order of the walk. */
static void
searches_walk_one_index(void **state)
{
	static const char *const walks[] = {
	    "by_date WHERE m.folder = 1", "shown_date WHERE m.shown = 1"};
	static const char *const expected[] = {"SEARCH m USING COVERING INDEX by_date (folder=?)\n",
	    "SCAN m USING COVERING INDEX shown_date\n"};
	sqlite3 *db = make_tables();

	(void)state;
	for (size_t i = 0; i < nitems(walks); i++) {
		char *sql = xasprintf("SELECT m.id, m.thread FROM messages m INDEXED BY %s AND"
				      " (m.flags & 3) = 1 AND m.text > 1 AND m.keywords = 1 AND"
				      " m.size > 1 AND m.arrival > 1 AND m.attachments = 1 AND"
				      " m.uid > 1 AND m.folder > 0 ORDER BY m.date DESC, m.%s DESC",
		    walks[i], i == 0 ? "uid" : "id");
		char *plan = plan_of(db, sql);

		assert_string_equal(plan, expected[i]);
		free(plan);
		free(sql);
	}
	sqlite3_close(db);
}

static void
sets_of_ids(void **state)
{
	static const int64_t good[] = {1, 63, 64, 32767, 32768, 5000000, INT64_C(1) << 33},
			     bad[] = {0, -1, INT64_MIN, (INT64_C(1) << 33) + 1, INT64_MAX};
	struct id_set s = {0};

	(void)state;
	for (size_t i = 0; i < nitems(good); i++) {
		assert_false(id_set_has(&s, good[i]));
		assert_true(id_set_add(&s, good[i]));
		assert_false(id_set_add(&s, good[i]));
		assert_true(id_set_has(&s, good[i]));
		assert_int_equal(s.n, i + 1);
	}
	for (size_t i = 0; i < nitems(bad); i++) {
		assert_false(id_set_add(&s, bad[i]));
		assert_false(id_set_has(&s, bad[i]));
	}
	assert_false(id_set_has(&s, 2));
	assert_false(id_set_has(&s, 65));
	assert_false(id_set_has(&s, 100000));
	id_set_clear(&s);
	assert_int_equal(s.n, 0);
	assert_false(id_set_has(&s, 1));
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

/* ---- an index of a mailbox in /tmp ---- */

static char root[64];

static void
make_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", root, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

static struct index *
new_index(void)
{
	static const char *const places[] = {"new", "cur", "tmp"};
	int fd;

	sqlite_files_use();
	strlcpy(root, "/tmp/store-index-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < nitems(places); i++)
		assert_int_equal(mkdirat(fd, places[i], 0700), 0);
	return index_new(fd, "example.org");
}

static void
end_index(struct index **x)
{
	char command[100];

	index_free(x);
	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

/* Looks what there is, and what is to be looked into. */
static struct index_request *
serve(struct index *x, const struct index_fill *filled)
{
	struct index_request *q = xcalloc(1, sizeof *q);

	q->fd = -1;
	q->choose_fill = true;
	if (filled != NULL) {
		q->filled = xcalloc(1, sizeof *q->filled);
		q->filled[q->n_filled++] = *filled;
	}
	index_serve(x, q);
	return q;
}

static void
served(struct index_request *q)
{
	for (size_t i = 0; i < q->n_fill; i++)
		close(q->fill[i].fd);
	free(q->fill);
	free(q->filled);
	reply_clear(&q->reply);
	reply_clear(&q->notices);
	reply_clear(&q->unwatched);
	free(q);
}

/* An empty table of descriptors but for so many. */
static void
leave_descriptors(int n, struct rlimit *before)
{
	struct rlimit limit;
	int free_one = dup(0);

	assert_int_not_equal(free_one, -1);
	close(free_one);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
	limit = (struct rlimit){free_one + n, before->rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Only what is broken is made anew, not what cannot be opened now. */
static void
keeps_a_database_that_is_out_of_reach(void **state)
{
	struct index *x = new_index();
	struct rlimit before;
	uint64_t id;

	(void)state;
	served(serve(x, NULL));
	id = index_folder_named(x, "INBOX")->id;
	index_close(x);
	for (int n = 0; n < 4; n++) {
		leave_descriptors(n, &before);
		served(serve(x, NULL));
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		index_close(x);
		served(serve(x, NULL));
		assert_int_equal(index_folder_named(x, "INBOX")->id, id);
		index_close(x);
	}
	end_index(&x);
}

/* What was found in a message is not another's, because the numbers of messages began anew. */
static void
forgets_what_an_earlier_database_asked(void **state)
{
	struct index *x = new_index();
	struct index_request *q;
	struct index_fill fill;

	(void)state;
	make_file("cur/1700000001.a,S=4:2,", "one\n");
	q = serve(x, NULL);
	assert_int_equal(q->n_fill, 1);
	fill = q->fill[0];
	fill.memory = x; /* there is an answer */
	fill.fd = -1;
	fill.result = (struct indexer_result){.subject = span_of("one")};
	served(q);
	index_close(x);
	unlinkat(x->directory, "index.db", 0);
	unlinkat(x->directory, "index.db-wal", 0);
	q = serve(x, &fill);
	assert_int_equal(q->refusal, FOLDERS_GRANTED);
	assert_int_equal(q->n_fill, 1);
	assert_int_equal(q->fill[0].message, fill.message);
	fill.made = q->fill[0].made;
	served(q);
	q = serve(x, &fill);
	assert_int_equal(q->n_fill, 0);
	served(q);
	end_index(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_folders),
	    cmocka_unit_test(flags_in_names),
	    cmocka_unit_test(subjects),
	    cmocka_unit_test(pages_come_from_an_index),
	    cmocka_unit_test(searches_walk_one_index),
	    cmocka_unit_test(sets_of_ids),
	    cmocka_unit_test(statements_find_their_rows),
	    cmocka_unit_test(keeps_a_database_that_is_out_of_reach),
	    cmocka_unit_test(forgets_what_an_earlier_database_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
