/*
 * The verbs of SMTP: the table, what is checked for all of them, and the short ones.
 */
#include "smtpd/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "smtpd/policy.h"
#include "smtpd/transaction.h"

/* ---- EHLO, HELO ---- */

/* A domain, with a trailing dot too, or an address literal (RFC 5321 4.1.4). */
static bool
take_helo(struct session *s, struct span argument)
{
	struct span name = span_trim(argument);
	char text[ADDRESS_DOMAIN_MAX_BYTES + 1];

	if (name.len > 1 && name.at[name.len - 1] == '.')
		name.len--;
	if ((!address_is_domain(name) && !address_is_literal(name)) ||
	    !span_copy(name, text, sizeof text))
		return false;
	free(s->helo);
	s->helo = xstrdup(text);
	return true;
}

static bool
greet_back(struct session *s, struct span argument, bool esmtp)
{
	if (!take_helo(s, argument)) {
		session_reply(s, "501 5.5.4 Neither a domain nor an address literal");
		return false;
	}
	s->esmtp = esmtp;
	session_set_state(s, S_GREETED);
	session_end_transaction(s);
	return !s->closing;
}

static void
cmd_helo(struct session *s, struct span argument)
{
	if (greet_back(s, argument, false))
		session_replyf(s, "250 %s", s->server->settings.server);
}

static void
cmd_ehlo(struct session *s, struct span argument)
{
	const struct smtpd_settings *settings = &s->server->settings;
	struct policy_client client = session_policy_client(s);

	if (!greet_back(s, argument, true))
		return;
	session_replyf(s,
	    "250-%s\r\n250-SIZE %llu\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
	    "250-CHUNKING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n%s%s250 HELP",
	    settings->server, (unsigned long long)settings->message_max,
	    policy_starttls(&client, s->server->tls != NULL) ? "250-STARTTLS\r\n" : "",
	    policy_login(&client) ? "250-AUTH PLAIN LOGIN\r\n" : "");
}

/* ---- the short ones ---- */

static void
cmd_rset(struct session *s, struct span argument)
{
	(void)argument;
	session_end_transaction(s);
	session_reply(s, "250 2.0.0 Ok");
}

static void
cmd_noop(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, "250 2.0.0 Ok");
}

/* RFC 5321 3.5.3: who wants to know is told to try. */
static void
cmd_vrfy(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, "252 2.5.0 Send some mail, I will try");
}

static void
cmd_help(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(
	    s, "214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS AUTH QUIT");
}

static void
cmd_quit(struct session *s, struct span argument)
{
	(void)argument;
	session_close(s, "221 2.0.0 Bye", NULL);
}

static void
cmd_not_implemented(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, "502 5.5.1 Not implemented");
}

/* A browser that was led here must not get its body taken for commands. */
static void
cmd_not_smtp(struct session *s, struct span argument)
{
	(void)argument;
	session_close(s, "554 5.5.1 This is SMTP", "not-smtp");
}

static void
cmd_starttls(struct session *s, struct span argument)
{
	struct policy_client client = session_policy_client(s);

	(void)argument;
	if (s->tls) {
		session_reply(s, "503 5.5.1 TLS is active already");
	} else if (!policy_starttls(&client, s->server->tls != NULL)) {
		session_reply(s, "502 5.5.1 TLS is not offered");
	} else if (s->left > 0) {
		/* What follows would be read as if it had come inside of TLS. */
		session_close(s, "554 5.5.1 Nothing may follow STARTTLS; closing the connection",
		    "starttls-injection");
	} else {
		session_reply(s, "220 2.0.0 Ready to start TLS");
		if (!s->closing)
			session_start_tls(s, s->given);
	}
}

/* ---- the table ---- */

enum {
	SHORT = COMMAND_LINE_MAX_BYTES,
	PATH = PATH_LINE_MAX_BYTES,
	LONG = AUTH_LINE_MAX_BYTES,
	S_OPEN = S_NEW | S_GREETED,
	S_SENDING = S_MAIL | S_RCPT
};

