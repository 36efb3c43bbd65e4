/*
 * Notifications as they are written: each kind, each way to return the original, and a form that no
 * text of strangers changes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* after the ones above */
#include <cmocka.h>

#include "tests/unit/queue_dsn_support.h"

#define SPAN(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

enum { MANY = 3000, BIG_BYTES = 5 * 1024 * 1024 };

/* ---- the message ---- */

static const char small[] = "Subject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nText.\r\n";

static struct recipient bob = {.address = SPAN("bob@example.net"),
    .original = SPAN("rfc822;Bob+40example.net"),
    .reply = SPAN("550 5.1.1 no such user"),
    .route = SPAN("smtp:mx.example.net"),
    .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
    .parent = -1};

/* What is told about a message of ann's to bob, and the notification that tells it. */
struct fixture {
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct dsn d;
	struct notice n;
	struct notice_parts p; /* of the notice */
};

/* Without a notice yet. It points into itself. */
static void
about_bob(struct fixture *f, enum dsn_action action)
{
	f->r = bob;
	f->event = action;
	f->e = (struct envelope){.id = 1800000000000000,
	    .arrival_us = 1800000000000000,
	    .reverse_path = span_of("ann@example.org"),
	    .envid = span_of("QQ+2B1"),
	    .recipients = &f->r,
	    .n_recipients = 1};
	f->d = (struct dsn){.id = 1800000600000000,
	    .nonce = 0x123456789abcdef,
	    .now_s = 1800000600,
	    .retry_until_s = 1800172800,
	    .whole_max_bytes = 100000,
	    .server = "mail.example.org",
	    .envelope = &f->e,
	    .events = &f->event};
	f->n = (struct notice){0};
}

/* In bob's place. */
static void
set_recipients(struct fixture *f, struct recipient *r, unsigned char *events, size_t n)
{
	f->e.recipients = r;
	f->e.n_recipients = n;
	f->d.events = events;
}

/* Makes the notice, in place of an earlier one, and it is sound. notice_free() it. */
static void
tell(struct fixture *f, struct span message)
{
	const char *flaw;

	notice_free(&f->n);
	notice_make(&f->n, &f->d, message);
	assert_int_equal(f->n.error, 0);
	if ((flaw = notice_flaw(&f->n, &f->p)) != NULL)
		print_message("%s", f->n.at);
	assert_null(flaw);
}

static bool
part_has(struct span part, const char *text)
{
	return memmem(part.at, part.len, text, strlen(text)) != NULL;
}

static const char failure[] =
    "Received: by mail.example.org (Sambar Mail) id 8F81ElaRU;\r\n"
    "\tFri, 15 Jan 2027 08:10:00 +0000\r\n"
    "Date: Fri, 15 Jan 2027 08:10:00 +0000\r\n"
    "From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n"
    "Reply-To: <postmaster@mail.example.org>\r\n"
    "To: <ann@example.org>\r\n"
    "Subject: Your message could not be delivered\r\n"
    "Message-ID: <8F81ElaRU.dsn@mail.example.org>\r\n"
    "In-Reply-To: <1@example.org>\r\n"
    "References: <1@example.org>\r\n"
    "Auto-Submitted: auto-replied\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
    "\tboundary=\"=_8F81ElaRU_0123456789abcdef\"\r\n"
    "\r\n"
    "This is a report in MIME format (RFC 3464).\r\n"
    "\r\n"
    "--=_8F81ElaRU_0123456789abcdef\r\n"
    "Content-Type: text/plain; charset=us-ascii\r\n"
    "Content-Transfer-Encoding: 7bit\r\n"
    "Content-Description: Notice\r\n"
    "\r\n"
    "This is the mail server mail.example.org, about a message from you:\r\n"
    "\r\n"
    "  Subject:  Hello\r\n"
    "  Received: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
    "\r\n"
    "It could not be delivered to:\r\n"
    "\r\n"
    "  <bob@example.net>\r\n"
    "    The server mx.example.net answered:\r\n"
    "        550 5.1.1 no such user\r\n"
    "    What you can do: Check the address, or ask the recipient for the\r\n"
    "    right one.\r\n"
    "\r\n"
    "If you did not send this message, somebody used your address, and you can\r\n"
    "ignore this notice. For help send it to <postmaster@mail.example.org>.\r\n"
    "\r\n"
    "Attached are a report for programs and the whole of your message.\r\n"
    "\r\n"
    "--=_8F81ElaRU_0123456789abcdef\r\n"
    "Content-Type: message/delivery-status\r\n"
    "Content-Transfer-Encoding: 7bit\r\n"
    "Content-Description: Report for programs\r\n"
    "\r\n"
    "Reporting-MTA: dns; mail.example.org\r\n"
    "Original-Envelope-Id: QQ+1\r\n"
    "Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
    "\r\n"
    "Original-Recipient: rfc822; Bob@example.net\r\n"
    "Final-Recipient: rfc822; bob@example.net\r\n"
    "Action: failed\r\n"
    "Status: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.net\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
    "Last-Attempt-Date: Fri, 15 Jan 2027 08:10:00 +0000\r\n"
    "\r\n"
    "--=_8F81ElaRU_0123456789abcdef\r\n"
    "Content-Type: message/rfc822\r\n"
    "Content-Transfer-Encoding: 7bit\r\n"
    "Content-Description: Your message\r\n"
    "\r\n"
    "Subject: Hello\r\n"
    "Message-ID: <1@example.org>\r\n"
    "\r\n"
    "Text.\r\n"
    "\r\n"
    "--=_8F81ElaRU_0123456789abcdef--\r\n";

