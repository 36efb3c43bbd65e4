/*
 * Letters become messages, and are read again: what was meant comes back, and nothing that was
 * typed makes a header field, a part or a recipient of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/compose.h"

static int
file_of(struct span text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text.at, text.len), (ssize_t)text.len);
	return fd;
}

static struct letter
plain_letter(void)
{
	static char name[] = "Ann", from[] = "ann@x.org", to[] = "bob@x.org", none[] = "";
	static struct mime_address bob[] = {{none, to}};

	return (struct letter){.from = {name, from},
	    .to = {1, bob},
	    .subject = "hello",
	    .text = "line\n",
	    .message_id = "1@x.org",
	    .date = 1793696400};
}

/* The whole message; the caller's. Every line ends with CRLF and has at most 998 bytes. */
static char *
written(const struct letter *l, bool own_copy)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	uint64_t len;
	char *text;

	assert_int_equal(compose_write(l, own_copy, fd, 100, &len), 0);
	text = xmalloc(len + 1);
	assert_int_equal(pread(fd, text, len, 100), (ssize_t)len);
	text[len] = '\0';
	for (size_t i = 0, line = 0; i < len; i++) {
		if (text[i] == '\n')
			assert_true(i > 0 && text[i - 1] == '\r');
		if (text[i] == '\r')
			assert_int_equal(text[i + 1], '\n');
		line = text[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 999);
		assert_int_not_equal(text[i], '\0');
	}
	assert_memory_equal(text + len - 2, "\r\n", 2);
	close(fd);
	return text;
}

static struct mime *
opened(const char *text, int *fd)
{
	struct mime *m;

	*fd = file_of(span_of(text));
	assert_non_null(m = mime_open_file(*fd));
	assert_null(mime_problem(m));
	return m;
}

static void
writes_a_plain_letter(void **state)
{
	struct letter l = plain_letter();
	char *text;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	text = written(&l, false);
	assert_string_equal(text,
	    "Date: Tue, 03 Nov 2026 09:00:00 +0000\r\nFrom: Ann <ann@x.org>\r\nTo: bob@x.org\r\n"
	    "Subject: hello\r\nMessage-ID: <1@x.org>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\nline\r\n");
	free(text);
}

/* Nothing of it may begin a line of its own. */
static const char *const injections[] = {"a\r\nBcc: evil@x", "a\nBcc: evil@x", "a\rBcc: evil@x",
    "\r\n\r\nbody",
    "a\xe2\x80\xa8"
    "Bcc: evil@x",
    "a\r\n .\r\n", "=?utf-8?Q?a=0D=0ABcc:_evil?=", "a\x0b\x0c\x85 Bcc: b", "\"; x=\"y", "a\"\\",
    "\xff\xfe", "", " ", "a  b",
    "ein \xc3\xbc"
    "ber langer Betreff, der nicht in eine Zeile passt, sondern in mehrere kodierte W\xc3\xb6rter "
    "geh\xc3\xb6rt"};

static void
lets_nothing_be_injected(void **state)
{
	static const char *const allowed[] = {"Date", "From", "To", "Cc", "Bcc", "Subject",
	    "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	    "X-Sambar-Draft", "Disposition-Notification-To", "Importance", "X-Priority"};
	static char cc_address[] = "cc@x.org";
	int file = file_of(span_of("content"));

	(void)state;
	for (size_t i = 0; i < nitems(injections); i++) {
		struct letter l = plain_letter();
		char *bad = xstrdup(injections[i]);
		struct mime_address cc = {bad, cc_address};
		struct letter_attachment a = {.fd = file, .len = 7, .name = bad, .type = bad};
		struct mime *m;
		char *text, *again;
		bool is_inline;
		int fd;

		l.from.name = bad;
		l.cc = (struct mime_addresses){1, &cc};
		l.subject = l.note = bad;
		l.text = l.html = bad;
		l.attachments = &a;
		l.n_attachments = 1;
		l.receipt = true;
		l.priority = PRIORITY_HIGH;
		text = written(&l, true);
		m = opened(text, &fd);
		assert_int_equal(mime_n_parts(m), 5);
		assert_true(mime_is_attachment(m, 4, &is_inline));
		assert_string_equal(mime_part(m, 4)->type, "application/octet-stream");
		assert_true(mime_field(m, "Bcc", 0).at == NULL);
		for (char *line = text; line[0] != '\r'; line = strchr(line, '\n') + 1) {
			bool known = line[0] == ' ' || line[0] == '\t';

			for (size_t k = 0; k < nitems(allowed); k++)
				known |= strncmp(line, allowed[k], strlen(allowed[k])) == 0 &&
					 line[strlen(allowed[k])] == ':';
			if (!known)
				fail_msg("injection %zu: %s", i, text);
			assert_true(line[1] != '\r' || line[0] == '\r');
		}
		/* the subject comes back */
		again = mime_field_text(m, "Subject", 1000);
		if (i >= 8 && i != 10 && i != 12 && i != 11)
			assert_string_equal(again, injections[i]);
		assert_null(strpbrk(again, "\r\n"));
		free(again);
		mime_free(&m);
		close(fd);
		free(text);
		free(bad);
	}
	close(file);
}

/* written() looks at the lines. */
static void
folds_long_names(void **state)
{
	static char name[3000];
	struct letter l = plain_letter();
	struct mime_addresses from = {0};
	struct mime *m;
	char *text;
	int fd;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof name; i++)
		name[i] = "a, b "[i % 5];
	l.from.name = name;
	text = written(&l, false);
	m = opened(text, &fd);
	mime_field_addresses(m, "From", &from);
	assert_int_equal(from.n, 1);
	assert_string_equal(from.list[0].address, "ann@x.org");
	mime_addresses_free(&from);
	mime_free(&m);
	close(fd);
	free(text);
}