static const struct command commands[] = {
    /* clang-format off */
	{ "MAIL",     S_GREETED, PATH,  ARGUMENT_MUST, cmd_mail },		/* RFC 5321 4.1.1.2 */
	{ "RCPT",     S_SENDING, PATH,  ARGUMENT_MUST, cmd_rcpt },		/* RFC 5321 4.1.1.3 */
	{ "DATA",     S_RCPT,    SHORT, ARGUMENT_NONE, cmd_data },		/* RFC 5321 4.1.1.4 */
	{ "BDAT",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_bdat },		/* RFC 3030 2; checks its order itself */
	{ "EHLO",     S_ANY,     SHORT, ARGUMENT_MUST, cmd_ehlo },		/* RFC 5321 4.1.1.1 */
	{ "HELO",     S_ANY,     SHORT, ARGUMENT_MUST, cmd_helo },
	{ "RSET",     S_ANY,     SHORT, ARGUMENT_NONE, cmd_rset },
	{ "NOOP",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_noop },
	{ "QUIT",     S_ANY,     SHORT, ARGUMENT_NONE, cmd_quit },
	{ "STARTTLS", S_OPEN,    SHORT, ARGUMENT_NONE, cmd_starttls },		/* RFC 3207 4 */
	{ "AUTH",     S_GREETED, LONG,  ARGUMENT_MUST, cmd_auth },		/* RFC 4954 4 */
	{ "VRFY",     S_ANY,     SHORT, ARGUMENT_MUST, cmd_vrfy },
	{ "HELP",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_help },
	{ "EXPN",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "ETRN",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "TURN",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "ATRN",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "SEND",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "SOML",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "SAML",     S_ANY,     SHORT, ARGUMENT_MAY,  cmd_not_implemented },
	{ "GET",      S_ANY,     LONG,  ARGUMENT_MAY,  cmd_not_smtp },
	{ "POST",     S_ANY,     LONG,  ARGUMENT_MAY,  cmd_not_smtp },
	{ "PUT",      S_ANY,     LONG,  ARGUMENT_MAY,  cmd_not_smtp },
	{ "HEAD",     S_ANY,     LONG,  ARGUMENT_MAY,  cmd_not_smtp },
	{ "CONNECT",  S_ANY,     LONG,  ARGUMENT_MAY,  cmd_not_smtp },
    /* clang-format on */
};

struct command_line
command_of(struct span line)
{
	return command_read(commands, nitems(commands), line);
}

static const char *
out_of_order(const struct session *s, const struct command *c)
{
	switch (s->state) {
	case S_NEW:
		return "503 5.5.1 Say EHLO first";
	case S_GREETED:
		return "503 5.5.1 Say MAIL first";
	case S_CHUNKS:
		return "503 5.5.1 A message by BDAT is under way";
	case S_MAIL:
		if (c->states & S_RCPT)
			return "554 5.5.1 No valid recipients";
		/* FALLTHROUGH */
	default:
		return "503 5.5.1 Not within a mail transaction";
	}
}

/* NULL, or the reply to a command that is not to be run. */
static const char *
refusal(const struct session *s, const struct command_line *l)
{
	static const char *const replies[] = {
	    [COMMAND_TOO_LONG] = "500 5.5.2 Line too long",
	    [COMMAND_HAS_CONTROL] = "500 5.5.2 Control character in a command",
	    [COMMAND_UNKNOWN] = "500 5.5.1 Unknown command",
	    [COMMAND_NO_ARGUMENT_ALLOWED] = "501 5.5.4 No argument is allowed",
	    [COMMAND_ARGUMENT_MISSING] = "501 5.5.4 An argument is missing",
	};
	enum command_fault fault = command_check(l, s->state, COMMAND_LINE_MAX_BYTES);

	return fault == COMMAND_OUT_OF_ORDER ? out_of_order(s, l->command) : replies[fault];
}

/* Everything but RCPT, whose number has its own limit, and chunks with content. */
static bool
too_many_commands(struct session *s, const struct command *c)
{
	if (c != NULL && (c->run == cmd_rcpt || c->run == cmd_bdat))
		return false;
	return ++s->commands > s->server->settings.commands_max;
}

static void
trace_command(const struct session *s, const struct command *c, struct span line)
{
	char text[32];

	if (c == NULL) {
		/* It may be a password that was typed where none was asked for. */
		snprintf(text, sizeof text, "[%zu bytes]", line.len);
		line = span_of(text);
	} else if (c->run == cmd_auth) {
		line = span_of("AUTH ***");
	}
	session_trace(s, "<<<", line);
}

void
command_run(struct session *s, const struct command_line *l)
{
	const char *no = refusal(s, l);

	trace_command(s, l->command, l->line);
	if (too_many_commands(s, l->command))
		session_close(s, "421 4.7.0 Too many commands without mail", "commands");
	else if (no != NULL)
		session_reply(s, no);
	else
		l->command->run(s, l->argument);
}

bool
command_may_overlap(const struct session *s, const struct command_line *l)
{
	return l->command != NULL && l->command->run == cmd_rcpt &&
	       s->transaction->n_asks < ASKS_MAX && refusal(s, l) == NULL;
}
