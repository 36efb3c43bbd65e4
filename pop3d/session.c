/*
 * One POP3 conversation: bytes are cut into commands, in order, and never faster than the client
 * takes the answers. Touches its own connection only.
 */
#include "pop3d/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/line.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "pop3d/commands.h"
#include "pop3d/maildrop.h"

enum {
	/* What on_bytes() may leave: an unfinished line, and what had come behind a command that
	 * waits. */
	INPUT_MAX_BYTES = AUTH_LINE_MAX_BYTES + STREAM_READ_BYTES,
	PIECES_AT_ONCE = 4 /* of a long answer; then others have their turn */
};

static const char come_back[] = "-ERR [SYS/TEMP] The service restarts; come back";

/* ---- trace ---- */

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

void
session_trace_count(const struct session *s, const char *mark, uint64_t n, const char *of_what)
{
	if (s->server->settings.trace)
		log_trace("%u.%llu %s [%llu %s]", s->server->worker, (unsigned long long)s->number,
		    mark, (unsigned long long)n, of_what);
}

/* ---- time ---- */

static bool
is_logged_in(const struct session *s)
{
	return (s->state & (S_TRANSACTION | S_UPDATE)) != 0;
}

static uint64_t
time_left_ms(const struct session *s)
{
	const struct pop3d_settings *settings = &s->server->settings;
	uint64_t now;

	if (s->waiting)
		return ANSWER_WAIT_S * 1000;
	if (s->closing)
		return FINISH_WAIT_S * 1000;
	if (s->handshaking)
		return settings->handshake_s * 1000ULL;
	if (s->server->draining && s->producer == NULL)
		return DRAIN_WAIT_S * 1000;
	if (is_logged_in(s))
		return settings->idle_s * 1000ULL;
	now = monotonic_ms();
	return s->login_by_ms > now ? s->login_by_ms - now : 0;
}

static void
start_timer(struct session *s)
{
	uint64_t left = time_left_ms(s);
	struct timeval wait = {left / 1000, left % 1000 * 1000};

	s->progress = false;
	event_add(&s->timer, &wait);
}

/* RFC 1939 3: after the autologout timer nothing is said, and nothing removed. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd, (void)what;
	if (s->closing) {
		session_free(&s);
	} else if (s->handshaking) {
		log_info("- tls-failed client=%s reason=timeout", s->client);
		session_free(&s);
	} else if (s->waiting) {
		session_close(
		    s, "-ERR [SYS/TEMP] No answer from within; try again later", "no-answer");
	} else if (s->server->draining && s->producer == NULL) {
		session_close(s, come_back, "drain");
	} else {
		session_cut(s, "timeout");
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
	if (s->waiting)
		return;
	s->waiting = true;
	s->waiting_since_ms = monotonic_ms();
	pause_or_resume(s);
	start_timer(s);
}

void
session_dismiss(struct session *s)
{
	if (s->closing || s->waiting || s->handshaking || s->producer != NULL)
		return;
	if (s->drop != NULL && s->drop->mailbox == NULL)
		session_close(s, "-ERR [SYS/TEMP] The mailbox was closed; come back", "store");
	else if (s->server->draining && (s->drop == NULL || !maildrop_has_marks(s->drop)))
		session_close(s, come_back, "drain");
}

void
session_go_on(struct session *s)
{
	if (s->closing || !s->waiting)
		return;
	s->waiting = false;
	/* The time that auth took is not the client's. */
	s->login_by_ms += monotonic_ms() - s->waiting_since_ms;
	pause_or_resume(s);
	start_timer(s);
	session_dismiss(s);
}

/* ---- long answers ---- */

static void
wait_until_drained(struct session *s)
{
	s->full = true;
	pause_or_resume(s);
	stream_want_drained(s->stream);
}

