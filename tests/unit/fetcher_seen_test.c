/*
 * The seen-list: what is new by id, size and digest, what is to be shown again before something is
 * done with it, and what a file that is opened again still knows.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/sqlite_files.h"
#include "fetcher/seen.h"

static char folder[] = "/tmp/fetcher-seen-XXXXXX";
static int directory = -1;
static const char message_of_no_database[1000] = "this is no database";

struct fixture {
	struct seen *seen;
	struct seen_pass *pass;
	struct seen_place at;
	struct seen_policy policy;
};

static struct seen *
open_seen(void)
{
	const char *why;
	struct seen *s = seen_open(directory, "test.db", &why);

	if (s == NULL)
		fail_msg("%s", why);
	return s;
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	static const char *const names[] = {"test.db", "test.db-wal"};

	for (size_t i = 0; i < nitems(names); i++)
		unlinkat(directory, names[i], 0);
	f->seen = open_seen();
	f->pass = seen_pass_new();
	f->at = (struct seen_place){"work", "INBOX", 7};
	f->policy = (struct seen_policy){.max_size = 1000, .now_s = 1000000};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	seen_pass_free(&f->pass);
	seen_close(&f->seen);
	free(f);
	return 0;
}

static void
new_pass(struct fixture *f)
{
	seen_pass_free(&f->pass);
	f->pass = seen_pass_new();
}

static const unsigned char *
digest_of(char letter)
{
	static unsigned char digest[FETCH_DIGEST_BYTES];

	memset(digest, letter, sizeof digest);
	return digest;
}

static int64_t
take(struct fixture *f, const char *id, uint64_t size, char digest)
{
	struct seen_change c = {.what = SEEN_TAKEN,
	    .pass = f->pass,
	    .at = f->at,
	    .id = id,
	    .size = size,
	    .digest = digest_of(digest)};
	struct seen_change *all[] = {&c};

	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	return c.row;
}

/* "+-L" of messages named by one letter each, of 10 bytes. */
static void
expect_listed(struct fixture *f, const char *ids, const char *wants)
{
	struct seen_listed listed[20];
	char names[20][2];
	size_t n = strlen(ids);

	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "%c", ids[i] == ' ' ? '\0' : ids[i]);
		listed[i] = (struct seen_listed){.id = names[i], .size = 10};
	}
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, listed, n), 0);
	for (size_t i = 0; i < n; i++)
		if ((char)listed[i].want != wants[i])
			fail_msg("%s: %zu is %c", ids, i, listed[i].want);
}

static struct seen_found
find(struct fixture *f, const char *id, char digest)
{
	struct seen_found found;

	assert_int_equal(
	    seen_find(f->seen, f->pass, &f->at, &f->policy, id, 10, digest_of(digest), &found), 0);
	return found;
}

static void
test_new_and_known(void **state)
{
	struct fixture *f = *state;

	expect_listed(f, "abc", "+++");
	take(f, "a", 10, 'A');
	take(f, "b", 10, 'B');
	new_pass(f);
	expect_listed(f, "abc", "--+");
	expect_listed(f, "a", "+"); /* once more in one listing: another one of this id */
	new_pass(f);
	f->at.validity = 8;
	expect_listed(f, "abc", "+++");
	f->at.folder = "Other";
	f->at.validity = 7;
	expect_listed(f, "abc", "+++");
	f->at.folder = "INBOX";
	f->at.section = "home";
	expect_listed(f, "abc", "+++");
	expect_listed(f, "  ", "++"); /* without ids */
}

static void
test_other_size_is_another(void **state)
{
	struct fixture *f = *state;

	take(f, "a", 11, 'A');
	new_pass(f);
	expect_listed(f, "a", "+");
}

