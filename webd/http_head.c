/*
 * The head of an HTTP request, read strictly. Touches nothing.
 */
#include "webd/http_head.h"

#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"

/* ---- characters (RFC 9110 5.6.2) ---- */

static bool
is_token(struct span s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return s.len > 0;
}

static bool
is_visible(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] >= 0x7f)
			return false;
	return s.len > 0;
}

static bool
is_field_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* ---- where the head ends ---- */

/* Only CR LF ends a line, and neither stands alone (RFC 9112 2.2). -1: one does. 0: unfinished. */
static ssize_t
find_end(struct span bytes)
{
	size_t line = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.at[i] == '\n')
			return -1;
		if (bytes.at[i] != '\r')
			continue;
		if (i + 1 == bytes.len)
			return 0;
		if (bytes.at[i + 1] != '\n')
			return -1;
		if (i == line)
			return i + 2;
		line = ++i + 1;
	}
	return 0;
}

static struct span
take_line(struct span *rest)
{
	const char *end = memchr(rest->at, '\r', rest->len);
	struct span line = {rest->at, end - rest->at};

	*rest = (struct span){end + 2, rest->len - line.len - 2};
	return line;
}

/* ---- the request line ---- */

static int
refuse(const char **why, const char *sentence, int status)
{
	*why = sentence;
	return status;
}

static enum http_method
method_of(struct span text)
{
	if (span_is(text, "GET"))
		return HTTP_GET;
	if (span_is(text, "HEAD"))
		return HTTP_HEAD;
	return span_is(text, "POST") ? HTTP_POST : HTTP_OTHER;
}

/* The absolute form is for proxies, but must be understood (RFC 9112 3.2.2). */
static bool
strip_origin(struct span *target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < nitems(schemes); i++) {
		size_t n = strlen(schemes[i]);
		const char *slash;

		if (target->len < n || memcmp(target->at, schemes[i], n) != 0)
			continue;
		slash = memchr(target->at + n, '/', target->len - n);
		if (slash == NULL)
			return false;
		*target = (struct span){slash, target->len - (slash - target->at)};
	}
	return target->len > 0 && target->at[0] == '/';
}

static int
parse_request_line(struct span line, struct http_head *out, const char **why)
{
	struct span method, target;

	if (!span_take(&line, ' ', &method) || !span_take(&line, ' ', &target) ||
	    !is_token(method) || !is_visible(target))
		return refuse(why, "The request line is malformed.", 400);
	if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
		return refuse(why, "HTTP/1.1 is spoken here.", 505);
	if (target.len > HTTP_TARGET_MAX_BYTES)
		return refuse(why, "The address is too long.", 414);
	out->old = span_is(line, "HTTP/1.0");
	out->method = method_of(method);
	if (!strip_origin(&target) || memchr(target.at, '#', target.len) != NULL)
		return refuse(why, "The address is malformed.", 400);
	if (!span_take(&target, '?', &out->path))
		target = (struct span){"", 0};
	out->query = target;
	return 0;
}

/* ---- fields ---- */

static int
parse_field(struct span line, struct http_head *out, const char **why)
{
	struct http_field *f = &out->fields[out->n_fields];

	/* A line that starts with a blank would go on with the one before (obs-fold). */
	if (out->n_fields == HTTP_FIELDS_MAX)
		return refuse(why, "There are too many header fields.", 431);
	if (!span_take(&line, ':', &f->name) || !is_token(f->name) || !is_field_value(line))
		return refuse(why, "A header field is malformed.", 400);
	f->value = span_trim(line);
	out->n_fields++;
	return 0;
}

static size_t
count_fields(const struct http_head *head, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		n += span_is_nocase(head->fields[i].name, name);
	return n;
}

