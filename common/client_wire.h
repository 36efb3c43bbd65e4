/*
 * One connection to another host's server, for a sequential client of SMTP, POP3 or IMAP: blocking
 * calls with deadlines, lines and bytes in, and buffered output that leaves with one system call
 * for a group of commands (RFC 2920). In clear, or inside TLS. The process ignores SIGPIPE.
 */
#ifndef COMMON_CLIENT_WIRE_H
#define COMMON_CLIENT_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/span.h"

enum {
	CLIENT_WIRE_IN_BYTES = 16384,	   /* a TLS record */
	CLIENT_WIRE_OUT_BYTES = 128 * 1024 /* a group of commands and a message that goes with it */
};

/* Why a connection is of no more use. The first one is kept. */
enum client_wire_end {
	WIRE_OPEN,
	WIRE_REFUSED, /* connect() failed */
	WIRE_CLOSED,  /* the server closed it, orderly or not */
	WIRE_TIMEOUT, /* a deadline passed */
	WIRE_GARBAGE, /* what came is no line: too long, or an LF without CR */
	WIRE_TLS      /* the handshake failed, or the record layer broke */
};

struct client_wire;

/* Never fails; nothing is connected yet. free closes at once (inside TLS after close_notify),
 * clears the pointer, and is harmless on NULL. */
struct client_wire *client_wire_new(void);
void client_wire_free(struct client_wire **w);

/* Of each call that follows, until it is set anew; never later than the limit, which counts from
 * now. Seconds. */
void client_wire_deadline(struct client_wire *w, unsigned seconds);
void client_wire_limit(struct client_wire *w, uint64_t seconds);

/* All return -1, and say so again with each later call, once the connection is of no more use. But
 * what a server said before it closed can still be read after a write has failed. */
int client_wire_connect(struct client_wire *w, const struct sockaddr *address, socklen_t length);
/* Takes ssl, also on -1. Nothing that was read in clear may be left (client_wire_unread). */
int client_wire_start_tls(struct client_wire *w, SSL *ssl);

/* Appends; sends what is there when there is no more room. */
int client_wire_put(struct client_wire *w, struct span bytes);
/* Room for bytes that the caller writes itself, and how many it did. */
size_t client_wire_room(const struct client_wire *w);
char *client_wire_reserve(struct client_wire *w);
void client_wire_advance(struct client_wire *w, size_t n);
/* Sends all. */
int client_wire_flush(struct client_wire *w);

/* The next line, without CRLF, at most max bytes long with it. Valid until the next call. */
int client_wire_line(struct client_wire *w, size_t max, struct span *line);
/* At least one byte, as it came; valid until the next call. Those that were used are then
 * consumed, the others come again. */
int client_wire_bytes(struct client_wire *w, struct span *bytes);
void client_wire_consume(struct client_wire *w, size_t n);
/* Bytes that came and were not asked for as lines. */
size_t client_wire_unread(const struct client_wire *w);
/* True when nothing has come, not even an end: an idle connection that can be used again. */
bool client_wire_is_quiet(struct client_wire *w);

enum client_wire_news { WIRE_BYTES, WIRE_FD, WIRE_TIME, WIRE_OVER };
/* Until the server says something, fd (unless -1) can be read or has hung up, which comes first, or
 * so many seconds have passed, whatever the deadline. */
enum client_wire_news client_wire_wait(struct client_wire *w, int fd, uint64_t seconds);

enum client_wire_end client_wire_end(const struct client_wire *w);
/* A phrase for a reply: "timed out", "the connection was closed". */
const char *client_wire_why(const struct client_wire *w);
/* client_wire_start_tls() failed, since what came looks like no TLS. */
bool client_wire_is_not_tls(const struct client_wire *w);
/* NULL in clear. */
SSL *client_wire_ssl(const struct client_wire *w);

#endif
