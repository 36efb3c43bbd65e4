/*
 * One login from its question to its answer: waits for its turn, has the password hashed, asks
 * store or master for a session; or is held back when it failed. Talks to smtpd, pop3d and others
 * over auth.sock.
 */
#include <arpa/inet.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/admin.h"
#include "auth/auth.h"
#include "auth/clock.h"
#include "auth/login_name.h"
#include "auth/server.h"
#include "common/log.h"
#include "common/memory.h"

/* Who may want what; AUTH_WANT_NONE everybody. */
static const unsigned wanting_roles[AUTH_WANT_LAST + 1] = {
    [AUTH_WANT_NONE] = ~0u,
    [AUTH_WANT_MAILDROP] = ROLE_POP3D,
    [AUTH_WANT_FOLDERS] = ROLE_IMAPD | ROLE_WEBD,
    [AUTH_WANT_CONTROL] = ROLE_WEBD,
};

/* CHANGING: the new password is on its way into the users file. */
enum step { WAITING, CHECKING, OPENING, CHANGING, HELD };

struct attempt {
	struct turn turn; /* must be first */
	TAILQ_ENTRY(attempt) entry;
	struct auth *auth;
	struct ipc_peer *peer; /* NULL: gone */
	uint64_t tag;
	enum step step;
	enum auth_want want;
	bool admin;
	bool trouble; /* the users file cannot be read */
	uint64_t address;
	char user[AUTH_USER_SIZE]; /* "": nobody can have this name */
	struct ipc_call *opening;
	struct role_call *minting;
	struct event held;
	struct span service, name, password, client; /* in text */
	struct span new_password;		     /* the same; len 0: none is wished for */
	size_t text_len;
	char text[];
};

/* ---- what is asked ---- */

/* An IPv6 address counts as its /64, as in connections.h. */
static uint64_t
address_number(struct secret *secret, struct span client)
{
	struct in6_addr in6;
	char text[AUTH_CLIENT_MAX_BYTES + 1];
	struct span address = client;

	if (span_copy(client, text, sizeof text) && inet_pton(AF_INET6, text, &in6) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED(&in6))
		address = (struct span){(const char *)in6.s6_addr, sizeof in6.s6_addr / 2};
	return secret_number(secret, (struct span[]){span_of("address"), address}, 2);
}

static uint64_t
name_number(const struct attempt *t)
{
	struct span name = t->user[0] != '\0' ? span_of(t->user) : t->name;

	return secret_number(t->auth->secret, (struct span[]){span_of("name"), name}, 2);
}

static struct span
keep(struct attempt *t, struct span text)
{
	char *at = t->text + t->text_len;

	if (text.len > 0)
		memcpy(at, text.at, text.len);
	t->text_len += text.len;
	return (struct span){at, text.len};
}

static struct attempt *
new_attempt(struct ipc_peer *p, uint64_t tag, struct span service, struct span name,
    struct span password, struct span client, struct span new_password)
{
	size_t len = service.len + name.len + password.len + client.len + new_password.len;
	struct attempt *t = xcalloc(1, sizeof *t + len);
	struct auth *a = p->arg;

	t->auth = a;
	t->peer = p;
	t->tag = tag;
	t->service = keep(t, service);
	t->name = keep(t, name);
	t->password = keep(t, password);
	t->client = keep(t, client);
	t->new_password = keep(t, new_password);
	t->address = address_number(a->secret, client);
	login_name_user(name, a->mail_server, span_of(a->local_domains), t->user);
	TAILQ_INSERT_TAIL(&a->attempts, t, entry);
	return t;
}

static void
free_attempt(struct attempt *t)
{
	struct auth *a = t->auth;

	TAILQ_REMOVE(&a->attempts, t, entry);
	if (t->step == HELD) {
		event_del(&t->held);
		a->n_held--;
	}
	ipc_call_cancel(&t->opening);
	role_call_cancel(&t->minting);
	explicit_bzero(t, sizeof *t + t->text_len);
	free(t);
	auth_settled(a);
}

