/*
 * One connection to a stranger. Input goes through one buffer of the process, output leaves once
 * for all that an event has written. Touches its own socket only; knows no protocol.
 *
 * A stream is never freed while one of its callbacks is under way: stream_free() closes it at once,
 * and the memory goes when the last callback has returned.
 */
#include "common/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "common/stream_private.h"

enum {
	OUT_FIRST_BYTES = 512,
	PRINTF_MAX_BYTES = 4096,
	LINGER_S = 2,			/* for the other side to take our last bytes and close */
	LINGER_MAX_BYTES = 1024 * 1024, /* of it that are still read */
};

/* The process's buffer: the rest of a stream, then what comes. */
static char *input;
static size_t input_size;

/* ---- life ---- */

static void
destroy(struct stream *s)
{
	free(s->rest);
	free(s->out);
	free(s);
}

static void
enter(struct stream *s)
{
	s->depth++;
}

/* False when the stream was freed meanwhile: it is not to be touched any more. */
static bool
leave(struct stream *s)
{
	bool alive = !s->freed;

	if (--s->depth == 0 && s->freed)
		destroy(s);
	return alive;
}

static void
stop_events(struct stream *s)
{
	event_del(&s->readable);
	event_del(&s->writable);
	event_del(&s->deadline);
	event_del(&s->again);
	s->watching = s->blocked = false;
}

void
stream_free(struct stream **sp)
{
	struct stream *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	stop_events(s);
	SSL_free(s->ssl);
	s->ssl = NULL;
	closefd(&s->fd);
	s->freed = true;
	if (s->depth == 0)
		destroy(s);
}

/* The stream is of no more use: its owner hears it once, from the loop. */
static void
report_end(struct stream *s, enum stream_end why)
{
	if (s->freed)
		return;
	stop_events(s);
	s->broken = true;
	s->ops->on_end(s->arg, why);
}

/* Remembers the end for the loop to report. */
static void
fail(struct stream *s, ssize_t why)
{
	if (s->broken)
		return;
	s->broken = true;
	s->why = why == TRANSPORT_TLS_FAILED ? STREAM_TLS_FAILED : STREAM_RESET;
	event_active(&s->again, EV_TIMEOUT, 0);
}

/* ---- watching the socket ---- */

static void
watch_input(struct stream *s, bool on)
{
	if (on == s->watching)
		return;
	s->watching = on;
	if (on)
		event_add(&s->readable, NULL);
	else
		event_del(&s->readable);
}

static void
watch_output(struct stream *s, bool on)
{
	if (on == s->blocked)
		return;
	s->blocked = on;
	if (on)
		event_add(&s->writable, NULL);
	else
		event_del(&s->writable);
}

/* ---- sending ---- */

static ssize_t
send_clear(struct stream *s, struct span first, struct span second)
{
	struct iovec io[] = {{(void *)first.at, first.len}, {(void *)second.at, second.len}};
	struct msghdr m = {.msg_iov = io, .msg_iovlen = second.len > 0 ? 2 : 1};
	ssize_t n;

	do
		n = sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? TRANSPORT_WAIT
								      : TRANSPORT_RESET;
}

static bool
is_inside_tls(const struct stream *s)
{
	return s->tls == TLS_ACTIVE;
}

/* Nothing may be sent between the last byte in clear and the end of a handshake. */
static bool
may_send(const struct stream *s)
{
	return !s->broken && s->tls != TLS_HANDSHAKE && !s->lingers;
}

static void
drop_sent(struct stream *s, size_t n)
{
	s->out_at += n;
	s->out_len -= n;
	if (s->out_len > 0)
		return;
	free(s->out);
	s->out = NULL;
	s->out_at = s->out_size = 0;
}

/* Sends as much as the socket takes. */
static void
flush(struct stream *s)
{
	while (s->out_len > 0 && may_send(s) && !s->blocked) {
		struct span bytes = {s->out + s->out_at, s->out_len};
		ssize_t n = is_inside_tls(s) ? stream_tls_write(s, bytes)
					     : send_clear(s, bytes, (struct span){0});

		if (n == TRANSPORT_WAIT) {
			watch_output(s, true);
			return;
		}
		if (n <= 0) {
			fail(s, n);
			return;
		}
		drop_sent(s, n);
	}
	if (s->out_len == 0 && s->tls != TLS_HANDSHAKE)
		watch_output(s, false);
}

