/*
 * The head of an HTTP/1.1 request (RFC 9112), read strictly: what two readers could understand
 * differently is refused, so that nobody smuggles a second request behind the first, also through a
 * proxy. Pure.
 */
#ifndef WEBD_HTTP_HEAD_H
#define WEBD_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/span.h"

enum {
	HTTP_HEAD_MAX_BYTES = 16 * 1024,
	HTTP_TARGET_MAX_BYTES = 8 * 1024,
	HTTP_FIELDS_MAX = 64,
	HTTP_CHUNK_LINE_MAX_BYTES = 12
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

struct http_field {
	struct span name, value;
};

/* Borrowed from the bytes. */
struct http_head {
	enum http_method method;
	struct span path, query; /* as they came; the path starts with '/' */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t n_fields;
	uint64_t length; /* of the body; 0 without one and with chunked */
	bool old;	 /* HTTP/1.0 */
	bool chunked;
	bool keep_alive;
	bool expects_continue;
};

/*
 * Reads a head from the front of bytes. Its length, 0: not all is there yet, or -1 with *status (of
 * the reply: 400, 414, 417, 431, 501, 505) and *why, a sentence; the connection is of no more use
 * then.
 */
ssize_t http_head_parse(struct span bytes, struct http_head *out, int *status, const char **why);

/* The first field of this name, empty without one. */
struct span http_field(const struct http_head *head, const char *name);
/* A cookie's value, empty without one. */
struct span http_cookie(const struct http_head *head, const char *name);
/* True when a list of tokens has this one ("gzip" in "br, gzip;q=0.5"; not with q=0). */
bool http_list_has(struct span list, const char *token);

/*
 * Decodes %XX into out, as a path: without empty, "." and ".." segments. False: malformed, a NUL, a
 * control character, or too long.
 */
bool http_path_decode(struct span path, char *out, size_t size);
/* The value of a parameter of a query, decoded ('+' is a blank), as text. False: there is none, it
 * is malformed, has a NUL or is no UTF-8, or too long; *there then says whether it was there. */
bool http_parameter(struct span query, const char *name, char *out, size_t size, bool *there);

/* ---- a body in chunks (RFC 9112 7.1) ---- */

struct http_chunks {
	uint64_t left; /* of the current chunk */
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
};

/*
 * Reads on. *data is what belongs to the body, borrowed. How many bytes of the input were used (0:
 * more is needed), or -1: malformed. Extensions and trailers, which nobody needs, are.
 */
ssize_t http_chunks_read(struct http_chunks *c, struct span bytes, struct span *data);

#endif