static struct login
login_of(const struct attempt *t, struct span hash)
{
	return (struct login){.user = span_of(t->user),
	    .address = {(const char *)&t->address, sizeof t->address},
	    .hash = hash,
	    .password = t->password};
}

/* ---- the answer ---- */

static void
answer_refused(struct attempt *t, enum auth_refusal refusal)
{
	struct writer w;

	if (t->peer != NULL) {
		ipc_write(&w, AUTH_REFUSED, t->tag);
		put_u64(&w, refusal);
		ipc_peer_send(t->peer, &w, -1);
	}
	free_attempt(t);
}

static void
log_refused(const struct attempt *t, enum auth_refusal refusal, uint64_t delay_ms)
{
	static const char *const reasons[] = {"granted", "credentials", "no-mailbox",
	    "too-many-users", "trouble", "new-password", "name"};

	/* What a stranger says comes last, so that it cannot pass for another field. */
	log_info("- login-failed service=%s client=%s reason=%s delay=%.1f name=%s",
	    log_safe(t->service), log_safe(t->client), reasons[refusal], delay_ms / 1000.0,
	    log_safe(t->name));
}

static void
refuse(struct attempt *t, enum auth_refusal refusal)
{
	log_refused(t, refusal, 0);
	answer_refused(t, refusal);
}

static void
on_held(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	answer_refused(arg, AUTH_BAD_CREDENTIALS);
}

static void
hold(struct attempt *t, uint64_t ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};
	struct auth *a = t->auth;

	if (ms == 0 || t->peer == NULL || a->n_held >= AUTH_HELD_MAX || a->draining) {
		answer_refused(t, AUTH_BAD_CREDENTIALS);
		return;
	}
	t->step = HELD;
	a->n_held++;
	event_assign(&t->held, a->base, -1, EV_TIMEOUT, on_held, t);
	if (event_add(&t->held, &wait) == -1)
		fatalx("cannot set a timer");
}

static void
send_ok(struct attempt *t, int session)
{
	struct writer w;

	ipc_write(&w, AUTH_OK, t->tag);
	put_text(&w, t->user);
	put_u64(&w, t->admin);
	ipc_peer_send(t->peer, &w, session);
	free_attempt(t);
}

static void
answer_ok(struct attempt *t, int session)
{
	t->auth->n_logins++;
	log_info("- login user=%s service=%s client=%s", t->user, log_safe(t->service),
	    log_safe(t->client));
	send_ok(t, session);
}

static void
on_opened(void *arg, int refusal, int session)
{
	struct attempt *t = arg;

	t->opening = NULL;
	if (refusal == 0 && session != -1)
		answer_ok(t, session);
	else if (refusal == STORE_NO_MAILBOX)
		refuse(t, AUTH_NO_MAILBOX);
	else if (refusal == STORE_TOO_MANY_USERS)
		refuse(t, AUTH_TOO_MANY_USERS);
	else
		refuse(t, AUTH_TROUBLE);
}

static void
on_minted(void *arg, int session, bool admin)
{
	struct attempt *t = arg;

	t->minting = NULL;
	if (session == -1) {
		refuse(t, AUTH_TROUBLE);
		return;
	}
	t->admin = admin;
	answer_ok(t, session);
}

static void
on_password_set(void *arg, int code, json_t *doc)
{
	struct attempt *t = arg;

	json_decref(doc);
	if (t->peer == NULL)
		free_attempt(t);
	else if (code != 0)
		answer_refused(t, AUTH_TROUBLE);
	else
		send_ok(t, -1);
}

static void
set_password(struct attempt *t)
{
	char *password = span_text(t->new_password);
	const char *const words[] = {"user", "passwd", t->user, password};

	t->step = CHANGING;
	log_info("- new-password-wished user=%s service=%s client=%s", t->user,
	    log_safe(t->service), log_safe(t->client));
	admin_ask(t->auth, words, nitems(words), on_password_set, t);
	explicit_bzero(password, strlen(password));
	free(password);
}

