/*
 * HTTP connections: bytes are cut into requests, each is answered before the next one is read, and
 * never faster than the client takes it. Touches its own connections, and the files of uploads.
 */
#include "webd/http.h"

#include <errno.h>
#include <stdarg.h>
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
#include "webd/webd.h"

enum {
	INPUT_MAX_BYTES = HTTP_HEAD_MAX_BYTES + STREAM_READ_BYTES,
	PIECES_AT_ONCE = 4, /* of a long answer; then others have their turn */
	FILE_PIECE_BYTES = 32 * 1024,
	BODY_FIRST_BYTES = 4096
};

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

static const struct {
	int status;
	const char *text;
} reasons[] = {{200, "OK"}, {304, "Not Modified"}, {308, "Permanent Redirect"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {417, "Expectation Failed"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"}};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < nitems(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

/* ---- time and state ---- */

static void
more_time(struct http *c, unsigned seconds)
{
	struct timeval wait = {seconds, 0};

	c->unsent = stream_pending(c->stream);
	event_add(&c->timer, &wait);
}

static void
set_state(struct http *c, enum http_state state, unsigned seconds)
{
	c->state = state;
	more_time(c, seconds);
}

/* A large answer is taken slowly, but is taken. */
static bool
is_taken(const struct http *c)
{
	size_t unsent = stream_pending(c->stream);

	return unsent > 0 && unsent + STREAM_READ_BYTES <= c->unsent;
}

static void
close_connection(struct http *c)
{
	if (c->state == C_CLOSING)
		return;
	set_state(c, C_CLOSING, FINISH_WAIT_S);
	stream_finish(c->stream);
}

/* ---- requests ---- */

static void
request_free(struct request *q)
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
		request_free(q);
	} else if (q->begun || c->state == C_BODY) {
		if (q->abort != NULL)
			q->abort(q);
		request_free(q);
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

/* ---- answers ---- */

void
reply_field(struct request *q, const char *name, const char *format, ...)
{
	char value[2048], *longer;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(value, sizeof value, format, ap);
	va_end(ap);
	if (n < 0 || n >= sizeof value || strpbrk(value, "\r\n") != NULL)
		return;
	longer = xasprintf("%s%s: %s\r\n", q->extra != NULL ? q->extra : "", name, value);
	free(q->extra);
	q->extra = longer;
}

/* What each answer says, whatever it is. */
static void
write_security(struct http *c, const struct request *q)
{
	bool framed = q != NULL && q->policy != NULL;

	stream_printf(c->stream,
	    "X-Content-Type-Options: nosniff\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "Cross-Origin-Opener-Policy: same-origin\r\n"
	    "Cross-Origin-Resource-Policy: same-origin\r\n"
	    "Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=()\r\n"
	    "X-Frame-Options: %s\r\n"
	    "Content-Security-Policy: %s\r\n",
	    framed ? "SAMEORIGIN" : "DENY", framed ? q->policy : ROUTE_POLICY);
	if (q != NULL ? q->secure : stream_has_tls(c->stream))
		stream_printf(c->stream, "Strict-Transport-Security: max-age=31536000\r\n");
}

static void
write_head(struct http *c, const struct request *q, int status, const char *type)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[40];

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	if (c->body_unread) /* nothing behind it is read as a request */
		c->keep_alive = false;
	stream_printf(c->stream, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason_of(status), date);
	if (type != NULL)
		stream_printf(c->stream, "Content-Type: %s\r\n", type);
	if (!c->keep_alive)
		stream_printf(c->stream, "Connection: close\r\n");
	write_security(c, q);
	if (q != NULL && q->extra != NULL)
		stream_write(c->stream, span_of(q->extra));
	if (q == NULL || q->extra == NULL || strstr(q->extra, "Cache-Control:") == NULL)
		stream_printf(c->stream, "Cache-Control: no-store\r\n");
}

static void on_drained(void *arg);
static void read_on(struct http *c);

/* The answer is written: on to the next request. */
static void
complete(struct request *q)
{
	struct http *c = q->connection;

	request_free(q);
	if (c == NULL || c->state == C_CLOSING)
		return;
	if (c->body_unread) {
		/* The client still sends what nobody reads: an answer that it cannot take because
		 * its connection was reset is none. */
		c->skip_left = c->body_left < SKIP_MAX_BYTES ? c->body_left : SKIP_MAX_BYTES;
		set_state(c, C_SKIP, SKIP_WAIT_S);
		stream_resume(c->stream);
		return;
	}
	if (!c->keep_alive || c->web->draining) {
		close_connection(c);
		return;
	}
	set_state(c, C_SENT, SEND_WAIT_S);
	stream_pause(c->stream);
	c->waits_for_drain = true;
	stream_want_drained(c->stream);
}

void
reply_bytes(struct request *q, int status, const char *type, struct span body)
{
	struct http *c = q->connection;

	if (c != NULL) {
		if (c->web->draining)
			c->keep_alive = false;
		write_head(c, q, status, type);
		if (status != 304)
			stream_printf(c->stream, "Content-Length: %zu\r\n", body.len);
		stream_printf(c->stream, "\r\n");
		if (q->head.method != HTTP_HEAD && status != 304)
			stream_write(c->stream, body);
		c->web->counters.bytes_sent += body.len;
	}
	complete(q);
}

void
reply_json_status(struct request *q, int status, json_t *doc)
{
	char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : xstrdup("{}");

	json_decref(doc);
	if (text == NULL) {
		status = 500;
		text =
		    xstrdup("{\"error\": \"The answer could not be made.\", \"code\": \"later\"}");
	}
	reply_bytes(q, status, "application/json", span_of(text));
	free(text);
}

void
reply_json(struct request *q, json_t *doc)
{
	reply_json_status(q, 200, doc);
}

void
reply_error(struct request *q, int status, const char *code, const char *format, ...)
{
	char sentence[1000];
	va_list ap;
	json_t *doc;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	doc = json_pack("{s:s, s:s}", "error", sentence, "code", code);
	if (doc == NULL) /* a stranger's bytes in the sentence, cut within a character */
		doc = json_pack("{s:s, s:s}", "error", "This is not possible.", "code", code);
	reply_json_status(q, status, doc);
}

/* ---- long answers ---- */

static void
produce(struct request *q)
{
	struct http *c = q->connection;

	for (int pieces = 0; q->more != NULL; pieces++) {
		uint64_t before = q->written;

		if (pieces == PIECES_AT_ONCE || stream_pending(c->stream) >= STREAM_READ_BYTES) {
			c->waits_for_drain = true;
			stream_want_drained(c->stream);
			return;
		}
		if (!q->more(q)) {
			if (c->request == q) /* it was not cut */
				reply_end(q);
			return;
		}
		if (c->request != q || q->written == before)
			return; /* it was cut, or has none now: see request_more() */
	}
}

static void
begin(struct request *q, int status, const char *type)
{
	struct http *c = q->connection;

	q->begun = true;
	q->chunked = !q->head.old;
	if (c->web->draining)
		c->keep_alive = false;
	write_head(c, q, status, type);
}

void
reply_begin(struct request *q, int status, const char *type, bool (*more)(struct request *q))
{
	struct http *c = q->connection;

	if (c == NULL) {
		if (q->abort != NULL)
			q->abort(q);
		request_free(q);
		return;
	}
	begin(q, status, type);
	stream_printf(c->stream, "%s\r\n", q->chunked ? "Transfer-Encoding: chunked\r\n" : "");
	if (q->head.method == HTTP_HEAD) {
		reply_end(q);
		return;
	}
	q->more = more;
	more_time(c, SEND_WAIT_S);
	request_more(q);
}

void
request_more(struct request *q)
{
	struct http *c = q->connection;

	if (c == NULL || q->more == NULL || c->waits_for_drain)
		return;
	c->waits_for_drain = true;
	stream_want_drained(c->stream);
}

void
reply_write(struct request *q, struct span bytes)
{
	struct http *c = q->connection;

	if (c == NULL || bytes.len == 0 || q->head.method == HTTP_HEAD)
		return;
	q->written += bytes.len;
	if (q->chunked)
		stream_printf(c->stream, "%zx\r\n", bytes.len);
	stream_write(c->stream, bytes);
	if (q->chunked)
		stream_printf(c->stream, "\r\n");
	c->web->counters.bytes_sent += bytes.len;
}

void
reply_end(struct request *q)
{
	if (q->abort != NULL)
		q->abort(q);
	if (q->connection != NULL && q->chunked && q->head.method != HTTP_HEAD)
		stream_write(q->connection->stream, (struct span){"0\r\n\r\n", 5});
	complete(q);
}

void
reply_cut(struct request *q)
{
	struct http *c = q->connection;

	if (q->abort != NULL)
		q->abort(q);
	request_free(q);
	if (c != NULL)
		close_connection(c);
}

static bool
more_of_file(struct request *q)
{
	char piece[FILE_PIECE_BYTES];
	size_t want = q->file_left < sizeof piece ? q->file_left : sizeof piece;
	ssize_t n = want == 0 ? 0 : pread(q->file, piece, want, q->file_at);

	if (want == 0)
		return false;
	if (n <= 0) {
		/* Shorter than was promised: only the end of the connection can say so. */
		q->connection->keep_alive = false;
		return false;
	}
	reply_write(q, (struct span){piece, n});
	q->file_at += n;
	q->file_left -= n;
	return true;
}

void
reply_file(struct request *q, const char *type, int fd, uint64_t offset, uint64_t length)
{
	struct http *c = q->connection;

	q->file = fd;
	q->file_at = offset;
	q->file_left = length;
	if (c == NULL) {
		request_free(q);
		return;
	}
	begin(q, 200, type);
	q->chunked = false;
	stream_printf(c->stream, "Content-Length: %llu\r\n\r\n", (unsigned long long)length);
	if (q->head.method == HTTP_HEAD)
		q->file_left = 0;
	q->more = more_of_file;
	more_time(c, SEND_WAIT_S);
	request_more(q);
}

void
reply_endless(struct request *q, const char *type, void (*gone)(struct request *q))
{
	struct http *c = q->connection;

	c->keep_alive = false;
	begin(q, 200, type);
	stream_printf(c->stream, "%s\r\n", q->chunked ? "Transfer-Encoding: chunked\r\n" : "");
	q->gone = gone;
	event_del(&c->timer);
	stream_resume(c->stream); /* to see it go */
}

size_t
reply_pending(const struct request *q)
{
	return q->connection != NULL ? stream_pending(q->connection->stream) : 0;
}

static void
on_drained(void *arg)
{
	struct http *c = arg;

	if (!c->waits_for_drain)
		return;
	c->waits_for_drain = false;
	if (c->state == C_SENT) {
		read_on(c);
	} else if (c->state == C_WORK && c->request != NULL && c->request->more != NULL) {
		more_time(c, SEND_WAIT_S);
		produce(c->request);
	}
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
	write_head(c, NULL, status, "application/json");
	stream_printf(c->stream, "Content-Length: %zu\r\n\r\n%s", text != NULL ? strlen(text) : 0,
	    text != NULL ? text : "");
	json_decref(doc);
	free(text);
	close_connection(c);
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
	set_state(c, C_WORK, WORK_WAIT_S);
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
	set_state(c, C_BODY, BODY_WAIT_S + bytes / BODY_RATE_BYTES);
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
	set_state(c, C_WORK, WORK_WAIT_S);
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
		set_state(c, C_HEAD, HEAD_WAIT_S);
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
		close_connection(c);
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

static void
read_on(struct http *c)
{
	set_state(c, C_IDLE, KEEP_ALIVE_WAIT_S);
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
		close_connection(c);
		break;
	default:
		if (is_taken(c)) {
			more_time(c, SEND_WAIT_S);
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
	set_state(c, C_IDLE, HEAD_WAIT_S);
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
    .on_bytes = on_bytes, .on_drained = on_drained, .on_tls = on_tls, .on_end = on_end};

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
		set_state(c, C_IDLE, HEAD_WAIT_S);
		return;
	}
	set_state(c, C_HANDSHAKE, w->settings.handshake_s);
	if (stream_start_tls(c->stream, w->tls, 0) == -1)
		close_connection(c);
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
			close_connection(c);
		}
	}
}
