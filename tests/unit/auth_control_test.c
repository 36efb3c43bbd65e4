/*
 * Logins that open a session with master: the test is master, at the other end of auth's control
 * connection. One process: all share the loop.
 */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/admin.h"
#include "auth/auth.h"
#include "auth/server.h"
#include "auth/setup.h"
#include "common/ipc.h"
#include "common/memory.h"
#include "common/role.h"

enum { PATIENCE_S = 20, NO_ANSWER = 99 };

static char root[64];
static struct role role;
static struct event_base *base;
static struct auth *auth;
static struct auth_client *webd, *pop3d;
static struct ipc_channel *master;
static bool waiting;

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing happened for %d s", PATIENCE_S);
}

/* Until something calls go_on(). */
static void
wait_here(void)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct event *e = event_new(base, -1, EV_TIMEOUT, on_patience, NULL);

	event_add(e, &patience);
	waiting = true;
	while (waiting)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	event_free(e);
}

static void
go_on(void)
{
	waiting = false;
}

/* ---- master: what it was asked, and what it answers ---- */

static char asked[512];
static bool refuses, silent, malformed, from_here = true;
static int master_end = -1;

static void
answer_mint(uint64_t tag, bool admin)
{
	struct writer w;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	closefd(&master_end);
	master_end = ends[0];
	ipc_write(&w, CONTROL_MINTED, tag);
	put_u64(&w, !refuses);
	put_u64(&w, admin && from_here && !refuses);
	if (refuses)
		closefd(&ends[1]);
	ipc_channel_send(master, &w, ends[1]);
}

static void
on_master_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	size_t len = strlen(asked);
	char user[AUTH_USER_SIZE], client[80];
	uint64_t admin;

	(void)arg;
	get_text(r, user, sizeof user);
	if (type == CONTROL_REVOKE) {
		assert_int_equal(get_end(r), 0);
		snprintf(asked + len, sizeof asked - len, "revoke %s; ", user);
		go_on();
		return;
	}
	assert_int_equal(type, CONTROL_MINT);
	admin = get_u64(r);
	get_text(r, client, sizeof client);
	assert_int_equal(get_end(r), 0);
	snprintf(asked + len, sizeof asked - len, "mint %s %d %s; ", user, (int)admin, client);
	if (silent)
		go_on();
	else
		answer_mint(tag, admin);
}

static void
on_master_close(void *arg)
{
	(void)arg;
	fail_msg("auth has closed its control connection");
}

static void
on_control(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	malformed = role_take_answer(arg, type, tag, r) == -1;
	if (malformed)
		go_on();
}

static void
on_control_close(void *arg)
{
	(void)arg;
	fail_msg("master has closed the control connection");
}

/* ---- the test's house ---- */

