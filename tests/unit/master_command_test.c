/*
 * Commands that are run for what they print: their output, their end, and what they inherit.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "master/command.h"
#include "master/logfile.h"

struct fixture {
	char directory[40];
	struct event_base *base;
	struct event *death;
	unsigned n_ended;
	char output[COMMAND_OUTPUT_MAX_BYTES + 1], why[COMMAND_WHY_SIZE];
};

static void
on_death(evutil_socket_t fd, short what, void *arg)
{
	int status;
	pid_t pid;

	(void)fd, (void)what, (void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		assert_true(command_on_death(pid, status));
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	strlcpy(f->directory, "/tmp/sambar-command-XXXXXX", sizeof f->directory);
	assert_non_null(mkdtemp(f->directory));
	logfile_reopen();
	assert_int_equal(logfile_open(f->directory), 0);
	f->base = event_base_new();
	f->death = evsignal_new(f->base, SIGCHLD, on_death, f);
	event_add(f->death, NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[60];
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0)
		assert_true(command_on_death(pid, status));
	event_free(f->death);
	event_base_dispatch(f->base); /* until nobody holds the other end of a log */
	event_base_free(f->base);
	snprintf(path, sizeof path, "%s/fetcher.log", f->directory);
	unlink(path);
	rmdir(f->directory);
	free(f);
	return 0;
}

static void
on_end(void *arg, struct span output, const char *why)
{
	struct fixture *f = arg;

	f->n_ended++;
	strlcpy(f->why, why != NULL ? why : "", sizeof f->why);
	assert_true(why == NULL || output.len == 0);
	assert_true(span_copy(output, f->output, sizeof f->output));
	event_base_loopbreak(f->base);
}

static struct command *
start(struct fixture *f, const char *line, unsigned limit_s)
{
	struct command_order order = {
	    .line = line, .log = "fetcher", .uid = (uid_t)-1, .limit_s = limit_s};

	return command_start(f->base, &order, on_end, f);
}

static void
run(struct fixture *f, const char *line, unsigned limit_s)
{
	f->n_ended = 0;
	assert_non_null(start(f, line, limit_s));
	while (f->n_ended == 0)
		event_base_dispatch(f->base);
	assert_int_equal(f->n_ended, 1);
}

static const struct {
	const char *line, *output, *why;
} rows[] = {
    {"/bin/echo token", "token\n", ""},
    {"/usr/bin/printf %s.%s 'a b' c", "a b.c", ""},
    {"/bin/true", "", ""},
    {"/bin/false", "", "has ended with status 1"},
    {"/bin/sh -c 'echo token; exit 3'", "", "has ended with status 3"},
    {"/bin/sh -c 'kill -9 $$'", "", "was killed by signal 9"},
    {"/nonexistent/token", "", "has ended with status 127"},
    {"/bin/cat", "", ""},
    {"/usr/bin/env", "PATH=/usr/bin:/bin\nLC_ALL=C.UTF-8\n", ""},
    {"/bin/pwd", "/\n", ""},
    {"/bin/sh -c 'echo secret >&2; echo token'", "token\n", ""},
    /* What outlives it has no say. */
    {"/bin/sh -c 'sleep 1000 & echo token'", "token\n", ""},
    {"/bin/sh -c 'ls /proc/self/fd | wc -l'", "4\n", ""}, /* with that of the directory */
    {"/bin/grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n", ""},
};

static void
test_what_it_says(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < nitems(rows); i++) {
		run(f, rows[i].line, 1000);
		assert_string_equal(f->why, rows[i].why);
		assert_string_equal(f->output, rows[i].output);
	}
}

static void
test_how_much(void **state)
{
	struct fixture *f = *state;

	run(f, "/bin/sh -c 'yes | head -c 8192'", 1000);
	assert_string_equal(f->why, "");
	run(f, "/bin/sh -c 'yes | head -c 8193'", 1000);
	assert_string_equal(f->why, "has printed too much");
	run(f, "/usr/bin/yes", 1000);
	assert_string_equal(f->why, "has printed too much");
}

static void
test_how_long(void **state)
{
	struct fixture *f = *state;

	run(f, "/bin/sleep 1000", 1);
	assert_string_equal(f->why, "has taken longer than 1 s");
	run(f, "/bin/sh -c 'trap \"\" TERM INT; sleep 1000; sleep 1000'", 1);
	assert_string_equal(f->why, "has taken longer than 1 s");
}

static void
test_dropped(void **state)
{
	struct fixture *f = *state;
	struct command *one = start(f, "/bin/sleep 1000", 1000), *none = NULL;

	assert_non_null(one);
	command_drop(&one);
	assert_null(one);
	command_drop(&none);
	run(f, "/bin/echo token", 1000);
	assert_string_equal(f->output, "token\n");
	assert_null(start(f, "/bin/echo 'a", 1000));
}

/* As root: no account, no group and no capability of ours is left. */
static void
test_account(void **state)
{
	struct fixture *f = *state;
	struct command_order order = {
	    .line = "/bin/sh -c 'id -u; id -g; id -G; grep ^Cap /proc/self/status'",
	    .log = "fetcher",
	    .uid = 65533,
	    .limit_s = 1000};

	if (geteuid() != 0)
		skip();
	assert_non_null(command_start(f->base, &order, on_end, f));
	while (f->n_ended == 0)
		event_base_dispatch(f->base);
	assert_string_equal(f->why, "");
	assert_non_null(strstr(f->output, "65533\n65534\n65534\n"));
	assert_non_null(strstr(f->output, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(f->output, "CapPrm:\t0000000000000000"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_it_says, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_how_much, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_how_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_dropped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_account, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
