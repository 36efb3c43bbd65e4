/*
 * Logging in with USER and PASS (RFC 1939 7) or AUTH (RFC 5034): the dialogue of AUTH is
 * common/sasl's, the judgement auth's, which hands over a session with the mailbox. Passwords live
 * here between a line of the client and the question to auth, and are wiped.
 */
#include "auth/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "pop3d/commands.h"
#include "pop3d/maildrop.h"

static const char wrong[] = "-ERR [AUTH] User name or password is wrong";
static const char later[] = "-ERR [SYS/TEMP] Logins are not possible now; try again later";

static void
forget_dialogue(struct session *s)
{
	if (s->sasl == NULL)
		return;
	sasl_clear(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
}

void
login_abort(struct session *s)
{
	forget_dialogue(s);
	ipc_call_cancel(&s->login);
}

static void
set_name(struct session *s, const char *name)
{
	char *copy = name != NULL ? xstrdup(name) : NULL;

	free(s->name);
	s->name = copy;
}

/* ---- failures ---- */

/* After any failure the client starts anew: USER or AUTH. */
static void
refuse(struct session *s, const char *reply)
{
	char last[REPLY_MAX_SIZE];

	set_name(s, NULL);
	session_set_state(s, S_NEW);
	s->server->counters.login_failures++;
	if (++s->login_failures < s->server->settings.login_failures_max) {
		session_reply(s, reply);
		return;
	}
	snprintf(last, sizeof last, "%s; too many failed logins, closing the connection", reply);
	session_close(s, last, "logins");
}

static void
log_failure(const struct session *s, const char *reason)
{
	log_info("- auth-failed client=%s name=%s reason=%s", s->client,
	    s->name != NULL ? log_safe(span_of(s->name)) : "", reason);
}

/* Not the client's fault. */
static void
postpone(struct session *s, const char *reply, const char *reason)
{
	log_failure(s, reason);
	set_name(s, NULL);
	session_set_state(s, S_NEW);
	session_sorry(s, reply);
}

/* ---- auth's answer ---- */

static void
grant(struct session *s, const struct auth_answer *answer)
{
	if (answer->session == -1) {
		postpone(s, later, "trouble");
		session_go_on(s);
		return;
	}
	set_name(s, answer->user);
	maildrop_open(s, answer->session);
}

void
login_complete(struct session *s)
{
	s->server->counters.logins++;
	session_set_state(s, S_TRANSACTION);
	session_reply(s, "+OK Welcome");
	session_go_on(s);
}

void
login_failed(struct session *s)
{
	maildrop_free(s);
	postpone(s, "-ERR [SYS/TEMP] The mailbox cannot be opened now; try again later", "store");
	session_go_on(s);
}

static void
on_login(void *arg, const struct auth_answer *answer)
{
	struct session *s = arg;
	int session = answer->session;

	s->login = NULL;
	if (answer->refusal == AUTH_GRANTED) {
		grant(s, answer);
		return;
	}
	closefd(&session);
	switch (answer->refusal) {
	case AUTH_TOO_MANY_USERS:
		postpone(s, "-ERR [SYS/TEMP] Too many users read their mail; try again later",
		    "too-many-users");
		break;
	case AUTH_NO_MAILBOX:
		log_failure(s, "no-mailbox");
		refuse(s, "-ERR [AUTH] There is no mailbox of this name");
		break;
	case AUTH_BAD_CREDENTIALS:
		log_failure(s, "credentials");
		refuse(s, wrong);
		break;
	default:
		postpone(s, later, "trouble");
	}
	session_go_on(s);
}

static void
ask(struct session *s, struct span password)
{
	s->login = auth_login(s->server->auth, "pop3", span_of(s->name), password, s->client,
	    AUTH_WANT_MAILDROP, on_login, s);
	session_wait(s);
}

/* ---- USER, PASS ---- */

static bool
may_login(struct session *s)
{
	if (session_may_login(s))
		return true;
	session_reply(s, "-ERR Encryption is required for a login");
	return false;
}

void
cmd_user(struct session *s, struct span argument)
{
	char name[LOGIN_LINE_MAX_BYTES];

	if (!may_login(s))
		return;
	if (!span_copy(span_trim(argument), name, sizeof name)) {
		session_reply(s, "-ERR Malformed user name");
		return;
	}
	set_name(s, name);
	session_set_state(s, S_NAMED);
	session_reply(s, "+OK Say PASS");
}

/* All behind the first blank is the password: it may have blanks itself. */
void
cmd_pass(struct session *s, struct span argument)
{
	if (may_login(s))
		ask(s, argument);
}

/* ---- AUTH ---- */

static void
ask_sasl(struct session *s)
{
	set_name(s, s->sasl->name);
	ask(s, span_of(s->sasl->password));
	forget_dialogue(s);
}

static void
go_on(struct session *s, enum sasl_step step)
{
	switch (step) {
	case SASL_CONTINUE:
		session_expect(s, INPUT_AUTH);
		session_replyf(s, "+ %s", s->sasl->challenge);
		return;
	case SASL_COMPLETE:
		ask_sasl(s);
		return;
	case SASL_CANCELLED:
		session_reply(s, "-ERR Login cancelled");
		break;
	case SASL_UNKNOWN:
		session_reply(s, "-ERR Unknown mechanism");
		break;
	default:
		refuse(s, "-ERR Malformed response");
	}
	forget_dialogue(s);
}

void
cmd_auth(struct session *s, struct span argument)
{
	struct span initial = span_trim(argument), mechanism;

	if (!may_login(s))
		return;
	set_name(s, NULL);
	session_set_state(s, S_NEW);
	if (!span_take(&initial, ' ', &mechanism))
		initial = (struct span){NULL, 0};
	s->sasl = xcalloc(1, sizeof *s->sasl);
	go_on(s, sasl_begin(s->sasl, mechanism, initial));
}

void
login_input_line(struct session *s, struct span line)
{
	session_trace(s, "<<<", span_of("***"));
	session_expect(s, INPUT_COMMAND);
	go_on(s, sasl_line(s->sasl, line));
}
