/*
 * Whole conversations against a real session on a socket pair; auth and the mailbox session are
 * replaced by the functions below. Each script is sent at once, then byte by byte: the answers and
 * what was deleted must be the same, and no descriptor may be left over.
 */
#include <dirent.h>
#include <event2/event_struct.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "pop3d/maildrop.h"
#include "pop3d/session.h"
#include "store/store.h"

enum { OUTPUT_MAX_BYTES = 16 << 20, DELETED_MAX = 8, LIST_MANY = 100000 };

static struct pop3d pop3d;

/* ---- the mailbox ---- */

static const struct {
	const char *text; /* NULL: the file is gone */
	uint64_t size;
} messages[] = {
    {"Subject: a\r\n\r\nhi\r\nho\r\n", 22},
    {".\r\n..\r\nb", 10},
    {NULL, 5},
    {"last\n", 6},
};

static struct {
	uint64_t count;		   /* of messages; above those of the table they are as the last */
	enum auth_refusal refusal; /* with a right password */
	bool no_session;	   /* granted, but without one */
	bool close_before_listing; /* store dies ... */
	bool close_at_get, close_at_delete, keeps_one;
	bool silent; /* no answer to GET and DELETE */
	char *big;   /* the text of message 1 */
	size_t big_len;
	bool holds_big; /* its file stays open for the test: big_fd */
	int big_fd;
} fake;

static struct {
	uint64_t deleted[DELETED_MAX];
	size_t n_deleted, gets;
	uint64_t get_first, get_count; /* the last one */
} seen;

struct mailbox {
	struct event answer;
	const struct mailbox_ops *ops;
	void *arg;
	bool listed, deleting;
	uint64_t next, last;
	size_t n_delete;
};

static void
answer_later(struct mailbox *m)
{
	event_add(&m->answer, &(struct timeval){0, 0});
}

static int
message_fd(uint64_t index)
{
	const char *text = messages[index < nitems(messages) ? index : nitems(messages) - 1].text;
	size_t len = text != NULL ? strlen(text) : 0;
	int fd;

	if (index == 0 && fake.big != NULL) {
		text = fake.big;
		len = fake.big_len;
	}
	if (text == NULL)
		return -1;
	fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, len), len);
	if (index == 0 && fake.holds_big)
		fake.big_fd = dup(fd);
	return fd;
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct mailbox *m = arg;
	uint64_t i;

	(void)fd, (void)what;
	if ((!m->listed && fake.close_before_listing) || (m->next < m->last && fake.close_at_get) ||
	    (m->deleting && fake.close_at_delete)) {
		m->ops->on_close(m->arg);
	} else if (!m->listed) {
		m->listed = true;
		m->ops->on_listing(m->arg);
	} else if (m->next < m->last) {
		i = m->next++;
		if (m->next < m->last || m->deleting)
			answer_later(m);
		m->ops->on_message(m->arg, i, message_fd(i));
	} else if (m->deleting) {
		m->deleting = false;
		m->ops->on_deleted(m->arg, m->n_delete - fake.keeps_one);
	}
}

struct mailbox *
mailbox_new(struct event_base *base, int session_fd, const struct mailbox_ops *ops, void *arg)
{
	struct mailbox *m = xcalloc(1, sizeof *m);

	close(session_fd);
	m->ops = ops;
	m->arg = arg;
	event_assign(&m->answer, base, -1, EV_TIMEOUT, on_answer, m);
	answer_later(m);
	return m;
}

void
mailbox_free(struct mailbox **m)
{
	if (*m == NULL)
		return;
	event_del(&(*m)->answer);
	free(*m);
	*m = NULL;
}

uint64_t
mailbox_count(const struct mailbox *m)
{
	(void)m;
	return fake.count;
}

uint64_t
mailbox_size(const struct mailbox *m, uint64_t index)
{
	(void)m;
	if (index == 0 && fake.big != NULL)
		return fake.big_len;
	return messages[index < nitems(messages) ? index : nitems(messages) - 1].size;
}

uint64_t
mailbox_total_bytes(const struct mailbox *m)
{
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < fake.count; i++)
		bytes += mailbox_size(m, i);
	return bytes;
}

struct span
mailbox_uidl(const struct mailbox *m, uint64_t index)
{
	static char uidl[MAILBOX_UIDL_MAX_BYTES + 1];

	(void)m;
	snprintf(uidl, sizeof uidl, "u%06llu", (unsigned long long)index);
	return span_of(uidl);
}

void
mailbox_get(struct mailbox *m, uint64_t first, uint64_t count)
{
	assert_int_equal(m->next, m->last); /* one at a time */
	assert_in_range(count, 1, AHEAD_MAX);
	assert_true(first + count <= fake.count);
	seen.gets++;
	seen.get_first = m->next = first;
	seen.get_count = count;
	m->last = first + count;
	if (!fake.silent)
		answer_later(m);
}

