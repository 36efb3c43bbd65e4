/* A message as JSON: its header, text, attachments, and what an answer to it begins with. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/message_document.h"
#include "webd/message_view.h"

static struct mime *
open_text(const char *text, int *fd)
{
	struct mime *m;

	assert_true((*fd = memfd_create("message", MFD_CLOEXEC)) != -1);
	assert_int_equal(write(*fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_non_null(m = mime_open_file(*fd));
	return m;
}

static json_t *
view(const char *text)
{
	static const char *const addresses[] = {"me@x.org", "i@x.org"};
	struct message_own own = {addresses, nitems(addresses)};
	int fd;
	struct mime *m = open_text(text, &fd);
	json_t *v = message_view(m, &own);

	assert_non_null(v);
	mime_free(&m);
	close(fd);
	return v;
}

static void
assert_json(json_t *value, const char *expected)
{
	json_t *e = json_loads(expected, JSON_DECODE_ANY, NULL);

	assert_non_null(e);
	if (!json_equal(value, e))
		fail_msg("%s", json_dumps(value, JSON_ENCODE_ANY));
	json_decref(e);
}

static json_t *
get(json_t *v, const char *a, const char *b)
{
	json_t *o = json_object_get(v, a);

	return b == NULL ? o : json_object_get(o, b);
}

static void
shows_a_message(void **state)
{
	json_t *v =
	    view("From: Ann <ann@x.org>\r\nTo: me@x.org, Bob <bob@x.org>\r\nCc: c@x.org\r\n"
		 "Subject: RE: Re[2]: hello\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
		 "Message-ID: <1@x>\r\nX-Priority: 1 (Highest)\r\n"
		 "Disposition-Notification-To: ann@x.org\r\n"
		 "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nline\r\n> old\r\n"
		 "--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
		 "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b--\r\n");

	(void)state;
	assert_json(get(v, "headers", "from"), "[{\"name\":\"Ann\",\"address\":\"ann@x.org\"}]");
	assert_json(get(v, "headers", "subject"), "\"RE: Re[2]: hello\"");
	assert_json(get(v, "headers", "message_id"), "\"<1@x>\"");
	assert_json(get(v, "headers", "priority"), "\"high\"");
	assert_json(get(v, "headers", "receipt_to"), "[{\"name\":\"\",\"address\":\"ann@x.org\"}]");
	assert_json(get(v, "text", NULL), "\"line\\n> old\"");
	assert_json(get(v, "html", NULL), "false");
	assert_json(get(v, "remote", NULL), "false");
	assert_json(get(v, "problem", NULL), "null");
	assert_json(get(v, "attachments", NULL),
	    "[{\"part\":\"2\",\"name\":\"a.pdf\",\"type\":"
	    "\"application/pdf\",\"size\":3,\"inline\":false}]");
	assert_json(get(v, "reply", "to"), "[{\"name\":\"Ann\",\"address\":\"ann@x.org\"}]");
	assert_json(get(v, "reply", "cc"), "[{\"name\":\"Bob\",\"address\":\"bob@x.org\"},{"
					   "\"name\":\"\",\"address\":\"c@x.org\"}]");
	assert_json(get(v, "reply", "subject"), "\"Re: hello\"");
	assert_json(get(v, "forward", "subject"), "\"Fwd: RE: Re[2]: hello\"");
	assert_non_null(
	    strstr(json_string_value(get(v, "reply", "quote")), ", Ann wrote:\n> line\n>> old\n"));
	assert_non_null(strstr(
	    json_string_value(get(v, "forward", "quote")), "To: me@x.org, Bob <bob@x.org>\n"));
	json_decref(v);
}

static const struct {
	const char *header, *to, *cc;
} replies[] = {
    {"From: a@x\r\nReply-To: r@x\r\nTo: me@x.org\r\n", "r@x", ""},
    {"From: a@x\r\nMail-Followup-To: l@x\r\nTo: l@x\r\nCc: c@x\r\n", "l@x", ""},
    {"From: ME@x.org\r\nTo: b@x, me@x.org\r\nCc: c@x, I@X.org\r\n", "b@x", "c@x"},
    {"From: me@x.org\r\nTo: me@x.org\r\n", "me@x.org", ""},
    {"From: a@x\r\nTo: b@x, B@x, a@x\r\nCc: b@x, c@x\r\n", "a@x", "b@x,c@x"},
    {"Subject: x\r\n", "", ""},
    {"From: nonsense\r\nTo: ;;,,\r\n", "", ""},
};

static void
assert_addresses(json_t *list, const char *expected, size_t row)
{
	char text[1000] = "";
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (i > 0)
			strcat(text, ",");
		strcat(text, json_string_value(json_object_get(one, "address")));
	}
	if (strcmp(text, expected) != 0)
		fail_msg("row %zu: %s", row, text);
}

static void
answers_whom_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(replies); i++) {
		char *text = xasprintf("%s\r\nx", replies[i].header);
		json_t *v = view(text);

		if (replies[i].to[0] != '\0' || i == 5) {
			assert_addresses(get(v, "reply", "to"), replies[i].to, i);
			assert_addresses(get(v, "reply", "cc"), replies[i].cc, i);
		}
		json_decref(v);
		free(text);
	}
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
makes_a_document(void **state)
{
	static const char text[] =
	    "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: "
	    "text/html\r\n\r\n<img src=cid:a%40b><img src=http://x/y><script>z</script>\r\n--b\r\n"
	    "Content-Type: image/gif\r\nContent-ID: <a@b>\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\nR0lG\r\n--b--\r\n";
	int fd;
	struct mime *m = open_text(text, &fd);
	json_t *v = view(text);
	size_t len;
	char *document;

	(void)state;
	assert_json(get(v, "remote", NULL), "true");
	assert_json(get(v, "html", NULL), "true");
	assert_json(get(v, "attachments", NULL),
	    "[{\"part\":\"2\",\"name\":\"part-2.gif\",\"type\":"
	    "\"image/gif\",\"size\":3,\"inline\":true}]");
	json_decref(v);
	document = message_document(m, &(struct document_options){0}, &len);
	assert_non_null(strstr(document, "<img src=\"data:image/gif;base64,R0lG\"><img>"));
	assert_int_equal(count(document, "<script"), 1); /* ours */
	free(document);
	document = message_document(m, &(struct document_options){.remote = true}, &len);
	assert_non_null(strstr(document, "<img src=\"http://x/y\">"));
	free(document);
	mime_free(&m);
	close(fd);
}

