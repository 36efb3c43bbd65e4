/*
 * The SMTP client until mail can be sent: connection, greeting, EHLO or HELO, STARTTLS. And what
 * all parts of the conversation do: commands, replies, the trace. Touches the network only.
 */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "router/smtp_private.h"

enum { FAILURE_SIZE = 400 };

const struct smtp_timeouts smtp_timeouts_default = {
    .connect_s = 30,
    .tls_s = 120,
    .greeting_s = 300,
    .ehlo_s = 300,
    .auth_s = 120,
    .mail_s = 300,
    .rcpt_s = 300,
    .data_s = 120,
    .block_s = 180,
    .end_s = 600,
    .quit_s = 5,
    .open_s = 600,
    .message_s = 1800,
    .message_bytes_per_s = 1000,
};

/* ---- trace ---- */

static void
trace(const struct smtp_session *s, enum smtp_trace what, struct span line)
{
	if (s->target->trace != NULL)
		s->target->trace(s->target->trace_arg, what, line);
}

void
smtp_note(const struct smtp_session *s, const char *format, ...)
{
	char text[FAILURE_SIZE];
	va_list ap;

	if (s->target->trace == NULL)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	trace(s, SMTP_TRACE_NOTE, span_of(text));
}

/* ---- commands ---- */

static int
put_command(struct smtp_session *s, const char *mask, const char *format, va_list ap)
{
	char line[SMTP_COMMAND_SIZE];
	int n = vsnprintf(line, sizeof line, format, ap), rv = -1;

	/* A line end within would be another command, and a command that is cut too. */
	if (n < 0 || (size_t)n + sizeof "\r\n" > sizeof line || strpbrk(line, "\r\n") != NULL) {
		smtp_fail_session(s, "4.3.5", "a command cannot be sent");
	} else {
		trace(s, SMTP_TRACE_OUT, mask ? span_of(mask) : (struct span){line, n});
		memcpy(line + n, "\r\n", 2);
		rv = client_wire_put(s->wire, (struct span){line, n + 2});
	}
	explicit_bzero(line, sizeof line);
	return rv;
}

int
smtp_command(struct smtp_session *s, const char *format, ...)
{
	va_list ap;
	int rv;

	va_start(ap, format);
	rv = put_command(s, NULL, format, ap);
	va_end(ap);
	return rv;
}

int
smtp_secret(struct smtp_session *s, const char *mask, const char *format, ...)
{
	va_list ap;
	int rv;

	va_start(ap, format);
	rv = put_command(s, mask, format, ap);
	va_end(ap);
	return rv;
}

/* ---- replies ---- */

void
smtp_fail_session(struct smtp_session *s, const char *status, const char *format, ...)
{
	char text[FAILURE_SIZE];
	va_list ap;

	s->over = true;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	smtp_reply_local(
	    &s->reply, 451, status, "%s[%s] %s", s->target->host, s->info.address, text);
	smtp_note(s, "failed: %s", s->reply.text);
}

void
smtp_defer_reply(struct smtp_session *s, const char *where)
{
	char status[40];

	snprintf(status, sizeof status, "4.%u.%u", s->reply.status.subject, s->reply.status.detail);
	smtp_reply_local(&s->reply, 451, status, "%s[%s] %s said: %s", s->target->host,
	    s->info.address, where, s->reply.text);
}

int
smtp_in_step(struct smtp_session *s, const char *where)
{
	if (s->over)
		return -1;
	if (client_wire_unread(s->wire) == 0)
		return 0;
	smtp_fail_session(s, "4.5.0", "%s: it said more than it was asked", where);
	return -1;
}

static int
no_reply(struct smtp_session *s, const char *where)
{
	const char *status = client_wire_end(s->wire) == WIRE_GARBAGE ? "4.5.0" : "4.4.2";

	smtp_fail_session(s, status, "%s: %s", where, client_wire_why(s->wire));
	return -1;
}