void
mailbox_delete(struct mailbox *m, const uint64_t *indexes, size_t n)
{
	assert_int_equal(seen.n_deleted, 0);
	for (size_t i = 0; i < n && i < DELETED_MAX; i++)
		seen.deleted[i] = indexes[i];
	seen.n_deleted = n;
	m->n_delete = n;
	m->deleting = true;
	if (!fake.silent)
		answer_later(m);
}

/* ---- auth ---- */

struct ipc_call {
	auth_answer_cb cb;
	void *arg;
	bool right;
};

static struct ipc_call *held; /* an answer that auth holds back */
static bool hold_back;

static void
on_login(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_call call = *(struct ipc_call *)arg;
	struct auth_answer answer = {.user = "ann", .session = -1};

	(void)fd, (void)what;
	free(arg);
	if (call.cb == NULL)
		return;
	answer.refusal = call.right ? fake.refusal : AUTH_BAD_CREDENTIALS;
	if (answer.refusal == AUTH_GRANTED && !fake.no_session)
		answer.session = memfd_create("session", MFD_CLOEXEC);
	call.cb(call.arg, &answer);
}

struct ipc_call *
auth_login(struct auth_client *a, const char *service, struct span name, struct span password,
    const char *client_address, enum auth_want want, auth_answer_cb cb, void *arg)
{
	struct ipc_call *c = xcalloc(1, sizeof *c);

	(void)a;
	assert_string_equal(service, "pop3");
	assert_string_equal(client_address, "local");
	assert_int_equal(want, AUTH_WANT_MAILDROP);
	c->cb = cb;
	c->arg = arg;
	c->right = span_is_nocase(name, "ann") && span_is(password, "my secret ");
	if (hold_back)
		held = c;
	else
		event_base_once(pop3d.base, -1, EV_TIMEOUT, on_login, c, &(struct timeval){0, 0});
	return c;
}

void
ipc_call_cancel(struct ipc_call **call)
{
	if (*call != NULL)
		(*call)->cb = NULL;
	*call = NULL;
}

/* ---- the client ---- */

struct client {
	int fd;
	char *output;
	size_t n;
	struct event *readable;
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	ssize_t n = read(fd, c->output + c->n, OUTPUT_MAX_BYTES - 1 - c->n);

	(void)what;
	if (n > 0) {
		c->n += n;
		c->output[c->n] = '\0';
		return;
	}
	event_free(c->readable);
	c->readable = NULL;
	closefd(&c->fd);
}

static void
watch(struct client *c)
{
	c->readable = event_new(pop3d.base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->readable, NULL);
}

static struct client *
connect_client(bool local)
{
	struct client *c = xcalloc(1, sizeof *c);
	int pair[2];

	memset(&seen, 0, sizeof seen);
	c->output = xcalloc(1, OUTPUT_MAX_BYTES);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	c->fd = pair[1];
	session_new(&pop3d, pair[0], NULL, KIND_POP3, false);
	LIST_FIRST(&pop3d.sessions)->local = local;
	return c;
}

static void
disconnect(struct client *c)
{
	if (c->readable != NULL)
		event_free(c->readable);
	c->readable = NULL;
	closefd(&c->fd);
}

static void
free_client(struct client *c)
{
	disconnect(c);
	free(c->output);
	free(c);
}