static void
test_failure(void **state)
{
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_FAILED);
	tell(&f, span_of(small));
	assert_string_equal(f.n.at, failure);
	assert_int_equal(f.n.written.flags, 0);
	notice_free(&f.n);
}

static const struct {
	enum dsn_action action;
	const char *reply, *subject, *text, *report, *not_in_report;
} kinds[] = {
    {DSN_FAILED, "given up after 9 attempts: 451 4.4.1 no answer",
	"Subject: Your message could not be delivered\r\n", "tried for as long as it is done here",
	"Action: failed\r\nStatus: 4.4.1\r\n", "Will-Retry-Until"},
    {DSN_FAILED, "", "Subject: Your message could not be delivered\r\n", "No reason is known",
	"Action: failed\r\nStatus: 5.0.0\r\n", "Diagnostic-Code"},
    {DSN_FAILED, "no host has this name", "Subject: Your message could not be delivered\r\n",
	"as seen from here:\r\n        no host has this name\r\n",
	"Diagnostic-Code: x-sambar; no host has this name\r\n", "Will-Retry-Until"},
    {DSN_DELAYED, "450 4.2.0 greylisted", "Subject: Your message is delayed\r\n",
	"goes on trying until\r\nSun, 17 Jan 2027 08:00:00 +0000",
	"Will-Retry-Until: Sun, 17 Jan 2027 08:00:00 +0000\r\n", "Action: failed"},
    {DSN_DELIVERED, "", "Subject: Your message was delivered\r\n", "delivered into the mailbox of",
	"Action: delivered\r\nStatus: 2.0.0\r\n", "Diagnostic-Code"},
    {DSN_RELAYED, "250 2.0.0 queued", "Subject: Your message was passed on\r\n",
	"handed to another server", "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx.",
	"Will-Retry-Until"},
    {DSN_EXPANDED, "", "Subject: Your message was passed on\r\n", "several addresses",
	"Action: expanded\r\nStatus: 2.0.0\r\n", "Remote-MTA"},
};

static void
test_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(kinds); i++) {
		struct fixture f;

		print_message("row %zu\n", i);
		about_bob(&f, kinds[i].action);
		f.r.reply = span_of(kinds[i].reply);
		tell(&f, span_of(small));
		assert_true(part_has(f.p.header, kinds[i].subject));
		assert_true(part_has(f.p.part[0], kinds[i].text));
		assert_true(part_has(f.p.part[1], kinds[i].report));
		assert_false(part_has(f.p.part[1], kinds[i].not_in_report));
		/* RFC 3461 4.3: without a failure only the header is returned. */
		assert_int_equal(part_has(f.p.part[2], "Text."), kinds[i].action == DSN_FAILED);
		notice_free(&f.n);
	}
}