static void
test_digest(void **state)
{
	struct fixture *f = *state;
	int64_t row = take(f, "a", 10, 'A');

	assert_int_equal(find(f, "x", 'A').row, 0); /* it was taken in this collection */
	new_pass(f);
	assert_int_equal(find(f, "x", 'B').row, 0);
	assert_int_equal(find(f, "x", 'A').row, row);
	assert_int_equal(find(f, "y", 'A').row, 0); /* one is as good as one */
	new_pass(f);
	assert_true(find(f, "a", 'A').same);
	new_pass(f);
	assert_false(find(f, "x", 'A').same);
	new_pass(f);
	expect_listed(f, "a", "-");
	assert_int_equal(find(f, "x", 'A').row, 0); /* it is there under its own id */
}

static void
test_renamed(void **state)
{
	struct fixture *f = *state;
	struct seen_change c = {
	    .what = SEEN_RENAMED, .row = take(f, "a", 10, 'A'), .at = f->at, .id = "x", .size = 10};
	struct seen_change *all[] = {&c};

	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	new_pass(f);
	expect_listed(f, "xa", "-+");
}

/* Before a message is deleted it is had again, once its time has come, until that is done. */
static void
test_due(void **state)
{
	struct fixture *f = *state;
	int64_t row = take(f, "a", 10, 'A');
	struct seen_change c = {.what = SEEN_ACTED, .row = row, .at = f->at};
	struct seen_change *all[] = {&c};

	f->policy.acts = true;
	f->policy.act_after_s = 100;
	f->policy.now_s += 99;
	new_pass(f);
	expect_listed(f, "a", "-");
	f->policy.now_s += 1;
	new_pass(f);
	expect_listed(f, "a", "+");
	assert_true(find(f, "a", 'A').act);
	f->policy.now_s = 1; /* the clock went back: not yet */
	new_pass(f);
	expect_listed(f, "a", "-");
	f->policy.now_s = 2000000;
	new_pass(f);
	assert_int_equal(find(f, "a", 'B').row, 0); /* this is another one */
	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	new_pass(f);
	expect_listed(f, "a", "-");
}

static void
test_large(void **state)
{
	struct fixture *f = *state;
	struct seen_listed m = {.id = "a", .size = 1001};

	f->policy.look_only = true;
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_LARGE);
	f->policy.look_only = false;
	for (int i = 0; i < 2; i++) {
		new_pass(f);
		assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
		assert_int_equal(m.want, FETCH_LARGE);
		assert_int_equal(m.reported, i == 0);
	}
	f->policy.max_size = 2000;
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_GET);
	/* once it was taken that counts, not that it was too large before */
	take(f, "a", 1001, 'A');
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_SKIP);
}

/* It turned out to be larger than it is listed: it is not had again, until it may be so large. */
static void
test_larger_than_listed(void **state)
{
	struct fixture *f = *state;
	struct seen_change c = {
	    .what = SEEN_OVERSIZE, .at = f->at, .id = "a", .size = 10, .real = 1001};
	struct seen_change *all[] = {&c};
	struct seen_listed m = {.id = "a", .size = 10};

	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	for (int i = 0; i < 2; i++) {
		new_pass(f);
		assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
		assert_int_equal(m.want, FETCH_LARGE);
		assert_false(m.reported);
		seen_close(&f->seen);
		f->seen = open_seen();
	}
	/* another one, or one of another size: it may be what is listed */
	m.size = 11;
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_GET);
	expect_listed(f, "b", "+");
	/* more may be taken, and it is larger still */
	f->policy.max_size = 2000;
	m.size = 10;
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_GET);
	c.real = 2001;
	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_LARGE);
	/* and at last it was taken */
	f->policy.max_size = 3000;
	take(f, "a", 10, 'A');
	new_pass(f);
	assert_int_equal(seen_list(f->seen, f->pass, &f->at, &f->policy, &m, 1), 0);
	assert_int_equal(m.want, FETCH_SKIP);
}

