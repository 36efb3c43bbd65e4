/*
 * A run whose child is the test: a seen-list that cannot be written, a child that does not wait for
 * answers, and what is told at the end of one that has waited.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "fetcher/recorder.h"
#include "fetcher/run_private.h"

static char work[] = "work", inbox[] = "INBOX", empty[] = "";
static struct section_conf conf = {.refs = 1,
    .name = work,
    .host = empty,
    .fingerprint = empty,
    .user = empty,
    .password = empty,
    .endpoint = empty,
    .client_id = empty,
    .client_secret = empty,
    .refresh_token = empty,
    .folders = (char *[]){inbox},
    .n_folders = 1,
    .max_size = 1000,
    .move_to = empty};

struct fixture {
	char folder[40], path[60];
	int directory, listening, child;
	struct run_means means;
	struct run *run;
	unsigned n_done;
	struct run_outcome last;
	char why[FETCH_TEXT_MAX_BYTES + 1];
};

static void
on_done(void *arg, const struct run_outcome *outcome)
{
	struct fixture *f = arg;

	f->n_done++;
	f->last = *outcome;
	strlcpy(f->why, outcome->why, sizeof f->why);
	if (!outcome->waits)
		run_free(&f->run);
	event_base_loopbreak(f->means.base);
}

static const struct run_ops ops = {NULL, on_done};

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	const char *why;

	strlcpy(f->folder, "/tmp/fetcher-run-XXXXXX", sizeof f->folder);
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/fetch.sock", f->folder);
	f->directory = open(f->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->listening = listen_at(f->path);
	f->means.base = event_base_new();
	f->means.fetch_path = f->path;
	f->means.queue = queue_client_new(f->means.base, "/nonexistent/queue.sock", "fetcher", 1);
	f->means.seen = seen_open(f->directory, "test.db", &why);
	assert_non_null(f->means.seen);
	f->means.worker = worker_new(f->means.base);
	f->means.recorder = recorder_new(f->means.worker, f->means.seen);
	f->run = run_new(&f->means, &conf, FETCH_COLLECT, true, &ops, f);
	assert_non_null(f->run);
	f->child = accept(f->listening, NULL, NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = {"test.db", "test.db-wal", "fetch.sock"};
	struct fixture *f = *state;

	run_free(&f->run);
	worker_free(&f->means.worker);
	free(f->means.recorder);
	queue_client_free(&f->means.queue);
	seen_close(&f->means.seen);
	event_base_free(f->means.base);
	for (size_t i = 0; i < nitems(names); i++)
		unlinkat(f->directory, names[i], 0);
	rmdir(f->folder);
	closefd(&f->child);
	closefd(&f->listening);
	closefd(&f->directory);
	free(f);
	return 0;
}

/* ---- what the child says ---- */

static void
say(struct fixture *f, struct writer *w)
{
	assert_int_equal(ipc_send_now(f->child, w, -1), 0);
}

static void
say_folder(struct fixture *f)
{
	struct writer w;

	ipc_write(&w, FETCH_FOLDER, 0);
	put_text(&w, "INBOX");
	put_u64(&w, 7);
	put_u64(&w, 1);
	say(f, &w);
}

static void
say_begin(struct fixture *f)
{
	struct writer w;

	ipc_write(&w, FETCH_BEGIN, 0);
	say(f, &w);
	say_folder(f);
}

static void
say_listed(struct fixture *f, uint64_t size)
{
	struct writer w;

	ipc_write(&w, FETCH_LISTED, 0);
	put_text(&w, "1");
	put_u64(&w, size);
	say(f, &w);
}

static void
say_done(struct fixture *f, bool waits, uint64_t large)
{
	struct writer w;

	ipc_write(&w, FETCH_DONE, 0);
	put_u64(&w, waits);
	put_u64(&w, REMOTE_OK);
	put_u64(&w, large);
	put_u64(&w, 0);
	put_text(&w, "");
	say(f, &w);
}

