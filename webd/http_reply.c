/*
 * Answers: never faster than the client takes them. Touches its own connections, and the files that
 * it is given to send.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "webd/http_private.h"
#include "webd/routes.h"

enum {
	PIECES_AT_ONCE = 4, /* of a long answer; then others have their turn */
	FILE_PIECE_BYTES = 32 * 1024
};

static const struct {
	int status;
	const char *text;
} reasons[] = {{200, "OK"}, {302, "Found"}, {304, "Not Modified"}, {308, "Permanent Redirect"},
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

void
http_write_head(struct http *c, const struct request *q, int status, const char *type)
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

/* The answer is written: on to the next request. */
static void
complete(struct request *q)
{
	struct http *c = q->connection;

	http_request_free(q);
	if (c == NULL || c->state == C_CLOSING)
		return;
	if (c->body_unread) {
		/* The client still sends what nobody reads: an answer that it cannot take because
		 * its connection was reset is none. */
		c->skip_left = c->body_left < SKIP_MAX_BYTES ? c->body_left : SKIP_MAX_BYTES;
		http_set_state(c, C_SKIP, SKIP_WAIT_S);
		stream_resume(c->stream);
		return;
	}
	if (!c->keep_alive || c->web->draining) {
		http_close(c);
		return;
	}
	http_set_state(c, C_SENT, SEND_WAIT_S);
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
		http_write_head(c, q, status, type);
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
	http_write_head(c, q, status, type);
}

void
reply_begin(struct request *q, int status, const char *type, bool (*more)(struct request *q))
{
	struct http *c = q->connection;

	if (c == NULL) {
		if (q->abort != NULL)
			q->abort(q);
		http_request_free(q);
		return;
	}
	begin(q, status, type);
	stream_printf(c->stream, "%s\r\n", q->chunked ? "Transfer-Encoding: chunked\r\n" : "");
	if (q->head.method == HTTP_HEAD) {
		reply_end(q);
		return;
	}
	q->more = more;
	http_more_time(c, SEND_WAIT_S);
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
	http_request_free(q);
	if (c != NULL)
		http_close(c);
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
		http_request_free(q);
		return;
	}
	begin(q, 200, type);
	q->chunked = false;
	stream_printf(c->stream, "Content-Length: %llu\r\n\r\n", (unsigned long long)length);
	if (q->head.method == HTTP_HEAD)
		q->file_left = 0;
	q->more = more_of_file;
	http_more_time(c, SEND_WAIT_S);
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

void
http_on_drained(void *arg)
{
	struct http *c = arg;

	if (!c->waits_for_drain)
		return;
	c->waits_for_drain = false;
	if (c->state == C_SENT) {
		http_read_on(c);
	} else if (c->state == C_WORK && c->request != NULL && c->request->more != NULL) {
		http_more_time(c, SEND_WAIT_S);
		produce(c->request);
	}
}