/* False without memory: a stranger's, so the stream ends and not the program. */
static bool
make_room(struct stream *s, size_t n)
{
	size_t size = s->out_size;
	char *out;

	if (s->out_at > 0 && s->out_at + s->out_len + n > s->out_size) {
		memmove(s->out, s->out + s->out_at, s->out_len);
		s->out_at = 0;
	}
	if (s->out_at + s->out_len + n <= size)
		return true;
	if (size == 0)
		size = OUT_FIRST_BYTES;
	while (size < s->out_len + n)
		size *= 2;
	if ((out = realloc(s->out, size)) == NULL)
		return false;
	s->out = out;
	s->out_size = size;
	return true;
}

static void
append(struct stream *s, struct span bytes)
{
	if (!make_room(s, bytes.len)) {
		log_warn("- out-of-memory client=%s", s->peer_text);
		fail(s, TRANSPORT_RESET);
		return;
	}
	memcpy(s->out + s->out_at + s->out_len, bytes.at, bytes.len);
	s->out_len += bytes.len;
}

/* Much at once leaves without a copy. Returns what is still to be kept. */
static struct span
send_at_once(struct stream *s, struct span bytes)
{
	struct span waiting = {s->out + s->out_at, s->out_len};
	ssize_t n;

	if (waiting.len + bytes.len < STREAM_READ_BYTES || s->blocked || !may_send(s) ||
	    is_inside_tls(s) || s->tls == TLS_AFTER_CLEAR)
		return bytes;
	n = waiting.len > 0 ? send_clear(s, waiting, bytes)
			    : send_clear(s, bytes, (struct span){0});
	if (n == TRANSPORT_WAIT) {
		watch_output(s, true);
		return bytes;
	}
	if (n < 0) {
		fail(s, n);
		return (struct span){0};
	}
	if (n < waiting.len) {
		drop_sent(s, n);
		return bytes;
	}
	n -= waiting.len;
	drop_sent(s, waiting.len);
	return (struct span){bytes.at + n, bytes.len - n};
}

void
stream_write(struct stream *s, struct span bytes)
{
	if (s->broken || s->finishing || bytes.len == 0)
		return;
	bytes = send_at_once(s, bytes);
	if (bytes.len > 0)
		append(s, bytes);
	if (s->out_len >= STREAM_READ_BYTES && !s->blocked && s->tls != TLS_AFTER_CLEAR)
		flush(s);
	if (s->out_len > 0 && !s->blocked && s->depth == 0)
		event_active(&s->again, EV_TIMEOUT, 0);
}

void
stream_printf(struct stream *s, const char *format, ...)
{
	char text[PRINTF_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (n >= sizeof text)
		n = sizeof text - 1;
	stream_write(s, (struct span){text, n});
}

size_t
stream_pending(const struct stream *s)
{
	return s->out_len;
}

void
stream_want_drained(struct stream *s)
{
	s->want_drained = true;
	if (s->depth == 0 && !s->blocked)
		event_active(&s->again, EV_TIMEOUT, 0);
}

/* ---- receiving ---- */

static void
keep_rest(struct stream *s, struct span rest)
{
	char *old = s->rest;

	s->rest = NULL;
	s->rest_len = rest.len;
	if (rest.len > 0 && (s->rest = malloc(rest.len)) != NULL)
		memcpy(s->rest, rest.at, rest.len);
	free(old);
	if (rest.len == 0 || s->rest != NULL)
		return;
	s->rest_len = 0;
	log_warn("- out-of-memory client=%s", s->peer_text);
	fail(s, TRANSPORT_RESET);
}

/* Gives the first len bytes of the process's buffer, which start with the rest. */
static void
give(struct stream *s, size_t len)
{
	struct span bytes = {input, len};
	size_t done;

	s->given = len;
	done = s->ops->on_bytes(s->arg, bytes);
	if (s->freed || s->finishing)
		return;
	if (done > len)
		done = len;
	if (done == 0 && len == s->rest_len)
		return;
	keep_rest(s, (struct span){bytes.at + done, len - done});
}

static ssize_t
receive(struct stream *s, char *out, size_t size)
{
	ssize_t n;

	if (is_inside_tls(s))
		return stream_tls_read(s, out, size);
	do
		n = recv(s->fd, out, size, MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0)
		return TRANSPORT_END;
	return errno == EAGAIN ? TRANSPORT_WAIT : TRANSPORT_RESET;
}

static size_t
put_rest(struct stream *s)
{
	if (s->rest_len > 0)
		memcpy(input, s->rest, s->rest_len);
	return s->rest_len;
}

static void
receive_and_give(struct stream *s)
{
	size_t kept = put_rest(s), room = s->input_limit - kept;
	ssize_t n;

	if (room > STREAM_READ_BYTES)
		room = STREAM_READ_BYTES;
	if (room == 0) {
		log_warn("a reader of input leaves more than %zu bytes", s->input_limit);
		fail(s, TRANSPORT_RESET);
		return;
	}
	n = receive(s, input + kept, room);
	if (n > 0)
		give(s, kept + n);
	else if (n == TRANSPORT_END)
		s->ended = true;
	else if (n != TRANSPORT_WAIT)
		fail(s, n);
}

/* After the last byte of ours the other side's are only counted out. */
static void
discard(struct stream *s)
{
	ssize_t n = recv(s->fd, input, STREAM_READ_BYTES, MSG_DONTWAIT);

	if (n > 0)
		s->n_discarded += n;
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
	    s->n_discarded > LINGER_MAX_BYTES)
		report_end(s, STREAM_EOF);
}