struct span
http_field(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (span_is_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	return (struct span){"", 0};
}

/* RFC 9112 6.1, 6.3: whoever says both, or one twice, wants us and a proxy to disagree. */
static int
judge_framing(struct http_head *head, const char **why)
{
	size_t n_lengths = count_fields(head, "Content-Length");
	size_t n_codings = count_fields(head, "Transfer-Encoding");

	if (n_lengths + n_codings > 1)
		return refuse(why, "The length of the body is said twice.", 400);
	if (n_lengths == 1 &&
	    (http_field(head, "Content-Length").len > 18 ||
		!span_u64(http_field(head, "Content-Length"), UINT64_MAX, &head->length)))
		return refuse(why, "Content-Length is no number.", 400);
	head->chunked = n_codings == 1;
	if (head->chunked &&
	    (head->old || !span_is_nocase(http_field(head, "Transfer-Encoding"), "chunked")))
		return refuse(why, "Of transfer codings only chunked is understood.", 400);
	if (head->method != HTTP_POST && (head->length > 0 || head->chunked))
		return refuse(why, "Only POST has a body.", 400);
	return 0;
}

static int
judge_host(const struct http_head *head, const char **why)
{
	size_t n = count_fields(head, "Host");
	struct span host = http_field(head, "Host");

	if (n > 1 || (n == 0 && !head->old))
		return refuse(why, "There must be one Host.", 400);
	for (size_t i = 0; i < host.len; i++)
		if (host.at[i] <= ' ' || strchr("/\\@?#<>\"'", host.at[i]) != NULL)
			return refuse(why, "Host is malformed.", 400);
	return 0;
}

static int
judge_connection(struct http_head *head, const char **why)
{
	struct span expect = http_field(head, "Expect");

	head->keep_alive = !head->old && !http_list_has(http_field(head, "Connection"), "close");
	head->expects_continue = expect.len > 0 && !head->old;
	if (expect.len > 0 && !span_is_nocase(expect, "100-continue"))
		return refuse(why, "This cannot be expected.", 417);
	return 0;
}

static int
parse(struct span rest, struct http_head *out, const char **why)
{
	int status = parse_request_line(take_line(&rest), out, why);

	while (status == 0 && rest.len > 2)
		status = parse_field(take_line(&rest), out, why);
	if (status == 0)
		status = judge_host(out, why);
	if (status == 0)
		status = judge_framing(out, why);
	if (status == 0)
		status = judge_connection(out, why);
	return status;
}

ssize_t
http_head_parse(struct span bytes, struct http_head *out, int *status, const char **why)
{
	struct span part = {
	    bytes.at, bytes.len < HTTP_HEAD_MAX_BYTES ? bytes.len : HTTP_HEAD_MAX_BYTES};
	ssize_t end = find_end(part);

	if (end == 0 && part.len < HTTP_HEAD_MAX_BYTES)
		return 0;
	memset(out, 0, sizeof *out);
	if (end > 2)
		*status = parse((struct span){bytes.at, end}, out, why);
	else if (end == 0)
		*status = refuse(why, "The header is too long.", 431);
	else
		*status = refuse(why, "Lines of a header end with CR LF.", 400);
	return *status == 0 ? end : -1;
}

/* ---- values ---- */

struct span
http_cookie(const struct http_head *head, const char *name)
{
	struct span rest = http_field(head, "Cookie"), part, key;

	while (rest.len > 0) {
		span_take(&rest, ';', &part);
		part = span_trim(part);
		if (span_take(&part, '=', &key) && span_is(key, name))
			return part;
	}
	return (struct span){"", 0};
}

bool
http_list_has(struct span list, const char *token)
{
	struct span item, word;

	while (list.len > 0) {
		span_take(&list, ',', &item);
		span_take(&item, ';', &word);
		if (span_is_nocase(span_trim(word), token)) {
			item = span_trim(item);
			return !span_is(item, "q=0") && !span_is(item, "q=0.0") &&
			       !span_is(item, "q=0.00") && !span_is(item, "q=0.000");
		}
	}
	return false;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One character of an encoded text, or -1. */
static int
decode_one(struct span *s, bool form)
{
	int high, low, c = (unsigned char)s->at[0];
	size_t used = 1;

	if (c == '%') {
		if (s->len < 3 || (high = hex(s->at[1])) == -1 || (low = hex(s->at[2])) == -1)
			return -1;
		c = high * 16 + low;
		used = 3;
	} else if (c == '+' && form) {
		c = ' ';
	}
	*s = (struct span){s->at + used, s->len - used};
	return c;
}

static bool
decode(struct span s, bool form, char *out, size_t size)
{
	size_t n = 0;

	while (s.len > 0) {
		int c = decode_one(&s, form);

		if (c <= 0 || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return utf8_is_valid((struct span){out, n});
}

bool
http_path_decode(struct span path, char *out, size_t size)
{
	struct span rest, segment;

	if (path.len == 0 || !decode(path, false, out, size))
		return false;
	for (const char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '\\')
			return false;
	rest = span_of(out + 1);
	while (rest.len > 0) {
		span_take(&rest, '/', &segment);
		if (segment.len == 0 || span_is(segment, ".") || span_is(segment, ".."))
			return false;
	}
	return out[0] == '/';
}

bool
http_parameter(struct span query, const char *name, char *out, size_t size, bool *there)
{
	struct span part, key;

	*there = false;
	while (query.len > 0) {
		span_take(&query, '&', &part);
		if (!span_take(&part, '=', &key))
			part = (struct span){"", 0};
		if (!span_is(key, name))
			continue;
		*there = true;
		return decode(part, true, out, size);
	}
	return false;
}

/* ---- chunks ---- */

static ssize_t
read_size(struct http_chunks *c, struct span bytes)
{
	const char *lf = memchr(bytes.at, '\n',
	    bytes.len < HTTP_CHUNK_LINE_MAX_BYTES ? bytes.len : HTTP_CHUNK_LINE_MAX_BYTES);
	size_t digits;

	if (lf == NULL)
		return bytes.len < HTTP_CHUNK_LINE_MAX_BYTES ? 0 : -1;
	digits = lf - bytes.at;
	if (digits < 2 || lf[-1] != '\r')
		return -1;
	digits--;
	c->left = 0;
	for (size_t i = 0; i < digits; i++) {
		if (hex(bytes.at[i]) == -1)
			return -1;
		c->left = c->left * 16 + hex(bytes.at[i]);
	}
	c->state = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return digits + 2;
}

static ssize_t
read_line_end(struct http_chunks *c, struct span bytes, int next)
{
	if (bytes.at[0] != '\r' || (bytes.len > 1 && bytes.at[1] != '\n'))
		return -1;
	if (bytes.len < 2)
		return 0;
	c->state = next;
	return 2;
}

ssize_t
http_chunks_read(struct http_chunks *c, struct span bytes, struct span *data)
{
	*data = (struct span){bytes.at, 0};
	if (bytes.len == 0 || c->state == CHUNK_DONE)
		return 0;
	switch (c->state) {
	case CHUNK_SIZE:
		return read_size(c, bytes);
	case CHUNK_DATA_END:
		return read_line_end(c, bytes, CHUNK_SIZE);
	case CHUNK_TRAILER:
		return read_line_end(c, bytes, CHUNK_DONE);
	default:
		data->len = bytes.len < c->left ? bytes.len : c->left;
		c->left -= data->len;
		if (c->left == 0)
			c->state = CHUNK_DATA_END;
		return data->len;
	}
}
