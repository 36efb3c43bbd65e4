/*
 * Messages of all kinds: which parts are found, what people read, what the header says; and those
 * that strangers make to hurt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/html_text.h"
#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"

static int
file_of(struct span text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_true(fd != -1);
	for (size_t done = 0; done < text.len;) {
		ssize_t n = write(fd, text.at + done, text.len - done);

		assert_true(n > 0);
		done += n;
	}
	return fd;
}

static struct mime *
open_text(struct span text, int *fd)
{
	struct mime *m;

	*fd = file_of(text);
	m = mime_open_file(*fd);
	assert_non_null(m);
	return m;
}

/* "1 text/plain|1.1 ..." */
static char *
describe(const struct mime *m)
{
	struct text_buffer t;
	bool is_inline;

	text_buffer_init(&t, 100000);
	for (size_t i = 0; i < mime_n_parts(m); i++) {
		const struct mime_part *p = mime_part(m, i);

		text_printf(&t, "%s%s %s", i > 0 ? "|" : "", p->path, p->type);
		if (mime_is_attachment(m, i, &is_inline))
			text_printf(&t, " %s:%s", is_inline ? "inline" : "file", p->name);
	}
	return text_buffer_take(&t);
}

static const struct {
	const char *message, *parts, *text, *problem;
} rows[] = {
    {"Subject: x\r\n\r\nhello\r\n", "1 text/plain", "hello\n", NULL},
    {"Subject: x\n\nhello\n", "1 text/plain", "hello\n", NULL},
    {"", "1 text/plain", "", NULL},
    {"\r\n", "1 text/plain", "", NULL},
    {"Subject: no body", "1 text/plain", "", NULL},
    {"just text\r\nmore\r\n", "1 text/plain", "just text\nmore\n",
	"a line in a header that is no field"},
    {"From ann Mon Jan  1 10:00:00 2024\nSubject: x\n\nb\n", "1 text/plain", "b\n", NULL},
    {"Content-Type: text/html\r\n\r\n<p>a<p>b", "1 text/html", "a\n\nb", NULL},
    {"Content-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n", "1 text/plain", "hello", NULL},
    {"Content-Transfer-Encoding: base64\r\n\r\n!!aGVs**bG8=\r\n", "1 text/plain", "hello", NULL},
    {"Content-Type: text/plain; charset=iso-8859-2\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n=B1=\r\nx\r\n",
	"1 text/plain", "\xc4\x85x\n", NULL},
    {"Content-Type: text/plain; charset=\"no-such\"\r\n\r\n\xe9\r\n", "1 text/plain", "\xc3\xa9\n",
	NULL},
    {"Content-Type: text/plain; charset=utf-8\r\n\r\na\xff\x01\x07z\xe2\x80\xae\r\n",
	"1 text/plain", "a\xef\xbf\xbdz\n", NULL},
    {"Content-Type: text/plain; charset=utf-8//TRANSLIT\r\n\r\n\xc3\xa9\r\n", "1 text/plain",
	"\xc3\xa9\n", NULL},
    {"Content-Type: text/plain; format=flowed\r\n\r\none \r\ntwo\r\n>> q \r\n>>r\r\n-- \r\nme\r\n",
	"1 text/plain", "one two\n>> q r\n-- \nme\n", NULL},
    {"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\none \r\ntwo\r\n", "1 text/plain",
	"onetwo\n", NULL},
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
     "Content-Type: image/png; name=\"../a.png\"\r\n\r\nx\r\n--b--\r\nafter\r\n",
	" multipart/mixed|1 text/plain|2 image/png file:.._a.png", "one", NULL},
    {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n",
	" multipart/mixed|1 text/plain|2 text/plain", "one\ntwo", NULL},
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none",
	" multipart/mixed|1 text/plain", "one", "the end of its parts is missing"},
    {"Content-Type: multipart/mixed\r\n\r\none", " multipart/mixed", "one",
	"parts without a boundary between them"},
    {"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\none", " multipart/mixed", "one",
	"parts without a boundary between them"},
    {"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n"
     "Content-Type: text/html\r\n\r\n<b>rich</b>\r\n--b--\r\n",
	" multipart/alternative|1 text/plain|2 text/html", "plain", NULL},
    /* the inner boundary begins like the outer one */
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; "
     "boundary=bb\r\n\r\n--bb\r\n\r\nplain\r\n--bb--\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
     "Subject: in\r\n\r\ninner\r\n--b--\r\n",
	" multipart/mixed|1 multipart/alternative|1.1 text/plain|2 message/rfc822 file:|2.1 "
	"text/plain",
	"plain", NULL},
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: "
     "in\r\n\r\ninner\r\n--b--\r\n",
	" multipart/digest|1 message/rfc822 file:|1.1 text/plain", "", NULL},
    {"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
     "<img src=cid:a>x\r\n--b\r\nContent-Type: image/gif\r\nContent-ID: <a>\r\n\r\nG\r\n--b--\r\n",
	" multipart/related|1 text/html|2 image/gif inline:", "x", NULL},
    {"Content-Type: application/pdf; name*0*=utf-8''%e2%82; name*1*=%ac.pdf\r\n\r\nx",
	"1 application/pdf file:\xe2\x82\xac.pdf", "", NULL},
    {"Content-Type: application/pdf\r\nContent-Disposition: attachment; "
     "filename=\"=?utf-8?Q?=E2=82=AC?=\"\r\n\r\nx",
	"1 application/pdf file:\xe2\x82\xac", "", NULL},
    /* RFC 2046 5.1: the boundary of the outer part ends the inner one too */
    {"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; "
     "boundary=i\r\n\r\n--i\r\n\r\nin\r\n--o\r\n\r\nout\r\n--o--\r\n",
	" multipart/mixed|1 multipart/mixed|1.1 text/plain|2 text/plain", "in\nout", NULL},
    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
     "text/html\r\n--b\r\n\r\nx\r\n--b--\r\n",
	" multipart/mixed|1 text/html|2 text/plain", "x", NULL},
};