static void
wait_done(struct fixture *f, unsigned n)
{
	while (f->n_done < n)
		event_base_dispatch(f->means.base);
	assert_int_equal(f->n_done, n);
}

static void
wait_refused(struct fixture *f)
{
	wait_done(f, 1);
	assert_int_equal(f->last.end, REMOTE_TEMPORARY);
	assert_non_null(strstr(f->why, "not right"));
}

/* ---- the tests ---- */

/* That a large message was reported must be written, and there is no room for it. */
static void
test_list_not_written(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){0, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	say_begin(f);
	say_listed(f, conf.max_size + 1);
	wait_done(f, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(f->last.end, REMOTE_TEMPORARY);
	assert_non_null(strstr(f->why, "seen-list"));
	assert_null(f->run);
}

/* Nothing is heard while a listing is looked at: else a child could have any number of them in our
 * memory. */
static void
test_one_listing_at_a_time(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_listed(f, 1);
	say_listed(f, 1);
	wait_refused(f);
}

static void
test_no_begin_within_a_listing(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_listed(f, 1);
	say_begin(f);
	wait_refused(f);
}

static void
test_no_folder_within_a_listing(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_listed(f, 1);
	say_folder(f);
	wait_refused(f);
}

static void
test_no_begin_within_a_collection(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_begin(f);
	wait_refused(f);
}

static void
test_one_refresh_token(void **state)
{
	struct fixture *f = *state;
	struct writer w;

	for (int i = 0; i < 2; i++) {
		ipc_write(&w, FETCH_REFRESH, 0);
		put_text(&w, "token");
		say(f, &w);
	}
	wait_refused(f);
}

/* The helper thread stands still until a byte comes. */
struct standstill {
	struct job job; /* first */
	int pipe[2];
};

static void
stand_still(struct job *job)
{
	char byte;

	assert_int_equal(read(((struct standstill *)job)->pipe[0], &byte, 1), 1);
}

static void
forget(struct job *job)
{
	(void)job;
}

/* However many a child names while the disk is slow; and the run may go before they are written. */
static void
test_rows_acted_on_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct standstill still = {.job = {.work = stand_still, .done = forget}};
	struct writer w;

	assert_int_equal(pipe(still.pipe), 0);
	worker_push(f->means.worker, &still.job, false);
	say_begin(f);
	for (int i = 0; i < 3; i++) {
		ipc_write(&w, FETCH_ACTED, 0);
		for (int row = 1; row <= 1000; row++)
			put_u64(&w, row);
		say(f, &w);
	}
	say_done(f, true, 0);
	wait_done(f, 1);
	assert_int_equal(f->last.end, REMOTE_OK);
	assert_int_equal(f->run->n_notes, RUN_NOTES_MAX);
	run_free(&f->run);
	assert_int_equal(write(still.pipe[1], "", 1), 1);
	while (worker_load(f->means.worker) > 0)
		event_base_loop(f->means.base, EVLOOP_ONCE);
	closefd(&still.pipe[0]);
	closefd(&still.pipe[1]);
}

/* What was counted is told once, however a child that has waited since ends. */
static void
test_counts_are_told_once(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_done(f, true, 3);
	wait_done(f, 1);
	assert_int_equal(f->last.counts.large, 3);
	say_done(f, false, 3); /* the child counts since its BEGIN */
	wait_done(f, 2);
	assert_int_equal(f->last.end, REMOTE_OK);
	assert_int_equal(f->last.counts.large, 0);
}

static void
test_counts_of_one_that_was_killed(void **state)
{
	struct fixture *f = *state;

	say_begin(f);
	say_done(f, true, 3);
	wait_done(f, 1);
	closefd(&f->child);
	wait_done(f, 2);
	assert_int_equal(f->last.end, REMOTE_TEMPORARY);
	assert_int_equal(f->last.counts.large, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_list_not_written, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_listing_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_begin_within_a_listing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_folder_within_a_listing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_begin_within_a_collection, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_refresh_token, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rows_acted_on_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_counts_are_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_counts_of_one_that_was_killed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
