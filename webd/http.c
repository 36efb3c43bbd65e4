/*
 * HTTP connections: bytes are cut into requests, and each is answered before the next one is read.
 * Touches its own connections, and the files of uploads.
 */
#include "webd/http_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ip_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "webd/documents.h"
#include "webd/routes.h"
#include "webd/sessions.h"
#include "webd/uploads.h"

enum { INPUT_MAX_BYTES = HTTP_HEAD_MAX_BYTES + STREAM_READ_BYTES, BODY_FIRST_BYTES = 4096 };

/* ---- time and state ---- */

void
http_more_time(struct http *c, unsigned seconds)
{
	struct timeval wait = {seconds, 0};

	c->unsent = stream_pending(c->stream);
	event_add(&c->timer, &wait);
}

void
http_set_state(struct http *c, enum http_state state, unsigned seconds)
{
	c->state = state;
	http_more_time(c, seconds);
}

/* A large answer is taken slowly, but is taken. */
static bool
is_taken(const struct http *c)
{
	size_t unsent = stream_pending(c->stream);

	return unsent > 0 && unsent + STREAM_READ_BYTES <= c->unsent;
}

void
http_close(struct http *c)
{
	if (c->state == C_CLOSING)
		return;
	http_set_state(c, C_CLOSING, FINISH_WAIT_S);
	stream_finish(c->stream);
}

/* ---- requests ---- */

void
http_request_free(struct request *q)
{
	if (q->abort != NULL)
		q->abort(q);
	if (q->connection != NULL)
		q->connection->request = NULL;
	if (q->session != NULL)
		sessions_leave(q);
	if (q->body != NULL)
		explicit_bzero(q->body, q->body_len);
	closefd(&q->body_fd);
	closefd(&q->file);
	document_forget(q);
	uploads_release(q);
	json_decref(q->json);
	free(q->head_text);
	free(q->body);
	free(q->extra);
	free(q);
}

/* The client has gone, or takes no more. What others work on for it is let go when it is done. */
static void
lose_request(struct http *c)
{
	struct request *q = c->request;

	if (q == NULL)
		return;
	c->request = NULL;
	q->connection = NULL;
	if (q->gone != NULL) {
		q->gone(q);
		http_request_free(q);
	} else if (q->begun || c->state == C_BODY) {
		if (q->abort != NULL)
			q->abort(q);
		http_request_free(q);
	}
}

static void
connection_free(struct http *c)
{
	struct webd *w = c->web;

	lose_request(c);
	event_del(&c->timer);
	if (c->counted)
		connections_leave(w->admission.table, stream_peer(c->stream));
	stream_free(&c->stream);
	LIST_REMOVE(c, entry);
	free(c);
	if (w->draining && LIST_EMPTY(&w->connections))
		w->on_empty(w);
}

/* ---- who it is ---- */

const struct sockaddr *
http_peer(const struct http *c)
{
	return stream_peer(c->stream);
}

bool
http_has_tls(const struct http *c)
{
	return stream_has_tls(c->stream);
}

/* From the last to the first, the address that no proxy of ours has; what is before it anybody may
 * have written. False: this was it. */
static bool
take_forwarded_for(struct request *q, struct span list)
{
	struct sockaddr_storage address;
	char text[64];

	while (list.len > 0) {
		const char *comma = memrchr(list.at, ',', list.len);
		struct span last =
		    comma == NULL ? list : (struct span){comma + 1, list.at + list.len - comma - 1};

		if (!span_copy(span_trim(last), text, sizeof text) ||
		    !socket_address_parse(text, &address) || address.ss_family == AF_UNIX)
			return false;
		socket_address_text((struct sockaddr *)&address, q->client);
		if (!ip_list_has(q->web->settings.proxies, (struct sockaddr *)&address))
			return false;
		list.len = comma == NULL ? 0 : comma - list.at;
	}
	return true;
}

/* A proxy adds to the field that is there, or one of its own behind it: the last is its own. */
static void
take_forwarded(struct request *q)
{
	const struct http_head *head = &q->head;
	bool more = true;
	size_t i = head->n_fields;

	while (more && i-- > 0)
		if (span_is_nocase(head->fields[i].name, "X-Forwarded-For"))
			more = take_forwarded_for(q, head->fields[i].value);
	for (i = 0; i < head->n_fields; i++)
		if (span_is_nocase(head->fields[i].name, "X-Forwarded-Proto"))
			q->secure = stream_has_tls(q->connection->stream) ||
				    span_is_nocase(head->fields[i].value, "https");
}

