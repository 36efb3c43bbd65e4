/*
 * auth as its callers and the administrator see it: a store of the test's own gives it sessions.
 * One process: all share the loop.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
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
#include "common/memory.h"
#include "store/store.h"

enum { PATIENCE_S = 20, NO_ANSWER = 99 };

static char root[64];
static struct event_base *base;
static struct role own_role;
static struct auth *auth;
static struct auth_client *pop3d, *smtpd;
static struct ipc_server *store;
static bool waiting;

/* ---- waiting ---- */

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail_msg("nothing happened for %d s", PATIENCE_S);
}

/* Until something has happened. */
static void
turn_loop(void)
{
	const struct timeval patience = {PATIENCE_S, 0};
	struct event *e = event_new(base, -1, EV_TIMEOUT, on_patience, NULL);

	event_add(e, &patience);
	assert_int_not_equal(event_base_loop(base, EVLOOP_ONCE), -1);
	event_free(e);
}

/* Until something calls go_on(). */
static void
wait_here(void)
{
	waiting = true;
	while (waiting)
		turn_loop();
}

static void
go_on(void)
{
	waiting = false;
}

/* ---- the store: what it was asked, and what it answers ---- */

static char asked[512];
static uint64_t store_refusal; /* of all but LOOKUP */
static bool store_is_silent;
static int store_end = -1; /* of the last session */

static void
note(const char *verb, struct span mailbox)
{
	size_t len = strlen(asked);

	snprintf(asked + len, sizeof asked - len, "%s %.*s; ", verb, (int)mailbox.len, mailbox.at);
}

static void
answer(struct ipc_peer *p, uint64_t tag, uint32_t type, int fd)
{
	struct writer w;

	if (store_is_silent) {
		closefd(&fd);
		go_on();
		return;
	}
	ipc_write(&w, store_refusal != 0 ? STORE_REFUSED : type, tag);
	if (store_refusal != 0) {
		put_u64(&w, store_refusal);
		closefd(&fd);
	}
	ipc_peer_send(p, &w, fd);
}

static void
on_open(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span mailbox = get_str(r, MAILBOX_NAME_MAX_BYTES);
	uint64_t kind = get_u64(r);
	struct span program = get_str(r, STORE_PROGRAM_MAX_BYTES);
	int ends[2];

	get_str(r, STORE_CLIENT_MAX_BYTES);
	assert_int_equal(get_end(r), 0);
	assert_true(span_is(program, kind == STORE_MAILDROP ? "pop3d" : "webd"));
	note("open", mailbox);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	closefd(&store_end);
	store_end = ends[0];
	answer(p, tag, STORE_SESSION, ends[1]);
}

static void
on_create(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	note("create", get_str(r, MAILBOX_NAME_MAX_BYTES));
	assert_int_equal(get_end(r), 0);
	answer(p, tag, STORE_DONE, -1);
}

static void
on_remove(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	note("remove", get_str(r, MAILBOX_NAME_MAX_BYTES));
	assert_int_equal(get_end(r), 0);
	answer(p, tag, STORE_DONE, -1);
}

static void
on_set_quota(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span mailbox = get_str(r, MAILBOX_NAME_MAX_BYTES);
	uint64_t bytes = get_u64(r);
	char verb[40];

	assert_int_equal(get_end(r), 0);
	snprintf(verb, sizeof verb, "quota %lld", (long long)bytes);
	note(verb, mailbox);
	answer(p, tag, STORE_DONE, -1);
}

/* Mailboxes are those whose name does not start with "no". */
static void
on_lookup(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span mailbox = get_str(r, MAILBOX_NAME_MAX_BYTES);
	bool none = mailbox.len > 1 && memcmp(mailbox.at, "no", 2) == 0;
	struct writer w;

	assert_int_equal(get_end(r), 0);
	ipc_write(&w, STORE_FOUND, tag);
	put_u64(&w, none ? STORE_NONE : STORE_EXISTS);
	put_u64(&w, STORE_NO_LIMIT);
	put_u64(&w, STORE_NO_LIMIT);
	ipc_peer_send(p, &w, -1);
}

static const struct ipc_handler store_handlers[] = {
    {STORE_OPEN, ROLE_AUTH, on_open},
    {STORE_CREATE, ROLE_AUTH, on_create},
    {STORE_REMOVE, ROLE_AUTH, on_remove},
    {STORE_SET_QUOTA, ROLE_AUTH, on_set_quota},
    {STORE_LOOKUP, ROLE_AUTH, on_lookup},
};
static const struct ipc_server_ops store_ops = {
    .handlers = store_handlers, .n_handlers = nitems(store_handlers)};

/* ---- the house ---- */