static void
refuses_what_cannot_stand_in_a_header(void **state)
{
	static const char *const addresses[] = {
	    "a@x\r\nBcc: b@x", "a@x>", "<a@x", "no-at", "", "a@x\n", "a\x01@x"};
	static const char *const bad_ids[] = {"a>\r\nX: y", "a\x80", "a<b"};
	int fd = memfd_create("message", MFD_CLOEXEC);
	uint64_t len;

	(void)state;
	for (size_t i = 0; i < nitems(addresses); i++) {
		struct letter l = plain_letter();
		char *address = xstrdup(addresses[i]);

		l.from.address = address;
		assert_int_equal(compose_write(&l, false, fd, 0, &len), -1);
		assert_int_equal(errno, EINVAL);
		free(address);
	}
	for (size_t i = 0; i < nitems(bad_ids); i++) {
		struct letter l = plain_letter();

		l.in_reply_to = bad_ids[i];
		assert_int_equal(compose_write(&l, false, fd, 0, &len), -1);
		l = plain_letter();
		l.message_id = bad_ids[i];
		assert_int_equal(compose_write(&l, false, fd, 0, &len), -1);
	}
	close(fd);
}

static const char *const texts[] = {
    "",
    "one\n",
    "no line end",
    " stuffed\nFrom here\n> quoted\n>> twice\n-- \nsignature\n",
    "\xc3\xbc\n\xe2\x82\xac uro\n",
    "a very long line that goes on and on until it is longer than any line of a message should be, "
    "and then some more words\n",
    "> a very long quoted line that goes on and on until it is longer than any line of a message "
    "should be, and then some\n",
    "\n\n\nlines\n\n",
    ".\n..\n.\n",
    "=3D =\n",
};

static void
keeps_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(texts); i++) {
		struct letter l = plain_letter();
		char *text, *again;
		struct mime *m;
		size_t len, wanted;
		int fd;

		l.text = texts[i];
		text = written(&l, false);
		m = opened(text, &fd);
		again = mime_text(m, 10000, false, &len, NULL);
		wanted = strlen(texts[i]);
		if (strncmp(again, texts[i], wanted) != 0 || len > wanted + 1)
			fail_msg("text %zu: %s", i, again);
		free(again);
		mime_free(&m);
		close(fd);
		free(text);
	}
}

static void
writes_a_long_line(void **state)
{
	struct letter l = plain_letter();
	char *text, line[5001];

	(void)state;
	memset(line, 'x', 5000);
	line[5000] = '\0';
	l.text = l.subject = line;
	text = written(&l, false);
	free(text);
}

static void
hides_bcc_when_sending(void **state)
{
	static char address[] = "secret@x.org", name[] = "Secret";
	struct mime_address bcc = {name, address};
	struct letter l = plain_letter();
	char *text;

	(void)state;
	l.bcc = (struct mime_addresses){1, &bcc};
	l.note = "note";
	text = written(&l, true);
	assert_non_null(strstr(text, "\r\nBcc: Secret <secret@x.org>\r\n"));
	assert_non_null(strstr(text, "\r\nX-Sambar-Draft: note\r\n"));
	free(text);
	text = written(&l, false);
	assert_null(strstr(text, "ecret"));
	assert_null(strstr(text, "X-Sambar-Draft"));
	free(text);
	l.to = (struct mime_addresses){0};
	text = written(&l, false);
	assert_non_null(strstr(text, "\r\nTo: undisclosed-recipients:;\r\n"));
	free(text);
}

