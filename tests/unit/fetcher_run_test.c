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

/* ---- what no child says ---- */

/* A new child, in a folder. */
static void
begin_anew(struct fixture *f)
{
	run_free(&f->run);
	closefd(&f->child);
	f->n_done = 0;
	f->run = run_new(&f->means, &conf, FETCH_COLLECT, true, &ops, f);
	assert_non_null(f->run);
	f->child = accept(f->listening, NULL, NULL);
	say_begin(f);
}

/* Fields of what a child says: n a number, t a text, d a digest. */
static const struct {
	enum fetch_message type;
	const char *fields;
} said[] = {{FETCH_OPENED, "tttt"}, {FETCH_FOLDER, "tnn"}, {FETCH_LISTED, "tntn"},
    {FETCH_MESSAGE, "nnnnnndtnt"}, {FETCH_ABANDON, "n"}, {FETCH_HEADER, "ntttnt"},
    {FETCH_ACTED, "nn"}, {FETCH_DONE, "nnnnt"}, {FETCH_REFRESH, "t"}, {FETCH_OVERSIZE, "nt"},
    {FETCH_ASK_TOKEN, ""}, {FETCH_BEGIN, ""}};

static void
put_fields(struct writer *w, const char *fields, uint64_t number, const char *text)
{
	for (; *fields != '\0'; fields++)
		if (*fields == 'n')
			put_u64(w, number);
		else if (*fields == 't')
			put_text(w, text);
		else
			put_str(w, (struct span){"0123456789abcdef0123456789abcdef", 32});
}

/* Until the run has heard all that was said: it has let go, or it lets go when we do. */
static void
let_go(struct fixture *f)
{
	shutdown(f->child, SHUT_WR);
	while (f->n_done == 0)
		event_base_dispatch(f->means.base);
	/* DONE may say that it waits: then its end comes after that. */
	while (f->run != NULL)
		event_base_dispatch(f->means.base);
}

/* Every message cut short at every byte, longer than it is, with numbers and texts beyond each
 * limit: this child is let go, and nothing else happens. */
static void
test_malformed(void **state)
{
	static char long_text[10000];
	const char *const texts[] = {"x", "", "a@example.test", "\xff\r\n", long_text};
	static const uint64_t numbers[] = {
	    0, 1, 5, INT64_MAX, UINT64_MAX, (uint64_t)UINT32_MAX + 1};
	struct fixture *f = *state;

	memset(long_text, 'x', sizeof long_text - 1);
	for (size_t i = 0; i < nitems(said); i++)
		for (size_t t = 0; t < nitems(texts); t++)
			for (size_t n = 0; n < nitems(numbers); n++) {
				struct writer w;

				begin_anew(f);
				ipc_write(&w, said[i].type, 0);
				put_fields(&w, said[i].fields, numbers[n], texts[t]);
				say(f, &w);
				let_go(f);
			}
	for (size_t i = 0; i < nitems(said); i++)
		for (size_t cut = 1; cut < 140; cut++) {
			struct writer w;

			begin_anew(f);
			ipc_write(&w, said[i].type, 0);
			put_fields(&w, said[i].fields, 1, "a@b.test");
			if (cut >= w.len)
				break;
			w.len -= cut;
			say(f, &w);
			let_go(f);
			if (cut < 8 && strlen(said[i].fields) > 0)
				assert_int_equal(f->last.end, REMOTE_TEMPORARY);
		}
}

/* What only we say, and what nobody does. */
static void
test_not_for_a_child(void **state)
{
	static const uint32_t types[] = {0, FETCH_JOB, FETCH_SLOT, FETCH_KNOWN, FETCH_TAKEN,
	    FETCH_AGAIN, FETCH_STOP, FETCH_TOKEN, FETCH_OPENED - 1, FETCH_OVERSIZE + 1, UINT32_MAX};
	struct fixture *f = *state;

	for (size_t i = 0; i < nitems(types); i++) {
		struct writer w;

		begin_anew(f);
		ipc_write(&w, types[i], 0);
		say(f, &w);
		wait_refused(f);
	}
}

/* A token where no command is configured, a message in a place that it does not have, an answer to
 * a dry run that is none. */
static void
test_out_of_order(void **state)
{
	static const struct {
		enum fetch_message type;
		const char *fields;
	} wrong[] = {{FETCH_ASK_TOKEN, ""}, {FETCH_ABANDON, "n"}, {FETCH_MESSAGE, "nnnnnndt"},
	    {FETCH_HEADER, "nttt"}};
	struct fixture *f = *state;

	for (size_t i = 0; i < nitems(wrong); i++) {
		struct writer w;

		begin_anew(f);
		ipc_write(&w, wrong[i].type, 0);
		put_fields(&w, wrong[i].fields, 1, "x");
		say(f, &w);
		wait_refused(f);
	}
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
	    cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_for_a_child, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_out_of_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_counts_are_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_counts_of_one_that_was_killed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