static void
produce(struct session *s)
{
	for (int pieces = 0; s->producer != NULL && !s->closing; pieces++) {
		if (pieces == PIECES_AT_ONCE || stream_pending(s->stream) >= STREAM_READ_BYTES) {
			wait_until_drained(s);
			return;
		}
		if (s->producer(s))
			s->producer = NULL;
	}
}

void
session_produce(struct session *s, producer p)
{
	s->producer = p;
	produce(s);
}

void
session_write(struct session *s, struct span bytes)
{
	stream_write(s->stream, bytes);
}

/* A client that sends commands and reads no replies waits for itself. */
static bool
is_full(struct session *s)
{
	if (!s->full && stream_pending(s->stream) >= STREAM_READ_BYTES)
		wait_until_drained(s);
	return s->full;
}

static void
on_drained(void *arg)
{
	struct session *s = arg;

	if (!s->full || s->closing)
		return;
	s->full = false;
	produce(s);
	if (s->closing)
		return;
	pause_or_resume(s);
	start_timer(s); /* what was taken is a sign of life */
	session_dismiss(s);
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

/* ---- replies ---- */

static void
write_reply(struct session *s, const char *text)
{
	session_trace(s, ">>>", span_of(text));
	stream_write(s->stream, span_of(text));
	stream_write(s->stream, (struct span){"\r\n", 2});
}

static void
finish(struct session *s, const char *reason)
{
	s->reason = reason;
	s->closing = true;
	s->waiting = false;
	s->producer = NULL;
	login_abort(s);
	maildrop_free(s); /* before the client can come again */
	stream_finish(s->stream);
	start_timer(s);
}

void
session_close(struct session *s, const char *text, const char *reason)
{
	if (s->closing)
		return;
	write_reply(s, text);
	finish(s, reason);
}

void
session_cut(struct session *s, const char *reason)
{
	if (!s->closing)
		finish(s, reason);
}

void
session_reply(struct session *s, const char *text)
{
	char last[REPLY_MAX_SIZE];

	if (s->closing)
		return;
	s->progress = true;
	if (text[0] == '+' || ++s->errors < s->server->settings.errors_max) {
		write_reply(s, text);
		return;
	}
	snprintf(last, sizeof last, "%s; too many errors, closing the connection", text);
	session_close(s, last, "errors");
}

void
session_sorry(struct session *s, const char *text)
{
	if (s->closing)
		return;
	s->progress = true;
	write_reply(s, text);
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
	session_replyf(s, "+OK %s POP3 Sambar Mail", s->server->settings.server);
}

/* ---- input ---- */

/* Nothing behind a line that is no line can be told from commands: the connection ends. */
static size_t
refuse_bare_lf(struct session *s, struct span bytes)
{
	session_close(s, "-ERR Lines end with CR LF; closing the connection", "bare-lf");
	return bytes.len;
}

static size_t
refuse_long_line(struct session *s, struct span bytes)
{
	login_abort(s);
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
		session_reply(s, "-ERR Line too long");
	}
	return n;
}

static size_t
input_line(struct session *s, struct span bytes)
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
		break;
	}
	s->left = bytes.len - line.len - 2;
	if (s->input == INPUT_COMMAND)
		command_run(s, line);
	else
		login_input_line(s, line);
	return line.len + 2;
}

static size_t (*const inputs[])(struct session *s, struct span bytes) = {
    [INPUT_COMMAND] = input_line,
    [INPUT_LONG_LINE] = input_long_line,
    [INPUT_AUTH] = input_line,
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
		session_dismiss(s);
	}
	if (s->closing)
		return bytes.len;
	if (s->progress && !s->waiting)
		start_timer(s);
	return done;
}

/* ---- TLS ---- */

bool
session_may_login(const struct session *s)
{
	return s->tls || s->local;
}

bool
session_may_stls(const struct session *s)
{
	return !s->tls && s->kind != KIND_POP3S && s->server->tls != NULL;
}

