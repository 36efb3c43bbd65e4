/* What of an original message is quoted in a notification, and how all of it is judged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "queue/original.h"

#define SPAN(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

/* ---- the original ---- */

static int
open_text(struct original *o, struct span text, int *fd)
{
	*fd = memfd_create("original", MFD_CLOEXEC);
	assert_int_equal(pwrite(*fd, text.at, text.len, 5), text.len);
	return original_open(o, *fd, 5, text.len);
}

static const struct {
	const char *header, *id;
} ids[] = {
    {"Message-ID: <a.1@example.org>\r\n", "<a.1@example.org>"},
    {"X: y\r\nmessage-id : \r\n <a@b>\r\nMessage-ID: <c@d>\r\n", "<a@b>"},
    {"Message-ID: <[x]@[127.0.0.1]>\r\n", "<[x]@[127.0.0.1]>"},
    {"Message-ID: a@b\r\n", ""},
    {"Message-ID: <a@b> <c@d>\r\n", ""},
    {"Message-ID: <a@b\r\n c@d>\r\n", ""},
    {"Message-ID: <a>\r\n", ""},
    {"Message-ID: <@b>\r\n", ""},
    {"Message-ID: <a@>\r\n", ""},
    {"Message-ID: <a@b@c>\r\n", ""},
    {"Message-ID: <a\xc3\xa9@b>\r\n", ""},
    {"Message-ID: <\"a b\"@c>\r\n", ""},
    {"Message-ID:\r\n", ""},
    {"X-Message-ID: <a@b>\r\n", ""},
    {"X: y\r\n\r\nMessage-ID: <a@b>\r\n", ""},
    {"no field\r\nMessage-ID: <a@b>\r\n", ""},
    {"", ""},
};

static void
test_message_id(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(ids); i++) {
		struct original o;
		int fd;

		print_message("%s", ids[i].header);
		assert_int_equal(open_text(&o, span_of(ids[i].header), &fd), 0);
		assert_true(span_is(original_message_id(&o), ids[i].id));
		original_close(&o);
		original_close(&o);
		close(fd);
	}
}

static const struct {
	const char *header, *subject;
} subjects[] = {
    {"Subject: plain\r\n", "plain"},
    {"Subject: two\r\n\t lines\r\n", "two lines"},
    {"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?UTF-8?B?IGFu?= all\r\n", "Gr\xc3\xbc\xc3\x9f"
								      "e an all"},
    {"Subject: =?utf-8*en?q?a_b?=\r\n =?utf-8?q?c?=\r\n", "a bc"},
    {"Subject: =?us-ascii?q?a?= b =?us-ascii?q?c?=\r\n", "a b c"},
    {"Subject: \xc3\xa4\r\n", "\xc3\xa4"},
    {"Subject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n", "a  Bcc: x"},
    {"Subject: =?utf-8?q?=00=1B[2J?=\r\n", "??[2J"},
    {"Subject: \xe2\x80\xae"
     "abc\r\n",
	"?abc"},
    {"Subject: a=?utf-8?q?x?=\r\n", ""},	/* not at the start of a word */
    {"Subject: =?koi8-r?B?8NLJ18XU?=\r\n", ""}, /* a charset that is not read */
    {"Subject: =?utf-8?q?=FF?=\r\n", ""},	/* no UTF-8 */
    {"Subject: \xe4\r\n", ""},			/* no UTF-8 */
    {"Subject: =?utf-8?q?=4?=\r\n", ""},	/* malformed */
    {"Subject: =?utf-8?b?x?=\r\n", ""},		/* malformed */
    {"Subject: =?utf-8?b?YQ==?=\r\n", "a"},
    {"Subject: =?\r\n", "=?"},
    {"Subject:\r\n", ""},
    {"Subject: \r\n", ""},
    {"Subjects: x\r\n", ""},
};

static void
test_subject(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(subjects); i++) {
		char out[ORIGINAL_SUBJECT_SIZE];
		struct original o;
		int fd;

		print_message("%s", subjects[i].header);
		assert_int_equal(open_text(&o, span_of(subjects[i].header), &fd), 0);
		assert_true(
		    span_is((struct span){out, original_subject(&o, out)}, subjects[i].subject));
		original_close(&o);
		close(fd);
	}
}