static void
carries_attachments(void **state)
{
	static const char inner[] = "Subject: in\n\n\xc3\xbc\r\n--\nx\r";
	struct letter l = plain_letter();
	struct text_buffer big;
	struct letter_attachment a[3];
	struct mime_body *b;
	struct mime *m, *sub;
	char *text, *back;
	size_t len;
	int fd;

	(void)state;
	text_buffer_init(&big, 1000000);
	while (!big.full)
		text_printf(&big, "%u,", (unsigned)big.len);
	a[0] = (struct letter_attachment){.fd = file_of((struct span){big.at, big.len}),
	    .at = 5,
	    .len = big.len - 5,
	    .name = "\xc3\xbc"
		    "ber einen sehr langen Namen einer Datei, der nicht in eine Zeile passt.pdf",
	    .type = "application/pdf"};
	a[1] = (struct letter_attachment){.fd = file_of(span_of(inner)),
	    .len = strlen(inner),
	    .name = "in.eml",
	    .is_message = true};
	a[2] = (struct letter_attachment){
	    .fd = file_of(span_of("x")), .len = 1, .name = "a b.txt", .type = "multipart/mixed"};
	l.attachments = a;
	l.n_attachments = 3;
	l.html = "<p>hi<script>x</script> <b>there</b>";
	l.text = "";
	text = written(&l, false);
	m = opened(text, &fd);
	assert_int_equal(mime_n_parts(m), 8);
	back = mime_text(m, 1000, false, &len, NULL);
	assert_string_equal(back, "hi there\n");
	free(back);
	back = mime_part_text(m, 3, 1000, &len, NULL);
	assert_non_null(strstr(back, "<p>hi <b>there</b></p>"));
	free(back);
	assert_string_equal(mime_part(m, 4)->name, a[0].name);
	assert_string_equal(mime_part(m, 4)->type, "application/pdf");
	back = xmalloc(big.len);
	b = mime_body_open(m, 4);
	for (len = 0;;) {
		ssize_t n = mime_body_read(b, back + len, big.len - len);

		assert_true(n >= 0);
		if (n == 0)
			break;
		len += n;
	}
	assert_int_equal(len, big.len - 5);
	assert_memory_equal(back, big.at + 5, len);
	free(back);
	mime_body_free(&b);
	assert_string_equal(mime_part(m, 5)->type, "message/rfc822");
	assert_non_null(sub = mime_sub(m, mime_part(m, 5)));
	back = mime_text(sub, 1000, false, &len, NULL);
	assert_string_equal(back, "\xc3\xbc\n--\nx\n");
	free(back);
	mime_free(&sub);
	assert_string_equal(mime_part(m, 7)->type, "application/octet-stream");
	assert_string_equal(mime_part(m, 7)->name, "a b.txt");
	mime_free(&m);
	close(fd);
	for (size_t i = 0; i < nitems(a); i++)
		close(a[i].fd);
	free(text);
	text_buffer_free(&big);
}

static void
reads_a_draft_back(void **state)
{
	static char address[] = "c@x.org", name[] = "C, \"D\"";
	struct mime_address cc = {name, address};
	struct letter l = plain_letter();
	struct mime *m;
	json_t *letter, *expected;
	char *text;
	int fd;

	(void)state;
	l.cc = l.bcc = (struct mime_addresses){1, &cc};
	l.references = "a@b c@d";
	l.in_reply_to = "c@d";
	l.priority = PRIORITY_LOW;
	l.receipt = true;
	l.note = "reply 3 7";
	text = written(&l, true);
	m = opened(text, &fd);
	letter = letter_from_draft(m);
	expected = json_loads(
	    "{\"from\":\"ann@x.org\",\"from_name\":\"Ann\",\"to\":[\"bob@x.org\"],"
	    "\"cc\":[\"\\\"C, \\\\\\\"D\\\\\\\"\\\" <c@x.org>\"],\"bcc\":[\"\\\"C, "
	    "\\\\\\\"D\\\\\\\"\\\" <c@x.org>\"],"
	    "\"subject\":\"hello\",\"text\":\"line\\n\",\"html\":null,\"attachments\":[]"
	    ",\"priority\":\"low\","
	    "\"receipt\":true,\"message_id\":\"1@x.org\",\"in_reply_to\":\"c@d\","
	    "\"references\":\"a@b c@d\",\"reply\":{\"folder\":3,\"uid\":7},\"forward\":null}",
	    0, NULL);
	assert_non_null(expected);
	if (!json_equal(letter, expected))
		fail_msg("%s", json_dumps(letter, 0));
	json_decref(letter);
	json_decref(expected);
	mime_free(&m);
	close(fd);
	free(text);
}

