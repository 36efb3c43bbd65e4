/*
 * HTTP/1.1 connections (RFC 9110, 9112) and the request that each one has in hand: one at a time,
 * in order. Knows no route and no session: routes.h judges a head and runs the request when its
 * body is there. Private to the folder.
 *
 * evhttp is not used: it takes bare LF, folded fields and contradicting lengths, holds whole bodies
 * in memory before anybody has seen the head, and cannot be given a connection that was counted.
 *
 * A request is answered exactly once, by one of the functions below, at once or later; that frees
 * it. It lives on when its client goes meanwhile: its answer is then dropped.
 */
#ifndef WEBD_HTTP_H
#define WEBD_HTTP_H

#include <event2/event_struct.h>
#include <jansson.h>
#include <sys/queue.h>

#include "common/stream.h"
#include "webd/http_head.h"

enum {
	HTTP_PATH_SIZE = 256, /* longer ones are nothing here */
	HTTP_JSON_MAX_BYTES = 16 * 1024,
	HEAD_WAIT_S = 20,	/* from the first byte of a request to the end of its head */
	KEEP_ALIVE_WAIT_S = 75, /* for the next request */
	BODY_WAIT_S = 30,	/* and a second for each BODY_RATE_BYTES: slower ones are cut off */
	BODY_RATE_BYTES = 8 * 1024,
	WORK_WAIT_S = 11 * 60, /* auth may hold a failure back for 10 minutes */
	SEND_WAIT_S = 60,      /* until the client takes the next 64 KB */
	FINISH_WAIT_S = 10,
	SKIP_MAX_BYTES = 64 * 1024 * 1024, /* of a body that is not wanted */
	SKIP_WAIT_S = 30,
};

enum http_kind { KIND_HTTP, KIND_HTTPS };

struct webd;
struct http;
struct document_call;
struct outgoing;
struct route;
struct web_session;

struct request {
	LIST_ENTRY(request) entry; /* of its session, while it is worked on */
	struct webd *web;
	struct http *connection; /* NULL: the client has gone */
	struct http_head head;
	const struct route *route;
	struct web_session *session; /* NULL: the route needs none */
	char *head_text;	     /* what head points into */
	char *body; /* in memory, with a NUL behind it; NULL when body_fd takes it */
	size_t body_len, body_size;
	uint64_t body_max;
	int body_fd;	       /* an upload's file, or -1 */
	uint64_t upload_bytes; /* uploads.h */
	json_t *json;	       /* of the body, where the route wants an object; else NULL */
	char path[HTTP_PATH_SIZE];
	char client[INET6_ADDRSTRLEN]; /* as a trusted proxy says */
	bool secure;		       /* over TLS, also that of a trusted proxy */
	/* for handlers that need more than one answer from within */
	void *work;
	void (*abort)(struct request *q); /* cancels calls, frees work and clears both; called
					   * when the request is freed. NULL: nothing to do */
	const char
	    *policy; /* of the answer, in place of ROUTE_POLICY; then it may be framed by us */
	void (*letter_then)(struct outgoing *o); /* letters.c */
	bool letter_is_draft;
	struct document_call *document; /* documents.c: under way */
	/* private to http.c and http_reply.c */
	char *extra; /* header fields */
	bool (*more)(struct request *q);
	void (*gone)(struct request *q);
	bool begun, chunked;
	uint64_t written;
	int file;
	uint64_t file_at, file_left;
};

LIST_HEAD(requests, request);

/* ---- answers ---- */

/* A field of the answer to come. The value has no CR and LF, or is dropped. */
void reply_field(struct request *q, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_bytes(struct request *q, int status, const char *type, struct span body);
/* Owns doc. NULL: {}. */
void reply_json(struct request *q, json_t *doc);
void reply_json_status(struct request *q, int status, json_t *doc);
/* {"error": sentence, "code": word}. */
void reply_error(struct request *q, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Part of a file, in pieces. Owns fd. */
void reply_file(struct request *q, const char *type, int fd, uint64_t offset, uint64_t length);

/*
 * An answer in pieces, of unknown length. more() is called whenever the client has taken what was
 * written: it writes the next piece, and returns false when that was the last one. It may also say
 * that it has none yet, by writing nothing and returning true; request_more() asks it again.
 */
void reply_begin(struct request *q, int status, const char *type, bool (*more)(struct request *q));
void request_more(struct request *q);
void reply_write(struct request *q, struct span bytes);
/* In the middle: the client sees that it is not complete. Calls abort. */
void reply_cut(struct request *q);

/*
 * An answer that goes on until one side has enough. gone() is called when the client goes, instead
 * of abort; it must not answer. Ends with reply_end().
 */
void reply_endless(struct request *q, const char *type, void (*gone)(struct request *q));
void reply_end(struct request *q);
/* Bytes that the client has not taken yet. */
size_t reply_pending(const struct request *q);

/* ---- connections ---- */

/* Owns fd and, when counted, one place in the table of connections. */
void
http_new(struct webd *w, int fd, const struct sockaddr *peer, enum http_kind kind, bool counted);
const struct sockaddr *http_peer(const struct http *c);
bool http_has_tls(const struct http *c);
size_t http_count(const struct webd *w);
/* Idle ones end at once, the others after their answer. */
void http_drain(struct webd *w);

#endif