static void
finds_parts_and_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		int fd;
		struct mime *m = open_text(span_of(rows[i].message), &fd);
		char *parts = describe(m), *text;
		size_t len;

		text = mime_text(m, 10000, false, &len, NULL);
		if (strcmp(parts, rows[i].parts) != 0 || strcmp(text, rows[i].text) != 0 ||
		    strcmp(mime_problem(m) == NULL ? "" : mime_problem(m),
			rows[i].problem == NULL ? "" : rows[i].problem) != 0)
			fail_msg("row %zu: %s|%s|%s", i, parts, text,
			    mime_problem(m) == NULL ? "" : mime_problem(m));
		free(parts);
		free(text);
		mime_free(&m);
		close(fd);
	}
}

static void
reads_the_header(void **state)
{
	static const char text[] =
	    "From: =?utf-8?B?w4RubmE=?= <ann@example.org>\r\n"
	    "To: \"Doe, John\" <j@x.org>, team: b@x.org, (c) c@x.org;, <d@x.org>\r\n"
	    "To: e@x.org\r\n"
	    "Subject: =?iso-8859-1?Q?gr=FC=DFe?=\r\n =?iso-8859-1?Q?_an_alle?= and\r\n\tmore\r\n"
	    "Date: Tue, 3 Nov 2026 10:00:00 +0100\r\n"
	    "Message-ID: <a@b>\r\n"
	    "X-Raw: \xe9t\xe9\r\n"
	    "X-Evil: =?utf-8?Q?a=0D=0AX-B:_c=00d?=\r\n\r\n";
	struct mime_addresses a = {0};
	struct span value, id;
	int64_t date;
	char *s;
	int fd;
	struct mime *m = open_text((struct span){text, sizeof text - 1}, &fd);

	(void)state;
	s = mime_field_text(m, "subject", 1000);
	assert_string_equal(s, "gr\xc3\xbc\xc3\x9f"
			       "e an alle and more");
	free(s);
	s = mime_field_text(m, "Subject", 3);
	assert_string_equal(s, "gr");
	free(s);
	s = mime_field_text(m, "X-Raw", 100);
	assert_string_equal(s, "\xc3\xa9t\xc3\xa9");
	free(s);
	s = mime_field_text(m, "X-Evil", 100);
	assert_null(strpbrk(s, "\r\n"));
	free(s);
	assert_true(mime_date(m, &date));
	assert_int_equal(date, 1793696400);
	mime_field_addresses(m, "From", &a);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.list[0].name, "\xc3\x84nna");
	assert_string_equal(a.list[0].address, "ann@example.org");
	mime_addresses_free(&a);
	mime_field_addresses(m, "To", &a);
	assert_int_equal(a.n, 5);
	s = mime_address_text(&a.list[0]);
	assert_string_equal(s, "\"Doe, John\" <j@x.org>");
	free(s);
	assert_string_equal(a.list[3].address, "d@x.org");
	assert_string_equal(a.list[4].address, "e@x.org");
	mime_addresses_free(&a);
	value = mime_field(m, "message-id", 0);
	assert_true(mime_next_id(&value, &id) && span_is(id, "a@b"));
	assert_false(mime_next_id(&value, &id));
	assert_null(mime_field(m, "X-None", 0).at);
	mime_free(&m);
	close(fd);
}