static void
reads_typed_recipients(void **state)
{
	static const struct {
		const char *typed, *read;
	} rows[] = {
	    {"a@x.org", "|a@x.org"},
	    {"Ann <a@x.org>, b@y.org; \"C, D\" <c@z.org>", "Ann|a@x.org Ann?|b@y.org C, D|c@z.org"},
	    {" , ;\n a@x.org,, ", "|a@x.org"},
	    {"a@X.ORG, A@x.org, a@x.org", "|a@x.org"},
	    {"\"a \\\" b\" <a@x.org>", "a \" b|a@x.org"},
	    {"\"a b\"@x.org", "|\"a b\"@x.org"},
	    {"a@x.org\r\nb@x.org", "|a@x.org |b@x.org"},
	    {"", ""},
	    {"nobody", NULL},
	    {"a@x.org, b@", NULL},
	    {"Ann <a@x.org", NULL},
	    {"a@x.org>", NULL},
	    {"<a@x.org> <b@x.org>", "<a@x.org>|b@x.org"},
	    {"a b@x.org", NULL},
	    {"<>", NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct mime_addresses to = {0};
		char *why = NULL;
		int rv = letter_recipients(span_of(rows[i].typed), &to, &why);

		assert_int_equal(rv, rows[i].read == NULL ? -1 : 0);
		if (rv == -1)
			assert_non_null(strstr(why, "is no mail address: "));
		if (i == 1) {
			assert_int_equal(to.n, 3);
			assert_string_equal(to.list[2].name, "C, D");
			assert_string_equal(to.list[1].name, "");
		} else if (rv == 0 && to.n == 1) {
			char *text = xasprintf("%s|%s", to.list[0].name, to.list[0].address);

			assert_string_equal(text, rows[i].read);
			free(text);
		}
		free(why);
		mime_addresses_free(&to);
	}
}

static void
writes_a_receipt(void **state)
{
	static char me[] = "me@x.org", ann[] = "ann@x.org", none[] = "";
	struct letter_receipt r = {.from = {none, me},
	    .to = {none, ann},
	    .message_id = "2@x.org",
	    .original_id = "1@x.org",
	    .original_subject = "h\xc3\xa9llo",
	    .reporter = "mail.x.org",
	    .date = 1793696400};
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct mime *m;
	uint64_t len;
	size_t n;
	char *text;

	(void)state;
	assert_int_equal(compose_receipt(&r, fd, 0, &len), 0);
	assert_non_null(m = mime_open(fd, 0, len));
	assert_null(mime_problem(m));
	assert_int_equal(mime_n_parts(m), 3);
	assert_string_equal(mime_part(m, 0)->type, "multipart/report");
	assert_string_equal(mime_part(m, 2)->type, "message/disposition-notification");
	text = mime_part_text(m, 2, 1000, &n, NULL);
	assert_string_equal(text,
	    "Reporting-UA: mail.x.org\nFinal-Recipient: rfc822;me@x.org\nOriginal-Message-ID: "
	    "<1@x.org>\nDisposition: manual-action/MDN-sent-manually; displayed\n");
	free(text);
	text = mime_field_text(m, "Subject", 100);
	assert_string_equal(text, "Read: h\xc3\xa9llo");
	free(text);
	mime_free(&m);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_a_plain_letter),
	    cmocka_unit_test(lets_nothing_be_injected),
	    cmocka_unit_test(folds_long_names),
	    cmocka_unit_test(refuses_what_cannot_stand_in_a_header),
	    cmocka_unit_test(keeps_texts),
	    cmocka_unit_test(writes_a_long_line),
	    cmocka_unit_test(hides_bcc_when_sending),
	    cmocka_unit_test(carries_attachments),
	    cmocka_unit_test(reads_a_draft_back),
	    cmocka_unit_test(reads_typed_recipients),
	    cmocka_unit_test(writes_a_receipt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
