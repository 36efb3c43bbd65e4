/*
 * One connection to another host's server. Touches its socket only.
 */
#include "common/client_wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/line.h"
#include "common/memory.h"
#include "common/monotonic.h"

enum { WHY_SIZE = 200, NO_LIMIT_S = 365 * 24 * 3600 };

struct client_wire {
	int fd;
	SSL *ssl;
	int64_t deadline_ms, limit_ms; /* CLOCK_MONOTONIC */
	enum client_wire_end end;
	bool write_failed;
	bool read_ended;  /* the server sends no more */
	bool not_tls;	  /* the handshake failed at bytes that are none of TLS */
	bool half_answer; /* something has come since the last write */
	char why[WHY_SIZE];
	size_t in_at, in_len, out_len;
	char in[CLIENT_WIRE_IN_BYTES];
	char out[CLIENT_WIRE_OUT_BYTES];
};

/* ---- life ---- */

struct client_wire *
client_wire_new(void)
{
	struct client_wire *w = xmalloc(sizeof *w);

	/* Not the buffers: a page that is never used is never there. */
	memset(w, 0, offsetof(struct client_wire, in));
	w->fd = -1;
	client_wire_limit(w, NO_LIMIT_S);
	client_wire_deadline(w, NO_LIMIT_S);
	return w;
}

void
client_wire_free(struct client_wire **w)
{
	if (*w == NULL)
		return;
	if ((*w)->ssl != NULL) {
		ERR_clear_error();
		if ((*w)->end == WIRE_OPEN)
			(void)SSL_shutdown((*w)->ssl);
		SSL_free((*w)->ssl);
		ERR_clear_error();
	}
	closefd(&(*w)->fd);
	free(*w);
	*w = NULL;
}

void
client_wire_deadline(struct client_wire *w, unsigned seconds)
{
	int64_t at = (int64_t)monotonic_ms() + (int64_t)seconds * 1000;

	w->deadline_ms = at < w->limit_ms ? at : w->limit_ms;
}

void
client_wire_limit(struct client_wire *w, uint64_t seconds)
{
	w->limit_ms =
	    (int64_t)monotonic_ms() + (int64_t)(seconds < NO_LIMIT_S ? seconds : NO_LIMIT_S) * 1000;
}

enum client_wire_end
client_wire_end(const struct client_wire *w)
{
	return w->end;
}

const char *
client_wire_why(const struct client_wire *w)
{
	return w->why;
}

bool
client_wire_is_not_tls(const struct client_wire *w)
{
	return w->not_tls;
}

SSL *
client_wire_ssl(const struct client_wire *w)
{
	return w->ssl;
}

/* ---- ends ---- */

static int
fail(struct client_wire *w, enum client_wire_end end, const char *why)
{
	if (w->end == WIRE_OPEN) {
		w->end = end;
		strlcpy(w->why, why, sizeof w->why);
	}
	return -1;
}

static int
fail_errno(struct client_wire *w, enum client_wire_end end)
{
	return fail(w, end, strerror(errno));
}

static int
fail_closed(struct client_wire *w)
{
	w->read_ended = true;
	return fail(w, WIRE_CLOSED, "the connection was closed");
}

/* What OpenSSL says of its last error, and of the certificate when that was it. */
static int
fail_tls(struct client_wire *w)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(error);
	long verify = SSL_get_verify_result(w->ssl);
	char why[WHY_SIZE];

	w->not_tls = ERR_GET_LIB(error) == ERR_LIB_SSL &&
		     ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER;
	if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		reason = X509_verify_cert_error_string(verify);
	snprintf(why, sizeof why, "TLS: %s", reason != NULL ? reason : "unknown error");
	ERR_clear_error();
	w->read_ended = true;
	return fail(w, WIRE_TLS, why);
}

/* ---- waiting ---- */

/* -1: the deadline passed, or poll() failed. Else what poll() says. */
static int
wait_for(struct client_wire *w, short events)
{
	struct pollfd p = {.fd = w->fd, .events = events};

	for (;;) {
		int64_t left = w->deadline_ms - (int64_t)monotonic_ms();
		int n;

		if (left <= 0)
			return fail(w, WIRE_TIMEOUT, "timed out");
		if ((n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left)) > 0)
			return p.revents;
		if (n == -1 && errno != EINTR)
			return fail_errno(w, WIRE_CLOSED);
	}
}

/* ---- the socket, in clear or with TLS ---- */

enum { TRY_AGAIN_IN = -2, TRY_AGAIN_OUT = -3 };