/* ---- TLS ---- */

static void
step_handshake(struct stream *s)
{
	ssize_t n = stream_tls_handshake(s);

	if (n == TRANSPORT_WAIT) {
		watch_output(s, SSL_want_write(s->ssl));
		return;
	}
	if (n != 0) {
		fail(s, n);
		return;
	}
	watch_output(s, false);
	s->tls = TLS_ACTIVE;
	if (s->ops->on_tls != NULL)
		s->ops->on_tls(s->arg);
}

/* What was to be said in clear has left. */
static void
begin_handshake(struct stream *s)
{
	if (s->tls != TLS_AFTER_CLEAR || s->out_len > 0 || s->broken || s->finishing)
		return;
	s->tls = TLS_HANDSHAKE;
	watch_input(s, true);
	step_handshake(s);
	if (!s->freed && is_inside_tls(s) && stream_tls_has_more(s))
		s->resumed = true;
}

int
stream_start_tls(struct stream *s, SSL_CTX *ctx, size_t consumed)
{
	if (s->tls != TLS_NONE || ctx == NULL || s->broken || consumed < s->given ||
	    (s->ssl = SSL_new(ctx)) == NULL)
		return -1;
	if (SSL_set_fd(s->ssl, s->fd) != 1) {
		SSL_free(s->ssl);
		s->ssl = NULL;
		return -1;
	}
	SSL_set_accept_state(s->ssl);
	s->tls = TLS_AFTER_CLEAR;
	if (s->depth == 0)
		event_active(&s->again, EV_TIMEOUT, 0);
	return 0;
}

bool
stream_has_tls(const struct stream *s)
{
	return is_inside_tls(s);
}

const char *
stream_tls_version(const struct stream *s)
{
	return is_inside_tls(s) && s->ssl != NULL ? SSL_get_version(s->ssl) : "";
}

const char *
stream_tls_cipher(const struct stream *s)
{
	return is_inside_tls(s) && s->ssl != NULL ? SSL_get_cipher_name(s->ssl) : "";
}

/* ---- the end ---- */

void
stream_finish(struct stream *s)
{
	if (s->finishing)
		return;
	s->finishing = true;
	keep_rest(s, (struct span){0});
	if (s->depth == 0)
		event_active(&s->again, EV_TIMEOUT, 0);
}

/* All was sent: an open receiving half keeps the last bytes from being lost in a reset. */
static void
linger(struct stream *s)
{
	s->lingers = true;
	if (is_inside_tls(s))
		stream_tls_shutdown(s);
	if (s->ended || shutdown(s->fd, SHUT_WR) == -1) {
		report_end(s, STREAM_EOF);
		return;
	}
	stream_deadline(s, LINGER_S);
	watch_input(s, true);
}

/* ---- what follows each event ---- */

static bool
may_give_rest(const struct stream *s)
{
	return s->resumed && !s->paused && !s->finishing && !s->broken &&
	       (s->tls == TLS_NONE || is_inside_tls(s));
}

/* After a resume: the rest once more; also what TLS has read ahead, of which no event will tell. */
static void
go_on(struct stream *s)
{
	s->resumed = false;
	watch_input(s, true);
	if (s->ssl != NULL && stream_tls_has_more(s) && s->rest_len < s->input_limit)
		receive_and_give(s);
	else if (s->rest_len > 0)
		give(s, put_rest(s));
	if (!s->freed && s->ssl != NULL && !s->paused && stream_tls_has_more(s))
		stream_resume(s);
}

static void
drain(struct stream *s)
{
	if (!s->want_drained || s->out_len > 0 || s->ops->on_drained == NULL || s->broken)
		return;
	s->want_drained = false;
	s->ops->on_drained(s->arg);
}

