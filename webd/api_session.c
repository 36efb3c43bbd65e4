/*
 * Logging in and out. The judgement is auth's, which holds failures back; a right password gives a
 * session with the mailbox, and one with master. Passwords live here between a request and the
 * question to auth, and are wiped.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "common/address.h"
#include "common/ipc.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

/* Failures that auth holds back: more at one time are turned away, so that who guesses costs no
 * memory. */
enum { LOGINS_MAX = 200, LOGINS_EACH_MAX = 10 };

struct login {
	LIST_ENTRY(login) entry;
	struct request *q;
	uint64_t address; /* of the client: socket_address_number() */
	struct ipc_call *call;
	int folders; /* what auth gave so far, or -1 */
	char user[AUTH_USER_SIZE];
	bool admin;
	enum auth_refusal refusal; /* why there is no session with the mailbox */
};

static LIST_HEAD(, login) logins = LIST_HEAD_INITIALIZER(logins);

static void
wipe_passwords(struct request *q)
{
	static const char *const names[] = {"password", "old", "new"};

	for (size_t i = 0; i < nitems(names); i++) {
		const json_t *password = json_object_get(q->json, names[i]);

		if (json_is_string(password))
			explicit_bzero(
			    (char *)json_string_value(password), json_string_length(password));
	}
}

static void
login_free(struct login *l)
{
	wipe_passwords(l->q);
	ipc_call_cancel(&l->call);
	closefd(&l->folders);
	LIST_REMOVE(l, entry);
	l->q->work = NULL;
	l->q->abort = NULL;
	free(l);
}

static void
abort_login(struct request *q)
{
	login_free(q->work);
}

/* ---- what a session is ---- */

static json_t *
describe(const struct request *q, const struct web_session *s)
{
	const struct webd_settings *settings = &q->web->settings;

	return json_pack("{s:s, s:b, s:b, s:s, s:s, s:I, s:s}", "user", s->user, "admin", s->admin,
	    "mail", s->folders != NULL && settings->webmail, "csrf", s->csrf, "domain",
	    settings->server, "max_upload", (json_int_t)settings->upload_max, "version", VERSION);
}

void
api_session(struct request *q)
{
	reply_json(q, describe(q, q->session));
}

static void
set_cookie(struct request *q, const char *value, const char *life)
{
	reply_field(q, "Set-Cookie", "%ssession=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
	    q->secure ? "__Host-" : "", value, q->secure ? "; Secure" : "", life);
}

void
api_logout(struct request *q)
{
	struct web_session *s = q->session;

	sessions_leave(q);
	session_end(&s, "logout");
	set_cookie(q, "", "; Max-Age=0");
	reply_field(q, "Clear-Site-Data", "\"cache\", \"storage\"");
	reply_json(q, NULL);
}

/* ---- login ---- */

static void
refuse(struct request *q, int status, const char *code, const char *reason, const char *sentence)
{
	const char *name = json_string_value(json_object_get(q->json, "user"));

	q->web->counters.login_failures++;
	log_info("- auth-failed client=%s name=%s reason=%s", q->client,
	    log_safe(span_of(name != NULL ? name : "")), reason);
	reply_error(q, status, code, "%s", sentence);
}

/* The session that the browser had goes: nobody who knows its id is logged in with the new one. */
static void
replace_old_session(struct request *q)
{
	struct web_session *old = q->session;

	if (old == NULL)
		return;
	sessions_leave(q);
	session_end(&old, "login");
}

static void
complete(struct login *l, int control)
{
	struct request *q = l->q;
	char id[SESSION_TEXT_SIZE], user[AUTH_USER_SIZE];
	struct web_session *s;
	int folders = l->folders;
	bool admin = l->admin;

	strlcpy(user, l->user, sizeof user);
	l->folders = -1;
	login_free(l);
	if (q->connection == NULL) { /* nobody would hear the id */
		closefd(&folders);
		closefd(&control);
		reply_json(q, NULL);
		return;
	}
	replace_old_session(q);
	s = sessions_open(q->web->sessions, user, admin, folders, control, q->client, id);
	if (s == NULL) {
		refuse(q, 503, "later", "too-many-sessions",
		    "Too many users are logged in; try again later.");
		return;
	}
	q->web->counters.logins++;
	set_cookie(q, id, "");
	explicit_bzero(id, sizeof id);
	reply_json(q, describe(q, s));
}

