/*
 * An OAuth2 access token from a refresh token: one request of HTTP/1.1 (RFC 9112).
 */
#include "fetcher/oauth.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/client_wire.h"
#include "common/memory.h"
#include "common/tls_client.h"

enum {
	HTTPS_PORT = 443,
	HEADER_LINE_MAX_BYTES = 8192,
	HEADER_LINES_MAX = 200,
	FORM_SIZE = 3 * 3 * OAUTH_TOKEN_SIZE,
	TEXT_SIZE = 200
};

struct request {
	const struct oauth_target *t;
	struct client_wire *wire;
	char *why;
	unsigned status;
	bool chunked;
	uint64_t length; /* UINT64_MAX: to the end of the connection */
	size_t len;
	char body[OAUTH_ANSWER_MAX_BYTES];
};

/* ---- the URL ---- */

static bool
is_of(struct span text, const char *more)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] > '~' || strchr(more, text.at[i]) != NULL)
			return false;
	return true;
}

bool
oauth_url_parse(struct span text, struct oauth_url *out)
{
	static const char scheme[] = "https://";
	const size_t len = strlen(scheme);
	struct span host, path;
	uint64_t port = HTTPS_PORT;
	const char *slash;

	if (text.len <= len || !span_is_nocase((struct span){text.at, len}, scheme))
		return false;
	host = (struct span){text.at + len, text.len - len};
	slash = memchr(host.at, '/', host.len);
	path = slash != NULL ? (struct span){slash, text.at + text.len - slash} : span_of("/");
	if (slash != NULL)
		host.len = slash - host.at;
	text = host;
	if (span_take(&text, ':', &host) && (!span_u64(text, UINT16_MAX, &port) || port == 0))
		return false;
	out->port = port;
	return host.len > 0 && is_of(host, "@/?#[]") && is_of(path, "#") &&
	       span_copy(host, out->host, sizeof out->host) &&
	       span_copy(path, out->path, sizeof out->path);
}

/* ---- how it ends ---- */

