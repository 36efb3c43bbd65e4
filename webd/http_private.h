/*
 * What the files of http.h share: a connection, and its states.
 */
#ifndef WEBD_HTTP_PRIVATE_H
#define WEBD_HTTP_PRIVATE_H

#include "webd/http.h"
#include "webd/webd.h"

enum http_state {
	C_HANDSHAKE,
	C_IDLE, /* between requests */
	C_HEAD, /* some of a head is there */
	C_BODY,
	C_WORK, /* the request is worked on, or being answered */
	C_SENT, /* answered; the client still takes it */
	C_SKIP, /* answered; what is left of its body is of no use */
	C_CLOSING
};

struct http {
	LIST_ENTRY(http) entry;
	struct webd *web;
	struct stream *stream;
	struct event timer;
	struct request *request; /* in C_BODY and C_WORK */
	struct http_chunks chunks;
	uint64_t body_left; /* of a body with a length */
	uint64_t skip_left;
	size_t unsent; /* when the timer was set */
	uint8_t kind, state;
	bool counted, keep_alive, waits_for_drain;
	bool body_unread;
	char client[INET6_ADDRSTRLEN];
};

/* ---- http.c ---- */

/* Sets the timer, too. */
void http_set_state(struct http *c, enum http_state state, unsigned seconds);
void http_more_time(struct http *c, unsigned seconds);
/* When what was written has left. */
void http_close(struct http *c);
void http_request_free(struct request *q);
/* On to the next request. */
void http_read_on(struct http *c);

/* ---- http_reply.c ---- */

/* The head of an answer but for its length, and the empty line. q NULL: to what is no request. */
void http_write_head(struct http *c, const struct request *q, int status, const char *type);
/* For struct stream_ops; arg is the connection. */
void http_on_drained(void *arg);

#endif