/* How an original is returned. */
static const struct {
	const char *what;
	struct span message;
	unsigned ret, flags;
	uint64_t whole_max;
	const char *type, *encoding, *has, *has_not, *text;
	unsigned written_flags;
} returns[] = {
    {"whole, as nothing was said", SPAN("X: y\r\n\r\nbody\r\n"), RET_UNSET, 0, 100,
	"message/rfc822", "7bit", "\r\nbody\r\n", "-", "the whole of your message.", 0},
    {"RET=FULL", SPAN("X: y\r\n\r\nbody\r\n"), RET_FULL, 0, 100, "message/rfc822", "7bit",
	"\r\nbody\r\n", "-", "the whole of your message.", 0},
    {"RET=HDRS", SPAN("X: y\r\n\r\nbody\r\n"), RET_HDRS, 0, 100, "text/rfc822-headers", "7bit",
	"X: y\r\n", "body", "the header of your message.", 0},
    {"as large as may be", SPAN("X: y\r\n\r\nbody\r\n"), RET_FULL, 0, 14, "message/rfc822", "7bit",
	"body", "-", "the whole of", 0},
    {"too large", SPAN("X: y\r\n\r\nbody\r\n"), RET_FULL, 0, 13, "text/rfc822-headers", "7bit",
	"X: y\r\n", "body", "because the message is too large", 0},
    {"8-bit body", SPAN("X: y\r\n\r\nb\xe4\r\n"), RET_UNSET, 0, 100, "message/rfc822", "8bit",
	"b\xe4\r\n", "-", "the whole of", ENVELOPE_8BITMIME},
    {"8-bit body, header only", SPAN("X: y\r\n\r\nb\xe4\r\n"), RET_HDRS, 0, 100,
	"text/rfc822-headers", "7bit", "X: y\r\n", "b\xe4", "the header", 0},
    {"8-bit header, header only", SPAN("X: \xe4\r\n\r\n"), RET_HDRS, 0, 100, "text/rfc822-headers",
	"quoted-printable", "X: =E4\r\n", "\xe4", "the header", 0},
    {"8-bit header", SPAN("X: \xe4\r\n\r\n"), RET_UNSET, ENVELOPE_SMTPUTF8, 100, "message/rfc822",
	"8bit", "X: \xe4\r\n", "-", "the whole", ENVELOPE_8BITMIME},
    {"UTF-8 header", SPAN("X: \xc3\xa4\r\n\r\n"), RET_UNSET, ENVELOPE_SMTPUTF8, 100,
	"message/global", "8bit", "X: \xc3\xa4\r\n", "-", "the whole", ENVELOPE_8BITMIME},
    {"UTF-8 header, header only", SPAN("X: \xc3\xa4\r\n\r\n"), RET_HDRS, ENVELOPE_SMTPUTF8, 100,
	"message/global-headers", "8bit", "X: \xc3\xa4\r\n", "-", "the header", ENVELOPE_8BITMIME},
    {"UTF-8 header without SMTPUTF8", SPAN("X: \xc3\xa4\r\n\r\n"), RET_HDRS, 0, 100,
	"text/rfc822-headers", "quoted-printable", "X: =C3=A4\r\n", "\xc3", "the header", 0},
    {"NUL", SPAN("X: y\r\n\r\na\0b\r\n"), RET_FULL, 0, 100, "text/rfc822-headers", "7bit",
	"X: y\r\n", "b\r\n", "because it has bytes", 0},
    {"a bare line feed", SPAN("X: y\r\n\r\na\nb\r\n"), RET_FULL, 0, 100, "text/rfc822-headers",
	"7bit", "X: y\r\n", "b\r\n", "because it has bytes", 0},
    {"NUL in the header", SPAN("X: y\0-\r\n\r\nbody\r\n"), RET_FULL, 0, 100, "text/rfc822-headers",
	"quoted-printable", "X: y=00-\r\n", "body", "because it has bytes", 0},
    {"blanks at line ends", SPAN("X: \xe4 \r\nY: \t\r\n-Z: =_ \r\n"), RET_HDRS, 0, 100,
	"text/rfc822-headers", "quoted-printable", "X: =E4=20\r\nY: =09\r\n=2DZ: =3D_=20\r\n",
	"\xe4", "the header", 0},
    {"no header", SPAN("what is this\r\n"), RET_HDRS, 0, 100, "text/rfc822-headers", "7bit", "-",
	"what", "the header", 0},
    {"nothing", SPAN(""), RET_FULL, 0, 100, "message/rfc822", "7bit", "-", "X", "the whole", 0},
};

