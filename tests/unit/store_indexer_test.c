/*
 * store's handle for indexer over a real socket, with indexer's own code behind it, in processes
 * that this test starts as master would: rows and texts, messages that a process dies of, and
 * processes that say what they must not.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"
#include "store/indexer.h"
#include "store/indexer_private.h"

enum { RESULTS_MAX = 100 };

static char directory[] = "/tmp/store-indexer-XXXXXX";
static char path[200];

struct lab {
	struct event_base *base;
	struct event *waiting;
	int listening;
	struct indexer *x;
	unsigned processes;
	pid_t pids[RESULTS_MAX];
	char *results[RESULTS_MAX]; /* "tag from subject|text length|problem" */
	size_t n_results, wanted;
	void (*behave)(int fd);
};

/* ---- the other side ---- */

/* What the next message holds, without taking it. */
static size_t
peek(int sock, char *out, size_t size)
{
	char bytes[100], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {bytes, sizeof bytes};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof control};
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	if (recvmsg(sock, &m, MSG_PEEK) <= 0 || (c = CMSG_FIRSTHDR(&m)) == NULL)
		return 0;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	n = pread(fd, out, size - 1, 0);
	close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : n;
}

/* Dies of messages that say so. */
static void
serve(int fd)
{
	struct indexer_link *l = indexer_link_on(fd);
	char text[1000];

	while (l != NULL) {
		if (peek(fd, text, sizeof text) > 0 && strstr(text, "DIE") != NULL)
			_exit(1);
		if (strstr(text, "RETIRE") != NULL) {
			indexer_link_retire(l);
			_exit(0);
		}
		if (indexer_link_serve(l) == -1)
			_exit(0);
	}
}

static void
babble(int fd)
{
	struct writer w;

	ipc_write(&w, INDEXER_READY, 0);
	(void)ipc_send_now(fd, &w, -1);
	ipc_write(&w, INDEXER_ROW, 77);
	(void)ipc_send_now(fd, &w, -1);
	pause();
}

static void
on_waiting(evutil_socket_t fd, short what, void *arg)
{
	struct lab *lab = arg;
	pid_t pid = fork();

	(void)what;
	assert_true(pid != -1 && lab->processes < RESULTS_MAX);
	if (pid == 0) {
		lab->behave(accept(fd, NULL, NULL));
		_exit(0);
	}
	lab->pids[lab->processes++] = pid;
	/* until it has accepted, the connection waits for all to see */
	while (poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) == 1)
		continue;
}

/* ---- this side ---- */

static struct lab *
new_lab(void (*behave)(int fd))
{
	struct lab *lab = xcalloc(1, sizeof *lab);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	lab->behave = behave;
	assert_non_null(lab->base = event_base_new());
	strlcpy(address.sun_path, path, sizeof address.sun_path);
	unlink(path);
	lab->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(lab->listening, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(lab->listening, 5), 0);
	lab->waiting = event_new(lab->base, lab->listening, EV_READ | EV_PERSIST, on_waiting, lab);
	event_add(lab->waiting, NULL);
	lab->x = indexer_new(lab->base, path);
	return lab;
}

static void
free_lab(struct lab *lab)
{
	indexer_free(&lab->x);
	event_free(lab->waiting);
	close(lab->listening);
	event_base_free(lab->base);
	for (unsigned i = 0; i < lab->processes; i++) {
		kill(lab->pids[i], SIGTERM);
		waitpid(lab->pids[i], NULL, 0);
	}
	for (size_t i = 0; i < lab->n_results; i++)
		free(lab->results[i]);
	unlink(path);
	free(lab);
}

static void
on_result(void *arg, const struct indexer_result *r)
{
	struct lab *lab = arg;

	assert_true(lab->n_results < RESULTS_MAX);
	lab->results[lab->n_results++] =
	    xasprintf("%.*s|%.*s|%zu|%.*s", (int)r->from.len, r->from.at, (int)r->subject.len,
		r->subject.at, r->text.len, (int)r->problem.len, r->problem.at);
	if (lab->n_results == lab->wanted)
		event_base_loopbreak(lab->base);
}

