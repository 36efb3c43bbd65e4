/*
 * One SMTP conversation: bytes are cut into commands, answers and pieces of messages, in order, and
 * never faster than the client takes the replies. Touches its own connection only.
 */
#include "smtpd/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/line.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "smtpd/commands.h"
#include "smtpd/replies.h"
#include "smtpd/transaction.h"

enum { REPLY_MAX_SIZE = 2048 }; /* all lines of one */

/* What on_bytes() may leave: an unfinished line, and what had come behind a command that waits. */
enum { INPUT_MAX_BYTES = AUTH_LINE_MAX_BYTES + STREAM_READ_BYTES };

/* ---- log and trace ---- */

struct policy_client
session_policy_client(const struct session *s)
{
	return (struct policy_client){.kind = s->kind,
	    .address = stream_peer(s->stream),
	    .loopback = s->local,
	    .tls = s->tls,
	    .logged_in = s->user != NULL};
}

const char *
session_client(const struct session *s)
{
	return s->client != NULL ? s->client : stream_peer_text(s->stream);
}

const char *
session_helo(const struct session *s)
{
	return s->helo != NULL ? log_safe(span_of(s->helo)) : "";
}

const char *
session_user(const struct session *s)
{
	return s->user != NULL ? log_safe(span_of(s->user)) : "";
}

void
session_trace(const struct session *s, const char *mark, struct span text)
{
	char who[48];

	if (!s->server->settings.trace)
		return;
	snprintf(
	    who, sizeof who, "%u.%llu %s", s->server->worker, (unsigned long long)s->number, mark);
	log_trace_lines(who, text);
}

/* ---- time ---- */

static unsigned
time_left(const struct session *s)
{
	const struct smtpd_settings *settings = &s->server->settings;
	bool message = s->input == INPUT_DATA || s->input == INPUT_CHUNK;
	unsigned seconds = message ? settings->data_s : settings->command_s;
	uint64_t now;

	if (s->waiting && transaction_can_give_up(s))
		seconds = settings->inner_s;
	if (s->input == INPUT_SWALLOW)
		seconds = settings->transaction_s; /* for the whole chunk */
	if (s->closing)
		return FINISH_WAIT_S;
	if (s->handshaking)
		return settings->handshake_s;
	if (s->transaction == NULL)
		return seconds;
	now = monotonic_ms();
	if (now >= s->transaction->expires_ms)
		return 0;
	if ((s->transaction->expires_ms - now) / 1000 < seconds)
		seconds = (s->transaction->expires_ms - now) / 1000 + 1;
	return seconds;
}

static void
start_timer(struct session *s)
{
	struct timeval wait = {.tv_sec = time_left(s)};

	s->progress = false;
	event_add(&s->timer, &wait);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd, (void)what;
	if (s->closing) {
		session_free(&s);
	} else if (s->handshaking) {
		log_info("- tls-failed client=%s reason=timeout", session_client(s));
		session_free(&s);
	} else if (s->waiting && transaction_can_give_up(s)) {
		log_warn("- no-inner-answer client=%s", session_client(s));
		transaction_give_up(s);
		start_timer(s);
	} else if (s->waiting) {
		session_close(s, "421 4.3.0 No answer from within; try again later", "no-answer");
	} else {
		session_close(s, "421 4.4.2 Timeout; closing the connection", "timeout");
	}
}

/* ---- waiting ---- */

static void
pause_or_resume(struct session *s)
{
	if (s->waiting || s->full)
		stream_pause(s->stream);
	else
		stream_resume(s->stream);
}

void
session_wait(struct session *s)
{
	if (s->waiting) {
		start_timer(s); /* for another one now */
		return;
	}
	s->waiting = true;
	pause_or_resume(s);
}

void
session_go_on(struct session *s)
{
	if (s->closing)
		return;
	if (s->waiting) {
		s->waiting = false;
		pause_or_resume(s);
	}
	start_timer(s);
}

/* A client that sends commands and reads no replies waits for itself. */
static bool
is_full(struct session *s)
{
	if (!s->full && stream_pending(s->stream) >= STREAM_READ_BYTES) {
		s->full = true;
		pause_or_resume(s);
		stream_want_drained(s->stream);
	}
	return s->full;
}