/* What an SSL call that did not succeed wants: TRY_AGAIN_*, 0 at the end, -1 for an error. */
static ssize_t
tls_outcome(struct client_wire *w)
{
	switch (SSL_get_error(w->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return TRY_AGAIN_IN;
	case SSL_ERROR_WANT_WRITE:
		return TRY_AGAIN_OUT;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return fail_closed(w);
	default:
		if (ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return fail_tls(w);
		ERR_clear_error();
		return fail_closed(w);
	}
}

static ssize_t
receive(struct client_wire *w, char *out, size_t size)
{
	ssize_t n;
	size_t done;

	if (w->ssl != NULL) {
		ERR_clear_error();
		return SSL_read_ex(w->ssl, out, size, &done) == 1 ? (ssize_t)done : tls_outcome(w);
	}
	do {
		n = recv(w->fd, out, size, MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TRY_AGAIN_IN;
	return n == -1 ? fail_closed(w) : n;
}

static ssize_t
transmit(struct client_wire *w, const char *bytes, size_t size)
{
	ssize_t n;
	size_t done;

	if (w->ssl != NULL) {
		ERR_clear_error();
		return SSL_write_ex(w->ssl, bytes, size, &done) == 1 ? (ssize_t)done
								     : tls_outcome(w);
	}
	do {
		n = send(w->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return TRY_AGAIN_OUT;
	/* Only the writing half: a last reply may wait to be read. */
	return n;
}

/* ---- connecting ---- */

int
client_wire_connect(struct client_wire *w, const struct sockaddr *address, socklen_t length)
{
	int yes = 1, error = 0;
	socklen_t size = sizeof error;

	w->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd == -1)
		return fail_errno(w, WIRE_REFUSED);
	if (address->sa_family != AF_UNIX &&
	    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == -1)
		return fail_errno(w, WIRE_REFUSED);
	if (connect(w->fd, address, length) == 0)
		return 0;
	/* An interrupted connect() goes on by itself. */
	if (errno != EINPROGRESS && errno != EINTR)
		return fail_errno(w, WIRE_REFUSED);
	if (wait_for(w, POLLOUT) == -1)
		return -1;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		return fail_errno(w, WIRE_REFUSED);
	if (error != 0) {
		errno = error;
		return fail_errno(w, WIRE_REFUSED);
	}
	return 0;
}

int
client_wire_start_tls(struct client_wire *w, SSL *ssl)
{
	w->ssl = ssl;
	if (w->end != WIRE_OPEN)
		return -1;
	if (client_wire_unread(w) > 0)
		return fail(w, WIRE_GARBAGE, "more came with the reply that TLS may begin");
	if (SSL_set_fd(ssl, w->fd) != 1)
		return fail_tls(w);
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Else a system call for each record's header, and one for the rest. */
	SSL_set_read_ahead(ssl, 1);
	for (;;) {
		ssize_t what;

		ERR_clear_error();
		if (SSL_connect(ssl) == 1)
			return 0;
		what = tls_outcome(w);
		if (what == 0)
			return fail_closed(w);
		if (what == -1 || wait_for(w, what == TRY_AGAIN_IN ? POLLIN : POLLOUT) == -1)
			return -1;
	}
}

/* ---- reading ---- */

/* Takes what has come, if there is room for it. */
static ssize_t
fill(struct client_wire *w)
{
	ssize_t n;

	if (w->in_at > 0) {
		memmove(w->in, w->in + w->in_at, w->in_len - w->in_at);
		w->in_len -= w->in_at;
		w->in_at = 0;
	}
	n = receive(w, w->in + w->in_len, sizeof w->in - w->in_len);
	if (n > 0) {
		w->in_len += n;
		w->half_answer = true;
	} else if (n == 0) {
		w->read_ended = true;
	}
	return n;
}

/*
 * A server that writes each reply of a group by itself, with Nagle's algorithm, sends the second
 * one only when the first was acknowledged. The kernel would wait up to 44 ms with that.
 */
static void
acknowledge(struct client_wire *w)
{
	int yes = 1;

	if (w->half_answer)
		(void)setsockopt(w->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

/* OpenSSL has read something that it has not handed out, which may be less than a record. */
static bool
tls_has_more(const struct client_wire *w)
{
	return w->ssl != NULL && SSL_has_pending(w->ssl) == 1;
}

/* Waits first: what is asked for has seldom come yet, unless it came with what was before it. */
static int
fill_and_wait(struct client_wire *w)
{
	bool here = tls_has_more(w);
	short events = POLLIN;
	ssize_t n;

	if (w->read_ended)
		return fail_closed(w);
	for (;; here = false) {
		if (!here) {
			acknowledge(w);
			if (wait_for(w, events) == -1)
				return -1;
		}
		if ((n = fill(w)) > 0)
			return 0;
		if (n == 0)
			return fail_closed(w);
		if (n == -1)
			return -1;
		events = n == TRY_AGAIN_OUT ? POLLOUT : POLLIN;
	}
}

int
client_wire_line(struct client_wire *w, size_t max, struct span *line)
{
	if (w->end != WIRE_OPEN && w->end != WIRE_CLOSED)
		return -1;
	for (;;) {
		struct span bytes = {w->in + w->in_at, w->in_len - w->in_at};

		switch (line_cut(bytes, max, line)) {
		case LINE_WHOLE:
			w->in_at += line->len + 2;
			return 0;
		case LINE_TOO_LONG:
			return fail(w, WIRE_GARBAGE, "a reply has a line that is too long");
		case LINE_BARE_LF:
			return fail(w, WIRE_GARBAGE, "a reply has an LF without a CR");
		case LINE_UNFINISHED:
			if (fill_and_wait(w) == -1)
				return -1;
		}
	}
}

int
client_wire_bytes(struct client_wire *w, struct span *bytes)
{
	if (w->end != WIRE_OPEN && w->end != WIRE_CLOSED)
		return -1;
	while (client_wire_unread(w) == 0)
		if (fill_and_wait(w) == -1)
			return -1;
	*bytes = (struct span){w->in + w->in_at, client_wire_unread(w)};
	return 0;
}

void
client_wire_consume(struct client_wire *w, size_t n)
{
	w->in_at += n;
}

static enum client_wire_news
take_news(struct client_wire *w)
{
	ssize_t n = fill(w);

	if (n > 0)
		return WIRE_BYTES;
	if (n == 0)
		(void)fail_closed(w);
	/* Inside TLS it may be a session ticket, which is no word of the server. */
	return n == 0 || n == -1 ? WIRE_OVER : WIRE_TIME;
}

enum client_wire_news
client_wire_wait(struct client_wire *w, int fd, uint64_t seconds)
{
	struct pollfd p[] = {{.fd = w->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int64_t until =
	    (int64_t)monotonic_ms() + (int64_t)(seconds < NO_LIMIT_S ? seconds : NO_LIMIT_S) * 1000;
	bool here; /* something has come already */

	if (w->end != WIRE_OPEN || w->read_ended)
		return WIRE_OVER;
	here = client_wire_unread(w) > 0;
	if (!here && tls_has_more(w)) {
		enum client_wire_news news = take_news(w);

		if (news == WIRE_OVER)
			return news;
		here = news == WIRE_BYTES;
	}
	for (;;) {
		int64_t left = here ? 0 : until - (int64_t)monotonic_ms();
		int n = poll(p, 2, left <= 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);

		if (n == -1 && errno != EINTR) {
			(void)fail_errno(w, WIRE_CLOSED);
			return WIRE_OVER;
		}
		if (n > 0 && p[1].revents != 0)
			return WIRE_FD;
		if (here)
			return WIRE_BYTES;
		if (n > 0) {
			enum client_wire_news news = take_news(w);

			if (news != WIRE_TIME)
				return news;
		}
		if (left <= 0)
			return WIRE_TIME;
	}
}

size_t
client_wire_unread(const struct client_wire *w)
{
	return w->in_len - w->in_at;
}

bool
client_wire_is_quiet(struct client_wire *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	if (w->end != WIRE_OPEN || w->read_ended || w->write_failed || client_wire_unread(w) > 0)
		return false;
	if (!tls_has_more(w) && poll(&p, 1, 0) == 0)
		return true;
	/* Inside TLS it may be a session ticket, which is no word of the server. */
	return w->ssl != NULL && fill(w) == TRY_AGAIN_IN;
}

/* ---- writing ---- */

static int
fail_write(struct client_wire *w)
{
	w->write_failed = true;
	w->out_len = 0;
	return fail(w, WIRE_CLOSED, "the connection was closed");
}

/* Until the socket takes more. Takes in what the server says meanwhile, for it may read no more
 * before it has got rid of its replies (RFC 2920 3.1). */
static int
wait_to_write(struct client_wire *w, short events)
{
	bool room = w->in_len - w->in_at < sizeof w->in && !w->read_ended;
	int got = wait_for(w, events | (room && w->end == WIRE_OPEN ? POLLIN : 0));

	if (got == -1) {
		w->write_failed = true;
		return -1;
	}
	if (room && (got & (POLLIN | POLLHUP)))
		(void)fill(w);
	return 0;
}

int
client_wire_flush(struct client_wire *w)
{
	size_t done = 0;

	while (done < w->out_len) {
		ssize_t n;

		if (w->end != WIRE_OPEN || w->write_failed)
			return fail_write(w);
		n = transmit(w, w->out + done, w->out_len - done);
		if (n > 0)
			done += n;
		else if (n != TRY_AGAIN_IN && n != TRY_AGAIN_OUT)
			return fail_write(w);
		else if (wait_to_write(w, n == TRY_AGAIN_IN ? POLLIN : POLLOUT) == -1)
			return -1;
	}
	if (done > 0)
		w->half_answer = false;
	w->out_len = 0;
	return w->write_failed ? -1 : 0;
}

size_t
client_wire_room(const struct client_wire *w)
{
	return sizeof w->out - w->out_len;
}

char *
client_wire_reserve(struct client_wire *w)
{
	return w->out + w->out_len;
}

void
client_wire_advance(struct client_wire *w, size_t n)
{
	w->out_len += n;
}

int
client_wire_put(struct client_wire *w, struct span bytes)
{
	while (bytes.len > 0) {
		size_t n = client_wire_room(w);

		if (n == 0) {
			if (client_wire_flush(w) == -1)
				return -1;
			continue;
		}
		if (n > bytes.len)
			n = bytes.len;
		memcpy(w->out + w->out_len, bytes.at, n);
		w->out_len += n;
		bytes = (struct span){bytes.at + n, bytes.len - n};
	}
	return 0;
}