static void
test_returns(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(returns); i++) {
		char type[200];
		struct fixture f;

		print_message("%s\n", returns[i].what);
		about_bob(&f, DSN_FAILED);
		f.e.ret = returns[i].ret;
		f.e.flags = returns[i].flags;
		f.d.whole_max_bytes = returns[i].whole_max;
		tell(&f, returns[i].message);
		snprintf(type, sizeof type, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n",
		    returns[i].type, returns[i].encoding);
		assert_true(part_has(f.p.part[2], type));
		assert_true(part_has(f.p.part[2], returns[i].has));
		f.p.part[2].at += strlen(type);
		f.p.part[2].len -= strlen(type);
		assert_true(
		    returns[i].has_not[0] == '-' || !part_has(f.p.part[2], returns[i].has_not));
		assert_true(part_has(f.p.part[0], returns[i].text));
		assert_int_equal(f.n.written.flags, returns[i].written_flags);
		notice_free(&f.n);
	}
}

static void
test_utf8_addresses(void **state)
{
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_FAILED);
	f.r.address = span_of("j\xc3\xbcrgen@example.org");
	f.r.original = span_of("utf-8;j\xc3\xbcrgen@example.org");
	f.r.reply = span_of("550 5.1.1 kein \xc3\x9c");
	f.e.flags = ENVELOPE_SMTPUTF8;
	tell(&f, span_of(small));
	assert_true(part_has(f.p.header, "report-type=global-delivery-status;"));
	assert_true(part_has(f.p.header, "Content-Transfer-Encoding: 8bit\r\n"));
	assert_true(part_has(f.p.part[0], "<j=C3=BCrgen@example.org>"));
	assert_true(part_has(f.p.part[1], "Content-Type: message/global-delivery-status\r\n"));
	assert_true(
	    part_has(f.p.part[1], "Original-Recipient: utf-8; j\xc3\xbcrgen@example.org\r\n"));
	assert_true(part_has(f.p.part[1], "Final-Recipient: utf-8; j\xc3\xbcrgen@example.org\r\n"));
	assert_true(part_has(f.p.part[1], "smtp; 550 5.1.1 kein \xc3\x9c\r\n"));
	assert_int_equal(f.n.written.flags, ENVELOPE_8BITMIME);

	/* The address is ASCII: so is the report. */
	f.r.address = span_of("bob@example.net");
	f.r.original = span_of("");
	f.e.reverse_path = span_of("\xc3\xa4nn@example.org");
	tell(&f, span_of(small));
	assert_true(part_has(f.p.header, "To: <\xc3\xa4nn@example.org>\r\n"));
	assert_true(part_has(f.p.part[1], "Content-Type: message/delivery-status\r\n"));
	assert_true(part_has(f.p.part[1], "smtp; 550 5.1.1 kein ?\r\n"));
	assert_true(part_has(f.p.part[0], "kein =C3=9C"));
	assert_int_equal(f.n.written.flags, ENVELOPE_8BITMIME | ENVELOPE_SMTPUTF8);
	notice_free(&f.n);
}

static void
test_forwards(void **state)
{
	struct recipient r[2] = {bob, {.address = span_of("robert@example.com"), .parent = 0}};
	unsigned char events[2] = {DSN_NONE, DSN_FAILED};
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_NONE);
	set_recipients(&f, r, events, nitems(r));
	tell(&f, span_of(small));
	assert_true(part_has(f.p.part[0],
	    "  <robert@example.com>\r\n    where mail for <bob@example.net> goes\r\n"));
	assert_true(part_has(f.p.part[1], "Original-Recipient: rfc822; Bob@example.net\r\n"
					  "Final-Recipient: rfc822; robert@example.com\r\n"));
	notice_free(&f.n);
}