static void
on_drained(void *arg)
{
	struct session *s = arg;

	if (!s->full || s->closing)
		return;
	s->full = false;
	pause_or_resume(s);
}

void
session_expect(struct session *s, enum session_input input)
{
	s->input = input;
}

void
session_set_state(struct session *s, enum session_state state)
{
	s->state = state;
}

void
session_dismiss(struct session *s)
{
	if (s->server->draining && s->transaction == NULL)
		session_close(s, REPLY_RESTARTS, "drain");
}

void
session_end_transaction(struct session *s)
{
	transaction_free(s);
	session_expect(s, INPUT_COMMAND);
	if (s->state != S_NEW)
		session_set_state(s, S_GREETED);
	session_dismiss(s);
}

/* ---- replies ---- */

static void
write_reply(struct session *s, const char *text)
{
	refusals_count(&s->server->counters.refusals, text);
	session_trace(s, ">>>", span_of(text));
	stream_write(s->stream, span_of(text));
	stream_write(s->stream, (struct span){"\r\n", 2});
}

void
session_close(struct session *s, const char *text, const char *reason)
{
	if (s->closing)
		return;
	if (reason != NULL)
		log_info("- closed client=%s helo=%s reason=%s", session_client(s), session_helo(s),
		    reason);
	write_reply(s, text);
	s->closing = true;
	stream_finish(s->stream);
	start_timer(s);
}

void
session_reply(struct session *s, const char *text)
{
	if (s->closing)
		return;
	write_reply(s, text);
	s->progress = true;
	if (text[0] == '5' && ++s->errors >= s->server->settings.errors_max)
		session_close(s, "421 4.7.0 Too many errors", "errors");
}