static void
identify(struct request *q)
{
	struct http *c = q->connection;

	strlcpy(q->client, c->client, sizeof q->client);
	q->secure = stream_has_tls(c->stream);
	if (ip_list_has(q->web->settings.proxies, stream_peer(c->stream)))
		take_forwarded(q);
}

/* ---- input ---- */

/* A head that is none, or that waits too long: nothing behind it can be told from a request. */
static void
refuse_connection(struct http *c, int status, const char *why)
{
	json_t *doc = json_pack("{s:s, s:s}", "error", why, "code", "bad");
	char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;

	c->web->counters.malformed++;
	log_info(
	    "- refused client=%s status=%d reason=%s", c->client, status, log_safe(span_of(why)));
	c->keep_alive = false;
	http_write_head(c, NULL, status, "application/json");
	stream_printf(c->stream, "Content-Length: %zu\r\n\r\n%s", text != NULL ? strlen(text) : 0,
	    text != NULL ? text : "");
	json_decref(doc);
	free(text);
	http_close(c);
}

static struct request *
request_new(struct http *c, struct span head)
{
	struct request *q = xcalloc(1, sizeof *q);
	const char *why;
	int status;

	q->web = c->web;
	q->connection = c;
	q->body_fd = q->file = -1;
	q->head_text = span_text(head);
	(void)http_head_parse((struct span){q->head_text, head.len}, &q->head, &status, &why);
	c->request = q;
	return q;
}

static void
run(struct http *c)
{
	http_set_state(c, C_WORK, WORK_WAIT_S);
	stream_pause(c->stream);
	c->body_unread = false;
	route_run(c->request);
}

static void
expect_body(struct http *c, struct request *q)
{
	uint64_t bytes = q->head.chunked ? q->body_max : q->head.length;

	c->chunks = (struct http_chunks){0};
	if (bytes == 0) {
		run(c);
		return;
	}
	if (q->head.expects_continue)
		stream_printf(c->stream, "HTTP/1.1 100 Continue\r\n\r\n");
	http_set_state(c, C_BODY, BODY_WAIT_S + bytes / BODY_RATE_BYTES);
}

static void
take_head(struct http *c, struct span head)
{
	struct request *q = request_new(c, head);

	c->web->counters.requests++;
	c->keep_alive = q->head.keep_alive;
	c->body_unread = q->head.length > 0 || q->head.chunked;
	c->body_left = q->head.chunked ? SKIP_MAX_BYTES : q->head.length;
	/* An answer from within is the last of this request, and perhaps of this connection. */
	http_set_state(c, C_WORK, WORK_WAIT_S);
	identify(q);
	if (route_head(q))
		expect_body(c, q);
}

static size_t
input_head(struct http *c, struct span bytes)
{
	struct http_head head;
	const char *why;
	int status;
	ssize_t n = http_head_parse(bytes, &head, &status, &why);

	if (n > 0) {
		take_head(c, (struct span){bytes.at, n});
		return n;
	}
	if (n < 0) {
		refuse_connection(c, status, why);
		return bytes.len;
	}
	if (c->state == C_IDLE)
		http_set_state(c, C_HEAD, HEAD_WAIT_S);
	return 0;
}

static int
keep_in_memory(struct request *q, struct span data)
{
	size_t need = q->body_len + data.len + 1, size = q->body_size;
	char *body;

	while (size < need)
		size = size == 0 ? BODY_FIRST_BYTES : size * 2;
	if (size != q->body_size) {
		if ((body = realloc(q->body, size)) == NULL)
			return -1;
		q->body = body;
		q->body_size = size;
	}
	memcpy(q->body + q->body_len, data.at, data.len);
	q->body[q->body_len + data.len] = '\0';
	return 0;
}

static int
keep_in_file(struct request *q, struct span data)
{
	while (data.len > 0) {
		ssize_t n = write(q->body_fd, data.at, data.len);

		if (n <= 0)
			return -1;
		data = (struct span){data.at + n, data.len - n};
	}
	return 0;
}

/* False: it was answered. */
static bool
keep_body(struct http *c, struct span data)
{
	struct request *q = c->request;

	if (data.len == 0)
		return true;
	if (q->body_len + data.len > q->body_max) {
		route_refuse_size(q);
		return false;
	}
	if ((q->body_fd != -1 ? keep_in_file(q, data) : keep_in_memory(q, data)) == -1) {
		reply_error(q, 503, "later", "There is no memory left for this; try again later.");
		return false;
	}
	q->body_len += data.len;
	return true;
}

static size_t
input_body_chunks(struct http *c, struct span bytes)
{
	struct span data;
	ssize_t n = http_chunks_read(&c->chunks, bytes, &data);

	if (n < 0) {
		lose_request(c);
		refuse_connection(c, 400, "The body's chunks are malformed.");
		return bytes.len;
	}
	if (keep_body(c, data) && c->chunks.state == CHUNK_DONE)
		run(c);
	return n;
}