/* What is in brackets, and which of it is an id: what is none cannot stand in an answer. */
static void
reads_message_ids(void **state)
{
	static const struct {
		const char *value, *ids;
	} texts_of_ids[] = {
	    {"", ""},
	    {"a@b", ""},
	    {"<a@b>", "a@b "},
	    {"< a@b ><c>", "a@b c "},
	    {"x <a@b> (y) <c@d", "a@b "},
	    {"<> <\xc3\xbc@x> <a b@c> <a<b> <a\x01> <ok@x>", "ok@x "},
	};
	char text[MIME_ID_MAX_BYTES + 4];
	struct span value, id;

	(void)state;
	for (size_t i = 0; i < nitems(texts_of_ids); i++) {
		char ids[100] = "";

		for (value = span_of(texts_of_ids[i].value); mime_next_id(&value, &id);)
			snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%.*s ", (int)id.len,
			    id.at);
		assert_string_equal(ids, texts_of_ids[i].ids);
	}
	memset(text, 'a', sizeof text);
	text[0] = '<';
	text[MIME_ID_MAX_BYTES + 1] = '>';
	value = (struct span){text, MIME_ID_MAX_BYTES + 2};
	assert_true(mime_next_id(&value, &id) && id.len == MIME_ID_MAX_BYTES);
	text[MIME_ID_MAX_BYTES + 1] = 'a';
	text[MIME_ID_MAX_BYTES + 2] = '>';
	value = (struct span){text, MIME_ID_MAX_BYTES + 3};
	assert_false(mime_next_id(&value, &id));
}