/* The password is right. */
static void
grant(struct attempt *t)
{
	if (t->peer == NULL) {
		free_attempt(t);
	} else if (t->new_password.len > 0) {
		set_password(t);
	} else if (t->want == AUTH_WANT_NONE) {
		answer_ok(t, -1);
	} else if (t->want == AUTH_WANT_CONTROL) {
		t->step = OPENING;
		t->minting =
		    role_mint(t->auth->role, span_of(t->user), t->admin, t->client, on_minted, t);
	} else {
		t->step = OPENING;
		t->opening = store_open(t->auth->store, span_of(t->user),
		    t->want == AUTH_WANT_FOLDERS ? STORE_FOLDERS : STORE_MAILDROP,
		    role_bit_name(t->peer->role), t->client, on_opened, t);
	}
}

/* ---- the password ---- */

/* Counts the failure. Returns how long its answer is held back. */
static uint64_t
count_failure(struct attempt *t)
{
	struct auth *a = t->auth;
	uint64_t now_ms = clock_ms();
	uint64_t by_address = failures_add(a->failures, t->address, now_ms);
	uint64_t by_name = failures_add(a->failures, name_number(t), now_ms);

	a->n_failed++;
	return by_address > by_name ? by_address : by_name;
}

/* What the outcome means for the account, which may have changed while the password was hashed. */
static enum auth_refusal
judge(struct attempt *t, enum password_outcome outcome, struct span hash)
{
	struct account account;
	enum users_state state;
	struct login login;

	if (outcome == PASSWORD_UNUSABLE)
		log_warn("the hash of user=%s is of no use to crypt(3)", t->user);
	if (t->trouble)
		return AUTH_TROUBLE;
	if (outcome != PASSWORD_RIGHT)
		return AUTH_BAD_CREDENTIALS;
	state = users_find(t->auth->users, span_of(t->user), &account);
	if (state == USERS_TROUBLE)
		return AUTH_TROUBLE;
	if (state != USERS_FOUND || !span_equal(account.hash, hash))
		return AUTH_BAD_CREDENTIALS;
	t->admin = account.admin;
	login = login_of(t, account.hash);
	remembered_add(t->auth->remembered, &login, clock_ms());
	return AUTH_GRANTED;
}

static void
on_checked(void *arg, enum password_outcome outcome, struct span hash)
{
	struct attempt *t = arg;
	enum auth_refusal refusal = judge(t, outcome, hash);
	uint64_t delay_ms = refusal == AUTH_BAD_CREDENTIALS ? count_failure(t) : 0;

	turns_leave(&t->turn);
	if (refusal == AUTH_GRANTED) {
		grant(t);
		return;
	}
	log_refused(t, refusal, delay_ms);
	if (refusal == AUTH_BAD_CREDENTIALS)
		hold(t, delay_ms);
	else
		answer_refused(t, refusal);
}

/* A password that was right here lately is right at once, whatever else this address has tried. */
static bool
grant_remembered(struct attempt *t)
{
	struct auth *a = t->auth;
	struct account account;
	struct login login;

	if (t->user[0] == '\0' || users_find(a->users, span_of(t->user), &account) != USERS_FOUND)
		return false;
	login = login_of(t, account.hash);
	if (!remembered_has(a->remembered, &login, clock_ms()))
		return false;
	a->n_remembered++;
	t->admin = account.admin;
	grant(t);
	return true;
}

/* Also for names that nobody has: it takes as long. */
static bool
on_turn(void *arg, struct turn *turn)
{
	struct attempt *t = (struct attempt *)turn;
	struct auth *a = arg;
	struct account account = {.hash = {"", 0}};
	enum users_state state = USERS_NONE;

	if (grant_remembered(t))
		return false; /* another one of its kind was faster */
	if (t->user[0] != '\0')
		state = users_find(a->users, span_of(t->user), &account);
	t->trouble = state == USERS_TROUBLE;
	t->step = CHECKING;
	password_check(a->passwords, t->password, state == USERS_FOUND ? account.hash : span_of(""),
	    on_checked, t);
	return true;
}