static void
test_many_recipients(void **state)
{
	struct recipient *r = xcalloc(MANY, sizeof *r);
	unsigned char *events = xcalloc(MANY, 1);
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_FAILED);
	for (size_t i = 0; i < MANY; i++) {
		r[i] = bob;
		events[i] = DSN_FAILED;
	}
	set_recipients(&f, r, events, MANY);
	tell(&f, span_of(small));
	assert_int_equal(f.n.decision.n_tell, MANY);
	assert_true(part_has(f.p.part[0], "  and 2950 more, which the attached report names\r\n"));
	assert_true(f.p.part[0].len < 20000);
	notice_free(&f.n);
	free(events);
	free(r);
}

/* Each goes into every place where strangers' text goes. */
static const struct span hostile[] = {
    SPAN("a\r\nBcc: <victim@example.org>\r\n"),
    SPAN("a\r\n\r\n<html>"),
    SPAN("a\n\n--=_8F81ElaRU_0123456789abcdef--\n"),
    SPAN("--=_8F81ElaRU_0123456789abcdef"),
    SPAN("\r\n--=_8F81ElaRU_0123456789abcdef--\r\n"),
    SPAN("550 5.1.1 \r\n\r\nFinal-Recipient: rfc822; x@y\r\nAction: delivered"),
    SPAN("550-5.1.1 a\r\n550 5.1.1 b"),
    SPAN("\0\1\2\x1b[2J\x7f"),
    SPAN("\xff\xfe\xc0\x80\xed\xa0\x80"),
    SPAN("\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6x"),
    SPAN("rfc822;+0D+0ABcc:+20x"),
    SPAN("a+0D+0A+0D+0Ab"),
    SPAN(";;;"),
    SPAN("smtp:x\r\nY: z"),
    SPAN("%s%n%s"),
    SPAN("<a@b>, <c@d>"),
    SPAN("   "),
    SPAN("\r"),
    SPAN("\n"),
    SPAN("=3D=\r\n=_"),
    SPAN("."),
    SPAN("\r\n.\r\n"),
};

static void
check_hostile(struct span text)
{
	char message[9000];
	struct fixture f;
	int len;

	for (enum dsn_action a = DSN_FAILED; a < DSN_ACTIONS; a++) {
		about_bob(&f, a);
		f.r.address = f.r.original = f.r.reply = f.r.route = text;
		f.e.reverse_path = f.e.envid = text;
		len = snprintf(message, sizeof message, "Subject: %.*s\r\nMessage-ID: <%.*s@x>\r\n",
		    (int)text.len, text.at, (int)text.len, text.at);
		tell(&f, (struct span){message, len});
		assert_int_equal(f.n.decision.n_tell, 1);
		notice_free(&f.n);
	}
}

static void
test_hostile(void **state)
{
	static const size_t lengths[] = {699, 700, 701, 997, 998, 1000, 4096};
	char *text = xmalloc(4096);

	(void)state;
	for (size_t i = 0; i < nitems(hostile); i++) {
		print_message("row %zu\n", i);
		check_hostile(hostile[i]);
	}
	for (size_t i = 0; i < nitems(lengths); i++) {
		for (size_t k = 0; k < lengths[i]; k++)
			text[k] = "\xe2\x82\xac"[k % 3];
		check_hostile((struct span){text, lengths[i]});
		memset(text, 'x', lengths[i]);
		check_hostile((struct span){text, lengths[i]});
		memcpy(text, "rfc822;", 7);
		check_hostile((struct span){text, lengths[i]});
	}
	free(text);
}