static void
conclude(struct stream *s)
{
	if (s->broken)
		report_end(s, s->why);
	else if (s->finishing && s->tls == TLS_HANDSHAKE)
		report_end(s, STREAM_EOF);
	else if (s->out_len > 0 || s->want_drained || s->lingers)
		return;
	else if (s->finishing)
		linger(s);
	else if (s->ended && !s->resumed)
		report_end(s, STREAM_EOF);
}

/* True when something was left for another turn of the loop. */
static bool
has_more_to_do(const struct stream *s)
{
	bool drained = s->want_drained && s->out_len == 0 && s->ops->on_drained != NULL;

	return !s->freed && !s->broken && (may_give_rest(s) || drained);
}

/* The end of each event: one flush for all that was written in it. */
static void
settle(struct stream *s)
{
	const struct timeval next_turn = {0, 0};

	if (!s->freed && may_give_rest(s))
		go_on(s);
	if (!s->freed)
		flush(s);
	if (!s->freed)
		begin_handshake(s);
	if (!s->freed)
		drain(s);
	if (!s->freed)
		flush(s);
	if (!s->freed)
		conclude(s);
	if (!s->freed && s->ended)
		watch_input(s, false);
	if (has_more_to_do(s))
		event_add(&s->again, &next_turn); /* others and timers come first */
}

/* ---- events ---- */

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd, (void)what;
	enter(s);
	if (s->lingers)
		discard(s);
	else if (s->tls == TLS_HANDSHAKE)
		step_handshake(s);
	else if (s->paused || s->finishing || s->tls == TLS_AFTER_CLEAR)
		watch_input(s, false); /* only now: most pauses end before anything comes */
	else
		receive_and_give(s);
	if (!s->freed && is_inside_tls(s) && !s->paused && stream_tls_has_more(s))
		s->resumed = true;
	settle(s);
	leave(s);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd, (void)what;
	enter(s);
	s->blocked = false;
	if (s->tls == TLS_HANDSHAKE)
		step_handshake(s);
	settle(s);
	leave(s);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd, (void)what;
	enter(s);
	settle(s);
	leave(s);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd, (void)what;
	enter(s);
	report_end(s, s->lingers ? STREAM_EOF : STREAM_TIMEOUT);
	leave(s);
}

/* ---- pausing, deadline ---- */

void
stream_pause(struct stream *s)
{
	s->paused = true;
	s->resumed = false;
}

void
stream_resume(struct stream *s)
{
	if (s->broken || s->finishing)
		return;
	s->paused = false;
	s->resumed = true;
	if (s->depth == 0)
		event_active(&s->again, EV_TIMEOUT, 0);
}

void
stream_deadline(struct stream *s, unsigned seconds)
{
	const struct timeval wait = {.tv_sec = seconds};

	if (seconds == 0)
		event_del(&s->deadline);
	else
		event_add(&s->deadline, &wait);
}

/* ---- the other side ---- */

static void
learn_peer(struct stream *s, const struct sockaddr *peer)
{
	struct sockaddr_storage asked;
	socklen_t len = sizeof asked;

	if (peer == NULL) {
		asked.ss_family = AF_UNSPEC;
		(void)getpeername(s->fd, (struct sockaddr *)&asked, &len);
		peer = (struct sockaddr *)&asked;
	}
	memcpy(&s->peer, peer, socket_address_length(peer));
	socket_address_text(&s->peer.any, s->peer_text);
}

const char *
stream_peer_text(const struct stream *s)
{
	return s->peer_text;
}

const struct sockaddr *
stream_peer(const struct stream *s)
{
	return &s->peer.any;
}

bool
stream_peer_is_loopback(const struct stream *s)
{
	return socket_address_is_loopback(&s->peer.any);
}

struct stream *
stream_new(struct event_base *base, int fd, const struct sockaddr *peer, size_t input_limit,
    const struct stream_ops *ops, void *arg)
{
	struct stream *s = xcalloc(1, sizeof *s);

	s->base = base;
	s->fd = fd;
	s->input_limit = input_limit;
	s->ops = ops;
	s->arg = arg;
	/* One limit a process, so that no borrowed bytes move. */
	if (input_size < input_limit + STREAM_READ_BYTES) {
		input_size = input_limit + STREAM_READ_BYTES;
		input = xrealloc(input, input_size);
	}
	evutil_make_socket_nonblocking(fd);
	learn_peer(s, peer);
	event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, on_readable, s);
	event_assign(&s->writable, base, fd, EV_WRITE, on_writable, s);
	event_assign(&s->deadline, base, -1, EV_TIMEOUT, on_deadline, s);
	event_assign(&s->again, base, -1, 0, on_again, s);
	watch_input(s, true);
	return s;
}
