/*
 * One connection to another host's SMTP server, for a sequential client: blocking calls with
 * deadlines, lines in, and buffered output that leaves with one system call for a group of commands
 * (RFC 2920). In clear, or inside TLS. The process ignores SIGPIPE.
 */
#ifndef ROUTER_SMTP_WIRE_H
#define ROUTER_SMTP_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/span.h"

enum {
	SMTP_WIRE_IN_BYTES = 16384,	 /* a TLS record */
	SMTP_WIRE_OUT_BYTES = 128 * 1024 /* a group of commands and a message that goes with it */
};

/* Why a connection is of no more use. The first one is kept. */
enum smtp_wire_end {
	WIRE_OPEN,
	WIRE_REFUSED, /* connect() failed */
	WIRE_CLOSED,  /* the server closed it, orderly or not */
	WIRE_TIMEOUT, /* a deadline passed */
	WIRE_GARBAGE, /* what came is no line: too long, or an LF without CR */
	WIRE_TLS      /* the handshake failed, or the record layer broke */
};

struct smtp_wire;

/* Never fails; nothing is connected yet. free closes at once (inside TLS after close_notify),
 * clears the pointer, and is harmless on NULL. */
struct smtp_wire *smtp_wire_new(void);
void smtp_wire_free(struct smtp_wire **w);

/* Of each call that follows, until it is set anew; never later than the limit, which counts from
 * now. Seconds. */
void smtp_wire_deadline(struct smtp_wire *w, unsigned seconds);
void smtp_wire_limit(struct smtp_wire *w, uint64_t seconds);

/* All return -1, and say so again with each later call, once the connection is of no more use. But
 * what a server said before it closed can still be read after a write has failed. */
int smtp_wire_connect(struct smtp_wire *w, const struct sockaddr *address, socklen_t length);
/* Takes ssl, also on -1. Nothing that was read in clear may be left (smtp_wire_unread). */
int smtp_wire_start_tls(struct smtp_wire *w, SSL *ssl);

/* Appends; sends what is there when there is no more room. */
int smtp_wire_put(struct smtp_wire *w, struct span bytes);
/* Room for bytes that the caller writes itself, and how many it did. */
size_t smtp_wire_room(const struct smtp_wire *w);
char *smtp_wire_reserve(struct smtp_wire *w);
void smtp_wire_advance(struct smtp_wire *w, size_t n);
/* Sends all. */
int smtp_wire_flush(struct smtp_wire *w);

/* The next line, without CRLF, at most max bytes long with it. Valid until the next call. */
int smtp_wire_line(struct smtp_wire *w, size_t max, struct span *line);
/* Bytes that came and were not asked for as lines. */
size_t smtp_wire_unread(const struct smtp_wire *w);
/* True when nothing has come, not even an end: an idle connection that can be used again. */
bool smtp_wire_is_quiet(struct smtp_wire *w);

enum smtp_wire_end smtp_wire_end(const struct smtp_wire *w);
/* A phrase for a reply: "timed out", "the connection was closed". */
const char *smtp_wire_why(const struct smtp_wire *w);
/* NULL in clear. */
SSL *smtp_wire_ssl(const struct smtp_wire *w);

#endif
