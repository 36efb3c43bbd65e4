/*
 * The verbs of POP3: the table, what is checked for all of them, and the short ones.
 */
#include "pop3d/commands.h"

#include <stdio.h>

#include "common/command_table.h"
#include "common/memory.h"
#include "pop3d/maildrop.h"

/* ---- the short ones ---- */

/* RFC 2449 5; STLS: RFC 2595 4; SASL: RFC 5034 3; AUTH-RESP-CODE: RFC 3206 6; UTF8: RFC 6856 2. */
static void
cmd_capa(struct session *s, struct span argument)
{
	(void)argument;
	session_replyf(s,
	    "+OK Capabilities\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "UTF8 USER\r\n%s%sIMPLEMENTATION Sambar-Mail\r\n.",
	    session_may_stls(s) ? "STLS\r\n" : "",
	    session_may_login(s) ? "USER\r\nSASL PLAIN LOGIN\r\n" : "");
}

static void
cmd_noop(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, "+OK");
}

static void
cmd_stls(struct session *s, struct span argument)
{
	(void)argument;
	if (s->tls) {
		session_reply(s, "-ERR TLS is active already");
	} else if (!session_may_stls(s)) {
		session_reply(s, "-ERR TLS is not offered");
	} else if (s->left > 0) {
		/* What follows would be read as if it had come inside of TLS. */
		session_close(
		    s, "-ERR Nothing may follow STLS; closing the connection", "stls-injection");
	} else {
		session_reply(s, "+OK Begin TLS");
		session_start_tls(s, s->given);
	}
}

/* Messages are never changed on their way: there is no other mode to leave. RFC 6856 2.1 */
static void
cmd_utf8(struct session *s, struct span argument)
{
	(void)argument;
	session_reply(s, "+OK");
}

static void
cmd_quit(struct session *s, struct span argument)
{
	(void)argument;
	if (s->drop != NULL && maildrop_has_marks(s->drop))
		maildrop_update(s);
	else
		session_close(s, "+OK Bye", "quit");
}

/* ---- the table ---- */

enum { SHORT = COMMAND_LINE_MAX_BYTES, NAME = LOGIN_LINE_MAX_BYTES, LONG = AUTH_LINE_MAX_BYTES };

static const struct command commands[] = {
    /* clang-format off */
	{ "RETR", S_TRANSACTION, SHORT, ARGUMENT_MUST, cmd_retr },	/* RFC 1939 5 */
	{ "DELE", S_TRANSACTION, SHORT, ARGUMENT_MUST, cmd_dele },
	{ "TOP",  S_TRANSACTION, SHORT, ARGUMENT_MUST, cmd_top },	/* RFC 1939 7 */
	{ "UIDL", S_TRANSACTION, SHORT, ARGUMENT_MAY,  cmd_uidl },	/* RFC 1939 7 */
	{ "LIST", S_TRANSACTION, SHORT, ARGUMENT_MAY,  cmd_list },
	{ "STAT", S_TRANSACTION, SHORT, ARGUMENT_NONE, cmd_stat },
	{ "USER", S_LOGIN,       NAME,  ARGUMENT_MUST, cmd_user },	/* RFC 1939 7 */
	{ "PASS", S_NAMED,       NAME,  ARGUMENT_MAY,  cmd_pass },	/* blanks are a password, too */
	{ "QUIT", S_ANY,         SHORT, ARGUMENT_NONE, cmd_quit },	/* RFC 1939 4, 5, 6 */
	{ "CAPA", S_ANY,         SHORT, ARGUMENT_NONE, cmd_capa },	/* RFC 2449 5 */
	{ "AUTH", S_LOGIN,       LONG,  ARGUMENT_MUST, cmd_auth },	/* RFC 5034 4 */
	{ "STLS", S_LOGIN,       SHORT, ARGUMENT_NONE, cmd_stls },	/* RFC 2595 4 */
	{ "UTF8", S_LOGIN,       SHORT, ARGUMENT_NONE, cmd_utf8 },	/* RFC 6856 2.1 */
	{ "NOOP", S_TRANSACTION, SHORT, ARGUMENT_NONE, cmd_noop },
	{ "RSET", S_TRANSACTION, SHORT, ARGUMENT_NONE, cmd_rset },
	{ "LAST", S_TRANSACTION, SHORT, ARGUMENT_NONE, cmd_last },	/* RFC 1460 5 */
    /* clang-format on */
};

static const char *
out_of_order(const struct session *s, const struct command *c)
{
	if (s->state == S_TRANSACTION)
		return "-ERR Already logged in";
	return c->run == cmd_pass ? "-ERR Say USER first" : "-ERR Log in first";
}

/* NULL, or the reply to a command that is not to be run. */
static const char *
refusal(const struct session *s, const struct command_line *l)
{
	static const char *const replies[] = {
	    [COMMAND_TOO_LONG] = "-ERR Line too long",
	    [COMMAND_HAS_CONTROL] = "-ERR Control character in a command",
	    [COMMAND_UNKNOWN] = "-ERR Unknown command",
	    [COMMAND_NO_ARGUMENT_ALLOWED] = "-ERR No argument is allowed",
	    [COMMAND_ARGUMENT_MISSING] = "-ERR An argument is missing",
	};
	enum command_fault fault = command_check(l, s->state, COMMAND_LINE_MAX_BYTES);

	return fault == COMMAND_OUT_OF_ORDER ? out_of_order(s, l->command) : replies[fault];
}

/* An unknown word may be a password that was typed too early. */
static void
trace_command(const struct session *s, const struct command *c, struct span line)
{
	if (c == NULL)
		session_trace_count(s, "<<<", line.len, "bytes");
	else if (c->run == cmd_pass)
		session_trace(s, "<<<", span_of("PASS ***"));
	else if (c->run == cmd_auth)
		session_trace(s, "<<<", span_of("AUTH ***"));
	else
		session_trace(s, "<<<", line);
}

void
command_run(struct session *s, struct span line)
{
	struct command_line l = command_read(commands, nitems(commands), line);
	const char *no = refusal(s, &l);

	trace_command(s, l.command, line);
	if (no != NULL)
		session_reply(s, no);
	else
		l.command->run(s, l.argument);
}