static size_t
input_body(struct http *c, struct span bytes)
{
	struct span data = {bytes.at, bytes.len < c->body_left ? bytes.len : c->body_left};

	if (c->request->head.chunked)
		return input_body_chunks(c, bytes);
	c->body_left -= data.len;
	if (keep_body(c, data) && c->body_left == 0)
		run(c);
	return data.len;
}

static size_t
input_skipped(struct http *c, struct span bytes)
{
	if (bytes.len >= c->skip_left)
		http_close(c);
	else
		c->skip_left -= bytes.len;
	return bytes.len;
}

static size_t
input(struct http *c, struct span bytes)
{
	switch (c->state) {
	case C_IDLE:
	case C_HEAD:
		return input_head(c, bytes);
	case C_BODY:
		return input_body(c, bytes);
	case C_SKIP:
	case C_CLOSING:
		return input_skipped(c, bytes);
	case C_WORK:
		/* Behind a request without an end: nothing that would ever be answered. */
		return c->request != NULL && c->request->gone != NULL ? bytes.len : 0;
	default:
		return 0;
	}
}

static size_t
on_bytes(void *arg, struct span bytes)
{
	struct http *c = arg;
	size_t done = 0, n = 1;

	while (done < bytes.len && n > 0 && c->state != C_CLOSING) {
		n = input(c, (struct span){bytes.at + done, bytes.len - done});
		done += n;
	}
	return c->state == C_CLOSING ? bytes.len : done;
}

void
http_read_on(struct http *c)
{
	http_set_state(c, C_IDLE, KEEP_ALIVE_WAIT_S);
	stream_resume(c->stream);
}

/* ---- the beginning and the end ---- */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http *c = arg;

	(void)fd, (void)what;
	switch (c->state) {
	case C_HEAD:
		refuse_connection(c, 408, "The request took too long.");
		break;
	case C_BODY:
		lose_request(c);
		refuse_connection(c, 408, "The request took too long.");
		break;
	case C_IDLE:
		http_close(c);
		break;
	default:
		if (is_taken(c)) {
			http_more_time(c, SEND_WAIT_S);
			break;
		}
		if (c->state == C_HANDSHAKE)
			log_info("- tls-failed client=%s reason=timeout", c->client);
		connection_free(c);
	}
}

static void
on_tls(void *arg)
{
	struct http *c = arg;

	c->web->counters.tls_sessions++;
	http_set_state(c, C_IDLE, HEAD_WAIT_S);
}

static void
on_end(void *arg, enum stream_end why)
{
	struct http *c = arg;

	if (why == STREAM_TLS_FAILED)
		log_debug("- tls-failed client=%s reason=%s", c->client,
		    c->state == C_HANDSHAKE ? "handshake" : "records");
	connection_free(c);
}

static const struct stream_ops stream_ops = {
    .on_bytes = on_bytes, .on_drained = http_on_drained, .on_tls = on_tls, .on_end = on_end};

void
http_new(struct webd *w, int fd, const struct sockaddr *peer, enum http_kind kind, bool counted)
{
	struct http *c = xcalloc(1, sizeof *c);

	c->web = w;
	c->kind = kind;
	c->counted = counted;
	c->stream = stream_new(w->base, fd, peer, INPUT_MAX_BYTES, &stream_ops, c);
	strlcpy(c->client, stream_peer_text(c->stream), sizeof c->client);
	event_assign(&c->timer, w->base, -1, EV_TIMEOUT, on_timer, c);
	LIST_INSERT_HEAD(&w->connections, c, entry);
	w->counters.connections++;
	if (kind == KIND_HTTP) {
		http_set_state(c, C_IDLE, HEAD_WAIT_S);
		return;
	}
	http_set_state(c, C_HANDSHAKE, w->settings.handshake_s);
	if (stream_start_tls(c->stream, w->tls, 0) == -1)
		http_close(c);
}

size_t
http_count(const struct webd *w)
{
	const struct http *c;
	size_t n = 0;

	LIST_FOREACH (c, &w->connections, entry)
		n++;
	return n;
}

void
http_drain(struct webd *w)
{
	for (struct http *c = LIST_FIRST(&w->connections), *next; c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->request != NULL && c->request->gone != NULL) {
			struct request *q = c->request;

			q->gone(q);
			q->gone = NULL;
			reply_end(q);
		} else if (c->state == C_IDLE || c->state == C_HANDSHAKE || c->state == C_HEAD ||
			   c->state == C_BODY || c->state == C_SENT) {
			lose_request(c);
			http_close(c);
		}
	}
}