int
smtp_read_reply(struct smtp_session *s, unsigned seconds, const char *where, smtp_line_cb on_line)
{
	enum smtp_reply_end end;
	struct span line, text;

	if (s->over)
		return -1;
	client_wire_deadline(s->wire, seconds);
	/* If it fails, why the server has closed may still be there to read. */
	(void)client_wire_flush(s->wire);
	smtp_reply_clear(&s->reply);
	do {
		if (client_wire_line(s->wire, SMTP_REPLY_LINE_MAX_BYTES, &line) == -1)
			return no_reply(s, where);
		trace(s, SMTP_TRACE_IN, line);
		end = smtp_reply_line(&s->reply, line, &text);
		if (end == SMTP_REPLY_MALFORMED) {
			smtp_fail_session(s, "4.5.0", "%s: what it said is no reply: %.*s", where,
			    (int)(line.len > 100 ? 100 : line.len), line.at);
			return -1;
		}
		if (on_line != NULL)
			on_line(s, s->reply.n_lines, text);
	} while (end == SMTP_REPLY_MORE);
	if (s->reply.code != 421)
		return 0;
	s->over = true; /* RFC 5321 4.2.2, 3.8 */
	return -1;
}

/* ---- life ---- */

struct smtp_session *
smtp_session_new(const struct smtp_target *target)
{
	struct smtp_session *s = xmalloc(sizeof *s);

	memset(s, 0, offsetof(struct smtp_session, piece));
	s->target = target;
	s->over = true;
	socket_address_text((const struct sockaddr *)&target->address, s->info.address);
	s->info.port = socket_address_port((const struct sockaddr *)&target->address);
	return s;
}

void
smtp_session_free(struct smtp_session **s)
{
	if (*s == NULL)
		return;
	smtp_forget_ahead(*s);
	client_wire_free(&(*s)->wire);
	free(*s);
	*s = NULL;
}

void
smtp_quit(struct smtp_session **s)
{
	if (*s != NULL && !(*s)->over && (*s)->ahead == NULL && client_wire_is_quiet((*s)->wire)) {
		client_wire_limit((*s)->wire, (*s)->target->timeouts.quit_s);
		if (smtp_command(*s, "QUIT") == 0)
			(void)smtp_read_reply(*s, (*s)->target->timeouts.quit_s, "at QUIT", NULL);
	}
	smtp_session_free(s);
}

const struct smtp_reply *
smtp_reply(const struct smtp_session *s)
{
	return &s->reply;
}

const struct smtp_info *
smtp_info(const struct smtp_session *s)
{
	return &s->info;
}

bool
smtp_is_usable(struct smtp_session *s)
{
	return !s->over && (s->ahead != NULL || client_wire_is_quiet(s->wire));
}

/* ---- connection ---- */

static int
connect_to(struct smtp_session *s)
{
	const struct smtp_target *t = s->target;
	const struct sockaddr *address = (const struct sockaddr *)&t->address;

	client_wire_free(&s->wire);
	s->wire = client_wire_new();
	s->over = s->unfinished = false;
	s->info.tls = (struct tls_client_result){0};
	s->info.authenticated = false;
	smtp_note(s, "connect to %s[%s]:%u", t->host, s->info.address, s->info.port);
	client_wire_limit(s->wire, t->timeouts.open_s);
	client_wire_deadline(s->wire, t->timeouts.connect_s);
	if (client_wire_connect(s->wire, address, socket_address_length(address)) == 0)
		return 0;
	smtp_fail_session(s, "4.4.1", "cannot be reached: %s", client_wire_why(s->wire));
	return -1;
}

static int
greet(struct smtp_session *s)
{
	if (smtp_read_reply(s, s->target->timeouts.greeting_s, "at the greeting", NULL) == -1)
		return -1;
	if (s->reply.code == 220)
		return 0;
	/* Of a server that is not there for us now, another one may know more; only those two codes
	 * say that it takes no mail at all (RFC 7504). */
	if (smtp_reply_class(&s->reply) != 4 && s->reply.code != 521 && s->reply.code != 556)
		smtp_defer_reply(s, "at the greeting");
	return -1;
}

