/*
 * The users file: read, changed by us, changed by hand, broken in every way, and by others at the
 * same time.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/users.h"
#include "common/memory.h"

#define HASH	   "$y$j9T$4Zk3QaBcDe5fGhIjKlMnO/$0123456789012345678901234567890123456789012"
#define OTHER_HASH "$y$j9T$other$0123456789012345678901234567890123456789012"

static char root[64];
static struct event_base *base;
static struct worker *worker;
static struct users *users;
static int changed_error;

/* ---- the house ---- */

static const char *
path_of(const char *name)
{
	static char path[2][128];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 2], sizeof path[0], "%s/%s", root, name);
	return path[turn % 2];
}

static struct users *
open_users(void)
{
	return users_new(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(root, "/tmp/users-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	base = event_base_new();
	worker = worker_new(base);
	users = open_users();
	return 0;
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
	worker_free(&worker);
	users_free(&users);
	users_free(&users);
	event_base_free(base);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
write_file(const char *text)
{
	FILE *f = fopen(path_of("passwd"), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void
expect_file(const char *text)
{
	char buf[65536];
	FILE *f = fopen(path_of("passwd"), "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof buf - 1, f);
	buf[n] = '\0';
	fclose(f);
	assert_string_equal(buf, text);
}

static enum users_state
find(const char *name)
{
	struct account a;

	return users_find(users, span_of(name), &a);
}

static const char *
hash_of(const char *name)
{
	static char hash[ACCOUNT_HASH_SIZE];
	struct account a;

	if (users_find(users, span_of(name), &a) != USERS_FOUND)
		return "none";
	assert_true(span_copy(a.hash, hash, sizeof hash));
	return hash;
}

/* ---- changes ---- */

static void
on_changed(void *arg, int error)
{
	(void)arg;
	changed_error = error;
}

static int
await(void)
{
	while (changed_error == -1)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	return changed_error;
}

static int
put(const char *name, const char *hash, bool admin, uint64_t quota)
{
	const struct account a = {span_of(name), span_of(hash), admin, quota};

	changed_error = -1;
	users_put(users, worker, &a, on_changed, NULL);
	return await();
}

static int
put_plain(const char *name)
{
	return put(name, HASH, false, ACCOUNT_NO_QUOTA);
}

static int
take_away(const char *name)
{
	changed_error = -1;
	users_remove(users, worker, span_of(name), on_changed, NULL);
	return await();
}

static void
nobody_at_first(void **state)
{
	struct account a;
	size_t at = 0;

	(void)state;
	assert_int_equal(find("ann"), USERS_NONE);
	assert_int_equal(find(""), USERS_NONE);
	assert_int_equal(users_count(users), 0);
	assert_false(users_next(users, &at, &a));
	assert_int_equal(take_away("ann"), 0);
	expect_file("");
}

static void
put_and_removed(void **state)
{
	struct stat st;
	struct account a;
	size_t at = 0;

	(void)state;
	assert_int_equal(put_plain("ann"), 0);
	assert_int_equal(put("bob", OTHER_HASH, true, 5242880), 0);
	assert_int_equal(put_plain("carl"), 0);
	expect_file("ann:" HASH "::\nbob:" OTHER_HASH ":admin:5242880\ncarl:" HASH "::\n");
	assert_int_equal(stat(path_of("passwd"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(path_of("passwd.new"), F_OK), -1);

	assert_int_equal(users_find(users, span_of("bob"), &a), USERS_FOUND);
	assert_true(span_is(a.hash, OTHER_HASH) && a.admin && a.quota == 5242880);
	assert_int_equal(put("bob", HASH, false, 0), 0);
	assert_int_equal(users_find(users, span_of("bob"), &a), USERS_FOUND);
	assert_true(span_is(a.hash, HASH) && !a.admin && a.quota == 0);
	assert_true(users_next(users, &at, &a) && span_is(a.name, "ann"));
	assert_true(users_next(users, &at, &a) && span_is(a.name, "bob"));
	assert_true(users_next(users, &at, &a) && span_is(a.name, "carl"));
	assert_false(users_next(users, &at, &a));

	assert_int_equal(take_away("ann"), 0);
	assert_int_equal(take_away("ann"), 0);
	expect_file("bob:" HASH "::0\ncarl:" HASH "::\n");
	assert_int_equal(find("ann"), USERS_NONE);
	assert_int_equal(users_count(users), 2);
}

static void
read_again_by_the_next(void **state)
{
	(void)state;
	assert_int_equal(put_plain("ann"), 0);
	users_free(&users);
	users = open_users();
	assert_string_equal(hash_of("ann"), HASH);
}

/* What others wrote stays: comments, order, malformed lines, a last line without its end. */
static void
other_lines_stay(void **state)
{
	(void)state;
	write_file("# staff\n\n  bob:" OTHER_HASH ":admin\nnonsense\nann:" HASH "\n\n# end");
	assert_int_equal(put("ann", OTHER_HASH, false, 7), 0);
	expect_file(
	    "# staff\n\n  bob:" OTHER_HASH ":admin\nnonsense\nann:" OTHER_HASH "::7\n\n# end\n");
	assert_int_equal(put_plain("dan"), 0);
	assert_int_equal(take_away("bob"), 0);
	expect_file("# staff\n\nnonsense\nann:" OTHER_HASH "::7\n\n# end\ndan:" HASH "::\n");
	assert_int_equal(take_away("dan"), 0);
	assert_int_equal(take_away("ann"), 0);
	expect_file("# staff\n\nnonsense\n\n# end\n");
}

static void
many_users(void **state)
{
	enum { MANY = 20000 };
	FILE *f = fopen(path_of("passwd"), "w");
	struct account a;
	char name[16];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < MANY; i++)
		fprintf(f, "u%d:" HASH "::%d\n", i, i);
	fclose(f);
	for (int i = 0; i < MANY; i += 777) {
		snprintf(name, sizeof name, "u%d", i);
		assert_int_equal(users_find(users, span_of(name), &a), USERS_FOUND);
		assert_int_equal(a.quota, i);
	}
	assert_int_equal(find("u20000"), USERS_NONE);
	for (size_t at = 0; users_next(users, &at, &a);)
		n++;
	assert_int_equal(n, MANY);
	assert_int_equal(put_plain("u10000"), 0);
	assert_int_equal(users_count(users), MANY);
}

/* ---- by hand ---- */

/* Writes of the same length within one tick of the file system's clock are seen, too. */
static void
edits_are_seen_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		write_file(i % 2 ? "ann:" HASH "\n" : "bob:" HASH "\n");
		assert_int_equal(find("ann"), i % 2 ? USERS_FOUND : USERS_NONE);
		assert_int_equal(find("bob"), i % 2 ? USERS_NONE : USERS_FOUND);
	}
	assert_int_equal(unlink(path_of("passwd")), 0);
	assert_int_equal(find("bob"), USERS_NONE);
	write_file("ann:" HASH);
	assert_int_equal(rename(path_of("passwd"), path_of("other")), 0);
	assert_int_equal(find("ann"), USERS_NONE);
	assert_int_equal(rename(path_of("other"), path_of("passwd")), 0);
	assert_int_equal(find("ann"), USERS_FOUND);
}

static void
malformed_lines_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum users_state ann, bob;
	} rows[] = {
	    {"ann:" HASH "\nbob:" HASH "\n", USERS_FOUND, USERS_FOUND},
	    {"ann:" HASH ":root\nbob:" HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"ann\nbob:" HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"ann:\nbob:" HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"ann:secret::\nbob:" HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"Ann:" HASH "\nbob:" HASH "\n", USERS_NONE, USERS_FOUND},
	    {"#ann:" HASH "\nbob:" HASH "\n", USERS_NONE, USERS_FOUND},
	    /* two lines: which one is meant? */
	    {"ann:" HASH "\nbob:" HASH "\nann:" OTHER_HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"ann:" HASH "\nann:" HASH "\nann:" HASH "\n", USERS_BROKEN, USERS_NONE},
	    {"ann:x\nbob:" HASH "\nann:" OTHER_HASH "\n", USERS_BROKEN, USERS_FOUND},
	    {"ann:" HASH "\r\nbob:" HASH "\r\n", USERS_BROKEN, USERS_BROKEN},
	    {"\n\n\n", USERS_NONE, USERS_NONE},
	    {":::::\n::\n:\n", USERS_NONE, USERS_NONE},
	    {"ann:" HASH, USERS_FOUND, USERS_NONE},
	    {"", USERS_NONE, USERS_NONE},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		write_file(rows[i].text);
		if (find("ann") != rows[i].ann || find("bob") != rows[i].bob)
			fail_msg("row %zu", i);
	}
}

/* The line is replaced, or all of its kind are removed: an old one does not come to life again. */
static void
malformed_lines_can_be_changed(void **state)
{
	static const char text[] = "ann:x\nbob:" HASH "\nann:" OTHER_HASH "\n#\nann:y:z\n";

	(void)state;
	write_file(text);
	assert_int_equal(find("ann"), USERS_BROKEN);
	assert_int_equal(users_count(users), 1);
	assert_int_equal(take_away("ann"), 0);
	expect_file("bob:" HASH "\n#\n");
	assert_int_equal(find("ann"), USERS_NONE);
	write_file(text);
	assert_int_equal(put_plain("ann"), 0);
	expect_file("ann:" HASH "::\nbob:" HASH "\n#\n");
	assert_int_equal(find("ann"), USERS_FOUND);
}

static void
nul_bytes_and_noise(void **state)
{
	static const char text[] = "ann:" HASH "\0\nbob:" HASH "\n\0\0\n\xff\xfe:\x80\n";
	int fd = open(path_of("passwd"), O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	assert_int_equal(find("ann"), USERS_BROKEN);
	assert_int_equal(find("bob"), USERS_FOUND);
	assert_int_equal(users_count(users), 1);
}

/* ---- what is no file ---- */

static void
expect_trouble(void)
{
	assert_int_equal(find("ann"), USERS_TROUBLE);
	assert_int_equal(find("ann"), USERS_TROUBLE);
	assert_int_not_equal(put_plain("bob"), 0);
	assert_int_not_equal(take_away("ann"), 0);
	assert_int_equal(users_refresh(users), -1);
}

static void
strange_files(void **state)
{
	(void)state;
	write_file("ann:" HASH "\n");
	assert_int_equal(rename(path_of("passwd"), path_of("real")), 0);
	assert_int_equal(symlink("real", path_of("passwd")), 0);
	expect_trouble();
	assert_int_equal(unlink(path_of("passwd")), 0);
	assert_int_equal(mkfifo(path_of("passwd"), 0600), 0);
	expect_trouble();
	assert_int_equal(unlink(path_of("passwd")), 0);
	assert_int_equal(mkdir(path_of("passwd"), 0700), 0);
	expect_trouble();
	assert_int_equal(rmdir(path_of("passwd")), 0);
	assert_int_equal(rename(path_of("real"), path_of("passwd")), 0);
	assert_int_equal(find("ann"), USERS_FOUND);
	assert_int_equal(put_plain("bob"), 0);
}

static void
unreadable_files(void **state)
{
	(void)state;
	if (geteuid() == 0)
		return; /* root reads anything */
	write_file("ann:" HASH "\n");
	assert_int_equal(chmod(path_of("passwd"), 0), 0);
	expect_trouble();
}

static void
files_that_are_too_large(void **state)
{
	(void)state;
	write_file("ann:" HASH "\n");
	assert_int_equal(find("ann"), USERS_FOUND);
	assert_int_equal(truncate(path_of("passwd"), USERS_FILE_MAX_BYTES + 1LL), 0);
	expect_trouble();
}

static void
leftovers_are_replaced(void **state)
{
	struct stat st;

	(void)state;
	write_file("ann:" HASH "\n");
	assert_int_equal(symlink("/dev/full", path_of("passwd.new")), 0);
	assert_int_equal(put_plain("bob"), 0);
	assert_int_equal(lstat(path_of("passwd"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(lstat(path_of("passwd.new"), &st), -1);
	/* one that cannot be: nothing is changed */
	assert_int_equal(mkdir(path_of("passwd.new"), 0700), 0);
	assert_int_not_equal(put_plain("carl"), 0);
	assert_int_equal(find("carl"), USERS_NONE);
	assert_int_equal(find("bob"), USERS_FOUND);
}

static void
directory_is_gone(void **state)
{
	(void)state;
	assert_int_equal(put_plain("ann"), 0);
	assert_int_equal(unlink(path_of("passwd")), 0);
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(find("ann"), USERS_NONE);
	assert_int_not_equal(put_plain("ann"), 0);
	assert_int_equal(mkdir(root, 0700), 0); /* for the teardown */
}

/* ---- at the same time ---- */

/* A change that was made from an older file is made again from the new one. */
static void
nothing_of_others_is_lost(void **state)
{
	const struct account a = {span_of("ann"), span_of(HASH), false, ACCOUNT_NO_QUOTA};
	int lock = open(root, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(flock(lock, LOCK_EX), 0);
	changed_error = -1;
	users_put(users, worker, &a, on_changed, NULL);
	write_file("bob:" HASH "\n"); /* by one who has the lock */
	close(lock);
	assert_int_equal(await(), 0);
	expect_file("bob:" HASH "\nann:" HASH "::\n");
}

static int n_pending;

static void
on_one_of_many(void *arg, int error)
{
	(void)arg;
	assert_int_equal(error, 0);
	n_pending--;
}

static void
begin_put(struct users *u, struct worker *w, int number)
{
	char name[8];
	const struct account a = {
	    {name, snprintf(name, sizeof name, "u%d", number)}, span_of(HASH), false, 0};

	n_pending++;
	users_put(u, w, &a, on_one_of_many, NULL);
}

/* As when a restart lets the old program finish while the new one runs. */
static void
two_writers(void **state)
{
	struct worker *other_worker = worker_new(base);
	struct users *other = open_users();

	(void)state;
	for (int i = 0; i < 40; i += 2) {
		begin_put(users, worker, i);
		begin_put(other, other_worker, i + 1);
		while (n_pending > 0)
			assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	}
	assert_int_equal(users_refresh(users), 0);
	assert_int_equal(users_count(users), 40);
	worker_free(&other_worker);
	users_free(&other);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(nobody_at_first),
	    WITH(put_and_removed),
	    WITH(read_again_by_the_next),
	    WITH(other_lines_stay),
	    WITH(many_users),
	    WITH(edits_are_seen_at_once),
	    WITH(malformed_lines_are_refused),
	    WITH(malformed_lines_can_be_changed),
	    WITH(nul_bytes_and_noise),
	    WITH(strange_files),
	    WITH(unreadable_files),
	    WITH(files_that_are_too_large),
	    WITH(leftovers_are_replaced),
	    WITH(directory_is_gone),
	    WITH(nothing_of_others_is_lost),
	    WITH(two_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