void
session_replyf(struct session *s, const char *format, ...)
{
	char text[REPLY_MAX_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	session_reply(s, text);
}

static void
greet(struct session *s)
{
	session_replyf(s, "220 %s ESMTP Sambar Mail", s->server->settings.server);
}

/* ---- input ---- */

/* Nothing behind a line that is no line can be told from commands: the connection ends. */
static size_t
refuse_bare_lf(struct session *s, struct span bytes)
{
	session_close(s, "554 5.5.2 Lines end with CR LF; closing the connection", "bare-lf");
	return bytes.len;
}

static size_t
refuse_long_line(struct session *s, struct span bytes)
{
	auth_abort(s);
	session_expect(s, INPUT_LONG_LINE);
	s->after_cr = bytes.at[AUTH_LINE_MAX_BYTES - 1] == '\r';
	return AUTH_LINE_MAX_BYTES;
}

static size_t
input_long_line(struct session *s, struct span bytes)
{
	enum line_end end;
	size_t n = line_pass_over(bytes, &s->after_cr, &end);

	if (end == LINE_BARE_LF)
		return refuse_bare_lf(s, bytes);
	if (end == LINE_WHOLE) {
		session_expect(s, INPUT_COMMAND);
		session_reply(s, "500 5.5.2 Line too long");
	}
	return n;
}

static size_t
input_command(struct session *s, struct span bytes)
{
	struct command_line l = {0};
	enum line_end end = line_cut(bytes, AUTH_LINE_MAX_BYTES, &l.line);

	if (end == LINE_UNFINISHED)
		return 0;
	if (end == LINE_WHOLE)
		l = command_of(l.line);
	if (transaction_is_asking(s) && !command_may_overlap(s, &l)) {
		session_wait(s); /* replies keep their order */
		return 0;
	}
	if (end == LINE_BARE_LF)
		return refuse_bare_lf(s, bytes);
	if (end == LINE_TOO_LONG)
		return refuse_long_line(s, bytes);
	s->left = bytes.len - l.line.len - 2;
	command_run(s, &l);
	return l.line.len + 2;
}

static size_t
input_auth(struct session *s, struct span bytes)
{
	struct span line;

	switch (line_cut(bytes, AUTH_LINE_MAX_BYTES, &line)) {
	case LINE_UNFINISHED:
		return 0;
	case LINE_BARE_LF:
		return refuse_bare_lf(s, bytes);
	case LINE_TOO_LONG:
		return refuse_long_line(s, bytes);
	default:
		auth_input_line(s, line);
		return line.len + 2;
	}
}

static size_t (*const inputs[])(struct session *s, struct span bytes) = {
    [INPUT_COMMAND] = input_command,
    [INPUT_LONG_LINE] = input_long_line,
    [INPUT_AUTH] = input_auth,
    [INPUT_DATA] = message_input_data,
    [INPUT_CHUNK] = message_input_chunk,
    [INPUT_SWALLOW] = message_input_swallow,
};

static size_t
on_bytes(void *arg, struct span bytes)
{
	struct session *s = arg;
	size_t done = 0, n = 1;

	s->given = bytes.len;
	while (done < bytes.len && n > 0 && !s->waiting && !s->closing && !s->handshaking &&
	       !is_full(s)) {
		n = inputs[s->input](s, (struct span){bytes.at + done, bytes.len - done});
		done += n;
	}
	if (s->closing)
		return bytes.len;
	if (transaction_is_asking(s) && !s->waiting)
		session_wait(s);
	if (s->progress || s->waiting)
		start_timer(s);
	return done;
}

/* ---- TLS ---- */

/* RFC 3207 4.2: what was said in clear may have been said by another. */
static void
forget(struct session *s)
{
	session_end_transaction(s);
	free(s->helo);
	free(s->user);
	s->helo = s->user = NULL;
	s->esmtp = false;
	session_set_state(s, S_NEW);
}

static void
on_tls(void *arg)
{
	struct session *s = arg;

	s->handshaking = false;
	s->tls = true;
	s->server->counters.tls_sessions++;
	forget(s);
	log_debug("- tls client=%s version=%s cipher=%s", session_client(s),
	    stream_tls_version(s->stream), stream_tls_cipher(s->stream));
	if (s->kind == KIND_SMTPS)
		greet(s);
	start_timer(s);
}

void
session_start_tls(struct session *s, size_t consumed)
{
	if (stream_start_tls(s->stream, s->server->tls, consumed) == -1) {
		session_close(s, "421 4.7.0 TLS is not possible now", "tls");
		return;
	}
	s->handshaking = true;
	start_timer(s);
}

/* ---- the beginning and the end ---- */

static void
on_end(void *arg, enum stream_end why)
{
	struct session *s = arg;

	if (why == STREAM_TLS_FAILED)
		log_info("- tls-failed client=%s reason=%s", session_client(s),
		    s->handshaking ? "handshake" : "records");
	else if (!s->closing && s->transaction != NULL)
		log_info("- lost client=%s helo=%s from=<%s> nrcpt=%zu", session_client(s),
		    session_helo(s), log_safe(s->transaction->envelope.reverse_path),
		    s->transaction->envelope.n_recipients);
	session_free(&s);
}

static const struct stream_ops stream_ops = {
    .on_bytes = on_bytes, .on_drained = on_drained, .on_tls = on_tls, .on_end = on_end};

void
session_new(
    struct smtpd *d, int fd, const struct sockaddr *peer, enum session_kind kind, bool counted)
{
	struct session *s = xcalloc(1, sizeof *s);
	uid_t uid = kind == KIND_LOCAL ? ipc_peer_uid(fd) : (uid_t)-1;

	s->server = d;
	s->kind = kind;
	s->counted = counted;
	s->state = S_NEW;
	s->number = ++d->last_session;
	s->stream = stream_new(d->base, fd, peer, INPUT_MAX_BYTES, &stream_ops, s);
	s->local = stream_peer_is_loopback(s->stream);
	if (kind == KIND_LOCAL) {
		s->uid = uid;
		s->client = xasprintf("userid-%lu", (unsigned long)uid);
	}
	event_assign(&s->timer, d->base, -1, EV_TIMEOUT, on_timer, s);
	LIST_INSERT_HEAD(&d->sessions, s, entry);
	d->counters.connections++;
	log_debug("- connected client=%s", session_client(s));
	if (kind == KIND_SMTPS)
		session_start_tls(s, 0);
	else
		greet(s);
	start_timer(s);
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;
	struct smtpd *d = s->server;

	*sp = NULL;
	auth_abort(s);
	transaction_free(s);
	event_del(&s->timer);
	if (s->counted)
		connections_leave(d->admission.table, stream_peer(s->stream));
	stream_free(&s->stream);
	LIST_REMOVE(s, entry);
	free(s->helo);
	free(s->user);
	free(s->client);
	free(s);
	if (d->draining && LIST_EMPTY(&d->sessions))
		d->on_empty(d);
}