/* Sends in pieces, letting the server work in between; what it does not take any more is lost. */
static void
talk(struct client *c, struct span script, size_t piece)
{
	size_t n = 0;

	while (n < script.len && c->fd != -1 && !LIST_EMPTY(&pop3d.sessions)) {
		size_t len = script.len - n < piece ? script.len - n : piece;
		ssize_t sent = send(c->fd, script.at + n, len, MSG_NOSIGNAL);

		if (sent > 0)
			n += sent;
		event_base_loop(pop3d.base, sent > 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	}
}

static void
work(int turns)
{
	for (int i = 0; i < turns; i++)
		event_base_loop(pop3d.base, EVLOOP_NONBLOCK);
}

static void
until_end(void)
{
	while (!LIST_EMPTY(&pop3d.sessions))
		assert_int_equal(event_base_loop(pop3d.base, EVLOOP_ONCE), 0);
	work(1);
	assert_int_equal(pop3d.ahead, 0);
}

static void
until_said(struct client *c, const char *text)
{
	size_t len = strlen(text), from = 0;

	while (memmem(c->output + from, c->n - from, text, len) == NULL) {
		from = c->n > len ? c->n - len : 0; /* what was searched is not searched again */
		assert_int_equal(event_base_loop(pop3d.base, EVLOOP_ONCE), 0);
	}
}

static int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static char *
converse(bool local, struct span script, size_t piece)
{
	int before = open_descriptors();
	struct client *c = connect_client(local);
	char *output = c->output;

	watch(c);
	talk(c, script, piece);
	until_end();
	c->output = NULL;
	free_client(c);
	assert_int_equal(open_descriptors(), before);
	return output;
}

/* ---- scripts ---- */

#define BANNER	"+OK mx.test POP3 Sambar Mail\r\n"
#define LOGIN	"USER ann\r\nPASS my secret \r\n"
#define WELCOME "+OK Say PASS\r\n+OK Welcome\r\n"
#define QUIT	"QUIT\r\n"
#define BYE	"+OK Bye\r\n"
#define OK	"+OK\r\n"
#define STAT	"+OK 4 43\r\n"
#define RETR_1	"+OK 22 octets\r\nSubject: a\r\n\r\nhi\r\nho\r\n.\r\n"
#define RETR_2	"+OK 10 octets\r\n..\r\n...\r\nb\r\n.\r\n"
#define RETR_4	"+OK 6 octets\r\nlast\r\n.\r\n"
#define NONE	"-ERR No such message\r\n"
#define MARKED	"-ERR The message is marked as deleted\r\n"
#define MARK	"+OK Marked as deleted\r\n"
#define GONE	"-ERR The message is gone\r\n"
#define FIRST	"-ERR Log in first\r\n"
#define NO_ARG	"-ERR No argument is allowed\r\n"
#define MISSING "-ERR An argument is missing\r\n"
#define TOP	"-ERR TOP message lines is expected\r\n"
#define UNKNOWN "-ERR Unknown command\r\n"
#define ALREADY "-ERR Already logged in\r\n"
#define LONG	"-ERR Line too long\r\n"
#define WRONG	"-ERR [AUTH] User name or password is wrong\r\n"
#define CAPA                                                              \
	"+OK Capabilities\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\n" \
	"AUTH-RESP-CODE\r\nUTF8 USER\r\n"

struct script {
	const char *in, *out;
	size_t deleted;
};

static const struct script scripts[] = {
    {QUIT, BANNER BYE, 0},
    {LOGIN "STAT\r\n" QUIT, BANNER WELCOME STAT BYE, 0},
    {"user ann\r\npass my secret \r\nstat\r\nquit\r\n", BANNER WELCOME STAT BYE, 0},
    /* before the login */
    {"STAT\r\nLIST\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nUIDL\r\nNOOP\r\nRSET\r\nLAST\r\n" QUIT,
	BANNER FIRST FIRST FIRST FIRST FIRST FIRST FIRST FIRST FIRST BYE, 0},
    {"PASS x\r\nUSER\r\nUSER \r\nNONSENSE\r\n\r\nAPOP a b\r\n" QUIT,
	BANNER "-ERR Say USER first\r\n" MISSING MISSING UNKNOWN UNKNOWN UNKNOWN BYE, 0},
    {"CAPA\r\nUTF8\r\nUTF8 x\r\n" QUIT,
	BANNER CAPA "USER\r\nSASL PLAIN LOGIN\r\nIMPLEMENTATION Sambar-Mail\r\n.\r\n" OK NO_ARG BYE,
	0},
    {"STLS\r\n" QUIT, BANNER "-ERR TLS is not offered\r\n" BYE, 0},
    /* logins */
    {"USER ann\r\nPASS my secret\r\nPASS my secret \r\n" LOGIN QUIT,
	BANNER "+OK Say PASS\r\n" WRONG "-ERR Say USER first\r\n" WELCOME BYE, 0},
    {"USER bob\r\nUSER ann\r\nPASS my secret \r\n" QUIT, BANNER "+OK Say PASS\r\n" WELCOME BYE, 0},
    {"USER ann\r\nPASS\r\nUSER ann\r\nPASS \r\n" QUIT,
	BANNER "+OK Say PASS\r\n" WRONG "+OK Say PASS\r\n" WRONG BYE, 0},
    {"USER ann\r\nPASS x\r\nUSER ann\r\nPASS x\r\nUSER ann\r\nPASS x\r\n" QUIT,
	BANNER "+OK Say PASS\r\n" WRONG "+OK Say PASS\r\n" WRONG "+OK Say PASS\r\n"
	       "-ERR [AUTH] User name or password is wrong; too many failed logins, closing the "
	       "connection\r\n",
	0},
    {"AUTH PLAIN AGFubgBteSBzZWNyZXQg\r\nSTAT\r\n" QUIT, BANNER "+OK Welcome\r\n" STAT BYE, 0},
    {"auth plain\r\nAGFubgBteSBzZWNyZXQg\r\nSTAT\r\n" QUIT, BANNER "+ \r\n+OK Welcome\r\n" STAT BYE,
	0},
    {"AUTH LOGIN\r\nYW5u\r\nbXkgc2VjcmV0IA==\r\n" QUIT,
	BANNER "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n+OK Welcome\r\n" BYE, 0},
    {"AUTH PLAIN\r\n*\r\nAUTH GSSAPI\r\nAUTH\r\nAUTH PLAIN !\r\n" LOGIN QUIT,
	BANNER "+ \r\n-ERR Login cancelled\r\n-ERR Unknown mechanism\r\n" MISSING
	       "-ERR Malformed response\r\n" WELCOME BYE,
	0},
    {"USER ann\r\nAUTH PLAIN\r\n*\r\nPASS my secret \r\n" QUIT,
	BANNER "+OK Say PASS\r\n+ \r\n-ERR Login cancelled\r\n-ERR Say USER first\r\n" BYE, 0},
    {LOGIN "USER ann\r\nPASS x\r\nAUTH PLAIN\r\nSTLS\r\nUTF8\r\n" QUIT,
	BANNER WELCOME ALREADY ALREADY ALREADY ALREADY ALREADY BYE, 0},
    /* the session */
    {LOGIN "LIST\r\nLIST 2\r\nUIDL\r\nUIDL 4\r\nNOOP\r\n" QUIT,
	BANNER WELCOME "+OK 4 messages (43 octets)\r\n1 22\r\n2 10\r\n3 5\r\n4 6\r\n.\r\n"
		       "+OK 2 10\r\n+OK\r\n1 u000000\r\n2 u000001\r\n3 u000002\r\n4 u000003\r\n"
		       ".\r\n+OK 4 u000003\r\n" OK BYE,
	0},
    {LOGIN "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n" QUIT,
	BANNER WELCOME RETR_1 RETR_2 GONE RETR_4 BYE, 0},
    {LOGIN "RETR 4\r\nRETR 1\r\nRETR 1\r\nRETR 2\r\nRETR 1\r\nRETR 4\r\nRETR 3\r\n" QUIT,
	BANNER WELCOME RETR_4 RETR_1 RETR_1 RETR_2 RETR_1 RETR_4 GONE BYE, 0},
    {LOGIN "TOP 1 0\r\nTOP 1 1\r\nTOP 1 18446744073709551615\r\nTOP 3 1\r\nTOP 4 0\r\n" QUIT,
	BANNER WELCOME "+OK\r\nSubject: a\r\n\r\n.\r\n+OK\r\nSubject: a\r\n\r\nhi\r\n.\r\n"
		       "+OK\r\nSubject: a\r\n\r\nhi\r\nho\r\n.\r\n" GONE "+OK\r\nlast\r\n.\r\n" BYE,
	0},
    {LOGIN "LAST\r\nRETR 2\r\nRETR 1\r\nTOP 4 0\r\nRETR 3\r\nLAST\r\nRSET\r\nLAST\r\n" QUIT,
	BANNER WELCOME "+OK 0\r\n" RETR_2 RETR_1 "+OK\r\nlast\r\n.\r\n" GONE "+OK 2\r\n" OK
		       "+OK 0\r\n" BYE,
	0},
    /* numbers and arguments */
    {LOGIN "RETR\r\nRETR 0\r\nRETR -1\r\nRETR +1\r\nRETR 5\r\nRETR 0x1\r\nRETR 1 2\r\n" QUIT,
	BANNER WELCOME MISSING NONE NONE NONE NONE NONE NONE BYE, 0},
    {LOGIN "RETR 4294967296\r\nRETR 4294967297\r\nRETR 18446744073709551616\r\n"
	   "RETR 18446744073709551617\r\nDELE 4294967297\r\nLIST 4294967297\r\nUIDL 0\r\n" QUIT,
	BANNER WELCOME NONE NONE NONE NONE NONE NONE NONE BYE, 0},
    {LOGIN "TOP 1\r\nTOP 1 -1\r\nTOP 1 1 1\r\nTOP 0 1\r\nTOP 1 18446744073709551616\r\n" QUIT,
	BANNER WELCOME TOP TOP TOP NONE TOP BYE, 0},
    {LOGIN "STAT 1\r\nLIST 1 2\r\nNOOP x\r\nRSET 1\r\nLAST 1\r\nQUIT 1\r\n" QUIT,
	BANNER WELCOME NO_ARG NONE NO_ARG NO_ARG NO_ARG NO_ARG BYE, 0},
    /* deleting */
    {LOGIN "DELE 2\r\nDELE 4\r\nSTAT\r\nLIST\r\nQUIT\r\n",
	BANNER WELCOME MARK MARK "+OK 2 27\r\n+OK 2 messages (27 octets)\r\n1 22\r\n3 5\r\n"
				 ".\r\n" BYE,
	2},
    {LOGIN "DELE 2\r\nDELE 2\r\nRETR 2\r\nTOP 2 0\r\nLIST 2\r\nUIDL 2\r\nRSET\r\nRETR 2\r\n" QUIT,
	BANNER WELCOME MARK MARKED MARKED MARKED MARKED MARKED OK RETR_2 BYE, 0},
    {LOGIN "DELE 1\r\nRSET\r\nDELE 3\r\n" QUIT, BANNER WELCOME MARK OK MARK BYE, 1},
    /* lines */
    {"NOOP\nQUIT\r\n", BANNER "-ERR Lines end with CR LF; closing the connection\r\n", 0},
    {"CA\rPA\r\n\r\r\nUSER a\x01\r\n" QUIT,
	BANNER "-ERR Control character in a command\r\n-ERR Control character in a command\r\n"
	       "-ERR Control character in a command\r\n" BYE,
	0},
    /* 10 errors */
    {"a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\nNOOP\r\n",
	BANNER UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN
	"-ERR Unknown command; too many errors, closing the connection\r\n",
	0},
};

static void
check_text(const char *what, const char *got, const char *expected)
{
	if (strcmp(got, expected) == 0)
		return;
	/* fail_msg() would cut it */
	fprintf(stderr, "%s\n--- expected\n%s\n--- got\n%s\n", what, expected, got);
	fail();
}

static void
all_scripts(size_t piece)
{
	for (size_t i = 0; i < nitems(scripts); i++) {
		char *out = converse(true, span_of(scripts[i].in), piece);

		check_text(scripts[i].in, out, scripts[i].out);
		assert_int_equal(seen.n_deleted, scripts[i].deleted);
		free(out);
	}
}

static void
whole(void **state)
{
	(void)state;
	all_scripts(SIZE_MAX);
}

static void
byte_by_byte(void **state)
{
	(void)state;
	all_scripts(1);
	all_scripts(7);
}

static void
check_one(const char *in, const char *expected)
{
	char *out = converse(true, span_of(in), SIZE_MAX);

	check_text(in, out, expected);
	free(out);
}

/* ---- what does not fit a table ---- */

static void
no_passwords_in_clear(void **state)
{
	static const char in[] = "CAPA\r\n" LOGIN "AUTH PLAIN AGFubgBteSBzZWNyZXQg\r\n" QUIT;
	char *out = converse(false, span_of(in), SIZE_MAX);

	(void)state;
	check_text(in, out,
	    BANNER CAPA "IMPLEMENTATION Sambar-Mail\r\n.\r\n"
			"-ERR Encryption is required for a login\r\n-ERR Say USER first\r\n"
			"-ERR Encryption is required for a login\r\n" BYE);
	free(out);
}

static void
what_is_marked_is_deleted(void **state)
{
	(void)state;
	check_one(LOGIN "DELE 4\r\nDELE 1\r\n" QUIT, BANNER WELCOME MARK MARK BYE);
	assert_int_equal(seen.n_deleted, 2);
	assert_int_equal(seen.deleted[0], 0);
	assert_int_equal(seen.deleted[1], 3);
	fake.keeps_one = true;
	check_one(LOGIN "DELE 4\r\nDELE 1\r\n" QUIT,
	    BANNER WELCOME MARK MARK "-ERR [SYS/TEMP] Some messages are not deleted\r\n");
	fake.keeps_one = false;
}

static void
auth_refuses(void **state)
{
	static const struct {
		enum auth_refusal refusal;
		const char *reply;
	} rows[] = {
	    {AUTH_NO_MAILBOX, "-ERR [AUTH] There is no mailbox of this name\r\n"},
	    {AUTH_TOO_MANY_USERS,
		"-ERR [SYS/TEMP] Too many users read their mail; try again later\r\n"},
	    {AUTH_TROUBLE, "-ERR [SYS/TEMP] Logins are not possible now; try again later\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char expected[500];

		snprintf(expected, sizeof expected, BANNER "+OK Say PASS\r\n%s" BYE, rows[i].reply);
		fake.refusal = rows[i].refusal;
		check_one(LOGIN QUIT, expected);
	}
	fake.refusal = AUTH_GRANTED;
	fake.no_session = true;
	check_one(LOGIN QUIT, BANNER "+OK Say PASS\r\n-ERR [SYS/TEMP] Logins are not possible now; "
				     "try again later\r\n" BYE);
	fake.no_session = false;
}

static void
store_goes_away(void **state)
{
	static const char closed[] =
	    BANNER WELCOME "-ERR [SYS/TEMP] The mailbox was closed; come back\r\n";

	(void)state;
	fake.close_before_listing = true;
	check_one(LOGIN QUIT, BANNER "+OK Say PASS\r\n-ERR [SYS/TEMP] The mailbox cannot be opened "
				     "now; try again later\r\n" BYE);
	fake.close_before_listing = false;
	fake.close_at_get = true;
	check_one(LOGIN "RETR 1\r\nSTAT\r\n" QUIT, closed);
	fake.close_at_get = false;
	fake.close_at_delete = true;
	check_one(LOGIN "DELE 1\r\n" QUIT,
	    BANNER WELCOME MARK "-ERR [SYS/TEMP] Some messages are not deleted\r\n");
	fake.close_at_delete = false;
}

static void
long_lines(void **state)
{
	static const size_t limits[] = {
	    COMMAND_LINE_MAX_BYTES, LOGIN_LINE_MAX_BYTES, AUTH_LINE_MAX_BYTES, 1000000};
	char *text = xmalloc(1000000 + 100);

	(void)state;
	for (size_t i = 0; i < nitems(limits); i++)
		for (int more = -1; more <= 1; more++)
			for (int login = 0; login <= 1; login++) {
				size_t n = limits[i] + more,
				       max = login ? LOGIN_LINE_MAX_BYTES : COMMAND_LINE_MAX_BYTES;
				char *out;

				memset(text, 'x', n);
				memcpy(text, login ? "USER " : "CAPA ", 5);
				memcpy(text + n - 2, "\r\n" QUIT, sizeof "\r\n" QUIT);
				out = converse(true, span_of(text), SIZE_MAX);
				check_text("long line", out,
				    n > max ? BANNER LONG BYE
				    : login ? BANNER "+OK Say PASS\r\n" BYE
					    : BANNER NO_ARG BYE);
				free(out);
			}
	free(text);
}

/* The client goes away at each byte of a conversation: nothing is deleted, nothing left over. */
static void
hang_ups(void **state)
{
	static const char in[] =
	    "AUTH LOGIN\r\nYW5u\r\n*\r\n" LOGIN
	    "LIST\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nRETR 4\r\nTOP 1 1\r\nUIDL\r\nQUIT\r";
	int before = open_descriptors();

	(void)state;
	for (size_t n = 0; n < sizeof in; n++) {
		struct client *c = connect_client(true);

		watch(c);
		talk(c, (struct span){in, n}, 11);
		disconnect(c);
		until_end();
		free_client(c);
		assert_int_equal(seen.n_deleted, 0);
		assert_int_equal(open_descriptors(), before);
	}
}

/* QUIT is a promise: who does not wait for the answer gets what was asked for. */
static void
hang_up_after_quit(void **state)
{
	struct client *c = connect_client(true);

	(void)state;
	watch(c);
	talk(c, span_of(LOGIN "DELE 1\r\nDELE 2\r\n"), SIZE_MAX);
	until_said(c, MARK MARK);
	send(c->fd, QUIT, strlen(QUIT), MSG_NOSIGNAL);
	disconnect(c);
	until_end();
	assert_int_equal(seen.n_deleted, 2);
	free_client(c);
}

static void
timeouts(void **state)
{
	struct client *c;

	(void)state;
	pop3d.settings.login_s = 0;
	check_one("", BANNER);
	pop3d.settings.login_s = 60;
	pop3d.settings.idle_s = 0;
	c = connect_client(true);
	watch(c);
	talk(c, span_of(LOGIN "DELE 1\r\n"), 5);
	until_end();
	assert_int_equal(strncmp(c->output, BANNER WELCOME, strlen(BANNER WELCOME)), 0);
	assert_int_equal(seen.n_deleted, 0);
	free_client(c);
	pop3d.settings.idle_s = 600;
}

/* An answer that auth holds back for longer than the login may take. */
static void
slow_auth(void **state)
{
	struct client *c = connect_client(true);
	struct session *s = LIST_FIRST(&pop3d.sessions);
	uint64_t by = s->login_by_ms;

	(void)state;
	hold_back = true;
	watch(c);
	talk(c, span_of("USER ann\r\nPASS x\r\nCAPA\r\n"), SIZE_MAX);
	while (held == NULL)
		event_base_loop(pop3d.base, EVLOOP_ONCE);
	hold_back = false;
	assert_true(s->waiting);
	s->waiting_since_ms -= 1000000; /* so long ago */
	on_login(-1, 0, held);
	held = NULL;
	assert_true(s->login_by_ms >= by + 1000000);
	until_said(c, WRONG "+OK Capabilities\r\n");
	talk(c, span_of(QUIT), SIZE_MAX);
	until_end();
	free_client(c);
}

/* What the client could not know is no error of its own. */
static void
gone_messages_do_not_count(void **state)
{
	char text[1000] = LOGIN, expected[2000] = BANNER WELCOME;

	(void)state;
	for (int i = 0; i < 20; i++) {
		strcat(text, "RETR 3\r\n");
		strcat(expected, GONE);
	}
	check_one(strcat(text, QUIT), strcat(expected, BYE));
}

/* ---- long answers ---- */

static void
fill_big(size_t len)
{
	fake.big = xmalloc(len);
	fake.big_len = len;
	fake.big_fd = -1;
	for (size_t i = 0; i < len; i++)
		fake.big[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : i % 350 == 0 ? '.' : 'x';
	memcpy(fake.big + len - 2, "\r\n", 2);
}

static void
empty_big(void)
{
	free(fake.big);
	fake.big = NULL;
	closefd(&fake.big_fd);
}

/* The body of the answer to RETR 1, unstuffed in place; NULL when it has no end. */
static char *
body_of(char *output, size_t *len)
{
	char *from = strstr(output, " octets\r\n"), *all = output + strlen(output), *out, *at, *lf;

	assert_non_null(from);
	from = out = at = from + strlen(" octets\r\n");
	while ((lf = memchr(at, '\n', all - at)) != NULL) {
		if (at[0] == '.' && lf == at + 2)
			break;
		if (at[0] == '.')
			at++;
		memmove(out, at, lf + 1 - at);
		out += lf + 1 - at;
		at = lf + 1;
	}
	*len = out - from;
	return lf != NULL ? from : NULL;
}

static void
big_message(void **state)
{
	static const size_t sizes[] = {65535, 65536, 65537, 69631, 69632, 131072, 131073, 3000001};

	(void)state;
	for (size_t i = 0; i < nitems(sizes); i++) {
		char *out, *body;
		size_t len;

		fill_big(sizes[i]);
		out = converse(true, span_of(LOGIN "RETR 1\r\n" QUIT), SIZE_MAX);
		assert_non_null(strstr(out, "\r\n.\r\n" BYE));
		body = body_of(out, &len);
		assert_non_null(body);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(body, fake.big, len);
		free(out);
		empty_big();
	}
}

/* An answer that nobody reads stops, in bounded memory, and goes on when it is read. */
static void
stops_and_resumes(const char *command, struct client **client)
{
	struct client *c = connect_client(true);
	struct session *s = LIST_FIRST(&pop3d.sessions);

	*client = c;
	talk(c, span_of(LOGIN), SIZE_MAX);
	work(50);
	talk(c, span_of(command), SIZE_MAX);
	work(50);
	assert_true(s->full);
	assert_non_null(s->producer);
	assert_in_range(stream_pending(s->stream), 1, 3 * STREAM_READ_BYTES);
	watch(c);
}

static void
client_that_does_not_read(void **state)
{
	struct client *c;
	char *body;
	size_t len;

	(void)state;
	fill_big(5000000);
	stops_and_resumes("RETR 1\r\n" QUIT, &c);
	until_end();
	body = body_of(c->output, &len);
	assert_non_null(body);
	assert_int_equal(len, fake.big_len);
	assert_memory_equal(body, fake.big, len);
	free_client(c);
	empty_big();
}

static void
many_messages(void **state)
{
	struct client *c;
	char *at;

	(void)state;
	fake.count = LIST_MANY;
	stops_and_resumes("LIST\r\nUIDL\r\nDELE 100000\r\n" QUIT, &c);
	until_end();
	at = strstr(c->output, "\r\n99999 6\r\n100000 6\r\n.\r\n+OK\r\n1 u000000\r\n");
	assert_non_null(at);
	assert_non_null(strstr(at, "\r\n100000 u099999\r\n.\r\n" MARK BYE));
	assert_int_equal(seen.deleted[0], LIST_MANY - 1);
	free_client(c);
	fake.count = nitems(messages);
}

/* A file that is cut short while it is sent: the answer has no end. */
static void
file_that_shrinks(void **state)
{
	struct client *c;
	char *body;
	size_t len;

	(void)state;
	fill_big(5000000);
	fake.holds_big = true;
	stops_and_resumes("RETR 1\r\nSTAT\r\n" QUIT, &c);
	fake.holds_big = false;
	assert_int_equal(ftruncate(fake.big_fd, 1000000), 0);
	until_end();
	body = body_of(c->output, &len);
	assert_null(body);
	assert_null(strstr(c->output, BYE));
	free_client(c);
	empty_big();
}

/* store goes away while a message is sent: the message is complete, then the session ends. */
static void
store_goes_away_within_an_answer(void **state)
{
	struct client *c;
	struct mailbox *m;
	char *body, *end;
	size_t len;

	(void)state;
	fill_big(5000000);
	stops_and_resumes("RETR 1\r\nSTAT\r\n" QUIT, &c);
	m = LIST_FIRST(&pop3d.sessions)->drop->mailbox;
	m->ops->on_close(m->arg);
	until_end();
	end = strstr(c->output, "\r\n.\r\n-ERR [SYS/TEMP] The mailbox was closed; come back\r\n");
	assert_non_null(end);
	body = body_of(c->output, &len);
	assert_non_null(body);
	assert_int_equal(len, fake.big_len);
	free_client(c);
	empty_big();
	fake.count = LIST_MANY;
	stops_and_resumes("LIST\r\nSTAT\r\n", &c);
	m = LIST_FIRST(&pop3d.sessions)->drop->mailbox;
	m->ops->on_close(m->arg);
	until_end();
	assert_null(strstr(c->output, "\r\n.\r\n"));
	free_client(c);
	fake.count = nitems(messages);
}

/* ---- reading ahead ---- */

static void
reads_ahead(void **state)
{
	char text[4000] = LOGIN, *out;

	(void)state;
	fake.count = 100;
	for (int i = 1; i <= 100; i++)
		snprintf(text + strlen(text), 20, "RETR %d\r\n", i);
	strcat(text, QUIT);
	out = converse(true, span_of(text), SIZE_MAX);
	assert_non_null(strstr(out, RETR_4 RETR_4 BYE));
	assert_in_range(seen.gets, 100 / AHEAD_MAX, 100 / (AHEAD_MAX / 2) + 6);
	free(out);
	/* A client that jumps gets what it asks for and no more. */
	check_one(LOGIN "RETR 50\r\nRETR 4\r\n" QUIT, BANNER WELCOME RETR_4 RETR_4 BYE);
	assert_int_equal(seen.gets, 2);
	assert_int_equal(seen.get_first, 3);
	assert_int_equal(seen.get_count, 1);
	fake.count = nitems(messages);
}

/* ---- drain ---- */

static bool emptied;

static void
on_empty(struct pop3d *d)
{
	(void)d;
	emptied = true;
}

#define COME_BACK "-ERR [SYS/TEMP] The service restarts; come back\r\n"

static struct client *
drain_after(const char *script, const char *said)
{
	struct client *c = connect_client(true);

	emptied = false;
	watch(c);
	talk(c, span_of(script), SIZE_MAX);
	until_said(c, said);
	sessions_drain(&pop3d);
	return c;
}

static void
end_drain(struct client *c, const char *expected)
{
	until_end();
	check_text("drain", c->output, expected);
	assert_true(emptied);
	pop3d.draining = false;
	free_client(c);
}

static void
drain(void **state)
{
	struct client *c;

	(void)state;
	end_drain(drain_after("", BANNER), BANNER COME_BACK);
	end_drain(drain_after("USER ann\r\n", "PASS"), BANNER "+OK Say PASS\r\n" COME_BACK);
	end_drain(drain_after(LOGIN, WELCOME), BANNER WELCOME COME_BACK);
	assert_int_equal(seen.n_deleted, 0);
	/* who has marked messages may go on, and QUIT */
	c = drain_after(LOGIN "DELE 1\r\n", MARK);
	talk(c, span_of("DELE 2\r\n" QUIT), SIZE_MAX);
	end_drain(c, BANNER WELCOME MARK MARK BYE);
	assert_int_equal(seen.n_deleted, 2);
	/* a login that waits for auth is over; its call is cancelled */
	hold_back = true;
	c = connect_client(true);
	watch(c);
	talk(c, span_of(LOGIN), SIZE_MAX);
	while (held == NULL)
		event_base_loop(pop3d.base, EVLOOP_ONCE);
	hold_back = emptied = false;
	sessions_drain(&pop3d);
	assert_null(held->cb);
	free(held);
	held = NULL;
	end_drain(c, BANNER "+OK Say PASS\r\n" COME_BACK);
}

/* The answer under way is completed. */
static void
drain_within_an_answer(void **state)
{
	struct client *c;

	(void)state;
	fake.count = LIST_MANY;
	stops_and_resumes("UIDL\r\nSTAT\r\n", &c);
	emptied = false;
	sessions_drain(&pop3d);
	until_end();
	assert_non_null(strstr(c->output, "\r\n100000 u099999\r\n.\r\n" COME_BACK));
	assert_true(emptied);
	pop3d.draining = false;
	free_client(c);
	fake.count = nitems(messages);
}

/* ---- bounds ---- */

/* Answers that nobody reads stop the reading of commands. */
static void
client_that_never_reads(void **state)
{
	struct client *c = connect_client(true);
	static char in[6 << 20];
	size_t n = 0;
	ssize_t sent = 1;

	(void)state;
	for (size_t i = 0; i < sizeof in; i += 6)
		memcpy(in + i, "STAT\r\n", 6);
	talk(c, span_of(LOGIN), SIZE_MAX);
	work(50);
	for (int idle = 0; idle < 10; idle++) {
		while ((sent = send(c->fd, in + n, sizeof in - n, MSG_NOSIGNAL)) > 0) {
			n += sent;
			work(1);
			idle = 0;
		}
		work(1);
	}
	assert_true(n < sizeof in);
	assert_true(LIST_FIRST(&pop3d.sessions)->full);
	watch(c);
	while (n < sizeof in) {
		if ((sent = send(c->fd, in + n, sizeof in - n, MSG_NOSIGNAL)) > 0)
			n += sent;
		work(1);
		if (c->n > OUTPUT_MAX_BYTES / 2)
			c->n = 0;
	}
	disconnect(c);
	until_end();
	free_client(c);
}

static int
set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	pop3d.base = event_base_new();
	LIST_INIT(&pop3d.sessions);
	pop3d.on_empty = on_empty;
	pop3d.settings = (struct pop3d_settings){.server = "mx.test",
	    .errors_max = 10,
	    .login_failures_max = 3,
	    .login_s = 60,
	    .idle_s = 600,
	    .handshake_s = 60};
	fake.count = nitems(messages);
	fake.big_fd = -1;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	event_base_free(pop3d.base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(no_passwords_in_clear),
	    cmocka_unit_test(what_is_marked_is_deleted),
	    cmocka_unit_test(auth_refuses),
	    cmocka_unit_test(store_goes_away),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(hang_ups),
	    cmocka_unit_test(hang_up_after_quit),
	    cmocka_unit_test(timeouts),
	    cmocka_unit_test(slow_auth),
	    cmocka_unit_test(gone_messages_do_not_count),
	    cmocka_unit_test(big_message),
	    cmocka_unit_test(client_that_does_not_read),
	    cmocka_unit_test(many_messages),
	    cmocka_unit_test(file_that_shrinks),
	    cmocka_unit_test(store_goes_away_within_an_answer),
	    cmocka_unit_test(reads_ahead),
	    cmocka_unit_test(drain),
	    cmocka_unit_test(drain_within_an_answer),
	    cmocka_unit_test(client_that_never_reads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