static void
streams_a_part(void **state)
{
	struct text_buffer t, out;
	char piece[7];
	struct mime_body *b;
	struct mime *m;
	ssize_t n;
	int fd, part;

	(void)state;
	text_buffer_init(&t, 10000000);
	text_put_text(&t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
			  "Content-Transfer-Encoding: base64\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		text_put_text(&t, "YWJj\r\n");
	text_put_text(&t, "--b--\r\n");
	m = open_text((struct span){t.at, t.len}, &fd);
	assert_true((part = mime_find(m, span_of("1"))) != MIME_NO_PART);
	assert_int_equal(mime_find(m, span_of("")), MIME_NO_PART);
	assert_int_equal(mime_find(m, span_of("2")), MIME_NO_PART);
	text_buffer_init(&out, 10000000);
	b = mime_body_open(m, part);
	while ((n = mime_body_read(b, piece, sizeof piece)) > 0)
		text_put(&out, (struct span){piece, n});
	assert_int_equal(n, 0);
	assert_int_equal(out.len, 60000);
	assert_memory_equal(out.at + 59997, "abc", 3);
	mime_body_free(&b);
	text_buffer_free(&out);
	text_buffer_free(&t);
	mime_free(&m);
	close(fd);
}

/* ---- what hurts ---- */

static void
repeat(struct text_buffer *t, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text_put_text(t, text);
}

static void
nested(struct text_buffer *t)
{
	for (unsigned i = 0; i < 100000; i++)
		text_printf(
		    t, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
}

static void
nested_messages(struct text_buffer *t)
{
	repeat(t, "Content-Type: message/rfc822\r\n\r\n", 100000);
}

static void
many_parts(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	repeat(t, "--b\r\n\r\n", 1000000);
}

static void
parameter_pieces(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: text/plain");
	for (unsigned i = 0; i < 100000; i++)
		text_printf(t, "; name*%u=a", i);
	text_put_text(t, "\r\n\r\nx");
}

static void
encoded_words(struct text_buffer *t)
{
	text_put_text(t, "Subject: ");
	repeat(t, "=?utf-8?Q?a?= =?koi8-r?B?0NDQ?= =?", 100000);
	text_put_text(t, "\r\n\r\nx");
}

static void
huge_header(struct text_buffer *t)
{
	text_put_text(t, "Subject: ");
	repeat(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1000000);
	text_put_text(t, "\r\n\r\nx");
}

static void
many_fields(struct text_buffer *t)
{
	repeat(t, "Received: by a\r\n", 100000);
	text_put_text(t, "\r\nx");
}

static void
groups(struct text_buffer *t)
{
	text_put_text(t, "To: ");
	repeat(t, "a:", 100000);
	text_put_text(t, "\r\nFrom: ");
	repeat(t, "(", 100000);
	text_put_text(t, "\r\nCc: ");
	repeat(t, "<@\"\\", 100000);
	text_put_text(t, "\r\n\r\nx");
}

static void
many_addresses(struct text_buffer *t)
{
	text_put_text(t, "To: ");
	repeat(t, "a@b,", 100000);
	text_put_text(t, "\r\n\r\nx");
}

static void
dashes(struct text_buffer *t)
{
	for (unsigned i = 0; i < 60; i++)
		text_printf(
		    t, "Content-Type: multipart/mixed; boundary=-%u\r\n\r\n---%u\r\n", i, i);
	text_put_text(t, "\r\n");
	repeat(t, "---\n", 5000000);
}

static void
html_nested(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: text/html\r\n\r\n");
	repeat(t, "<div><font>x", 100000);
	repeat(t, "</nothing>", 100000);
}

static void
html_attributes(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: text/html\r\n\r\n<p ");
	for (unsigned i = 0; i < 100000; i++)
		text_printf(t, "a%u=b ", i);
	text_put_text(t, ">x");
}

static void
html_open_comment(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: text/html\r\n\r\n");
	repeat(t, "<!--", 1000000);
}

static void
long_line(struct text_buffer *t)
{
	text_put_text(t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
	repeat(t, "--b------------------------------------------------", 1000000);
	text_put_text(t, "\r\n--b--\r\n");
}

static void (*const hostile[])(struct text_buffer *) = {nested, nested_messages, many_parts,
    parameter_pieces, encoded_words, huge_header, many_fields, groups, many_addresses, dashes,
    html_nested, html_attributes, html_open_comment, long_line};

static void
survives_what_hurts(void **state)
{
	static const char *const fields[] = {"From", "To", "Cc"};

	(void)state;
	for (size_t i = 0; i < nitems(hostile); i++) {
		struct text_buffer t;
		struct mime_addresses a = {0};
		struct mime *m;
		size_t len;
		char *text;
		int fd;

		text_buffer_init(&t, 60000000);
		hostile[i](&t);
		m = open_text((struct span){t.at, t.len}, &fd);
		text_buffer_free(&t);
		assert_true(mime_n_parts(m) <= MIME_PARTS_MAX);
		text = mime_text(m, 100000, true, &len, NULL);
		assert_non_null(text);
		assert_true(len <= 100000);
		free(text);
		text = mime_field_text(m, "Subject", 400);
		assert_true(strlen(text) <= 400);
		free(text);
		for (size_t f = 0; f < nitems(fields); f++)
			mime_field_addresses(m, fields[f], &a);
		assert_true(a.n <= MIME_ADDRESSES_MAX);
		mime_addresses_free(&a);
		mime_free(&m);
		close(fd);
	}
}

static void
does_not_mind_a_file_that_shrinks(void **state)
{
	int fd;
	struct mime *m;
	size_t len;
	char *text;

	(void)state;
	m = open_text(span_of("Subject: x\r\n\r\nhello\r\n"), &fd);
	assert_int_equal(ftruncate(fd, 16), 0);
	text = mime_text(m, 100, false, &len, NULL);
	assert_string_equal(text, "he");
	free(text);
	mime_free(&m);
	close(fd);
}

static void
makes_text_of_html(void **state)
{
	static const struct {
		const char *html, *text;
	} docs[] = {
	    {"a<br>b", "a\nb"},
	    {"<style>x</style><script>y</script><title>t</title>a  b\n c", "a b c"},
	    {"<ul><li>a<li>b</ul><ol><li>c<li>d</ol>", "- a\n- b\n1. c\n2. d"},
	    {"<blockquote>a<br>b</blockquote>c", "> a\n> b\n\nc"},
	    {"<pre>a\n  b</pre>", "a\n  b"},
	    {"<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"},
	    {"&lt;b&gt; &amp;&eacute;&#x202e;&#1;&nbsp;x", "<b> &\xc3\xa9 x"},
	    {"<img alt='a cat'>", "a cat"},
	    {"<p>a</p><p>b</p>", "a\n\nb"},
	    {"<div>a</div><div>b</div>", "a\nb"},
	    {"<meta http-equiv=content-type content='text/html; charset=koi8-r'>\xc3\xa9",
		"\xc3\xa9"},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < nitems(docs); i++) {
		size_t len;
		char *text = html_to_text(span_of(docs[i].html), 1000, &len);

		assert_string_equal(text, docs[i].text);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_message_ids),
	    cmocka_unit_test(finds_parts_and_text),
	    cmocka_unit_test(reads_the_header),
	    cmocka_unit_test(streams_a_part),
	    cmocka_unit_test(makes_text_of_html),
	    cmocka_unit_test(does_not_mind_a_file_that_shrinks),
	    cmocka_unit_test(survives_what_hurts),
	};

	mime_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