static void
escapes_text_in_a_document(void **state)
{
	int fd;
	struct mime *m = open_text("Subject: x\r\n\r\n<script>alert(1)</script>\r\n", &fd);
	size_t len;
	char *document = message_document(m, &(struct document_options){.remote = true}, &len);

	(void)state;
	assert_non_null(strstr(document, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	assert_int_equal(count(document, "<script"), 1);
	free(document);
	mime_free(&m);
	close(fd);
}

/* The policy lets run what stands in the document, and nothing else. */
static void
assert_script_is_allowed(const char *document, const char *policy)
{
	const char *begin = strstr(document, "<script>") + strlen("<script>");
	const char *end = strstr(begin, "</script>");
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char expected[80] = "script-src 'sha256-";

	SHA256((const unsigned char *)begin, end - begin, digest);
	EVP_EncodeBlock((unsigned char *)expected + strlen(expected), digest, sizeof digest);
	strcat(expected, "';");
	assert_non_null(strstr(policy, expected));
	assert_int_equal(count(policy, "script-src"), 1);
	assert_int_equal(count(policy, "allow-same-origin"), 0);
	assert_non_null(strstr(policy, "default-src 'none';"));
	assert_in_range(strlen(policy), 100, DOCUMENT_POLICY_SIZE - 20);
}

static void
prints_a_header(void **state)
{
	static const char text[] =
	    "From: \"<b>Ann</b>\" <ann@x.org>\r\nTo: me@x.org, Bob <bob@x.org>\r\n"
	    "Subject: </title><script>x</script>\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
	    "text/html\r\n\r\n"
	    "<style>body, div { display: none !important }</style>hello\r\n"
	    "--b\r\nContent-Type: application/pdf; name=\"<i>.pdf\"\r\n\r\nx\r\n--b\r\n"
	    "Content-Type: text/x-c\r\nContent-Disposition: attachment; filename=b.c\r\n\r\nx\r\n"
	    "--b--\r\n";
	static const char *const lines[] = {">From:</b>",
	    "&lt;b&gt;Ann&lt;/b&gt;&quot; &lt;ann@x.org&gt;", ">To:</b>",
	    "me@x.org, Bob &lt;bob@x.org&gt;", ">Date:</b>", "Tue, 3 Nov 2026 10:00:00 +0000",
	    ">Subject:</b>", "&lt;/title&gt;&lt;script&gt;", ">Attachments:</b>",
	    "&lt;i&gt;.pdf, b.c<"};
	struct document_options printed = {.print = true}, read = {.remote = true};
	char policy[DOCUMENT_POLICY_SIZE], *document, *body;
	size_t len;
	int fd;
	struct mime *m = open_text(text, &fd);

	(void)state;
	document = message_document(m, &printed, &len);
	message_document_policy(&printed, policy);
	assert_script_is_allowed(document, policy);
	assert_non_null(body = strstr(document, "<body"));
	for (size_t i = 0; i < nitems(lines); i++)
		if ((body = strstr(body, lines[i])) == NULL)
			fail_msg("no %s in %s", lines[i], document);
	assert_null(strstr(document, ">Cc:")); /* it has none */
	assert_int_equal(count(document, "<script"), 1);
	assert_int_equal(count(document, "</title"), 1);
	assert_null(strstr(policy, "https:"));
	free(document);
	document = message_document(m, &read, &len);
	message_document_policy(&read, policy);
	assert_script_is_allowed(document, policy);
	assert_non_null(strstr(policy, "img-src data: https: http:;"));
	assert_null(strstr(document, ">From:</b>"));
	free(document);
	mime_free(&m);
	close(fd);
}

/* A page of HTML, n times in a message, and a picture that `blanks` bytes of nothing follow. */
static char *
document_of(const char *html, size_t times, size_t n, size_t blanks)
{
	struct text_buffer t;
	char *document;
	struct mime *m;
	size_t len;
	int fd;

	text_buffer_init(&t, 64 * 1024 * 1024);
	text_put_text(&t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (size_t i = 0; i < n; i++) {
		text_put_text(&t, "--b\r\nContent-Type: text/html\r\n\r\n");
		for (size_t k = 0; k < times; k++)
			text_put_text(&t, html);
		text_put_text(&t, "\r\n");
	}
	text_put_text(&t, "--b\r\nContent-Type: image/gif\r\nContent-ID: <a%@b>\r\n"
			  "Content-Transfer-Encoding: base64\r\n\r\nR0lG\r\n");
	for (size_t i = 0; i < blanks; i += 2)
		text_put_text(&t, "\r\n");
	text_put_text(&t, "--b--\r\n");
	m = open_text(t.at, &fd);
	document = message_document(m, &(struct document_options){0}, &len);
	assert_non_null(document);
	mime_free(&m);
	close(fd);
	text_buffer_free(&t);
	return document;
}

/* What a stranger's message can make webd do while all others wait. */
static void
bounds_a_document(void **state)
{
	char *document = document_of("<img src=cid:a%25%40b>", 2, 1, 0);

	(void)state;
	assert_int_equal(count(document, "R0lG"), 2);
	free(document);
	document = document_of("<img src=\"cid:a%@b\">", 2, 1, 0);
	assert_int_equal(count(document, "R0lG"), 2);
	free(document);
	document = document_of("<img src=cid:a%25%40b>", MESSAGE_PICTURES_MAX + 100, 1, 0);
	assert_int_equal(count(document, "R0lG"), MESSAGE_PICTURES_MAX);
	free(document);
	/* It decodes to three bytes, and is as long as it is. */
	document =
	    document_of("<img src=cid:a%25%40b>", 3, 1, MESSAGE_PICTURES_MAX_BYTES / 2 + 1000);
	assert_int_equal(count(document, "R0lG"), 1);
	free(document);
	document = document_of("<p>hello</p>", 50000, 20, 0);
	assert_in_range(strlen(document), MESSAGE_TEXTS_MAX_BYTES, 2 * MESSAGE_TEXTS_MAX_BYTES);
	free(document);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shows_a_message),
	    cmocka_unit_test(answers_whom_it_should),
	    cmocka_unit_test(makes_a_document),
	    cmocka_unit_test(escapes_text_in_a_document),
	    cmocka_unit_test(prints_a_header),
	    cmocka_unit_test(bounds_a_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
