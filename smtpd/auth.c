/*
 * AUTH (RFC 4954): the dialogue is common/sasl's, the judgement auth's. Passwords live here between
 * a line of the client and the question to auth, and are wiped.
 */
#include "auth/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "smtpd/commands.h"
#include "smtpd/policy.h"

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
auth_abort(struct session *s)
{
	forget_dialogue(s);
	ipc_call_cancel(&s->login);
}

/* ---- auth's answer ---- */

static void
refuse(struct session *s, const char *reply)
{
	s->server->counters.auth_failures++;
	s->login_failures++;
	session_reply(s, reply);
	if (s->login_failures >= s->server->settings.login_failures_max)
		session_close(s, "421 4.7.0 Too many failed logins", "logins");
}

static void
grant(struct session *s, const char *user)
{
	s->user = xstrdup(user);
	s->server->counters.auth_granted++;
	log_info("- auth client=%s user=%s", session_client(s), log_safe(span_of(user)));
	session_reply(s, "235 2.7.0 Welcome");
}

static void
on_login(void *arg, const struct auth_answer *answer)
{
	struct session *s = arg;
	int session = answer->session;

	s->login = NULL;
	closefd(&session); /* none was asked for */
	if (answer->refusal != AUTH_GRANTED)
		log_info("- auth-failed client=%s name=%s reason=%s", session_client(s),
		    log_safe(span_of(s->sasl->name)),
		    answer->refusal == AUTH_TROUBLE ? "trouble" : "credentials");
	forget_dialogue(s);
	switch (answer->refusal) {
	case AUTH_GRANTED:
		grant(s, answer->user);
		break;
	case AUTH_TROUBLE:
	case AUTH_TOO_MANY_USERS:
		session_reply(s, "454 4.7.0 Logins are not possible now; try again later");
		break;
	default:
		refuse(s, "535 5.7.8 User name or password is wrong");
	}
	session_go_on(s);
}

/* ---- the dialogue ---- */

static void
ask(struct session *s)
{
	s->login = auth_login(s->server->auth, "smtp", span_of(s->sasl->name),
	    span_of(s->sasl->password), session_client(s), AUTH_WANT_NONE, on_login, s);
	explicit_bzero(s->sasl->password, sizeof s->sasl->password);
	session_wait(s);
}

static void
go_on(struct session *s, enum sasl_step step)
{
	switch (step) {
	case SASL_CONTINUE:
		session_expect(s, INPUT_AUTH);
		session_replyf(s, "334 %s", s->sasl->challenge);
		return;
	case SASL_COMPLETE:
		ask(s);
		return;
	case SASL_CANCELLED:
		session_reply(s, "501 5.7.0 Login cancelled");
		break;
	case SASL_UNKNOWN:
		session_reply(s, "504 5.5.4 Unknown mechanism");
		break;
	default:
		refuse(s, "501 5.5.2 Malformed response");
	}
	forget_dialogue(s);
}

void
cmd_auth(struct session *s, struct span argument)
{
	struct span initial = span_trim(argument), mechanism;
	struct policy_client client = session_policy_client(s);

	if (s->user != NULL) {
		session_reply(s, "503 5.5.1 Already logged in");
		return;
	}
	if (!policy_login(&client)) {
		session_reply(s, "538 5.7.11 Encryption is required for a login");
		return;
	}
	if (!span_take(&initial, ' ', &mechanism))
		initial = (struct span){NULL, 0};
	s->sasl = xcalloc(1, sizeof *s->sasl);
	go_on(s, sasl_begin(s->sasl, mechanism, initial));
}

void
auth_input_line(struct session *s, struct span line)
{
	session_trace(s, "<<<", span_of("***"));
	session_expect(s, INPUT_COMMAND);
	go_on(s, sasl_line(s->sasl, line));
}