/* RFC 2595 4: what was said in clear may have been said by another. */
static void
forget(struct session *s)
{
	free(s->name);
	s->name = NULL;
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
	log_debug("- tls client=%s version=%s cipher=%s", s->client, stream_tls_version(s->stream),
	    stream_tls_cipher(s->stream));
	if (s->kind == KIND_POP3S)
		greet(s);
	start_timer(s);
	session_dismiss(s);
}

void
session_start_tls(struct session *s, size_t consumed)
{
	if (stream_start_tls(s->stream, s->server->tls, consumed) == -1) {
		session_close(s, "-ERR [SYS/TEMP] TLS is not possible now", "tls");
		return;
	}
	s->handshaking = true;
	start_timer(s);
}

/* ---- the beginning and the end ---- */

static void
hang_up(struct session *s)
{
	if (s->stream == NULL)
		return;
	if (s->counted)
		connections_leave(s->server->admission.table, stream_peer(s->stream));
	stream_free(&s->stream);
}

/* A client need not wait for the answer to its QUIT: what it has marked is removed all the same. */
static void
on_end(void *arg, enum stream_end why)
{
	struct session *s = arg;

	if (why == STREAM_TLS_FAILED)
		log_info("- tls-failed client=%s reason=%s", s->client,
		    s->handshaking ? "handshake" : "records");
	hang_up(s);
	if (s->state == S_UPDATE && s->waiting)
		s->closing = true;
	else
		session_free(&s);
}

static const struct stream_ops stream_ops = {
    .on_bytes = on_bytes, .on_drained = on_drained, .on_tls = on_tls, .on_end = on_end};

void
session_new(
    struct pop3d *d, int fd, const struct sockaddr *peer, enum session_kind kind, bool counted)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->server = d;
	s->kind = kind;
	s->counted = counted;
	s->state = S_NEW;
	s->reason = "lost";
	s->number = ++d->last_session;
	s->login_by_ms = monotonic_ms() + d->settings.login_s * 1000ULL;
	s->stream = stream_new(d->base, fd, peer, INPUT_MAX_BYTES, &stream_ops, s);
	s->local = stream_peer_is_loopback(s->stream);
	strlcpy(s->client, stream_peer_text(s->stream), sizeof s->client);
	event_assign(&s->timer, d->base, -1, EV_TIMEOUT, on_timer, s);
	LIST_INSERT_HEAD(&d->sessions, s, entry);
	d->counters.connections++;
	log_debug("- connected client=%s", s->client);
	if (kind == KIND_POP3S)
		session_start_tls(s, 0);
	else
		greet(s);
	start_timer(s);
}

/* Who was logged in has its own line, see maildrop_free(). */
static void
log_end(const struct session *s)
{
	bool usual = strcmp(s->reason, "quit") == 0 || strcmp(s->reason, "lost") == 0;

	if (usual)
		log_debug("- closed client=%s reason=%s", s->client, s->reason);
	else
		log_info("- closed client=%s reason=%s", s->client, s->reason);
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;
	struct pop3d *d = s->server;

	*sp = NULL;
	login_abort(s);
	if (!is_logged_in(s))
		log_end(s);
	maildrop_free(s);
	event_del(&s->timer);
	hang_up(s);
	LIST_REMOVE(s, entry);
	free(s->name);
	free(s);
	if (d->draining && LIST_EMPTY(&d->sessions))
		d->on_empty(d);
}

static void
drain(struct session *s)
{
	if (s->handshaking) {
		session_free(&s);
	} else if (!is_logged_in(s)) {
		session_close(s, come_back, "drain"); /* also who waits for auth */
	} else {
		session_dismiss(s);
		if (!s->closing && !s->waiting)
			start_timer(s);
	}
}

void
sessions_drain(struct pop3d *d)
{
	d->draining = true;
	for (struct session *s = LIST_FIRST(&d->sessions), *next; s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		drain(s);
	}
}