static const char *
path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	turn++;
	snprintf(path[turn % 4], sizeof path[0], "%s/%s", root, name);
	return path[turn % 4];
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strlcpy(un.sun_path, path, sizeof un.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
use_settings(const char *domains, const char *delay, const char *remember, const char *workers)
{
	struct settings *s = settings_new();

	settings_add(s, "mail", "Mail Server", "our.example");
	settings_add(s, "smtpd", "Local Domains", domains);
	settings_add(s, "timeouts", "Maximum Login Delay", delay);
	settings_add(s, "timeouts", "Remember Login", remember);
	settings_add(s, "limits", "Auth Workers", workers);
	auth_settings(auth, s);
	settings_free(&s);
}

static char reply_text[65536];
static int reply_code = -1;

static void
on_reply(void *arg, uint64_t tag, int code, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);

	assert_ptr_equal(arg, root);
	assert_int_equal(tag, 4711);
	strlcpy(reply_text, text, sizeof reply_text);
	reply_code = code;
	free(text);
	json_decref(doc);
	go_on();
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(root, "/tmp/auth-test-XXXXXX", sizeof root);
	assert_non_null(mkdtemp(root));
	assert_int_equal(mkdir(path_of("users"), 0700), 0);
	base = event_base_new();
	own_role = (struct role){.name = "auth", .base = base};
	asked[0] = reply_text[0] = '\0';
	store_refusal = 0;
	store_is_silent = false;
	store = ipc_server_new(base, listen_at(path_of("store.sock")), &store_ops, NULL);
	auth = auth_new(&own_role, open(path_of("users"), O_PATH | O_DIRECTORY | O_CLOEXEC),
	    listen_at(path_of("auth.sock")), path_of("store.sock"), on_reply, root);
	use_settings("*.inside.example", "0", "300", "2");
	pop3d = auth_client_new(base, path_of("auth.sock"), "pop3d");
	smtpd = auth_client_new(base, path_of("auth.sock"), "smtpd");
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
	auth_client_free(&pop3d);
	auth_client_free(&smtpd);
	auth_free(&auth);
	auth_free(&auth);
	ipc_server_free(&store);
	closefd(&store_end);
	event_base_free(base);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static size_t
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* ---- the administrator ---- */

static void
request_words(char **words, size_t n)
{
	reply_code = -1;
	admin_request(auth, 4711, words, n);
}

/* Blank-separated words; "_" stands for an empty one. */
static void
request(const char *text)
{
	char copy[600], *words[16], *rest = copy;
	size_t n = 0;

	strlcpy(copy, text, sizeof copy);
	while ((words[n] = strsep(&rest, " ")) != NULL) {
		if (strcmp(words[n], "_") == 0)
			words[n][0] = '\0';
		n++;
	}
	request_words(words, n);
}

static int
ask_admin(const char *text)
{
	request(text);
	while (reply_code == -1)
		wait_here();
	return reply_code;
}

static void
add_user(const char *name)
{
	char text[100];

	snprintf(text, sizeof text, "user add %s %s-secret mailbox", name, name);
	assert_int_equal(ask_admin(text), 0);
	assert_string_equal(reply_text, "{}");
}

static void
write_users(const char *text)
{
	FILE *f = fopen(path_of("users/passwd"), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* ---- logins ---- */

struct visit {
	int refusal; /* or NO_ANSWER */
	char user[AUTH_USER_SIZE];
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
	strlcpy(v->user, a->user, sizeof v->user);
	v->admin = a->admin;
	v->session = a->session;
	go_on();
}

static void
begin(struct visit *v, struct auth_client *who, const char *name, const char *password,
    const char *address)
{
	*v = (struct visit){.refusal = NO_ANSWER, .session = -1};
	v->call = auth_login(who, who == smtpd ? "smtp" : "pop3", span_of(name), span_of(password),
	    address, who == pop3d ? AUTH_WANT_MAILDROP : AUTH_WANT_NONE, on_answer, v);
}

static enum auth_refusal
end(struct visit *v)
{
	while (v->refusal == NO_ANSWER)
		wait_here();
	return v->refusal;
}

static enum auth_refusal
log_in(struct auth_client *who, const char *name, const char *password)
{
	struct visit v;
	enum auth_refusal refusal;

	begin(&v, who, name, password, "192.0.2.1");
	refusal = end(&v);
	assert_int_equal(v.session != -1, refusal == AUTH_GRANTED && who == pop3d);
	assert_string_equal(v.user, refusal == AUTH_GRANTED ? "ann" : "");
	closefd(&v.session);
	return refusal;
}

static void
grants_and_refuses(void **state)
{
	static const struct {
		const char *name, *password;
		enum auth_refusal refusal;
	} rows[] = {
	    {"ann", "ann-secret", AUTH_GRANTED},
	    {"ANN", "ann-secret", AUTH_GRANTED},
	    {"ann@our.example", "ann-secret", AUTH_GRANTED},
	    {"Ann*Our.Example", "ann-secret", AUTH_GRANTED},
	    {"ann@x.inside.example", "ann-secret", AUTH_GRANTED},
	    {"ann@other.example", "ann-secret", AUTH_BAD_CREDENTIALS},
	    {"ann", "bob-secret", AUTH_BAD_CREDENTIALS},
	    {"ann", "ann-secret ", AUTH_BAD_CREDENTIALS},
	    {"ann", "ann-secre", AUTH_BAD_CREDENTIALS},
	    {"ann", "Ann-secret", AUTH_BAD_CREDENTIALS},
	    {"ann", "", AUTH_BAD_CREDENTIALS},
	    {"bob", "ann-secret", AUTH_BAD_CREDENTIALS},
	    {"", "", AUTH_BAD_CREDENTIALS},
	    {"passwd", "x", AUTH_BAD_CREDENTIALS},
	    {"../users/passwd", "x", AUTH_BAD_CREDENTIALS},
	    {"nobody", "ann-secret", AUTH_BAD_CREDENTIALS},
	};

	(void)state;
	add_user("ann");
	for (size_t i = 0; i < nitems(rows); i++) {
		if (log_in(smtpd, rows[i].name, rows[i].password) != rows[i].refusal ||
		    log_in(pop3d, rows[i].name, rows[i].password) != rows[i].refusal)
			fail_msg("row %zu: %s", i, rows[i].name);
	}
	assert_int_equal(auth->n_failed, 22);
	assert_int_equal(auth->n_logins, 10);
}

static void
long_and_strange_passwords(void **state)
{
	char text[1000], longest[ACCOUNT_PASSWORD_MAX_BYTES + 2];
	struct visit v;

	(void)state;
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 2] = '\0';
	snprintf(text, sizeof text, "user add ann %s mailbox", longest);
	assert_int_equal(ask_admin(text), 0);
	assert_int_equal(log_in(smtpd, "ann", longest), AUTH_GRANTED);
	longest[sizeof longest - 2] = 'x';
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(log_in(smtpd, "ann", longest), AUTH_BAD_CREDENTIALS);
	snprintf(text, sizeof text, "user passwd ann %s", longest);
	assert_int_equal(ask_admin(text), 65);
	assert_int_equal(ask_admin("user passwd ann x"), 0);
	v = (struct visit){.refusal = NO_ANSWER};
	auth_login(smtpd, "smtp", span_of("ann"), (struct span){"x\0y", 3}, "192.0.2.1",
	    AUTH_WANT_NONE, on_answer, &v);
	assert_int_equal(end(&v), AUTH_BAD_CREDENTIALS);
	v.refusal = NO_ANSWER;
	auth_login(smtpd, "smtp", (struct span){"ann\0", 4}, span_of("x"), "192.0.2.1",
	    AUTH_WANT_NONE, on_answer, &v);
	assert_int_equal(end(&v), AUTH_BAD_CREDENTIALS);
	v.refusal = NO_ANSWER; /* longer than anything that is right */
	memset(text, 'a', sizeof text);
	auth_login(smtpd, "a service with a name that is far too long",
	    (struct span){text, sizeof text}, (struct span){text, sizeof text},
	    "an address that is longer than any address can be, so that it is cut to what fits",
	    AUTH_WANT_NONE, on_answer, &v);
	assert_int_equal(end(&v), AUTH_BAD_CREDENTIALS);
}

static void
sessions_are_passed_on(void **state)
{
	struct visit v;
	char byte = 'x';

	(void)state;
	add_user("ann");
	assert_int_equal(ask_admin("user admin ann on"), 0);
	begin(&v, pop3d, "Ann", "ann-secret", "192.0.2.1");
	assert_int_equal(end(&v), AUTH_GRANTED);
	assert_string_equal(v.user, "ann");
	assert_true(v.admin);
	assert_int_equal(write(store_end, &byte, 1), 1);
	assert_int_equal(read(v.session, &byte, 1), 1);
	closefd(&v.session);
	assert_int_equal(read(store_end, &byte, 1), 0); /* nobody else holds it */
	assert_string_equal(asked, "create ann; open ann; ");
}

static void
store_refuses(void **state)
{
	static const struct {
		enum store_refusal store;
		enum auth_refusal refusal;
	} rows[] = {
	    {STORE_NO_MAILBOX, AUTH_NO_MAILBOX},
	    {STORE_TOO_MANY_USERS, AUTH_TOO_MANY_USERS},
	    {STORE_EXISTS_ALREADY, AUTH_TROUBLE},
	    {STORE_TROUBLE, AUTH_TROUBLE},
	};

	(void)state;
	add_user("ann");
	for (size_t i = 0; i < nitems(rows); i++) {
		store_refusal = rows[i].store;
		assert_int_equal(log_in(pop3d, "ann", "ann-secret"), rows[i].refusal);
		assert_int_equal(log_in(pop3d, "ann", "wrong"), AUTH_BAD_CREDENTIALS);
		assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	}
}

/* ---- remembered ---- */

static void
right_passwords_are_remembered(void **state)
{
	struct visit v;

	(void)state;
	add_user("ann");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(log_in(pop3d, "ann@our.example", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 2);
	/* from elsewhere it is not */
	begin(&v, smtpd, "ann", "ann-secret", "192.0.2.2");
	assert_int_equal(end(&v), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 2);
	/* within a /64 it is */
	begin(&v, smtpd, "ann", "ann-secret", "2001:db8::1");
	assert_int_equal(end(&v), AUTH_GRANTED);
	begin(&v, smtpd, "ann", "ann-secret", "2001:db8::ffff:1");
	assert_int_equal(end(&v), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 3);
	begin(&v, smtpd, "ann", "ann-secret", "2001:db8:0:1::1");
	assert_int_equal(end(&v), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 3);
	/* a wrong one makes forget */
	assert_int_equal(log_in(smtpd, "ann", "wrong"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 3);
	use_settings("", "0", "0", "2");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 3);
}

static void
a_new_password_counts_at_once(void **state)
{
	(void)state;
	add_user("ann");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(ask_admin("user passwd ann another"), 0);
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(log_in(smtpd, "ann", "another"), AUTH_GRANTED);
	/* the same one, but its hash is another */
	assert_int_equal(ask_admin("user passwd ann another"), 0);
	assert_int_equal(log_in(smtpd, "ann", "another"), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 0);
	assert_int_equal(ask_admin("user del ann keep"), 0);
	assert_int_equal(log_in(smtpd, "ann", "another"), AUTH_BAD_CREDENTIALS);
}

/* The account is removed, or its password changed, while the old one is hashed. */
static void
changes_during_a_login(void **state)
{
	struct visit v;

	(void)state;
	add_user("ann");
	begin(&v, smtpd, "ann", "ann-secret", "192.0.2.1");
	while (passwords_load(auth->passwords) == 0)
		turn_loop();
	write_users("");
	assert_int_equal(end(&v), AUTH_BAD_CREDENTIALS);

	add_user("ann");
	begin(&v, smtpd, "ann", "ann-secret", "192.0.2.1");
	while (passwords_load(auth->passwords) == 0)
		turn_loop();
	assert_int_equal(unlink(path_of("users/passwd")), 0);
	assert_int_equal(mkfifo(path_of("users/passwd"), 0600), 0);
	assert_int_equal(end(&v), AUTH_TROUBLE);
	assert_int_equal(auth->n_failed, 1);
}

/* Fifty sessions of one client at once cost few hashes. */
static void
many_sessions_of_one_client(void **state)
{
	struct visit visits[50];

	(void)state;
	add_user("ann");
	for (size_t i = 0; i < nitems(visits); i++)
		begin(&visits[i], pop3d, "ann", "ann-secret", "192.0.2.1");
	for (size_t i = 0; i < nitems(visits); i++) {
		assert_int_equal(end(&visits[i]), AUTH_GRANTED);
		closefd(&visits[i].session);
	}
	assert_true(auth->n_remembered >= 46);
}

/* ---- failures ---- */

/* An answer that is held back holds up nobody else. */
static void
failures_are_held_back(void **state)
{
	struct visit failed, right;

	(void)state;
	add_user("ann");
	use_settings("", "1", "300", "2");
	begin(&failed, smtpd, "ann", "wrong", "192.0.2.9");
	while (auth->n_held == 0)
		turn_loop();
	begin(&right, smtpd, "ann", "ann-secret", "192.0.2.10");
	assert_int_equal(end(&right), AUTH_GRANTED);
	assert_int_equal(failed.refusal, NO_ANSWER);
	assert_int_equal(end(&failed), AUTH_BAD_CREDENTIALS);
	assert_int_equal(auth->n_held, 0);
}

/* A flood of failures, with delays of minutes, from one address: no hash is made for it any more,
 * and a login from elsewhere waits for a few at most. */
static void
floods_disturb_nobody(void **state)
{
	struct visit flood[100], right;
	char name[16];

	(void)state;
	add_user("ann");
	use_settings("", "600", "300", "2");
	for (size_t i = 0; i < nitems(flood); i++) {
		snprintf(name, sizeof name, "nobody%zu", i);
		begin(&flood[i], pop3d, name, "x", "192.0.2.9");
	}
	begin(&right, pop3d, "ann", "ann-secret", "192.0.2.10");
	assert_int_equal(end(&right), AUTH_GRANTED);
	closefd(&right.session);
	assert_true(auth->n_failed <= 3);
	for (size_t i = 0; i < nitems(flood); i++)
		assert_int_equal(flood[i].refusal, NO_ANSWER);
}

/* Others' failures on an account keep no user out, nor does a remembered one's own address. */
static void
strangers_lock_nobody_out(void **state)
{
	struct visit strangers[6], own, right;
	char address[20];

	(void)state;
	add_user("ann");
	use_settings("", "600", "300", "2");
	begin(&right, smtpd, "ann", "ann-secret", "192.0.2.1");
	assert_int_equal(end(&right), AUTH_GRANTED);
	for (size_t i = 0; i < nitems(strangers); i++) {
		snprintf(address, sizeof address, "198.51.100.%zu", i);
		begin(&strangers[i], smtpd, "ann", "wrong", address);
	}
	begin(&own, smtpd, "bob", "wrong", "192.0.2.1");
	while (auth->n_held < 7)
		turn_loop();
	begin(&right, smtpd, "ann", "ann-secret", "192.0.2.1");
	assert_int_equal(end(&right), AUTH_GRANTED);
	assert_int_equal(auth->n_remembered, 1);
	begin(&right, smtpd, "ann", "ann-secret", "203.0.113.1");
	assert_int_equal(end(&right), AUTH_GRANTED);
	assert_int_equal(own.refusal, NO_ANSWER);
}

/* ---- those who go ---- */

static void
callers_that_go(void **state)
{
	struct visit held, checking[4], opening, waiting_one;
	size_t before;

	(void)state;
	add_user("ann");
	use_settings("", "600", "300", "1");
	assert_int_equal(log_in(pop3d, "ann", "ann-secret"), AUTH_GRANTED);
	closefd(&store_end);
	before = open_descriptors();
	begin(&held, pop3d, "ann", "wrong", "192.0.2.9");
	while (auth->n_held == 0)
		turn_loop();
	begin(&waiting_one, pop3d, "ann", "ann-secret", "192.0.2.9");
	for (size_t i = 0; i < nitems(checking); i++)
		begin(&checking[i], pop3d, "ann", i % 2 ? "ann-secret" : "wrong", "192.0.2.10");
	store_is_silent = true;
	begin(&opening, pop3d, "ann", "ann-secret", "192.0.2.1");
	wait_here();
	auth_client_free(&pop3d);
	while (!TAILQ_EMPTY(&auth->attempts))
		turn_loop();
	assert_int_equal(turns_waiting(auth->turns), 0);
	assert_int_equal(auth->n_held, 0);
	closefd(&store_end);
	/* the store's connection is still there, pop3d's two ends are not */
	assert_int_equal(open_descriptors(), before - 2);
}

/* A call that its caller has forgotten: the session that comes is closed. */
static void
calls_that_are_cancelled(void **state)
{
	struct visit v;
	char byte;

	(void)state;
	add_user("ann");
	begin(&v, pop3d, "ann", "ann-secret", "192.0.2.1");
	turn_loop();
	ipc_call_cancel(&v.call);
	while (strstr(asked, "open") == NULL)
		turn_loop();
	while (!TAILQ_EMPTY(&auth->attempts))
		turn_loop();
	while (recv(store_end, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN)
		turn_loop();
	assert_int_equal(read(store_end, &byte, 1), 0);
	assert_int_equal(v.refusal, NO_ANSWER);
}

static bool idle;

static void
on_idle(void *arg)
{
	assert_ptr_equal(arg, root);
	idle = true;
	go_on();
}

static void
drains(void **state)
{
	struct visit held, waiting_one, checking, later;

	(void)state;
	idle = false;
	add_user("ann");
	use_settings("", "600", "300", "1");
	begin(&held, smtpd, "ann", "wrong", "192.0.2.9");
	while (auth->n_held == 0)
		turn_loop();
	begin(&waiting_one, smtpd, "ann", "ann-secret", "192.0.2.9");
	begin(&checking, smtpd, "ann", "ann-secret", "192.0.2.1");
	while (passwords_load(auth->passwords) == 0)
		turn_loop();
	request("user passwd ann another");
	auth_drain(auth, on_idle, root);
	assert_false(idle);
	begin(&later, smtpd, "ann", "ann-secret", "192.0.2.1");
	while (!idle)
		wait_here();
	assert_int_equal(reply_code, 0);
	assert_int_equal(end(&held), AUTH_BAD_CREDENTIALS);
	assert_int_not_equal(end(&checking), NO_ANSWER);
	assert_int_equal(waiting_one.refusal, NO_ANSWER); /* the next auth will be asked */
	assert_int_equal(later.refusal, NO_ANSWER);
}

static void
drains_at_once_when_idle(void **state)
{
	(void)state;
	idle = false;
	auth_drain(auth, on_idle, root);
	assert_true(idle);
}

/* ---- messages as they should not be ---- */

static void
expect_hang_up(const char *role, struct writer *(*message)(struct writer *w, int row), int row)
{
	static unsigned char buf[IPC_MESSAGE_MAX_BYTES];
	int fd = ipc_connect(path_of("auth.sock"));
	struct reader r;
	struct writer w;
	uint64_t tag;
	uint32_t type;

	ipc_write(&w, 0, 0);
	put_text(&w, role);
	assert_int_equal(ipc_send_now(fd, &w, -1), 0);
	assert_int_equal(ipc_send_now(fd, message(&w, row), -1), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (ipc_receive_now(fd, buf, &type, &tag, &r) == -1 && errno == EAGAIN)
		turn_loop();
	assert_int_equal(ipc_receive_now(fd, buf, &type, &tag, &r), 0);
	close(fd);
}

static struct writer *
login_message(struct writer *w, int row)
{
	static char text[1000];

	memset(text, 'x', sizeof text);
	ipc_write(w, AUTH_LOGIN, 1);
	put_str(w, (struct span){text, row == 0 ? AUTH_SERVICE_MAX_BYTES + 1 : 4});
	put_str(w, (struct span){text, row == 1 ? AUTH_NAME_MAX_BYTES + 1 : 4});
	put_str(w, (struct span){text, row == 2 ? AUTH_PASSWORD_MAX_BYTES + 1 : 4});
	put_str(w, (struct span){text, row == 3 ? AUTH_CLIENT_MAX_BYTES + 1 : 4});
	if (row != 4)
		put_u64(w, row == 5   ? AUTH_WANT_LAST + 1
			   : row == 7 ? AUTH_WANT_MAILDROP
			   : row == 9 ? AUTH_WANT_FOLDERS
				      : 0);
	if (row == 6)
		put_u64(w, 0);
	return w;
}

static void
malformed_logins(void **state)
{
	(void)state;
	for (int row = 0; row < 7; row++)
		expect_hang_up("pop3d", login_message, row);
	/* a session is nothing for smtpd */
	expect_hang_up("smtpd", login_message, 7);
	expect_hang_up("smtpd", login_message, 9);
	/* folders are nothing for pop3d, nor a maildrop for webd */
	expect_hang_up("pop3d", login_message, 9);
	expect_hang_up("webd", login_message, 7);
	/* and a login nothing for others */
	expect_hang_up("router", login_message, 8);
	expect_hang_up("store", login_message, 8);
	assert_true(TAILQ_EMPTY(&auth->attempts));
}

/* ---- what the administrator asks ---- */

static void
requests(void **state)
{
	static const struct {
		const char *words;
		int code;
		const char *text; /* what the reply starts with */
	} rows[] = {
	    {"user list", 0, "{\"users\":[]}"},
	    {"user add ann secret mailbox", 0, "{}"},
	    {"user add nora secret no-mailbox", 0, "{}"},
	    {"user list", 0,
		"{\"users\":[{\"admin\":false,\"mailbox\":true,\"name\":\"ann\",\"quota\":null},"
		"{\"admin\":false,\"mailbox\":false,\"name\":\"nora\",\"quota\":null}]}"},
	    {"user add ann secret mailbox", 65, "{\"error\":\"there is a user ann already\"}"},
	    {"user add ann secret no-mailbox", 65, "{\"error\":"},
	    {"user add Ann secret mailbox", 65, "{\"error\":\"a user name is 1 to 64"},
	    {"user add a.b secret mailbox", 65, "{\"error\":"},
	    {"user add ../x secret mailbox", 65, "{\"error\":"},
	    {"user add passwd.new secret mailbox", 65, "{\"error\":"},
	    {"user add null secret mailbox", 65, "{\"error\":"},
	    {"user add _ secret mailbox", 65, "{\"error\":"},
	    {"user add -x secret mailbox", 65, "{\"error\":"},
	    {"user add \xc3\xbc secret mailbox", 65, "{\"error\":"},
	    {"user add bob _ mailbox", 65, "{\"error\":\"a password has 1 to 511 bytes\"}"},
	    {"user add bob secret maybe", 64, "{\"error\":\"neither mailbox nor no-mailbox"},
	    {"user add bob secret", 64, "{\"error\":"},
	    {"user add", 64, "{\"error\":"},
	    {"user", 64, "{\"error\":"},
	    {"user nonsense", 64, "{\"error\":"},
	    {"_", 64, "{\"error\":"},
	    {"mailbox list", 64, "{\"error\":"},
	    {"user list all", 64, "{\"error\":"},
	    {"user find ann", 0, "{}"},
	    {"user find bob", 67, "{\"error\":\"there is no user bob\"}"},
	    {"user find a.b", 65, "{\"error\":\"a user name is 1 to 64"},
	    {"user find", 64, "{\"error\":"},
	    {"user passwd ann another", 0, "{}"},
	    {"user passwd ann _", 65, "{\"error\":"},
	    {"user passwd bob another", 67, "{\"error\":\"there is no user bob\"}"},
	    {"user admin ann on", 0, "{}"},
	    {"user admin ann on", 0, "{}"},
	    {"user admin ann perhaps", 64, "{\"error\":"},
	    {"user admin bob on", 67, "{\"error\":"},
	    {"user quota ann 5242880", 0, "{}"},
	    {"user quota ann 9223372036854775807", 0, "{}"},
	    {"user quota ann 9223372036854775808", 65, "{\"error\":"},
	    {"user quota ann -1", 65, "{\"error\":"},
	    {"user quota ann 5M", 65, "{\"error\":"},
	    {"user quota bob 1", 67, "{\"error\":"},
	    {"user quota ann 7", 0, "{}"},
	    {"user list", 0,
		"{\"users\":[{\"admin\":true,\"mailbox\":true,\"name\":\"ann\",\"quota\":7},"},
	    {"user quota ann none", 0, "{}"},
	    {"user admin ann off", 0, "{}"},
	    {"user list", 0,
		"{\"users\":[{\"admin\":false,\"mailbox\":true,\"name\":\"ann\",\"quota\":null},"},
	    {"user mailbox nora on", 0, "{}"},
	    {"user mailbox nora off", 0, "{}"},
	    {"user mailbox nora maybe", 64, "{\"error\":"},
	    {"user mailbox bob on", 67, "{\"error\":"},
	    {"user del bob keep", 67, "{\"error\":"},
	    {"user del _ keep", 67, "{\"error\":"},
	    {"user del bob purge", 67, "{\"error\":"},
	    {"user del ann maybe", 64, "{\"error\":"},
	    {"user del ann keep", 0, "{}"},
	    {"user del ann keep", 67, "{\"error\":"},
	    {"user del nora purge", 0, "{}"},
	    {"user list", 0, "{\"users\":[]}"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		int code = ask_admin(rows[i].words);

		if (code != rows[i].code ||
		    strncmp(reply_text, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("row %zu: %s: %d %s", i, rows[i].words, code, reply_text);
	}
	assert_string_equal(asked,
	    "create ann; quota 5242880 ann; quota 9223372036854775807 ann; quota 7 ann; "
	    "quota -1 ann; create nora; remove nora; remove nora; ");
}

static void
names_that_are_too_long(void **state)
{
	char name[66], text[200];

	(void)state;
	memset(name, 'x', sizeof name);
	name[65] = '\0';
	snprintf(text, sizeof text, "user add %s secret mailbox", name);
	assert_int_equal(ask_admin(text), 65);
	snprintf(text, sizeof text, "user del %s keep", name);
	assert_int_equal(ask_admin(text), 67);
	name[64] = '\0';
	snprintf(text, sizeof text, "user add %s secret mailbox", name);
	assert_int_equal(ask_admin(text), 0);
	snprintf(text, sizeof text, "user del %s purge", name);
	assert_int_equal(ask_admin(text), 0);
}

/* What was cut short can be repeated; what is done already is no error. */
static void
requests_that_store_refuses(void **state)
{
	static const struct {
		enum store_refusal refusal;
		const char *words;
		int code;
	} rows[] = {
	    {STORE_TROUBLE, "user add ann secret mailbox", 75},
	    {STORE_NO_MAILBOX, "user add ann secret mailbox", 75},
	    {STORE_EXISTS_ALREADY, "user add ann secret mailbox", 0}, /* kept, or by hand */
	    {STORE_TROUBLE, "user mailbox ann on", 75},
	    {STORE_EXISTS_ALREADY, "user mailbox ann on", 0},
	    {STORE_TROUBLE, "user mailbox ann off", 75},
	    {STORE_NO_MAILBOX, "user mailbox ann off", 0},
	    {STORE_TROUBLE, "user quota ann 5", 75},
	    {STORE_NO_MAILBOX, "user quota ann 5", 0},
	    {STORE_TROUBLE, "user del ann purge", 75},
	    {STORE_NO_MAILBOX, "user del ann purge", 0},
	    {STORE_NO_MAILBOX, "user del ann purge", 67},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		store_refusal = rows[i].refusal;
		if (ask_admin(rows[i].words) != rows[i].code)
			fail_msg("row %zu: %s: %s", i, rows[i].words, reply_text);
	}
}

/* A quota that was given before there was a mailbox. */
static void
quotas_wait_for_a_mailbox(void **state)
{
	(void)state;
	assert_int_equal(ask_admin("user add ann secret no-mailbox"), 0);
	store_refusal = STORE_NO_MAILBOX;
	assert_int_equal(ask_admin("user quota ann 5"), 0);
	store_refusal = 0;
	assert_int_equal(ask_admin("user mailbox ann on"), 0);
	assert_string_equal(asked, "quota 5 ann; create ann; quota 5 ann; ");
}

static void
files_that_cannot_be_used(void **state)
{
	static const char *const rows[] = {"user add bob secret no-mailbox", "user list",
	    "user passwd ann x", "user admin ann on", "user quota ann 5", "user mailbox ann on",
	    "user del ann keep", "user del ann purge"};

	(void)state;
	add_user("ann");
	assert_int_equal(rename(path_of("users/passwd"), path_of("users/real")), 0);
	assert_int_equal(symlink("real", path_of("users/passwd")), 0);
	for (size_t i = 0; i < nitems(rows); i++)
		assert_int_equal(ask_admin(rows[i]), 74);
	assert_string_equal(asked, "create ann; ");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_TROUBLE);
	assert_int_equal(unlink(path_of("users/passwd")), 0);
	assert_int_equal(rename(path_of("users/real"), path_of("users/passwd")), 0);
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	assert_int_equal(mkdir(path_of("users/passwd.new"), 0700), 0);
	assert_int_equal(ask_admin("user admin ann on"), 74);
}

static void
malformed_lines(void **state)
{
	static const char *const rows[] = {"user passwd ann x", "user admin ann on",
	    "user quota ann 5", "user mailbox ann on", "user add ann x mailbox"};

	(void)state;
	write_users("ann:secret\n");
	for (size_t i = 0; i < nitems(rows); i++)
		assert_int_equal(ask_admin(rows[i]), 65);
	assert_int_equal(log_in(smtpd, "ann", "secret"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(ask_admin("user del ann keep"), 0);
	add_user("ann");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_GRANTED);
	/* a hash that looks like one */
	write_users("ann:$y$zzz::\n");
	assert_int_equal(log_in(smtpd, "ann", "ann-secret"), AUTH_BAD_CREDENTIALS);
	assert_int_equal(log_in(smtpd, "ann", ""), AUTH_BAD_CREDENTIALS);
	/* one of another method */
	write_users("ann:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
		    "OTLiBFdcbYEdFCoEOfaS35inz1::admin\n"
		    "ann:x\n");
	assert_int_equal(log_in(smtpd, "ann", "Hello world!"), AUTH_BAD_CREDENTIALS);
	write_users("ann:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
		    "OTLiBFdcbYEdFCoEOfaS35inz1\n");
	assert_int_equal(log_in(smtpd, "ann", "Hello world!"), AUTH_GRANTED);
}

static void
many_users_are_listed(void **state)
{
	char expected[200];

	(void)state;
	FILE *f = fopen(path_of("users/passwd"), "w");

	for (int i = 0; i < 300; i++)
		fprintf(f, "%s%d:$y$j9T$abc$x::%d\n", i % 3 ? "u" : "no", i, i);
	fclose(f);
	assert_int_equal(ask_admin("user list"), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(expected, sizeof expected,
		    "{\"admin\":false,\"mailbox\":%s,\"name\":\"%s%d\",\"quota\":%d}",
		    i % 3 ? "true" : "false", i % 3 ? "u" : "no", i, i);
		assert_non_null(strstr(reply_text, expected));
	}
}

/* One after the other, in their order, also when all come at once. */
static void
requests_wait_for_each_other(void **state)
{
	(void)state;
	request("user add ann secret mailbox");
	request("user add ann secret mailbox");
	request("user passwd ann another");
	request("user del ann keep");
	request("user add ann third no-mailbox");
	request("user list");
	while (strstr(reply_text, "users") == NULL)
		wait_here();
	assert_string_equal(reply_text,
	    "{\"users\":[{\"admin\":false,\"mailbox\":true,\"name\":\"ann\",\"quota\":null}]}");
	assert_int_equal(log_in(smtpd, "ann", "third"), AUTH_GRANTED);
	request("user passwd ann fourth"); /* and the house ends */
	request("user list");
}

static void
counters(void **state)
{
	json_t *doc = json_object();

	(void)state;
	add_user("ann");
	log_in(smtpd, "ann", "ann-secret");
	log_in(smtpd, "ann", "ann-secret");
	log_in(smtpd, "ann", "wrong");
	auth_status(auth, doc);
	assert_int_equal(json_integer_value(json_object_get(doc, "users")), 1);
	assert_int_equal(json_integer_value(json_object_get(doc, "logins")), 2);
	assert_int_equal(json_integer_value(json_object_get(doc, "logins_remembered")), 1);
	assert_int_equal(json_integer_value(json_object_get(doc, "logins_failed")), 1);
	assert_int_equal(json_integer_value(json_object_get(doc, "logins_waiting")), 0);
	assert_int_equal(json_integer_value(json_object_get(doc, "hashing")), 0);
	json_decref(doc);
}

static void
threads_come_and_go(void **state)
{
	struct visit visits[12];
	char address[20];

	(void)state;
	add_user("ann");
	for (size_t i = 0; i < nitems(visits); i++) {
		snprintf(address, sizeof address, "192.0.2.%zu", i);
		begin(&visits[i], smtpd, "ann", "ann-secret", address);
	}
	while (passwords_load(auth->passwords) < 2)
		turn_loop();
	use_settings("", "0", "300", "8");
	turn_loop();
	use_settings("", "0", "300", "1");
	for (size_t i = 0; i < nitems(visits); i++)
		assert_int_equal(end(&visits[i]), AUTH_GRANTED);
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH(grants_and_refuses),
	    WITH(long_and_strange_passwords),
	    WITH(sessions_are_passed_on),
	    WITH(store_refuses),
	    WITH(right_passwords_are_remembered),
	    WITH(a_new_password_counts_at_once),
	    WITH(changes_during_a_login),
	    WITH(many_sessions_of_one_client),
	    WITH(failures_are_held_back),
	    WITH(floods_disturb_nobody),
	    WITH(strangers_lock_nobody_out),
	    WITH(callers_that_go),
	    WITH(calls_that_are_cancelled),
	    WITH(drains),
	    WITH(drains_at_once_when_idle),
	    WITH(malformed_logins),
	    WITH(requests),
	    WITH(names_that_are_too_long),
	    WITH(requests_that_store_refuses),
	    WITH(quotas_wait_for_a_mailbox),
	    WITH(files_that_cannot_be_used),
	    WITH(malformed_lines),
	    WITH(many_users_are_listed),
	    WITH(requests_wait_for_each_other),
	    WITH(counters),
	    WITH(threads_come_and_go),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
