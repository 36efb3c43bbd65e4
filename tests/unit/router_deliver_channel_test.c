/*
 * The connection between router and deliver's child: what either side makes of malformed messages,
 * of messages in the spool that are none, and of the other's end.
 */
#include "tests/unit/router_deliver_support.h"

/* ---- the connection between the two ---- */

static void
test_bad_spool_files(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_job job = {
	    .id = 70, .to = mx(lab, "one.example"), .recipients = numbers, .n = 1};
	static const uint32_t beyond[] = {5};
	int empty = memfd_create("empty", MFD_CLOEXEC);

	(void)state;
	deliver_child_send(lab->child, &job, empty);
	wait_done(lab);
	expect(lab, 0, END_DEFERRED, "451 4.3.0 the message in the spool: ");
	lab->is_done = false;
	deliver_child_send(lab->child, &job, spool_file(71, bob, 1)); /* another's */
	wait_done(lab);
	expect(lab, 1, END_DEFERRED, "451 4.3.0 the message in the spool: it is not");
	lab->is_done = false;
	job.recipients = beyond;
	deliver_child_send(lab->child, &job, spool_file(70, bob, 1));
	wait_done(lab);
	expect(lab, 2, END_DEFERRED, "451 4.3.0 the message in the spool: it is not");
	assert_int_equal(lab->done.end, DELIVER_REACHED);
	lab_join(lab);
	assert_int_equal(halt_server(lab, 0)->n_connections, 0);
	lab_free(&lab);
}

static void
put_fields(struct writer *w, uint64_t ahead, uint64_t kind, uint64_t port, uint64_t tls,
    uint64_t implicit, uint64_t flag, size_t n)
{
	ipc_write(w, DELIVER_JOB, 0);
	put_u64(w, 80);
	put_u64(w, ahead);
	put_u64(w, kind);
	put_text(w, "one.example");
	put_u64(w, port);
	put_u64(w, tls);
	put_u64(w, implicit);
	put_u64(w, flag);
	put_text(w, "");
	put_text(w, "");
	put_text(w, "");
	put_u64(w, flag);
	put_text(w, "");
	for (size_t i = 0; i < n; i++)
		put_u64(w, i);
}

/* A child that is told nonsense closes, and ends in order. */
static void
test_malformed_jobs(void **state)
{
	(void)state;
	for (int row = 0; row < 12; row++) {
		struct lab *lab = lab_start(NULL, 0, NULL, 0);
		int sock = ipc_connect(lab->path), fd = row == 11 ? -1 : spool_file(80, bob, 1);
		struct writer w;
		char byte[10];

		switch (row) {
		case 0:
			put_fields(&w, 0, 2, 25, 0, 0, 0, 1);
			break;
		case 1:
			put_fields(&w, 0, 0, 0, 0, 0, 0, 1);
			break;
		case 2:
			put_fields(&w, 0, 0, 65536, 0, 0, 0, 1);
			break;
		case 3:
			put_fields(&w, 0, 0, 25, 4, 0, 0, 1);
			break;
		case 4:
			put_fields(&w, 0, 0, 25, 0, 0, 2, 1);
			break;
		case 5:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 0);
			break;
		case 6:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 1001);
			break;
		case 7:
			put_fields(&w, 0, 0, 25, 2, 2, 0, 1);
			break;
		case 8:
			put_fields(&w, 0, 0, 25, 1, 1, 0, 1); /* in clear, with TLS */
			break;
		case 9:
			ipc_write(&w, 77, 0);
			break;
		case 10:
			put_fields(&w, 2, 0, 25, 0, 0, 0, 1);
			break;
		default:
			put_fields(&w, 0, 0, 25, 0, 0, 0, 1); /* without a file */
		}
		assert_int_equal(ipc_send_now(sock, &w, fd), 0);
		closefd(&fd);
		assert_true(recv(sock, byte, sizeof byte, 0) <= 0);
		closefd(&sock);
		lab_join(lab);
		expect_log(lab, " refused: ");
		lab_free(&lab);
	}
}

static void
test_retire(void **state)
{
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{0}}, 1);
	struct deliver_destination to = mx(lab, "one.example");

	(void)state;
	do_job(lab, &to, 90);
	send_job(lab, &to, 91, bob, 1);
	kill(lab->pid, SIGUSR1);
	while (!lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_true(lab->is_done && lab->n_results == 1);
	expect(lab, 0, END_DONE, "250");
	assert_int_equal(lab->n_left, 0);
	lab_join(lab);
	expect_heard(halt_server(lab, 0), "QUIT\r\n");
	lab_free(&lab);
}

static void
test_child_dies(void **state)
{
	static const struct rule rules[] = {{"MAIL", STALL, NULL, 0, 0}};
	struct lab *lab = lab_new(NULL, 0, (struct server[]){{.rules = rules, .n_rules = 1}}, 1);
	struct deliver_destination to = mx(lab, "one.example");
	int status;

	(void)state;
	send_job(lab, &to, 92, three, 3);
	event_base_loop(lab->base, EVLOOP_ONCE);
	kill(lab->pid, SIGKILL);
	while (!lab->closed)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(lab->n_left, 3);
	assert_false(lab->is_done);
	assert_int_equal(waitpid(lab->pid, &status, 0), lab->pid);
	lab->pid = -1;
	lab_free(&lab);
}