static void
fail(struct login *l, enum auth_refusal refusal)
{
	struct request *q = l->q;

	login_free(l);
	switch (refusal) {
	case AUTH_BAD_CREDENTIALS:
		refuse(q, 401, "login", "credentials", "User name or password is wrong.");
		break;
	case AUTH_NO_MAILBOX:
		refuse(q, 403, "forbidden", "no-mailbox", "There is no mailbox of this name.");
		break;
	case AUTH_TOO_MANY_USERS:
		refuse(q, 503, "later", "too-many-users",
		    "Too many users read their mail; try again later.");
		break;
	default:
		refuse(q, 503, "later", "trouble", "Logins are not possible now; try again later.");
	}
}

static void
on_control(void *arg, const struct auth_answer *answer)
{
	struct login *l = arg;
	int control = answer->session;

	l->call = NULL;
	if (answer->refusal == AUTH_GRANTED) {
		strlcpy(l->user, answer->user, sizeof l->user);
		l->admin = answer->admin;
	} else {
		closefd(&control);
	}
	/* Who has neither a mailbox nor the administration has nothing to do here. Who has no
	 * session with master is not let in: it is by its end that a password set anew, and an
	 * account that was removed, end what is open here. */
	if (control != -1 && (l->folders != -1 || l->admin)) {
		complete(l, control);
		return;
	}
	closefd(&control);
	fail(l, answer->refusal == AUTH_GRANTED ? l->refusal : answer->refusal);
}

static void
ask(struct login *l, enum auth_want want, auth_answer_cb cb)
{
	struct request *q = l->q;
	const char *user = json_string_value(json_object_get(q->json, "user"));
	const char *password = json_string_value(json_object_get(q->json, "password"));

	l->call = auth_login(
	    q->web->auth, "web", span_of(user), span_of(password), q->client, want, cb, l);
}

static void
on_folders(void *arg, const struct auth_answer *answer)
{
	struct login *l = arg;

	l->call = NULL;
	if (answer->refusal == AUTH_GRANTED) {
		strlcpy(l->user, answer->user, sizeof l->user);
		l->admin = answer->admin;
		l->folders = answer->session;
	} else if (answer->refusal == AUTH_BAD_CREDENTIALS) {
		fail(l, answer->refusal);
		return;
	} else {
		/* Administrators have something to do also without a mailbox. */
		l->refusal = answer->refusal;
	}
	ask(l, AUTH_WANT_CONTROL, on_control);
}

static uint64_t
address_of(const struct request *q)
{
	struct sockaddr_storage address;

	return socket_address_parse(q->client, &address)
		   ? socket_address_number((struct sockaddr *)&address)
		   : 0;
}

static bool
may_try(struct request *q)
{
	uint64_t address = address_of(q);
	const struct login *l;
	size_t all = 0, each = 0;

	LIST_FOREACH (l, &logins, entry) {
		all++;
		each += l->address == address;
	}
	if (all < LOGINS_MAX && each < LOGINS_EACH_MAX)
		return true;
	refuse(q, 429, "slow-down", "too-many-attempts",
	    "Too many logins are being tried; wait a little.");
	return false;
}

static struct login *
login_new(struct request *q)
{
	struct login *l = xcalloc(1, sizeof *l);

	l->q = q;
	l->address = address_of(q);
	l->folders = -1;
	l->refusal = AUTH_NO_MAILBOX;
	q->work = l;
	q->abort = abort_login;
	LIST_INSERT_HEAD(&logins, l, entry);
	return l;
}

static void
start(struct login *l)
{
	if (l->q->web->settings.webmail)
		ask(l, AUTH_WANT_FOLDERS, on_folders);
	else
		ask(l, AUTH_WANT_CONTROL, on_control);
}