static void
test_boundary_in_the_original(void **state)
{
	static const char text[] = "X: y\r\n\r\n--=_8F81ElaRU_0123456789abcdef--\r\n"
				   "and =_8F81ElaRU_0123456789abcdf0 too\r\n";
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_FAILED);
	tell(&f, span_of(text));
	assert_true(part_has(f.p.header, "boundary=\"=_8F81ElaRU_0123456789abcdf1\""));
	assert_true(part_has(f.p.part[2], text));
	notice_free(&f.n);
}

static void
test_no_boundary_left(void **state)
{
	char text[2000] = "";
	struct fixture f;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "=_8F81ElaRU_0123456789abcd%02x\r\n", 0xef + i);
	for (unsigned i = 0x11; i < 0x20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "=_8F81ElaRU_0123456789abcd%02x\r\n", i);
	about_bob(&f, DSN_FAILED);
	notice_make(&f.n, &f.d, span_of(text));
	assert_int_equal(f.n.error, EPROTO);
}

static void
test_big_original(void **state)
{
	char *text = xmalloc(BIG_BYTES);
	struct fixture f;

	(void)state;
	memcpy(text, "X: y\r\n\r\n", 8);
	for (size_t i = 8; i < BIG_BYTES; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a' + i / 64 % 26;
	about_bob(&f, DSN_FAILED);
	f.d.whole_max_bytes = BIG_BYTES;
	tell(&f, (struct span){text, BIG_BYTES});
	assert_non_null(memmem(f.p.part[2].at, f.p.part[2].len, text, BIG_BYTES));

	f.d.whole_max_bytes = BIG_BYTES - 1;
	tell(&f, (struct span){text, BIG_BYTES});
	assert_true(f.n.len < 4000);

	/* A header of 5 MB of one line after another. */
	for (size_t i = 0; i < BIG_BYTES; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : i % 64 == 1 ? ':' : 'a';
	tell(&f, (struct span){text, BIG_BYTES});
	assert_true(part_has(f.p.part[2], "Front of the header"));
	assert_true(f.n.len < ORIGINAL_HEADER_MAX_BYTES + 4000);
	notice_free(&f.n);
	free(text);
}

static void
test_long_lines(void **state)
{
	char *text = xmalloc(4000);
	struct fixture f;

	(void)state;
	memset(text, 'a', 4000);
	memcpy(text, "X: y\r\n\r\n", 8);
	memcpy(text + 8 + 998, "\r\n", 2);
	about_bob(&f, DSN_FAILED);
	tell(&f, (struct span){text, 8 + 1000});
	assert_true(part_has(f.p.part[2], "message/rfc822"));

	memcpy(text + 8 + 998, "a\r\n", 3);
	tell(&f, (struct span){text, 8 + 1001});
	assert_true(
	    part_has(f.p.part[2], "text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit"));

	memcpy(text + 3, "bbbbb", 5); /* now it is the header */
	tell(&f, (struct span){text, 8 + 1001});
	assert_true(part_has(
	    f.p.part[2], "text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable"));
	assert_true(part_has(f.p.part[2], "a=\r\na"));
	notice_free(&f.n);
	free(text);
}

static void
test_errors(void **state)
{
	int from = memfd_create("original", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY);
	unsigned char fate = DSN_TELL;
	struct dsn_written written;
	struct original o;
	struct fixture f;

	(void)state;
	about_bob(&f, DSN_FAILED);
	assert_int_equal(write(from, small, sizeof small), sizeof small);
	assert_int_equal(original_open(&o, from, 0, sizeof small - 1), 0);
	f.d.original = &o;
	f.d.fates = &fate;
	assert_int_equal(dsn_write(&f.d, full, 0, &written), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(dsn_write(&f.d, -1, 0, &written), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(ftruncate(from, sizeof small - 4), 0); /* a file that lost its end */
	assert_int_equal(dsn_write(&f.d, full, 0, &written), -1);
	assert_int_equal(errno, EIO);
	original_close(&o);
	close(from);
	close(full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_failure),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_returns),
	    cmocka_unit_test(test_utf8_addresses),
	    cmocka_unit_test(test_forwards),
	    cmocka_unit_test(test_many_recipients),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_boundary_in_the_original),
	    cmocka_unit_test(test_no_boundary_left),
	    cmocka_unit_test(test_big_original),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_errors),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
