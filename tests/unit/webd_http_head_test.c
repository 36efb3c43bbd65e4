/* Heads of requests: what is taken, and what two readers could understand differently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "webd/http_head.h"

#define HOST "Host: mail.example.org\r\n"

static const struct {
	const char *head;
	int status; /* 0: it is taken */
} heads[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET http://mail.example.org/a?b HTTP/1.1\r\n" HOST "\r\n", 0},
    {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 0},
    {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 0},
    {"POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", 0},
    {"POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 0},
    {"PUT / HTTP/1.1\r\n" HOST "\r\n", 0}, /* 405 is the route's business */
    {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\nX: caf\xc3\xa9\r\nY:\t z \r\n\r\n", 0},
    /* the request line */
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 505},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET /\r\n\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G<T / HTTP/1.1\r\n" HOST "\r\n", 400},
    /* line ends */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n", 400},
    /* fields */
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    /* how long the body is */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 00000000000000000005\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding\t: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
	400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	400},
    {"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n", 417},
};

/* Each prefix is unfinished or refused, and nothing is taken that was refused whole. */
static void
test_heads(void **state)
{
	struct http_head head;
	const char *why;

	(void)state;
	for (size_t i = 0; i < nitems(heads); i++) {
		size_t len = strlen(heads[i].head);
		char *text = xmalloc(len + 20);
		int status = 0;
		ssize_t n;

		memcpy(text, heads[i].head, len);
		memcpy(text + len, "GET /next HTTP/1.1\r\n", 20);
		for (size_t part = 0; part < len; part++) {
			char *copy = xmalloc(part + 1);

			memcpy(copy, text, part);
			n = http_head_parse((struct span){copy, part}, &head, &status, &why);
			assert_true(n == 0 || (n == -1 && heads[i].status != 0));
			free(copy);
		}
		n = http_head_parse((struct span){text, len + 20}, &head, &status, &why);
		if (n != (heads[i].status == 0 ? (ssize_t)len : -1) ||
		    (n == -1 && status != heads[i].status))
			fail_msg("%s: %zd, %d", heads[i].head, n, status);
		free(text);
	}
}

static void
test_limits(void **state)
{
	size_t size = 2 * HTTP_HEAD_MAX_BYTES;
	char *text = xmalloc(size);
	struct http_head head;
	const char *why;
	int status;

	(void)state;
	memset(text, 'a', size);
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	assert_int_equal(
	    http_head_parse((struct span){text, HTTP_HEAD_MAX_BYTES - 1}, &head, &status, &why), 0);
	assert_int_equal(http_head_parse((struct span){text, size}, &head, &status, &why), -1);
	assert_int_equal(status, 431);
	strcpy(text, "GET /");
	memset(text + 5, 'a', HTTP_TARGET_MAX_BYTES);
	strcpy(text + 5 + HTTP_TARGET_MAX_BYTES, " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(http_head_parse(span_of(text), &head, &status, &why), -1);
	assert_int_equal(status, 414);
	strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		strcat(text, "X: y\r\n");
	strcat(text, "\r\n");
	assert_int_equal(http_head_parse(span_of(text), &head, &status, &why), -1);
	assert_int_equal(status, 431);
	free(text);
}

static void
test_values(void **state)
{
	static const char text[] =
	    "GET /a%20b?x=1&y=%41+b&z&x=2&bad=%4&nul=%00&latin=%e9 HTTP/1.1\r\nHost: a\r\n"
	    "Cookie: a=1; session=abc; b=2\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n";
	struct http_head head;
	const char *why;
	char out[32];
	bool there;
	int status;

	(void)state;
	assert_true(http_head_parse(span_of(text), &head, &status, &why) > 0);
	assert_true(http_parameter(head.query, "x", out, sizeof out, &there));
	assert_string_equal(out, "1");
	assert_true(http_parameter(head.query, "y", out, sizeof out, &there));
	assert_string_equal(out, "A b");
	assert_true(http_parameter(head.query, "z", out, sizeof out, &there));
	assert_string_equal(out, "");
	assert_false(http_parameter(head.query, "w", out, sizeof out, &there));
	assert_false(there);
	for (const char *const *name = (const char *const[]){"bad", "nul", "latin", NULL};
	     *name != NULL; name++) {
		assert_false(http_parameter(head.query, *name, out, sizeof out, &there));
		assert_true(there);
	}
	assert_false(http_parameter(head.query, "y", out, 3, &there));
	assert_true(span_is(http_cookie(&head, "session"), "abc"));
	assert_int_equal(http_cookie(&head, "sess").len, 0);
	assert_true(http_list_has(http_field(&head, "accept-encoding"), "gzip"));
	assert_false(http_list_has(span_of("gzip;q=0"), "gzip"));
	assert_false(http_list_has(span_of("xgzip"), "gzip"));
}

static void
test_paths(void **state)
{
	static const char *const bad[] = {"/..", "/a/../b", "/%2e%2e/x", "//", "/a//b", "/.",
	    "/a%00", "/a\\b", "/%0a", "/%zz", "/%", "/\x80", "/%c0%af",
	    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	char out[32];

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++)
		if (http_path_decode(span_of(bad[i]), out, sizeof out))
			fail_msg("%s was taken", bad[i]);
	assert_true(http_path_decode(span_of("/a%20b/c"), out, sizeof out));
	assert_string_equal(out, "/a b/c");
	assert_true(http_path_decode(span_of("/"), out, sizeof out));
	assert_true(http_path_decode(span_of("/a/"), out, sizeof out));
}

/* Fed in pieces of n bytes. -1: malformed. */
static int
read_chunks(const char *text, size_t n, char *out)
{
	struct http_chunks c = {0};
	struct span rest = {text, 0}, data;
	size_t len = strlen(text), out_len = 0;

	while (c.state != CHUNK_DONE && rest.at + rest.len < text + len) {
		ssize_t used = 1;

		rest.len += n;
		if (rest.at + rest.len > text + len)
			rest.len = text + len - rest.at;
		while (used > 0 && rest.len > 0) {
			if ((used = http_chunks_read(&c, rest, &data)) == -1)
				return -1;
			memcpy(out + out_len, data.at, data.len);
			out_len += data.len;
			rest = (struct span){rest.at + used, rest.len - used};
		}
	}
	out[out_len] = '\0';
	return c.state == CHUNK_DONE ? (int)(rest.at - text) : -2;
}

static void
test_chunks(void **state)
{
	static const char *const bad[] = {"5\nhello\r\n0\r\n\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n",
	    "g\r\n", "\r\n", " 5\r\nhello\r\n", "5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n",
	    "0\r\nTrailer: x\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n", "0x5\r\nhello\r\n",
	    "5\r\r\nhello\r\n", "1\r\na\r\n0\r\n\n"};
	static const char good[] = "5\r\nhello\r\n06\r\n world\r\n0\r\n\r\n";
	char out[100];

	(void)state;
	for (size_t n = 1; n < 40; n++) {
		assert_int_equal(read_chunks(good, n, out), sizeof good - 1);
		assert_string_equal(out, "hello world");
		for (size_t i = 0; i < nitems(bad); i++)
			if (read_chunks(bad[i], n, out) != -1)
				fail_msg("%s was taken in pieces of %zu", bad[i], n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