static enum remote_end fail(struct request *q, enum remote_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum remote_end
fail(struct request *q, enum remote_end end, const char *format, ...)
{
	char text[REMOTE_WHY_SIZE];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	n = snprintf(q->why, REMOTE_WHY_SIZE, "%s %s", q->t->url->host, text);
	for (int i = 0; i < n && q->why[i] != '\0'; i++)
		if (q->why[i] < ' ' || q->why[i] > '~')
			q->why[i] = '?';
	return end;
}

static enum remote_end
fail_wire(struct request *q, const char *where)
{
	return fail(q, REMOTE_TEMPORARY, "%s: %s", where, client_wire_why(q->wire));
}

static void
trace(const struct request *q, enum remote_trace what, struct span line)
{
	if (q->t->trace != NULL)
		q->t->trace(q->t->trace_arg, what, line);
}

/* ---- the request ---- */

static void
add(char *form, const char *text)
{
	strlcat(form, text, FORM_SIZE);
}

/* NAME=value of application/x-www-form-urlencoded */
static void
add_field(char *form, const char *name, const char *value)
{
	char one[4];

	if (form[0] != '\0')
		add(form, "&");
	add(form, name);
	add(form, "=");
	for (; *value != '\0'; value++) {
		bool plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
			     (*value >= '0' && *value <= '9') || strchr("-._", *value) != NULL;

		snprintf(one, sizeof one, plain ? "%c" : "%%%02X", (unsigned char)*value);
		add(form, one);
	}
}

static enum remote_end
send_request(struct request *q)
{
	const struct oauth_target *t = q->t;
	char *form = xcalloc(1, FORM_SIZE), head[OAUTH_PATH_SIZE + OAUTH_HOST_SIZE + TEXT_SIZE];
	enum remote_end end = REMOTE_OK;

	add_field(form, "grant_type", "refresh_token");
	add_field(form, "refresh_token", t->refresh_token);
	add_field(form, "client_id", t->client_id);
	if (t->client_secret != NULL)
		add_field(form, "client_secret", t->client_secret);
	snprintf(head, sizeof head,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAccept: application/json\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n",
	    t->url->path, t->url->host, strlen(form));
	trace(q, REMOTE_TRACE_OUT, span_of("POST ****"));
	client_wire_deadline(q->wire, t->timeouts.auth_s);
	if (client_wire_put(q->wire, span_of(head)) == -1 ||
	    client_wire_put(q->wire, span_of(form)) == -1 || client_wire_flush(q->wire) == -1)
		end = fail_wire(q, "at the request");
	explicit_bzero(form, FORM_SIZE);
	free(form);
	return end;
}

/* ---- the answer ---- */

static enum remote_end
no_answer(struct request *q)
{
	return fail(q, REMOTE_TEMPORARY, "answers what is no HTTP/1.1");
}

static enum remote_end
read_line(struct request *q, struct span *line)
{
	if (client_wire_line(q->wire, HEADER_LINE_MAX_BYTES, line) == -1)
		return fail_wire(q, "at the answer");
	return REMOTE_OK;
}

/* HTTP/1.1 200 OK */
static enum remote_end
read_status(struct request *q)
{
	struct span line, version;
	uint64_t status;

	if (read_line(q, &line) != REMOTE_OK)
		return REMOTE_TEMPORARY;
	trace(q, REMOTE_TRACE_IN, line);
	version = span_take_word(&line);
	if (version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0 ||
	    !span_u64(span_take_word(&line), 599, &status) || status < 100)
		return no_answer(q);
	q->status = status;
	return REMOTE_OK;
}

static enum remote_end
read_header(struct request *q)
{
	struct span line, name;

	q->length = UINT64_MAX;
	for (unsigned n = 0; n < HEADER_LINES_MAX; n++) {
		if (read_line(q, &line) != REMOTE_OK)
			return REMOTE_TEMPORARY;
		if (line.len == 0)
			return REMOTE_OK;
		(void)span_take(&line, ':', &name);
		line = span_trim(line);
		if (span_is_nocase(name, "Transfer-Encoding"))
			q->chunked = span_is_nocase(line, "chunked");
		else if (span_is_nocase(name, "Content-Length") &&
			 !span_u64(line, OAUTH_ANSWER_MAX_BYTES, &q->length))
			return no_answer(q);
	}
	return no_answer(q);
}

/* So many bytes; UINT64_MAX: all that come. */
static enum remote_end
read_bytes(struct request *q, uint64_t n)
{
	struct span bytes;

	while (n > 0) {
		if (client_wire_bytes(q->wire, &bytes) == -1) {
			if (n == UINT64_MAX && client_wire_end(q->wire) == WIRE_CLOSED)
				return REMOTE_OK;
			return fail_wire(q, "at the answer");
		}
		if (bytes.len > n)
			bytes.len = n;
		if (bytes.len > sizeof q->body - q->len)
			return no_answer(q);
		memcpy(q->body + q->len, bytes.at, bytes.len);
		q->len += bytes.len;
		n -= n == UINT64_MAX ? 0 : bytes.len;
		client_wire_consume(q->wire, bytes.len);
	}
	return REMOTE_OK;
}

/* "1a3f;extension" */
static bool
chunk_size(struct span line, uint64_t *size)
{
	struct span digits;
	char text[10], *end;

	(void)span_take(&line, ';', &digits);
	digits = span_trim(digits);
	if (digits.len == 0 || !span_copy(digits, text, sizeof text) || strchr("+-", text[0]))
		return false;
	*size = strtoull(text, &end, 16);
	return *end == '\0' && *size <= OAUTH_ANSWER_MAX_BYTES;
}

static enum remote_end
read_chunks(struct request *q)
{
	struct span line;
	uint64_t size;

	do {
		if (read_line(q, &line) != REMOTE_OK)
			return REMOTE_TEMPORARY;
		if (!chunk_size(line, &size))
			return no_answer(q);
		if (read_bytes(q, size) != REMOTE_OK)
			return REMOTE_TEMPORARY;
		/* What may follow the last one is of no use. */
		if (size > 0 && (read_line(q, &line) != REMOTE_OK || line.len > 0))
			return no_answer(q);
	} while (size > 0);
	return REMOTE_OK;
}

static enum remote_end
read_answer(struct request *q)
{
	client_wire_deadline(q->wire, q->t->timeouts.auth_s);
	if (read_status(q) != REMOTE_OK || read_header(q) != REMOTE_OK)
		return REMOTE_TEMPORARY;
	return q->chunked ? read_chunks(q) : read_bytes(q, q->length);
}

/* ---- what it says ---- */

static bool
copy_token(json_t *root, const char *name, char out[OAUTH_TOKEN_SIZE])
{
	const char *value = json_string_value(json_object_get(root, name));

	out[0] = '\0';
	/* RFC 6749 A.12; nothing else could be said to a mail server. */
	return value != NULL && value[0] != '\0' && is_of(span_of(value), "") &&
	       strlcpy(out, value, OAUTH_TOKEN_SIZE) < OAUTH_TOKEN_SIZE;
}

/* RFC 6749 5.2 */
static enum remote_end
judge_error(struct request *q, json_t *root)
{
	const char *error = json_string_value(json_object_get(root, "error"));
	const char *more = json_string_value(json_object_get(root, "error_description"));

	if (q->status == 429 || q->status >= 500 || error == NULL)
		return fail(q, q->status == 404 ? REMOTE_PERMANENT : REMOTE_TEMPORARY,
		    "gives no token: status %u", q->status);
	return fail(q,
	    strcmp(error, "invalid_grant") == 0 ? REMOTE_LOGIN_REFUSED : REMOTE_PERMANENT,
	    "gives no token: %.100s %.200s", error, more != NULL ? more : "");
}

static enum remote_end
judge(struct request *q, struct oauth_token *out)
{
	json_t *root = json_loadb(q->body, q->len, 0, NULL);
	enum remote_end end = REMOTE_OK;
	json_int_t expires;

	if (q->status != 200) {
		end = judge_error(q, root);
	} else if (!copy_token(root, "access_token", out->access)) {
		end = fail(q, REMOTE_TEMPORARY, "gives no token");
	} else {
		(void)copy_token(root, "refresh_token", out->refresh);
		expires = json_integer_value(json_object_get(root, "expires_in"));
		out->expires_s = expires > 0 ? (uint64_t)expires : 0;
	}
	json_decref(root);
	return end;
}

/* ---- all of it ---- */

static enum remote_end
connect_to(struct request *q, const struct sockaddr_storage *address)
{
	const struct sockaddr *at = (const struct sockaddr *)address;
	const char *host = q->t->url->host, *why;
	const struct tls_client tls = {.policy = TLS_CLIENT_VERIFY,
	    .context = q->t->context,
	    .host = host,
	    .names = &host,
	    .n_names = 1};
	SSL *ssl;

	client_wire_free(&q->wire);
	q->wire = client_wire_new();
	client_wire_limit(q->wire, q->t->timeouts.open_s);
	client_wire_deadline(q->wire, q->t->timeouts.connect_s);
	if (client_wire_connect(q->wire, at, socket_address_length(at)) == -1)
		return fail(q, REMOTE_TEMPORARY, "cannot be reached: %s", client_wire_why(q->wire));
	if ((ssl = tls_client_new(&tls, &why)) == NULL)
		return fail(q, REMOTE_PERMANENT, "TLS: %s", why);
	client_wire_deadline(q->wire, q->t->timeouts.tls_s);
	if (client_wire_start_tls(q->wire, ssl) == -1)
		return fail(q,
		    SSL_get_verify_result(ssl) != X509_V_OK ? REMOTE_PERMANENT : REMOTE_TEMPORARY,
		    "at the TLS handshake: %s", client_wire_why(q->wire));
	SSL_set_app_data(ssl, NULL);
	return REMOTE_OK;
}

static enum remote_end
run(struct request *q, struct oauth_token *out)
{
	const struct oauth_target *t = q->t;
	enum remote_end end;

	if (strlen(t->refresh_token) >= OAUTH_TOKEN_SIZE || strlen(t->client_id) > TEXT_SIZE ||
	    (t->client_secret != NULL && strlen(t->client_secret) >= OAUTH_TOKEN_SIZE))
		return fail(q, REMOTE_PERMANENT, "is not asked: a token is too long");
	end = fail(q, REMOTE_TEMPORARY, "has no address");
	for (size_t i = 0; i < t->n_addresses; i++)
		if ((end = connect_to(q, &t->addresses[i])) != REMOTE_TEMPORARY)
			break;
	if (end != REMOTE_OK || (end = send_request(q)) != REMOTE_OK)
		return end;
	if (read_answer(q) != REMOTE_OK)
		return REMOTE_TEMPORARY;
	return judge(q, out);
}

enum remote_end
oauth_refresh(const struct oauth_target *t, struct oauth_token *out, char why[REMOTE_WHY_SIZE])
{
	struct request *q = xcalloc(1, sizeof *q);
	enum remote_end end;

	*out = (struct oauth_token){0};
	why[0] = '\0';
	q->t = t;
	q->why = why;
	end = run(q, out);
	if (end == REMOTE_OK)
		why[0] = '\0';
	client_wire_free(&q->wire);
	explicit_bzero(q, sizeof *q);
	free(q);
	return end;
}