static struct indexer_call *
ask(struct lab *lab, const char *message)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_int_equal(write(fd, message, strlen(message)), (ssize_t)strlen(message));
	lab->wanted++;
	return indexer_ask(lab->x, fd, on_result, lab);
}

static void
expect(struct lab *lab, const char *const *results, size_t n)
{
	assert_int_equal(lab->wanted, n);
	event_base_dispatch(lab->base);
	assert_int_equal(lab->n_results, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(lab->results[i], results[i]);
	assert_int_equal(indexer_load(lab->x), 0);
}

static void
answers_in_order(void **state)
{
	struct lab *lab = new_lab(serve);
	const char *results[40];
	char *texts[40];

	(void)state;
	for (size_t i = 0; i < nitems(results); i++) {
		char *message = xasprintf("From: a@x\nSubject: %zu\n\nhello\n", i);

		results[i] = texts[i] = xasprintf("a@x|%zu|6|", i);
		ask(lab, message);
		free(message);
	}
	expect(lab, results, nitems(results));
	assert_int_equal(lab->processes, 1);
	for (size_t i = 0; i < nitems(results); i++)
		free(texts[i]);
	free_lab(lab);
}

static void
gives_up_what_kills(void **state)
{
	static const char *const results[] = {
	    "|1|0|", "||0|it could not be read", "|3|0|", "||0|it could not be read", "|5|0|"};
	struct lab *lab = new_lab(serve);

	(void)state;
	ask(lab, "Subject: 1\n\n");
	ask(lab, "Subject: DIE\n\n");
	ask(lab, "Subject: 3\n\n");
	ask(lab, "Subject: DIE\n\n");
	ask(lab, "Subject: 5\n\n");
	expect(lab, results, nitems(results));
	assert_int_equal(lab->processes, 5);
	free_lab(lab);
}

static void
goes_on_elsewhere_after_retire(void **state)
{
	static const char *const results[] = {"|1|0|"};
	struct lab *lab = new_lab(serve);

	(void)state;
	ask(lab, "Subject: 1\n\n");
	expect(lab, results, 1);
	/* never answered, and never blamed */
	ask(lab, "Subject: RETIRE\n\n");
	while (lab->processes < 4)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(lab->n_results, 1);
	assert_int_equal(indexer_load(lab->x), 1);
	free_lab(lab);
}

static void
believes_no_nonsense(void **state)
{
	static const char *const results[] = {
	    "||0|it could not be read", "||0|it could not be read"};
	struct lab *lab = new_lab(babble);

	(void)state;
	ask(lab, "Subject: 1\n\n");
	ask(lab, "Subject: 2\n\n");
	expect(lab, results, nitems(results));
	free_lab(lab);
}

static void
forgets_what_is_cancelled(void **state)
{
	static const char *const results[] = {"|2|0|"};
	struct lab *lab = new_lab(serve);
	struct indexer_call *call = ask(lab, "Subject: 1\n\n");

	(void)state;
	indexer_cancel(&call);
	indexer_cancel(&call);
	lab->wanted--;
	ask(lab, "Subject: 2\n\n");
	expect(lab, results, 1);
	ask(lab, "Subject: 3\n\n");
	free_lab(lab);
}

static void
takes_long_texts(void **state)
{
	static const char *const results[] = {"|long|196608|", "|2|1|"};
	struct lab *lab = new_lab(serve);
	struct text_buffer t;

	(void)state;
	text_buffer_init(&t, 1000000);
	text_put_text(&t, "Subject: long\n\n");
	while (!t.full)
		text_put_text(&t, "words and words\n");
	ask(lab, t.at);
	ask(lab, "Subject: 2\n\n\n");
	expect(lab, results, 2);
	text_buffer_free(&t);
	free_lab(lab);
}

/* ---- rows ---- */

static void
reads_a_row(void **state)
{
	static const char message[] =
	    "From: \"Doe, J\" <j@x>, second@x\r\nTo: a@x, =?utf-8?Q?=C3=BC?= <b@x>\r\nBcc: h@x\r\n"
	    "Subject: =?utf-8?Q?s=C3=BC?=\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
	    "Message-ID: <m@x>\r\nReferences: <1@x> <2@x>\r\nIn-Reply-To: <3@x>\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n> quoted\r\nfirst  "
	    "words\r\nmore\r\n-- \r\nsig\r\n"
	    "--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--b--\r\n";
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct indexer_row row;

	(void)state;
	assert_int_equal(write(fd, message, sizeof message - 1), sizeof message - 1);
	indexer_read(fd, &row);
	assert_string_equal(row.from, "\"Doe, J\" <j@x>");
	assert_string_equal(row.to, "a@x, \xc3\xbc <b@x>");
	assert_string_equal(row.recipients, "a@x, \xc3\xbc <b@x>, h@x");
	assert_string_equal(row.subject, "s\xc3\xbc");
	assert_string_equal(row.message_id, "m@x");
	assert_string_equal(row.references, "1@x 2@x 3@x");
	assert_string_equal(row.preview, "first words more");
	assert_true(row.has_date && row.date == 1793700000);
	assert_true(row.has_attachment);
	assert_string_equal(row.problem, "");
	indexer_row_free(&row);
	close(fd);
	indexer_read(-1, &row);
	assert_string_equal(row.problem, "it could not be read");
	indexer_row_free(&row);
}

static void
cuts_what_is_long(void **state)
{
	struct text_buffer t;
	struct indexer_row row;
	int fd = memfd_create("message", MFD_CLOEXEC);

	(void)state;
	text_buffer_init(&t, 1000000);
	text_put_text(&t, "From: ");
	for (int i = 0; i < 300; i++)
		text_put_text(&t, "\xc3\xbc");
	text_put_text(&t, " <a@x>\nTo: ");
	for (int i = 0; i < 5000; i++)
		text_printf(&t, "r%d@x, ", i);
	text_put_text(&t, "\nSubject: ");
	for (int i = 0; i < 1000; i++)
		text_put_text(&t, "\xe2\x82\xac");
	text_put_text(&t, "\nReferences:");
	for (int i = 0; i < 100; i++)
		text_printf(&t, " <%d@x>", i);
	text_put_text(&t, "\n\n");
	for (int i = 0; i < 1000; i++)
		text_put_text(&t, "\xe2\x82\xac");
	assert_int_equal(write(fd, t.at, t.len), (ssize_t)t.len);
	indexer_read(fd, &row);
	assert_string_equal(row.from, "a@x");
	assert_true(strlen(row.to) <= INDEXER_TO_MAX_BYTES && row.to[strlen(row.to) - 1] == 'x');
	assert_true(strlen(row.recipients) <= INDEXER_RECIPIENTS_MAX_BYTES);
	assert_int_equal(strlen(row.subject), INDEXER_SUBJECT_MAX_BYTES / 3 * 3);
	assert_int_equal(strlen(row.preview), INDEXER_PREVIEW_MAX_BYTES / 3 * 3);
	assert_int_equal(strncmp(row.references, "0@x 81@x ", 9), 0);
	indexer_row_free(&row);
	text_buffer_free(&t);
	close(fd);
}

static int
remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_in_order),
	    cmocka_unit_test(gives_up_what_kills),
	    cmocka_unit_test(goes_on_elsewhere_after_retire),
	    cmocka_unit_test(believes_no_nonsense),
	    cmocka_unit_test(forgets_what_is_cancelled),
	    cmocka_unit_test(takes_long_texts),
	    cmocka_unit_test(reads_a_row),
	    cmocka_unit_test(cuts_what_is_long),
	};

	if (mkdtemp(directory) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/indexer.sock", directory);
	mime_prepare();
	return cmocka_run_group_tests(tests, NULL, remove_directory);
}