/* ---- EHLO ---- */

static void
offer_size(struct smtp_offer *o, struct span value)
{
	o->size = true;
	/* RFC 1870 4: none, and 0, are no limit. One that is no number is none either. */
	if (!span_u64(span_trim(value), UINT64_MAX, &o->size_max))
		o->size_max = 0;
}

static void
offer_auth(struct smtp_offer *o, struct span value)
{
	o->auth = true;
	if (!span_copy(value, o->mechanisms, sizeof o->mechanisms))
		o->mechanisms[0] = '\0';
}

static void
take_name(struct smtp_session *s, struct span text)
{
	struct span name;
	size_t n;

	span_take(&text, ' ', &name);
	n = name.len < sizeof s->info.name - 1 ? name.len : sizeof s->info.name - 1;
	for (size_t i = 0; i < n; i++)
		s->info.name[i] = name.at[i] > ' ' && name.at[i] <= '~' ? name.at[i] : '?';
	s->info.name[n] = '\0';
}

static void
take_offer(struct smtp_session *s, unsigned n, struct span text)
{
	struct smtp_offer *o = &s->offer;
	const struct {
		const char *keyword;
		bool *offered;
	} plain[] = {{"PIPELINING", &o->pipelining}, {"8BITMIME", &o->eight_bit},
	    {"SMTPUTF8", &o->utf8}, {"DSN", &o->dsn}, {"CHUNKING", &o->chunking},
	    {"STARTTLS", &o->starttls}};
	struct span keyword;

	if (n == 1) {
		take_name(s, text);
		return;
	}
	text = span_trim(text);
	if (text.len > 5 && span_is_nocase((struct span){text.at, 5}, "AUTH=")) {
		/* As before RFC 2554, beside or in place of the other form. */
		if (!o->auth)
			offer_auth(o, (struct span){text.at + 5, text.len - 5});
		return;
	}
	span_take(&text, ' ', &keyword);
	for (size_t i = 0; i < nitems(plain); i++)
		if (span_is_nocase(keyword, plain[i].keyword))
			*plain[i].offered = true;
	if (span_is_nocase(keyword, "SIZE"))
		offer_size(o, text);
	else if (span_is_nocase(keyword, "AUTH"))
		offer_auth(o, text);
}

static int
hello_of_old(struct smtp_session *s)
{
	s->offer = (struct smtp_offer){0};
	if (smtp_command(s, "HELO %s", s->target->helo) == -1)
		return no_reply(s, "at HELO");
	if (smtp_read_reply(s, s->target->timeouts.ehlo_s, "at HELO", NULL) == -1)
		return -1;
	if (smtp_reply_class(&s->reply) == 2)
		return 0;
	if (smtp_reply_class(&s->reply) != 4)
		smtp_defer_reply(s, "at HELO");
	return -1;
}

static int
hello(struct smtp_session *s)
{
	/* What was said before STARTTLS is forgotten (RFC 3207 4.2). */
	s->offer = (struct smtp_offer){0};
	if (smtp_in_step(s, "at EHLO") == -1)
		return -1;
	if (smtp_command(s, "EHLO %s", s->target->helo) == -1)
		return no_reply(s, "at EHLO");
	if (smtp_read_reply(s, s->target->timeouts.ehlo_s, "at EHLO", take_offer) == -1)
		return -1;
	switch (smtp_reply_class(&s->reply)) {
	case 2:
		return 0;
	case 4:
		return -1;
	case 5:
		if (s->reply.code == 521)
			return -1;
		/* RFC 5321 3.2 */
		return smtp_in_step(s, "at EHLO") == -1 ? -1 : hello_of_old(s);
	default:
		smtp_defer_reply(s, "at EHLO");
		return -1;
	}
}

/* ---- TLS ---- */

