/*
 * Fails, cuts short, or dies at the 1st, 2nd, 3rd ... file system call of some changes of the users
 * file, then reads it again: what was confirmed is there, what was not is there wholly or not at
 * all, and the next change succeeds.
 *
 * The calls are those of the C library, defined here once more: the linker takes ours.
 */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/users.h"
#include "common/memory.h"

#define HASH "$y$j9T$4Zk3QaBcDe5fGhIjKlMnO/$0123456789012345678901234567890123456789012"

enum fault { NO_FAULT, FAIL_ENOSPC, FAIL_EIO, WRITE_SHORT, DIE };

static struct {
	enum fault fault;
	int at; /* the call that it happens to, from 1 */
	atomic_int calls;
} plan;

/* ---- the calls ---- */

/* True when this call is to fail: errno is set. */
static bool
struck(bool is_write)
{
	if (plan.fault == NO_FAULT || atomic_fetch_add(&plan.calls, 1) + 1 != plan.at)
		return false;
	if (plan.fault == DIE)
		_exit(99);
	errno = plan.fault == FAIL_EIO ? EIO : ENOSPC;
	return plan.fault != WRITE_SHORT || is_write;
}

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return struck(false) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t
read(int fd, void *bytes, size_t n)
{
	/* not the eventfd of a worker */
	return n > sizeof(uint64_t) && struck(false) ? -1 : syscall(SYS_read, fd, bytes, n);
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
	if (n <= sizeof(uint64_t) || !struck(true))
		return syscall(SYS_write, fd, bytes, n);
	return plan.fault == WRITE_SHORT ? syscall(SYS_write, fd, bytes, (n + 1) / 2) : -1;
}

int
fstat(int fd, struct stat *st)
{
	return struck(false) ? -1 : (int)syscall(SYS_fstat, fd, st);
}

int
fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return struck(false) ? -1 : (int)syscall(SYS_newfstatat, dir, path, st, flags);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return struck(false) ? -1 : (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int
unlinkat(int dir, const char *path, int flags)
{
	return struck(false) ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

int
flock(int fd, int operation)
{
	return struck(false) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int
fsync(int fd)
{
	return struck(false) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* ---- the work, in a process of its own ---- */

static char root[64];

static const char at_first[] = "# staff\nbob:" HASH "::\n";

static struct users *
open_users(void)
{
	int fd = syscall(SYS_open, root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return users_new(fd);
}

static void
on_changed(void *arg, int error)
{
	*(int *)arg = error;
}

static int
await(struct event_base *base, const int *error)
{
	while (*error == -1)
		event_base_loop(base, EVLOOP_ONCE);
	return *error;
}

static int
change(struct event_base *base, struct users *u, struct worker *w, int step)
{
	const struct account ann = {span_of("ann"), span_of(HASH), false, ACCOUNT_NO_QUOTA};
	const struct account bob = {span_of("bob"), span_of(HASH), true, 5};
	int error = -1;

	if (step == 2)
		users_remove(u, w, span_of("bob"), on_changed, &error);
	else
		users_put(u, w, step == 0 ? &ann : &bob, on_changed, &error);
	return await(base, &error);
}

/* Tells each outcome in a byte: 'y' confirmed, 'n' refused. */
static void
work(int tell)
{
	struct event_base *base = event_base_new();
	struct users *u;
	struct worker *w = worker_new(base);

	plan.calls = 0;
	u = open_users();
	for (int step = 0; step < 3; step++) {
		int error = change(base, u, w, step);

		syscall(SYS_write, tell, error == 0 ? "y" : "n", 1);
	}
	syscall(SYS_write, tell, plan.calls >= plan.at ? "." : "!", 1);
	worker_free(&w);
	users_free(&u);
	event_base_free(base);
}

/* Runs the work with this fault at this call. The outcomes end with '!' when it was not reached. */
static void
run(enum fault fault, int at, char outcomes[8])
{
	int ends[2], status;
	ssize_t n;
	size_t len = 0;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	if ((pid = fork()) == 0) {
		plan.fault = fault;
		plan.at = at;
		work(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], outcomes + len, 7 - len)) > 0)
		len += n;
	outcomes[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), fault == DIE && outcomes[3] == '\0' ? 99 : 0);
}

/* ---- and what is there then ---- */

static void
read_file(char *text, size_t size)
{
	char path[80];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/passwd", root);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

static void
write_file(const char *text)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof path, "%s/passwd", root);
	f = fopen(path, "w");
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Steps that were refused, or had no answer, may each have been made or not; the steps are
 * independent but for their order in the file. */
static bool
is_possible(const char *text, const char *outcomes)
{
	bool ann = strstr(text, "\nann:" HASH "::\n") != NULL;
	bool plain_bob = strstr(text, "\nbob:" HASH "::\n") != NULL;
	bool admin_bob = strstr(text, "\nbob:" HASH ":admin:5\n") != NULL;
	size_t lines = 1 + ann + plain_bob + admin_bob, n = 0;

	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	if (n != lines || strncmp(text, "# staff\n", 8) != 0 || (plain_bob && admin_bob))
		return false;
	if (outcomes[0] == 'y' && !ann)
		return false;
	if (outcomes[0] == '\0' && !plain_bob)
		return false;
	if (outcomes[0] != '\0' && outcomes[1] == 'y' && plain_bob)
		return false;
	if (strlen(outcomes) >= 3 && outcomes[2] == 'y' && (plain_bob || admin_bob))
		return false;
	return true;
}

static void
expect_sound(enum fault fault, int at, const char *outcomes)
{
	struct event_base *base = event_base_new();
	struct worker *w = worker_new(base);
	struct users *u;
	char text[4096];

	read_file(text, sizeof text);
	if (!is_possible(text, outcomes))
		fail_msg("fault %d at call %d: %s, then:\n%s", fault, at, outcomes, text);
	u = open_users();
	for (int step = 0; step < 3; step++)
		assert_int_equal(change(base, u, w, step), 0);
	read_file(text, sizeof text);
	assert_null(strstr(text, "bob"));
	assert_non_null(strstr(text, "\nann:" HASH "::\n"));
	worker_free(&w);
	users_free(&u);
	event_base_free(base);
}

static void
each_call(enum fault fault)
{
	char outcomes[8];
	int at = 1;

	do {
		write_file(at_first);
		run(fault, at, outcomes);
		expect_sound(fault, at, outcomes);
		assert_true(at++ < 1000);
	} while (outcomes[3] != '!');
	assert_true(at > 20);
	assert_string_equal(outcomes, "yyy!");
}

static void
no_space(void **state)
{
	(void)state;
	each_call(FAIL_ENOSPC);
}

static void
io_errors(void **state)
{
	(void)state;
	each_call(FAIL_EIO);
}

static void
short_writes(void **state)
{
	(void)state;
	each_call(WRITE_SHORT);
}

static void
deaths(void **state)
{
	(void)state;
	each_call(DIE);
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(root, "/tmp/users-faults-XXXXXX", sizeof root);
	return mkdtemp(root) != NULL ? 0 : -1;
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

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(no_space),
	    WITH(io_errors),
	    WITH(short_writes),
	    WITH(deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