/* Nobody would hear what became of it: the next host is not tried. */
static void
test_router_goes(void **state)
{
	static const struct rule rules[] = {{"EHLO", STALL, NULL, 0, 0}};
	struct server like[] = {{.rules = rules, .n_rules = 1}, {0}};
	struct lab *lab = lab_new(NULL, 0, like, 2);
	struct deliver_destination to = mx(lab, "two.example");

	(void)state;
	send_job(lab, &to, 93, bob, 1);
	while (__atomic_load_n(&lab->v[0]->n_connections, __ATOMIC_ACQUIRE) == 0)
		event_base_loop(lab->base, EVLOOP_NONBLOCK);
	deliver_child_free(&lab->child);
	halt_server(lab, 0); /* the host hangs up */
	lab_join(lab);
	assert_int_equal(halt_server(lab, 1)->n_connections, 0);
	expect_log(lab, " router has gone");
	lab_free(&lab);
}

/* ---- a child that does not keep its promises ---- */

/* DONE_WITH: of the job, with the result of a recipient */
enum said { RESULT_OF, DONE_OF, DONE_WITH, RETIRE_SAID, NONSENSE };

static void
put_said_result(struct writer *w, uint64_t number, uint64_t end)
{
	put_u64(w, number);
	put_u64(w, end);
	put_u64(w, 0);
	put_text(w, "250 ok");
	put_text(w, "smtp:x");
}

static void
say_as_child(int fd, enum said what, uint64_t number, uint64_t end)
{
	struct writer w;

	ipc_write(&w,
	    what == RESULT_OF			   ? DELIVER_RESULT
	    : what == DONE_OF || what == DONE_WITH ? DELIVER_DONE
	    : what == NONSENSE			   ? 99
						   : DELIVER_RETIRE,
	    0);
	if (what == RESULT_OF) {
		put_said_result(&w, number, end);
	} else if (what == DONE_OF || what == DONE_WITH) {
		put_u64(&w, what == DONE_OF ? number : 100);
		put_u64(&w, 0);
		put_u64(&w, what == DONE_OF ? end : 0);
		put_text(&w, "");
		if (what == DONE_WITH)
			put_said_result(&w, number, end);
	}
	assert_int_equal(ipc_send_now(fd, &w, -1), 0);
}

static void
test_false_children(void **state)
{
	static const struct {
		struct {
			enum said what;
			uint64_t number, end;
		} said[4];
		size_t n, left;
		bool done;
	} rows[] = {
	    {{{RESULT_OF, 5, 0}}, 1, 2, false},			   /* not of the job */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 0, 0}}, 2, 1, false}, /* twice */
	    {{{RESULT_OF, 0, 3}}, 1, 2, false},			   /* no such end */
	    {{{RESULT_OF, 0, 0}, {DONE_OF, 100, 0}}, 2, 1, false}, /* too early */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 7, 0}}, 3, 0, false}, /* another's */
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 100, 3}}, 3, 0, false},
	    {{{RESULT_OF, 0, 0}, {RESULT_OF, 1, 0}, {DONE_OF, 100, 0}, {NONSENSE, 0, 0}}, 4, 0,
		true},
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 1, 0}, {NONSENSE, 0, 0}}, 3, 0, true},
	    {{{DONE_WITH, 1, 0}}, 1, 1, false},			   /* too early */
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 0, 0}}, 2, 1, false}, /* twice */
	    {{{RESULT_OF, 0, 0}, {DONE_WITH, 1, 3}}, 2, 1, false}, /* no such end */
	    {{{NONSENSE, 0, 0}}, 1, 2, false},
	    {{{RETIRE_SAID, 0, 0}, {NONSENSE, 0, 0}}, 2, 2, false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct lab lab = {0};
		struct deliver_job job = {.id = 100,
		    .to = {.kind = DELIVER_HOST, .name = span_of("x"), .port = 25},
		    .recipients = numbers,
		    .n = 2};
		int listen_fd, fd;

		make_directory(&lab);
		listen_fd = listen_at(lab.path);
		lab.base = event_base_new();
		lab.child = deliver_child_new(lab.base, lab.path, &ops, &lab);
		deliver_child_send(lab.child, &job, spool_file(100, three, 2));
		fd = accept(listen_fd, NULL, NULL);
		for (size_t n = 0; n < rows[i].n; n++)
			say_as_child(
			    fd, rows[i].said[n].what, rows[i].said[n].number, rows[i].said[n].end);
		while (!lab.closed)
			event_base_loop(lab.base, EVLOOP_ONCE);
		assert_true(lab.is_done == rows[i].done);
		assert_int_equal(lab.n_left, rows[i].left);
		assert_null(lab.child);
		closefd(&fd);
		closefd(&listen_fd);
		event_base_free(lab.base);
		remove_directory(&lab);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad_spool_files),
	    cmocka_unit_test(test_malformed_jobs),
	    cmocka_unit_test(test_retire),
	    cmocka_unit_test(test_child_dies),
	    cmocka_unit_test(test_router_goes),
	    cmocka_unit_test(test_false_children),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