static void
on_no_turn(void *arg, struct turn *turn)
{
	(void)arg;
	refuse((struct attempt *)turn, AUTH_TROUBLE);
}

const struct turns_ops attempt_turns_ops = {.start = on_turn, .refuse = on_no_turn};

void
attempt_on_login(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span service = get_str(r, AUTH_SERVICE_MAX_BYTES);
	struct span name = get_str(r, AUTH_NAME_MAX_BYTES);
	struct span password = get_str(r, AUTH_PASSWORD_MAX_BYTES);
	struct span client = get_str(r, AUTH_CLIENT_MAX_BYTES);
	uint64_t want = get_u64(r);
	struct auth *a = p->arg;
	struct attempt *t;

	if (get_end(r) == -1 || want > AUTH_WANT_LAST || !(p->role & wanting_roles[want])) {
		ipc_peer_refuse(p, "LOGIN");
		return;
	}
	if (a->draining)
		return; /* it will ask our successor */
	t = new_attempt(p, tag, service, name, password, client, (struct span){"", 0});
	t->want = want;
	if (!grant_remembered(t))
		turns_enter(a->turns, &t->turn, t->address);
}

bool
attempt_is_new_password(struct span password, struct span user)
{
	for (size_t i = 0; i < password.len; i++)
		if ((unsigned char)password.at[i] < ' ' || password.at[i] == 0x7f)
			return false;
	return password.len >= AUTH_NEW_PASSWORD_MIN_BYTES &&
	       password.len <= ACCOUNT_PASSWORD_MAX_BYTES &&
	       !(password.len == user.len && strncasecmp(password.at, user.at, user.len) == 0);
}

void
attempt_on_passwd(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct span service = get_str(r, AUTH_SERVICE_MAX_BYTES);
	struct span name = get_str(r, AUTH_NAME_MAX_BYTES);
	struct span password = get_str(r, AUTH_PASSWORD_MAX_BYTES);
	struct span new_password = get_str(r, AUTH_PASSWORD_MAX_BYTES);
	struct span client = get_str(r, AUTH_CLIENT_MAX_BYTES);
	struct auth *a = p->arg;
	struct attempt *t;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "PASSWD");
		return;
	}
	if (a->draining)
		return; /* it will ask our successor */
	t = new_attempt(p, tag, service, name, password, client, new_password);
	if (!attempt_is_new_password(new_password, span_of(t->user)))
		answer_refused(t, AUTH_BAD_PASSWORD);
	else if (!grant_remembered(t))
		turns_enter(a->turns, &t->turn, t->address);
}

/* ---- ends ---- */

/* Nobody waits for the answer any more; what is being hashed still counts when it fails. */
static void
abandon(struct attempt *t)
{
	t->peer = NULL;
	if (t->step == CHECKING || t->step == CHANGING)
		return;
	if (t->step == WAITING)
		turns_leave(&t->turn);
	free_attempt(t);
}

void
attempt_forget_peer(struct auth *a, struct ipc_peer *p)
{
	struct attempt *t, *next;

	TAILQ_FOREACH_SAFE (t, &a->attempts, entry, next)
		if (t->peer == p)
			abandon(t);
}

void
attempt_drain(struct auth *a)
{
	struct attempt *t, *next;

	TAILQ_FOREACH_SAFE (t, &a->attempts, entry, next)
		if (t->step == WAITING)
			abandon(t);
		else if (t->step == HELD)
			answer_refused(t, AUTH_BAD_CREDENTIALS);
}

void
attempt_forget_all(struct auth *a)
{
	struct attempt *t;

	while ((t = TAILQ_FIRST(&a->attempts)) != NULL)
		free_attempt(t);
}
