/*
 * A program's log pipe: lines that come in pieces, and its end, which is an end however errno is.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "master/logfile.h"

static struct event_base *base;
static char directory[] = "/tmp/sambar-logfile-XXXXXX";

static int
start(void **state)
{
	(void)state;
	base = event_base_new();
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	logfile_reopen();
	return logfile_open(directory);
}

static int
end(void **state)
{
	char path[100];

	(void)state;
	snprintf(path, sizeof path, "%s/prog.log", directory);
	unlink(path);
	event_base_free(base);
	return rmdir(directory);
}

static void
say(int fd, const char *text)
{
	int unread;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	while (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
		event_base_loop(base, EVLOOP_ONCE);
}

static void
expect_log(const char *text)
{
	char path[100], got[1000] = "";
	int fd;

	snprintf(path, sizeof path, "%s/prog.log", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_true(read(fd, got, sizeof got - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

static void
lines_in_pieces(void **state)
{
	struct log_pipe *p;
	int fd = log_pipe_new(base, "prog", &p);

	(void)state;
	log_pipe_set_pid(p, 7);
	say(fd, "<6>1700000000000001 on");
	say(fd, "e\n<4>1700000000000002 two\n<2>");
	say(fd, "1700000000000003 three\n");
	assert_string_equal(log_pipe_last_words(p), "three");
	expect_log("2023-11-14T22:13:20.000001Z prog[7]: one\n"
		   "2023-11-14T22:13:20.000002Z prog[7]: warn: two\n"
		   "2023-11-14T22:13:20.000003Z prog[7]: three\n");
	close(fd);
	log_pipe_release(p);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
expect_file(const char *name, bool there)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	assert_int_equal(access(path, F_OK) == 0, there);
	if (there)
		assert_int_equal(unlink(path), 0);
}

/* A file counts that is there, also when nothing was written to it for long. */
static void
all_files_are_rotated(void **state)
{
	struct log_pipe *p;
	char path[100];
	int fd = log_pipe_new(base, "prog", &p);

	(void)state;
	say(fd, "<6>1700000000000001 one\n");
	snprintf(path, sizeof path, "%s/other.trace", directory);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	logfile_reopen();
	assert_int_equal(logfile_rotate(), 0);
	assert_int_equal(logfile_rotate(), 0); /* there is nothing new: the old ones stay */
	say(fd, "<6>1700000000000002 two\n");
	assert_int_equal(logfile_rotate(), 0);
	expect_file("prog.log", false);
	expect_file("prog.log.1", true);
	expect_file("prog.log.2", true);
	expect_file("prog.log.3", false);
	expect_file("other.trace", false);
	expect_file("other.trace.1", true);
	close(fd);
	log_pipe_release(p);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
an_end_is_an_end(void **state)
{
	struct log_pipe *p;
	int fd = log_pipe_new(base, "prog", &p);

	(void)state;
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 1);
	close(fd);
	log_pipe_release(p);
	errno = EAGAIN; /* what another read has left */
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(lines_in_pieces, start, end),
	    cmocka_unit_test_setup_teardown(all_files_are_rotated, start, end),
	    cmocka_unit_test_setup_teardown(an_end_is_an_end, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
