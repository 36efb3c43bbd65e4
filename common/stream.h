/*
 * One connection to a stranger, for event-driven servers: a non-blocking socket with optional TLS,
 * bounded in both directions. An idle stream owns no buffer: what is read goes through one buffer
 * of the process, and only what the reader left over is kept.
 */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/span.h"

enum { STREAM_READ_BYTES = 65536 };

enum stream_end {
	STREAM_EOF,	  /* the other side closed its sending half; input already given was all */
	STREAM_RESET,	  /* an error of the connection */
	STREAM_TIMEOUT,	  /* the deadline passed */
	STREAM_TLS_FAILED /* the handshake failed, or the record layer broke */
};

struct stream_ops {
	/*
	 * Bytes have come. Returns how many were consumed; the rest (at most the limit given to
	 * stream_new) is given again, together with more, when more has come or stream_resume() is
	 * called. May free the stream (return value is then ignored).
	 */
	size_t (*on_bytes)(void *arg, struct span bytes);
	/* What was written has left, after stream_want_drained(). May be NULL. */
	void (*on_drained)(void *arg);
	/* The handshake of stream_start_tls() is complete. May be NULL. */
	void (*on_tls)(void *arg);
	/* The stream is of no more use: free it here. Called at most once. */
	void (*on_end)(void *arg, enum stream_end why);
};

struct stream;

/*
 * Owns fd, which is made non-blocking. peer: the address that accept() gave (the kernel forgets it
 * when the client has reset the connection), or NULL: the kernel is asked. input_limit: the largest
 * rest that on_bytes may leave. ops is not copied.
 */
struct stream *stream_new(struct event_base *base, int fd, const struct sockaddr *peer,
    size_t input_limit, const struct stream_ops *ops, void *arg);
/* At once, without flushing. Clears the pointer; harmless on NULL; safe within any callback. */
void stream_free(struct stream **s);

/* Queues bytes; they leave when the current event is done, or earlier when 64 KB wait. Never fails:
 * an error ends the stream later. */
void stream_write(struct stream *s, struct span bytes);
void stream_printf(struct stream *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes that wait to be sent. A sender of much stops at STREAM_READ_BYTES and goes on in
 * on_drained. */
size_t stream_pending(const struct stream *s);
/* Calls on_drained once when (almost) all has left, never from within this call. */
void stream_want_drained(struct stream *s);

/* Stops giving bytes (and reading them: the peer feels it), and starts again, with the rest first,
 * from the loop. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* The stream ends with STREAM_TIMEOUT in so many seconds, unless set again; 0 removes the deadline.
 */
void stream_deadline(struct stream *s, unsigned seconds);

/*
 * Sends what is queued in clear, then starts the server's side of a handshake. Returns -1, and does
 * nothing, when the client has sent bytes after its command that would be read as if they had come
 * inside TLS (command injection): the caller refuses. To be called from on_bytes: consumed says how
 * many bytes of what was given the current command ends at.
 */
int stream_start_tls(struct stream *s, SSL_CTX *ctx, size_t consumed);
bool stream_has_tls(const struct stream *s);
const char *stream_tls_version(const struct stream *s); /* "TLSv1.3", "" in clear */
const char *stream_tls_cipher(const struct stream *s);

/* No more input; closes (half-close, a short wait for the other side, then on_end with STREAM_EOF)
 * when all was sent. */
void stream_finish(struct stream *s);

/* The client's address as text without port ("192.0.2.1", "2001:db8::1", "local" for a UNIX
 * socket). Lives with s. */
const char *stream_peer_text(const struct stream *s);
const struct sockaddr *stream_peer(const struct stream *s);
/* True for 127/8, ::1 (also mapped) and UNIX sockets. */
bool stream_peer_is_loopback(const struct stream *s);

/* ---- accepting ---- */

struct listener;
/* kind is the caller's number for the port's rules. fd is non-blocking and owned by the callee. */
typedef void (*listener_cb)(
    void *arg, int fd, const struct sockaddr *address, socklen_t length, int kind);

/* Accepts on a listening socket that workers share: a few at a time. Out of descriptors: pauses
 * until one is closed (100 ms timer), does not spin. */
struct listener *
listener_new(struct event_base *base, int listen_fd, int kind, listener_cb cb, void *arg);
/* Stops accepting and closes this process's copy. */
void listener_free(struct listener **l);

#endif
