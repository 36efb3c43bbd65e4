/* Which messages may be answered by a program, and what a vacation reply looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "router/answerable.h"
#include "router/vacation_letter.h"

/* ---- may it be answered? ---- */

static void
senders(void **state)
{
	static const struct {
		const char *sender;
		bool may;
	} rows[] = {
	    {"ann@far.example", true},
	    {"ann+tag@far.example", true},
	    {"SRS0=x=y=far.example=ann@relay.example", true},
	    {"requests@far.example", true},
	    {"owner@far.example", true},
	    {"", false},
	    {"ann", false},
	    {"MAILER-DAEMON@far.example", false},
	    {"NoReply@far.example", false},
	    {"no-reply-1@far.example", false},
	    {"donotreply@far.example", false},
	    {"shop-noreply@far.example", false},
	    {"owner-list@far.example", false},
	    {"list-owner@far.example", false},
	    {"list-request@far.example", false},
	    {"list-request+x@far.example", false},
	    {"list-bounces+ann=our.example@far.example", false},
	    {"bounce-17@far.example", false},
	    {"listserv@far.example", false},
	    {"majordomo@far.example", false},
	    {"postmaster@far.example", false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if ((answerable_sender(span_of(rows[i].sender)) == NULL) != rows[i].may)
			fail_msg("%s", rows[i].sender);
}

static void
headers(void **state)
{
	static const struct {
		const char *header;
		bool may;
	} rows[] = {
	    {"", true},
	    {"Subject: x\r\n\r\nList-Id: in the body\r\n", true},
	    {"Auto-Submitted: no\r\n", true},
	    {"Auto-Submitted: NO (by hand)\r\n", true},
	    {"Auto-Submitted:\r\n", false},
	    {"Auto-Submitted: auto-generated\r\n", false},
	    {"X: y\r\nAUTO-SUBMITTED :\r\n\tauto-replied\r\n", false},
	    {"Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n", false},
	    {"List-Id: <x.example>\r\n", false},
	    {"list-unsubscribe:", false},
	    {"Listing: x\r\n", true},
	    {"no field\r\nList-Id: x\r\n", false},
	    {" continued\r\nList-Id: x\r\n", false},
	    {": x\r\nList-Id: x\r\n", false},
	    {"X: y\r\n List-Id: x\r\n", true},
	    {"X: y\nList-Id: x\n", false},
	    {"Precedence: bulk\r\n", false},
	    {"Precedence: LIST\r\n", false},
	    {"Precedence: junk (x)\r\n", false},
	    {"Precedence: first-class\r\n", true},
	    {"Content-Type: Multipart/Report; x=y\r\n", false},
	    {"Content-Type: multipart/mixed\r\n", true},
	    {"X-Auto-Response-Suppress: DR, OOF\r\n", false},
	    {"X-Auto-Response-Suppress: DR\r\n", true},
	    {"X-Autoreply: yes\r\n", false},
	    {"X-Spam-Flag: YES\r\n", false},
	};
	struct answerable a;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		if ((answerable_read(span_of(rows[i].header), &a) == NULL) != rows[i].may)
			fail_msg("%s", rows[i].header);
}

static void
collect(void *arg, const char *address)
{
	strlcat(arg, address, 1000);
	strlcat(arg, " ", 1000);
}

static void
what_is_kept(void **state)
{
	static const char header[] =
	    "Return-Path: <r@x.example>\r\nReturn-Path: <second@x.example>\r\n"
	    "To: \"A, B\" <ann@our.example>, bob@our.example\r\nreply-to: no@x.example\r\n"
	    "CC: group: carl@our.example;\r\nSubject: a\r\n b\r\nResent-Bcc: "
	    "dora@our.example\r\n\r\n"
	    "To: body@x.example\r\n";
	char all[1000] = "";
	struct answerable a;

	(void)state;
	assert_null(answerable_read(span_of(header), &a));
	assert_true(span_is(a.return_path, "<r@x.example>"));
	assert_true(span_is(a.subject, "a\r\n b"));
	assert_null(a.message_id.at);
	answerable_recipients(span_of(header), collect, all);
	assert_string_equal(
	    all, "ann@our.example bob@our.example carl@our.example dora@our.example ");
}

static void
message_ids(void **state)
{
	struct span rest = span_of("<<a@b> x <no> <c@d>\r\n\t<e f@g><h@i"), id;
	char long_id[300];

	(void)state;
	assert_true(answerable_next_id(&rest, &id));
	assert_true(span_is(id, "<a@b>"));
	assert_true(answerable_next_id(&rest, &id));
	assert_true(span_is(id, "<c@d>"));
	assert_false(answerable_next_id(&rest, &id));
	snprintf(long_id, sizeof long_id, "<%0250d@x> <a@b>", 1);
	rest = span_of(long_id);
	assert_true(answerable_next_id(&rest, &id));
	assert_true(span_is(id, "<a@b>"));
}

static void
dates(void **state)
{
	static const struct {
		const char *date;
		int64_t at; /* -1: it cannot be understood */
	} rows[] = {
	    {"Thu, 26 Nov 2026 10:00:00 +0000", 1795687200},
	    {"26 Nov 2026 12:00 +0200", 1795687200},
	    {"Thu, 26 Nov 2026 05:00:00 -0500 (EST)", 1795687200},
	    {"Thu, 26 Nov 2026 10:00:00 GMT", 1795687200},
	    {"yesterday", -1},
	    {"", -1},
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		bool sound = answerable_date(span_of(rows[i].date), &at);

		if (sound != (rows[i].at != -1) || (sound && at != rows[i].at))
			fail_msg("%s: %lld", rows[i].date, (long long)at);
	}
	assert_false(answerable_date((struct span){NULL, 0}, &at));
}

/* ---- the reply ---- */

static char letter[VACATION_LETTER_MAX_BYTES + 1];

/* From From on: before it are dates. */
static const char *
write_letter(const char *name, const char *own, const char *subject, const char *text)
{
	struct vacation_about about = {(char *)"<a@b>", (char *)"<r@b> <a@b>", strdup(subject)};
	struct vacation_letter l = {.id = 1700000000000001,
	    .now_s = 1700000000,
	    .server = "our.example",
	    .from = span_of("ann@our.example"),
	    .name = span_of(name),
	    .to = span_of("s@far.example"),
	    .subject = span_of(own),
	    .text = span_of(text),
	    .about = &about};
	struct text_buffer out;

	text_buffer_init(&out, VACATION_LETTER_MAX_BYTES);
	vacation_letter_write(&l, &out);
	assert_false(out.full);
	strlcpy(letter, out.at, sizeof letter);
	text_buffer_free(&out);
	free(about.subject);
	return strstr(letter, "From: ");
}

static void
whole_letter(void **state)
{
	(void)state;
	assert_string_equal(write_letter("Ann", "", "How\r\n are you", "Away.\n\tAnn"),
	    "From: \"Ann\"\r\n <ann@our.example>\r\nTo: <s@far.example>\r\n"
	    "Subject: Auto: How are you\r\nMessage-ID: <7mjS6b2rh.vacation@our.example>\r\n"
	    "In-Reply-To: <a@b>\r\nReferences: <r@b> <a@b>\r\nAuto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n\r\nAway.\r\n\tAnn\r\n");
}

static void
subjects(void **state)
{
	static const struct {
		const char *own, *subject, *field;
	} rows[] = {
	    {"", "Re: x", "Auto: Re: x"},
	    {"", "=?iso-8859-1?Q?Gr=FC=DFe?= x", "Auto: =?iso-8859-1?Q?Gr=FC=DFe?= x"},
	    {"", "", "Auto: your message"},
	    {"", "latin \xe9", "Auto: your message"},
	    {"", "\xc3\xbc", "=?utf-8?B?QXV0bzogw7w=?="},
	    {"", "a\r\nBcc: evil@x.example", "Auto: a Bcc: evil@x.example"},
	    {"", "a\rb\nc", "Auto: a b c"},
	    {"I am away", "x", "I am away"},
	    {"\xc3\xbc\nBcc: x", "x", "=?utf-8?B?w7wgQmNjOiB4?="},
	    {"=?x?=", "x", "=?utf-8?B?PT94Pz0=?="},
	};
	char field[200];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		snprintf(field, sizeof field, "\r\nSubject: %s\r\nMessage-ID: ", rows[i].field);
		write_letter("", rows[i].own, rows[i].subject, "x");
		if (strstr(letter, field) == NULL)
			fail_msg("%s / %s: %s", rows[i].own, rows[i].subject, letter);
	}
}

/* Whatever is in it, all lines are short, and the header ends where it should. */
static void
strange_texts(void **state)
{
	char big[20001];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	for (unsigned fill = 1; fill < 256; fill++) {
		char piece[401];
		unsigned column = 0;

		memset(piece, fill, 399);
		piece[399] = fill;
		piece[400] = '\0';
		piece[200] = ' ';
		write_letter(
		    fill % 2 ? piece : "", fill % 3 ? piece : "", piece, fill % 5 ? piece : big);
		for (const char *c = letter; *c != '\0'; c++) {
			column = *c == '\n' ? 0 : column + 1;
			assert_true(column < 998);
			assert_false((unsigned char)*c >= 0x80 || *c == 0x7f);
			assert_true((*c == '\n') == (c > letter && c[-1] == '\r'));
		}
		assert_int_equal(column, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(senders),
	    cmocka_unit_test(headers),
	    cmocka_unit_test(what_is_kept),
	    cmocka_unit_test(message_ids),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(whole_letter),
	    cmocka_unit_test(subjects),
	    cmocka_unit_test(strange_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