static int
handshake(struct smtp_session *s)
{
	struct tls_client tls = s->target->tls;
	const char *why;
	SSL *ssl;

	tls.policy = s->policy;
	if ((ssl = tls_client_new(&tls, &why)) == NULL) {
		smtp_fail_session(s, "4.7.5", "TLS: %s", why);
		return -1;
	}
	client_wire_deadline(s->wire, s->target->timeouts.tls_s);
	if (client_wire_start_tls(s->wire, ssl) == -1) {
		smtp_fail_session(s, "4.7.5", "at the TLS handshake: %s", client_wire_why(s->wire));
		return -1;
	}
	tls_client_describe(ssl, &s->info.tls);
	smtp_note(s, "TLS %s %s %s: %s", s->info.tls.version, s->info.tls.cipher,
	    s->info.tls.verified ? "verified" : "not verified", s->info.tls.how);
	return 0;
}

/* 1: the server cannot now, but the conversation goes on. */
static int
ask_for_tls(struct smtp_session *s)
{
	if (smtp_in_step(s, "at STARTTLS") == -1)
		return -1;
	if (smtp_command(s, "STARTTLS") == -1)
		return no_reply(s, "at STARTTLS");
	if (smtp_read_reply(s, s->target->timeouts.ehlo_s, "at STARTTLS", NULL) == -1)
		return -1;
	return s->reply.code == 220 ? 0 : 1;
}

static bool
is_demanded(const struct smtp_session *s)
{
	return s->policy >= TLS_CLIENT_ENCRYPT;
}

static int
stay_in_clear(struct smtp_session *s, const char *why)
{
	if (is_demanded(s)) {
		smtp_fail_session(s, "4.7.4", "has no TLS, which is demanded: %s", why);
		return -1;
	}
	return 0;
}

static int
start_tls(struct smtp_session *s)
{
	if (s->policy == TLS_CLIENT_NONE)
		return 0;
	if (!s->offer.starttls)
		return stay_in_clear(s, "STARTTLS is not offered");
	if (s->policy == TLS_CLIENT_MAY && s->target->tls.context == NULL)
		return 0;
	switch (ask_for_tls(s)) {
	case 0:
		return handshake(s) == -1 ? -1 : hello(s);
	case 1:
		strlcpy(s->info.tls_failure, s->reply.text, sizeof s->info.tls_failure);
		return stay_in_clear(s, s->info.tls_failure);
	default:
		return -1;
	}
}

/* ---- all of it ---- */

static int
converse(struct smtp_session *s, bool *tls_failed)
{
	*tls_failed = false;
	if (connect_to(s) == -1)
		return -1;
	if (s->target->implicit_tls && handshake(s) == -1)
		return -1;
	if (greet(s) == -1 || hello(s) == -1)
		return -1;
	if (s->target->implicit_tls || start_tls(s) == 0)
		return 0;
	*tls_failed = s->offer.starttls || client_wire_ssl(s->wire) != NULL;
	return -1;
}

/* Without a word said inside TLS nothing is known that would make clear text worse than it was.
 * But a server, or somebody between us, that slips in text is not to be talked to. */
static bool
may_do_without(const struct smtp_session *s)
{
	return s->policy == TLS_CLIENT_MAY && client_wire_end(s->wire) != WIRE_GARBAGE &&
	       (s->target->user == NULL || s->target->auth_in_clear);
}

enum smtp_state
smtp_open(struct smtp_session *s)
{
	bool tls_failed;
	int rv;

	s->policy = s->target->tls.policy;
	if (s->target->implicit_tls && s->policy < TLS_CLIENT_ENCRYPT)
		s->policy = TLS_CLIENT_ENCRYPT;
	rv = converse(s, &tls_failed);
	if (rv == -1 && tls_failed && may_do_without(s)) {
		strlcpy(s->info.tls_failure, s->reply.text, sizeof s->info.tls_failure);
		s->policy = TLS_CLIENT_NONE;
		rv = converse(s, &tls_failed);
	}
	if (rv == -1) {
		s->over = true;
		return SMTP_NEXT_HOST;
	}
	return smtp_auth(s);
}