void
api_login(struct request *q)
{
	if (body_text(q, "user", AUTH_NAME_MAX_BYTES) != NULL &&
	    body_text(q, "password", AUTH_PASSWORD_MAX_BYTES) != NULL && may_try(q))
		start(login_new(q));
}

/* ---- the first administrator ---- */

static void
on_valid(void *arg, const struct auth_answer *answer)
{
	struct login *l = arg;
	struct request *q = l->q;

	l->call = NULL;
	login_free(l);
	reply_json(q, json_pack("{s:b}", "valid", answer->refusal == AUTH_GRANTED));
}

void
api_setup_is_valid(struct request *q)
{
	char token[AUTH_TOKEN_MAX_BYTES + 1];
	struct login *l;

	if (!query_text(q, "token", token, sizeof token) || !may_try(q))
		return;
	l = login_new(q);
	l->call = auth_setup_is_valid(q->web->auth, span_of(token), on_valid, l);
}

/* Of a new user. */
static void
refuse_name(struct request *q)
{
	const char *name = json_string_value(json_object_get(q->json, "user"));

	if (name != NULL && address_is_user_name(span_of(name)))
		reply_error(q, 400, "bad", "There is a user %s already.", name);
	else
		reply_error(q, 400, "bad",
		    "A user name has up to %d small letters (a-z), digits, - and _.",
		    ADDRESS_LOCAL_MAX_BYTES);
}

static void
refuse_change(struct request *q, enum auth_refusal refusal, const char *wrong)
{
	switch (refusal) {
	case AUTH_BAD_CREDENTIALS:
		refuse(q, 403, "forbidden", "credentials", wrong);
		break;
	case AUTH_BAD_PASSWORD:
		reply_error(q, 400, "bad",
		    "A password has at least %d characters, and is not the user name.",
		    AUTH_NEW_PASSWORD_MIN_BYTES);
		break;
	case AUTH_BAD_NAME:
		refuse_name(q);
		break;
	default:
		reply_error(q, 503, "later", "This is not possible now; try again later.");
	}
}

static void
on_setup(void *arg, const struct auth_answer *answer)
{
	struct login *l = arg;
	struct request *q = l->q;

	l->call = NULL;
	if (answer->refusal == AUTH_GRANTED) {
		log_info("- set-up user=%s client=%s", answer->user, q->client);
		start(l);
		return;
	}
	login_free(l);
	refuse_change(q, answer->refusal, "The link is not valid any more.");
}

void
api_setup(struct request *q)
{
	const char *token = body_text(q, "token", AUTH_TOKEN_MAX_BYTES), *user, *password;
	struct login *l;
	bool mailbox;

	if (token == NULL || (user = body_text(q, "user", AUTH_NAME_MAX_BYTES)) == NULL ||
	    (password = body_text(q, "password", AUTH_PASSWORD_MAX_BYTES)) == NULL ||
	    !body_bool(q, "mailbox", &mailbox) || !may_try(q))
		return;
	l = login_new(q);
	l->call = auth_setup(q->web->auth, span_of(token), span_of(user), span_of(password),
	    mailbox, q->client, on_setup, l);
}

/* ---- another password ---- */

static void
on_passwd(void *arg, const struct auth_answer *answer)
{
	struct login *l = arg;
	struct request *q = l->q;

	l->call = NULL;
	login_free(l);
	if (answer->refusal != AUTH_GRANTED) {
		refuse_change(q, answer->refusal, "The old password is wrong.");
		return;
	}
	log_info("- password-changed user=%s client=%s", q->session->user, q->client);
	sessions_end_others(q->session, "password-changed");
	reply_json(q, NULL);
}

void
api_password(struct request *q)
{
	const char *old = body_text(q, "old", AUTH_PASSWORD_MAX_BYTES), *new;
	struct login *l;

	if (old == NULL || (new = body_text(q, "new", AUTH_PASSWORD_MAX_BYTES)) == NULL ||
	    !may_try(q))
		return;
	l = login_new(q);
	l->call = auth_passwd(q->web->auth, "web", span_of(q->session->user), span_of(old),
	    span_of(new), q->client, on_passwd, l);
}