static const char *
path_of(const char *name)
{
	static char path[sizeof root + 32];

	snprintf(path, sizeof path, "%s/%s", root, name);
	return path;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static int reply_code;
static char token[100];

static void
on_reply(void *arg, uint64_t tag, int code, json_t *doc)
{
	(void)arg, (void)tag;
	reply_code = code;
	if (json_object_get(doc, "token") != NULL)
		strlcpy(token, json_string_value(json_object_get(doc, "token")), sizeof token);
	json_decref(doc);
	go_on();
}

static int
try_admin(const char *text)
{
	char copy[200], *words[8], *rest = copy;
	size_t n = 0;

	strlcpy(copy, text, sizeof copy);
	while (rest != NULL)
		words[n++] = strsep(&rest, " ");
	reply_code = -1;
	admin_request(auth, 1, words, n);
	while (reply_code == -1)
		wait_here();
	return reply_code;
}

static void
ask_admin(const char *text)
{
	assert_int_equal(try_admin(text), 0);
}

static int
setup(void **state)
{
	struct settings *s = settings_new();
	int ends[2];

	(void)state;
	strlcpy(root, "/tmp/auth-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	assert_int_equal(mkdir(path_of("users"), 0700), 0);
	base = event_base_new();
	asked[0] = '\0';
	refuses = silent = malformed = false;
	from_here = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	role = (struct role){.name = "auth", .base = base};
	role.control = ipc_channel_new(base, ends[0], on_control, on_control_close, &role);
	master = ipc_channel_new(base, ends[1], on_master_message, on_master_close, NULL);
	auth = auth_new(&role, open(path_of("users"), O_PATH | O_DIRECTORY | O_CLOEXEC),
	    listen_at(path_of("auth.sock")), path_of("store.sock"), on_reply, NULL);
	settings_add(s, "mail", "Mail Server", "our.example");
	settings_add(s, "smtpd", "Local Domains", "");
	settings_add(s, "timeouts", "Maximum Login Delay", "0");
	settings_add(s, "timeouts", "Remember Login", "300");
	settings_add(s, "limits", "Auth Workers", "1");
	auth_settings(auth, s);
	settings_free(&s);
	webd = auth_client_new(base, path_of("auth.sock"), "webd");
	pop3d = auth_client_new(base, path_of("auth.sock"), "pop3d");
	ask_admin("user add ann ann-secret no-mailbox");
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
	auth_client_free(&webd);
	auth_client_free(&pop3d);
	auth_free(&auth);
	assert_null(role.calls);
	ipc_channel_free(&role.control);
	ipc_channel_free(&master);
	closefd(&master_end);
	event_base_free(base);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- logins ---- */

struct visit {
	int refusal; /* or NO_ANSWER */
	bool admin;
	int session;
	struct ipc_call *call;
};

static void
on_answer(void *arg, const struct auth_answer *a)
{
	struct visit *v = arg;

	v->call = NULL;
	v->refusal = a->refusal;
	v->admin = a->admin;
	v->session = a->session;
	go_on();
}

static void
begin(struct visit *v, struct auth_client *who, const char *password)
{
	*v = (struct visit){.refusal = NO_ANSWER, .session = -1};
	v->call = auth_login(who, "http", span_of("ann"), span_of(password), "192.0.2.1",
	    AUTH_WANT_CONTROL, on_answer, v);
}

static enum auth_refusal
log_in(struct visit *v, const char *password)
{
	begin(v, webd, password);
	while (v->refusal == NO_ANSWER)
		wait_here();
	return v->refusal;
}

static void
sessions_are_passed_on(void **state)
{
	struct visit v;
	char byte = 'x';

	(void)state;
	assert_int_equal(log_in(&v, "ann-secret"), AUTH_GRANTED);
	assert_false(v.admin);
	assert_int_equal(write(master_end, &byte, 1), 1);
	assert_int_equal(read(v.session, &byte, 1), 1);
	closefd(&v.session);
	assert_int_equal(read(master_end, &byte, 1), 0); /* nobody else holds it */
	assert_string_equal(asked, "mint ann 0 192.0.2.1; ");
}

static void
only_the_right_password(void **state)
{
	struct visit v;

	(void)state;
	assert_int_equal(log_in(&v, "wrong"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(v.session, -1);
	assert_string_equal(asked, "");
}

/* Master says whether it is an administrator's session. */
static void
administrators(void **state)
{
	struct visit v;

	(void)state;
	ask_admin("user admin ann on");
	assert_int_equal(log_in(&v, "ann-secret"), AUTH_GRANTED);
	assert_true(v.admin);
	closefd(&v.session);
	from_here = false;
	assert_int_equal(log_in(&v, "ann-secret"), AUTH_GRANTED);
	assert_false(v.admin);
	closefd(&v.session);
	assert_string_equal(asked, "mint ann 1 192.0.2.1; mint ann 1 192.0.2.1; ");
}

static void
master_refuses(void **state)
{
	struct visit v;

	(void)state;
	refuses = true;
	assert_int_equal(log_in(&v, "ann-secret"), AUTH_TROUBLE);
	assert_int_equal(v.session, -1);
}

/* Nobody but webd may want one: its connection is closed, and it asks again and again. */
static void
only_webd_may_want_one(void **state)
{
	struct visit v;

	(void)state;
	begin(&v, pop3d, "ann-secret");
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(v.refusal, NO_ANSWER);
	assert_string_equal(asked, "");
	ipc_call_cancel(&v.call);
}

/* What is opened for one who has gone is closed. */
static void
callers_that_go(void **state)
{
	struct visit v;
	char byte;

	(void)state;
	silent = true;
	begin(&v, webd, "ann-secret");
	wait_here();
	assert_string_equal(asked, "mint ann 0 192.0.2.1; ");
	auth_client_free(&webd);
	while (role.calls != NULL)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	silent = false;
	answer_mint(1, false);
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK), -1);
	assert_int_equal(read(master_end, &byte, 1), 0);
	assert_string_equal(asked, "mint ann 0 192.0.2.1; ");
}

static void
answers_that_are_malformed(void **state)
{
	struct visit v;
	struct writer w;

	(void)state;
	silent = true;
	begin(&v, webd, "ann-secret");
	wait_here();
	ipc_write(&w, CONTROL_MINTED, 1);
	put_u64(&w, 1);
	put_u64(&w, 1); /* and no descriptor */
	ipc_channel_send(master, &w, -1);
	wait_here();
	assert_true(malformed);
	assert_int_equal(v.refusal, NO_ANSWER);
	auth_client_free(&webd);
	while (role.calls != NULL)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
}

/* Whatever takes something away ends what is open. */
static void
sessions_are_revoked(void **state)
{
	static const struct {
		const char *request, *asked;
	} rows[] = {
	    {"user admin ann on", ""},
	    {"user admin ann off", "revoke ann; "},
	    {"user passwd ann other", "revoke ann; "},
	    {"user del ann keep", "revoke ann; "},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		asked[0] = '\0';
		ask_admin(rows[i].request);
		while (asked[0] == '\0' && rows[i].asked[0] != '\0')
			wait_here();
		assert_string_equal(asked, rows[i].asked);
	}
}

/* ---- the user's own password ---- */

static enum auth_refusal
change(const char *old, const char *new)
{
	struct visit v = {.refusal = NO_ANSWER, .session = -1};

	v.call = auth_passwd(
	    webd, "http", span_of("ann"), span_of(old), span_of(new), "192.0.2.1", on_answer, &v);
	while (v.refusal == NO_ANSWER)
		wait_here();
	assert_int_equal(v.session, -1);
	return v.refusal;
}

static void
passwords(void **state)
{
	static const char *const bad[] = {"", "1234567", "1234567\n",
	    "\x01"
	    "23456789",
	    "12345678\x7f"};
	struct visit v;

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++)
		assert_int_equal(change("ann-secret", bad[i]), AUTH_BAD_PASSWORD);
	assert_int_equal(change("wrong", "12345678"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(change("ann-secret", "12345678"), AUTH_GRANTED);
	assert_string_equal(asked, ""); /* what is open goes on */
	assert_int_equal(log_in(&v, "ann-secret"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(log_in(&v, "12345678"), AUTH_GRANTED);
	closefd(&v.session);
}

static void
only_webd_may_change_one(void **state)
{
	struct visit v = {.refusal = NO_ANSWER, .session = -1};

	(void)state;
	v.call = auth_passwd(pop3d, "http", span_of("ann"), span_of("ann-secret"),
	    span_of("12345678"), "192.0.2.1", on_answer, &v);
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	assert_int_equal(v.refusal, NO_ANSWER);
	ipc_call_cancel(&v.call);
}

/* What has begun is finished. */
static void
who_goes_while_it_is_changed(void **state)
{
	struct visit v;

	(void)state;
	auth_passwd(webd, "http", span_of("ann"), span_of("ann-secret"), span_of("12345678"),
	    "192.0.2.1", on_answer, &v);
	while (TAILQ_EMPTY(&auth->attempts))
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	auth_client_free(&webd);
	while (!TAILQ_EMPTY(&auth->attempts))
		assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
}

/* ---- the first administrator ---- */

static enum auth_refusal
is_valid(const char *text)
{
	struct visit v = {.refusal = NO_ANSWER, .session = -1};

	v.call = auth_setup_is_valid(webd, span_of(text), on_answer, &v);
	while (v.refusal == NO_ANSWER)
		wait_here();
	return v.refusal;
}

static enum auth_refusal
set_up(const char *text, const char *user, const char *password)
{
	struct visit v = {.refusal = NO_ANSWER, .session = -1};

	v.call = auth_setup(webd, span_of(text), span_of(user), span_of(password), false,
	    "192.0.2.1", on_answer, &v);
	while (v.refusal == NO_ANSWER)
		wait_here();
	assert_int_equal(v.admin, v.refusal == AUTH_GRANTED);
	return v.refusal;
}

static void
links_work_once(void **state)
{
	char first[sizeof token];

	(void)state;
	assert_int_equal(is_valid(""), AUTH_BAD_CREDENTIALS);
	ask_admin("user setup-link");
	strlcpy(first, token, sizeof first);
	assert_int_equal(is_valid(first), AUTH_GRANTED);
	ask_admin("user setup-link");
	assert_string_not_equal(first, token);
	assert_int_equal(is_valid(first), AUTH_BAD_CREDENTIALS); /* the newest only */
	assert_int_equal(is_valid(token), AUTH_GRANTED);
	assert_int_equal(set_up(first, "root", "12345678"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(set_up(token, "root", "1234567"), AUTH_BAD_PASSWORD);
	assert_int_equal(set_up(token, "rootroot", "ROOTROOT"), AUTH_BAD_PASSWORD);
	assert_int_equal(set_up(token, "no user", "12345678"), AUTH_BAD_NAME);
	assert_int_equal(set_up(token, "ann", "12345678"), AUTH_BAD_NAME);
	assert_int_equal(is_valid(token), AUTH_GRANTED);
	assert_int_equal(set_up(token, "root", "12345678"), AUTH_GRANTED);
	assert_int_equal(is_valid(token), AUTH_BAD_CREDENTIALS);
	assert_int_equal(set_up(token, "other", "12345678"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(access(path_of("users/setup"), F_OK), -1);
	assert_int_equal(try_admin("user setup-link"), 65);
}

static void
links_end_with_an_administrator(void **state)
{
	(void)state;
	ask_admin("user setup-link");
	ask_admin("user admin ann on");
	assert_int_equal(is_valid(token), AUTH_BAD_CREDENTIALS);
	assert_int_equal(set_up(token, "root", "12345678"), AUTH_BAD_CREDENTIALS);
}

static void
links_end_with_time(void **state)
{
	int64_t now = 1000000;

	(void)state;
	assert_int_equal(setup_make(auth->directory, now, token), 0);
	assert_true(setup_is(auth->directory, now, span_of(token)));
	assert_true(setup_is(auth->directory, now + SETUP_LIFE_S - 1, span_of(token)));
	assert_false(setup_is(auth->directory, now + SETUP_LIFE_S, span_of(token)));
	assert_false(setup_is(auth->directory, now - 1, span_of(token))); /* a clock that jumps */
	assert_false(setup_is(auth->directory, now, span_of("x")));
	setup_remove(auth->directory);
	assert_false(setup_is(auth->directory, now, span_of(token)));
}

/* The token is in no file. */
static void
links_are_kept_hashed(void **state)
{
	char text[200] = "";
	FILE *f;

	(void)state;
	ask_admin("user setup-link");
	f = fopen(path_of("users/setup"), "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_null(strstr(text, token));
	assert_int_equal(strlen(token), SETUP_TOKEN_SIZE - 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(sessions_are_passed_on),
	    WITH(only_the_right_password),
	    WITH(administrators),
	    WITH(master_refuses),
	    WITH(only_webd_may_want_one),
	    WITH(callers_that_go),
	    WITH(answers_that_are_malformed),
	    WITH(sessions_are_revoked),
	    WITH(passwords),
	    WITH(only_webd_may_change_one),
	    WITH(who_goes_while_it_is_changed),
	    WITH(links_work_once),
	    WITH(links_end_with_an_administrator),
	    WITH(links_end_with_time),
	    WITH(links_are_kept_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