static void
test_subject_is_cut(void **state)
{
	char text[3000], out[ORIGINAL_SUBJECT_SIZE];

	(void)state;
	/* The cut falls on each byte of a character. */
	for (int shift = 0; shift < 3; shift++) {
		struct original o;
		size_t len;
		int fd;

		snprintf(text, sizeof text, "Subject: %.*s", shift, "xx");
		for (int i = 0; i < 900; i++)
			strcat(text, "\xe2\x82\xac");
		strcat(text, "\r\n");
		assert_int_equal(open_text(&o, span_of(text), &fd), 0);
		len = original_subject(&o, out);
		assert_in_range(len, 300, 303);
		assert_memory_equal(out + len - 6, "\xe2\x82\xac...", 6);
		original_close(&o);
		close(fd);
	}
}

static const struct {
	const char *header;
	bool automatic;
} automatics[] = {
    {"Auto-Submitted: auto-replied\r\n", true},
    {"auto-submitted:\r\n Auto-Replied (vacation)\r\n", true},
    {"Auto-Submitted: auto-generated\r\n", false},
    {"Auto-Submitted: no\r\n", false},
    {"Precedence: bulk\r\nList-Id: <x.example.org>\r\n", false},
    {"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n", true},
    {"Content-Type: Multipart/Report;\r\n\treport-type=\"Disposition-Notification\"\r\n", true},
    {"Content-Type: multipart/report; report-type=global-delivery-status\r\n", true},
    {"Content-Type: multipart/report; report-type=feedback-report\r\n", false},
    {"Content-Type: text/plain\r\n\r\nAuto-Submitted: auto-replied\r\n", false},
    {"", false},
};

static void
test_automatic(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(automatics); i++) {
		struct original o;
		int fd;

		print_message("%s", automatics[i].header);
		assert_int_equal(open_text(&o, span_of(automatics[i].header), &fd), 0);
		assert_int_equal(original_is_automatic(&o), automatics[i].automatic);
		original_close(&o);
		close(fd);
	}
}

static void
test_original_errors(void **state)
{
	struct original o;
	int fd;

	(void)state;
	assert_int_equal(open_text(&o, span_of("X: y\r\n\r\nz\r\n"), &fd), 0);
	original_close(&o);
	assert_int_equal(original_open(&o, fd, 5, 100), -1);
	assert_int_equal(errno, EIO);
	assert_null(o.head);
	close(fd);
	assert_int_equal(original_open(&o, -1, 5, 100), -1);
	assert_int_equal(errno, EBADF);
}

static const struct {
	struct span text;
	uint64_t limit;
	bool has_8bit, is_strange, has_boundary;
} scans[] = {
    {SPAN("a\r\nb\r\n"), 100, false, false, false},
    {SPAN("a\r\nb"), 100, false, false, false},
    {SPAN("a\xff\r\n"), 100, true, false, false},
    {SPAN("ab\xff\r\n"), 2, false, false, false},
    {SPAN("a\nb\r\n"), 100, false, true, false},
    {SPAN("a\rb\r\n"), 100, false, true, false},
    {SPAN("a\r\n\r"), 100, false, true, false},
    {SPAN("\na"), 100, false, true, false},
    {SPAN("a\r\r\n"), 100, false, true, false},
    {SPAN("a\0\r\n"), 100, false, true, false},
    {SPAN("x =_B y"), 100, false, false, true},
    {SPAN("==_==_B"), 100, false, false, true},
    {SPAN("=_=_=_A"), 100, false, false, false},
};

static void
test_scan(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(scans); i++) {
		struct original o;
		int fd;

		print_message("row %zu\n", i);
		assert_int_equal(open_text(&o, scans[i].text, &fd), 0);
		assert_int_equal(original_scan(&o, scans[i].limit, "=_B"), 0);
		assert_int_equal(o.has_8bit, scans[i].has_8bit);
		assert_int_equal(o.is_strange, scans[i].is_strange);
		assert_int_equal(o.has_boundary, scans[i].has_boundary);
		original_close(&o);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message_id),
	    cmocka_unit_test(test_subject),
	    cmocka_unit_test(test_subject_is_cut),
	    cmocka_unit_test(test_automatic),
	    cmocka_unit_test(test_original_errors),
	    cmocka_unit_test(test_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