/* A file of before: what it knows is known. */
static void
test_file_without_the_column(void **state)
{
	struct fixture *f = *state;
	char path[SQLITE_FILES_PATH_SIZE];
	sqlite3 *db;

	take(f, "a", 10, 'A');
	seen_close(&f->seen);
	sqlite_files_path(directory, "test.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "ALTER TABLE seen DROP COLUMN real", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	f->seen = open_seen();
	new_pass(f);
	expect_listed(f, "ab", "-+");
}

static void
test_prune_and_forget(void **state)
{
	struct fixture *f = *state;
	uint64_t n;

	take(f, "a", 10, 'A');
	take(f, "b", 10, 'B');
	f->policy.now_s += SEEN_FORGET_S;
	new_pass(f);
	expect_listed(f, "a", "-");
	assert_int_equal(seen_prune(f->seen, "work", f->policy.now_s + 1), 0);
	assert_int_equal(seen_forget(f->seen, "other", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(seen_forget(f->seen, "work", &n), 0);
	assert_int_equal(n, 1);
	new_pass(f);
	expect_listed(f, "a", "+");
}

/* What is had each time, since its server has no ids or refuses to delete it, is there still. */
static void
test_not_forgotten_while_it_is_had(void **state)
{
	struct fixture *f = *state;
	struct seen_change c = {
	    .what = SEEN_RENAMED, .row = take(f, "", 10, 'A'), .at = f->at, .id = "", .size = 10};
	struct seen_change *all[] = {&c};

	f->policy.now_s += SEEN_FORGET_S;
	new_pass(f);
	expect_listed(f, " ", "+");
	assert_false(find(f, "", 'A').same);
	assert_int_equal(seen_record(f->seen, all, 1, f->policy.now_s), 0);
	new_pass(f);
	assert_true(find(f, "", 'A').same);
	assert_int_equal(seen_prune(f->seen, "work", f->policy.now_s + 1), 0);
	new_pass(f);
	assert_int_equal(find(f, "", 'A').row, c.row);
}

/* What was recorded is there when the program was killed: the file as it is, opened elsewhere. */
static void
test_killed(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	seen_close(&f->seen);
	pid = fork();
	if (pid == 0) {
		f->seen = open_seen();
		take(f, "a", 10, 'A');
		_exit(0); /* nothing is closed */
	}
	waitpid(pid, &(int){0}, 0);
	f->seen = open_seen();
	new_pass(f);
	expect_listed(f, "ab", "-+");
}

static void
test_thousands(void **state)
{
	struct fixture *f = *state;
	static struct seen_listed listed[5000];
	static char names[5000][8];

	for (size_t i = 0; i < nitems(listed); i++) {
		snprintf(names[i], sizeof names[i], "%zu", i);
		listed[i] = (struct seen_listed){.id = names[i], .size = 10};
	}
	for (size_t i = 0; i < 200; i++)
		take(f, names[i * 25], 10, (char)i);
	new_pass(f);
	assert_int_equal(
	    seen_list(f->seen, f->pass, &f->at, &f->policy, listed, nitems(listed)), 0);
	for (size_t i = 0; i < nitems(listed); i++)
		assert_int_equal(listed[i].want, i % 25 == 0 ? FETCH_SKIP : FETCH_GET);
}

static void
test_no_database(void **state)
{
	const char *why = NULL;
	int fd = openat(directory, "bad.db", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	(void)state;
	assert_int_equal(write(fd, message_of_no_database, sizeof message_of_no_database),
	    sizeof message_of_no_database);
	closefd(&fd);
	assert_null(seen_open(directory, "bad.db", &why));
	assert_non_null(why);
	unlinkat(directory, "bad.db", 0);
	assert_int_equal(symlinkat("test.db", directory, "link.db"), 0);
	assert_null(seen_open(directory, "link.db", &why));
	unlinkat(directory, "link.db", 0);
	assert_null(seen_open(directory, "../etc/passwd", &why));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_new_and_known, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_other_size_is_another, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_due, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_larger_than_listed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_file_without_the_column, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_prune_and_forget, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_forgotten_while_it_is_had, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_thousands, setup, teardown),
	    cmocka_unit_test(test_no_database),
	};
	int rv;

	if (mkdtemp(folder) == NULL ||
	    (directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
		return 1;
	rv = cmocka_run_group_tests(tests, NULL, NULL);
	unlinkat(directory, "test.db", 0);
	unlinkat(directory, "test.db-wal", 0);
	rmdir(folder);
	return rv;
}
