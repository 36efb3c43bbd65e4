/*
 * Notifications: who is told what, what a reply says, what of the original is quoted, and the
 * message itself, whose form no text of strangers changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* after the ones above */
#include <cmocka.h>

#include <fcntl.h>

#include "queue/bounce_limit.h"
#include "queue/encoded_word.h"
#include "tests/unit/queue_dsn_support.h"

#define SPAN(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

enum { MANY = 3000, BIG_BYTES = 5 * 1024 * 1024 };

/* ---- who is told what ---- */

enum { NEVER = NOTIFY_NEVER, SUCCESS = NOTIFY_SUCCESS, FAILURE = NOTIFY_FAILURE };
enum { DELAY = NOTIFY_DELAY, ALL = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY };

/* The fates of DSN_FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED: Tell, Keep, - ignore. */
static const struct {
	bool null_sender, automatic;
	unsigned notify;
	const char *fates;
} who[] = {
    {false, false, 0, "TT---"},
    {false, false, NEVER, "-----"},
    {false, false, SUCCESS, "--TTT"},
    {false, false, FAILURE, "T----"},
    {false, false, DELAY, "-T---"},
    {false, false, SUCCESS | FAILURE, "T-TTT"},
    {false, false, SUCCESS | DELAY, "-TTTT"},
    {false, false, FAILURE | DELAY, "TT---"},
    {false, false, ALL, "TTTTT"},
    {false, false, NEVER | ALL, "-----"},
    {true, false, 0, "K----"},
    {true, false, NEVER, "K----"}, /* one of our own notifications */
    {true, false, SUCCESS, "K----"},
    {true, false, FAILURE, "K----"},
    {true, false, DELAY, "K----"},
    {true, false, ALL, "K----"},
    {false, true, 0, "K----"},
    {false, true, NEVER, "K----"},
    {false, true, SUCCESS, "K----"},
    {false, true, FAILURE, "K----"},
    {false, true, DELAY, "K----"},
    {false, true, ALL, "K----"},
    {true, true, ALL, "K----"},
};

static void
test_who_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(who); i++) {
		char fates[DSN_ACTIONS] = "";

		for (enum dsn_action a = DSN_FAILED; a < DSN_ACTIONS; a++)
			fates[a - 1] =
			    "-TK"[dsn_fate(who[i].null_sender, who[i].automatic, who[i].notify, a)];
		print_message("row %zu\n", i);
		assert_string_equal(fates, who[i].fates);
		assert_int_equal(
		    dsn_fate(who[i].null_sender, who[i].automatic, who[i].notify, DSN_NONE),
		    DSN_IGNORE);
	}
}

/* Recipients of one message: parent, notify, event, and what becomes of it. */
static const struct {
	const char *what;
	struct {
		int parent;
		unsigned notify;
		enum dsn_action event;
		char fate;
	} rows[5];
} families[] = {
    {"no relations",
	{{-1, 0, DSN_FAILED, 'T'}, {-1, NEVER, DSN_FAILED, '-'}, {-1, SUCCESS, DSN_RELAYED, 'T'},
	    {-1, 0, DSN_NONE, '-'}, {-1, FAILURE, DSN_DELAYED, '-'}}},
    {"one address behind an alias gets all",
	{{-1, ALL, DSN_EXPANDED, '-'}, {0, 0, DSN_DELIVERED, 'T'}}},
    {"several have no success of their own",
	{{-1, ALL, DSN_EXPANDED, 'T'}, {0, 0, DSN_DELIVERED, '-'}, {0, 0, DSN_FAILED, 'T'},
	    {0, 0, DSN_DELAYED, 'T'}}},
    {"several, success only: nothing is left",
	{{-1, SUCCESS, DSN_EXPANDED, 'T'}, {0, 0, DSN_RELAYED, '-'}, {0, 0, DSN_FAILED, '-'},
	    {0, 0, DSN_DELAYED, '-'}}},
    {"never is never",
	{{-1, NEVER, DSN_EXPANDED, '-'}, {0, 0, DSN_FAILED, '-'}, {0, 0, DSN_FAILED, '-'}}},
    {"unset stays unset", {{-1, 0, DSN_EXPANDED, '-'}, {0, 0, DSN_FAILED, 'T'},
			      {0, 0, DSN_DELAYED, 'T'}, {0, 0, DSN_DELIVERED, '-'}}},
    {"grandchildren", {{-1, ALL, DSN_NONE, '-'}, {0, 0, DSN_EXPANDED, 'T'}, {1, 0, DSN_FAILED, 'T'},
			  {1, 0, DSN_RELAYED, '-'}}},
    {"what was added has no say of its own",
	{{-1, NEVER, DSN_NONE, '-'}, {0, ALL, DSN_FAILED, '-'}}},
    {"a parent behind its child is none", {{1, 0, DSN_FAILED, 'T'}, {-1, 0, DSN_FAILED, 'T'}}},
};

static void
test_families(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(families); i++) {
		struct recipient recipients[5] = {0};
		unsigned char events[5], fates[5];
		struct envelope e = {
		    .reverse_path = span_of("ann@example.org"), .recipients = recipients};
		struct dsn_decision decision;
		size_t n_tell = 0;

		for (; e.n_recipients < 5 && families[i].rows[e.n_recipients].fate;
		     e.n_recipients++) {
			recipients[e.n_recipients].parent = families[i].rows[e.n_recipients].parent;
			recipients[e.n_recipients].notify = families[i].rows[e.n_recipients].notify;
			events[e.n_recipients] = families[i].rows[e.n_recipients].event;
		}
		print_message("%s\n", families[i].what);
		assert_int_equal(dsn_decide(&e, false, events, fates, &decision), 0);
		for (size_t r = 0; r < e.n_recipients; r++) {
			assert_int_equal("-TK"[fates[r]], families[i].rows[r].fate);
			n_tell += fates[r] == DSN_TELL;
		}
		assert_int_equal(decision.n_tell, n_tell);
		assert_int_equal(decision.n_keep, 0);
	}
}

static void
test_null_sender_and_withhold(void **state)
{
	struct recipient recipients[3] = {{.parent = -1}, {.parent = -1}, {.parent = -1}};
	struct envelope e = {.recipients = recipients, .n_recipients = 3};
	unsigned char events[3] = {DSN_FAILED, DSN_DELAYED, DSN_FAILED}, fates[3];
	struct dsn_decision decision;

	(void)state;
	assert_int_equal(dsn_decide(&e, false, events, fates, &decision), 0);
	assert_int_equal(decision.n_tell, 0);
	assert_int_equal(decision.n_keep, 2);
	e.reverse_path = span_of("ann@example.org");
	assert_int_equal(dsn_decide(&e, true, events, fates, &decision), 0);
	assert_int_equal(decision.n_tell, 0);
	assert_int_equal(decision.n_keep, 2);
	recipients[2].notify = NOTIFY_NEVER;
	assert_int_equal(dsn_decide(&e, false, events, fates, &decision), 0);
	assert_int_equal(decision.n_tell, 2);
	assert_int_equal(decision.n_keep, 0);
	dsn_withhold(3, events, fates, &decision);
	assert_int_equal(decision.n_tell, 0);
	assert_int_equal(decision.n_keep, 1);
	assert_int_equal(fates[0], DSN_KEEP);
	assert_int_equal(fates[1], DSN_IGNORE);
	assert_int_equal(fates[2], DSN_IGNORE);
	e.n_recipients = 0;
	assert_int_equal(dsn_decide(&e, false, events, fates, &decision), 0);
}

static void
test_late(void **state)
{
	(void)state;
	assert_false(dsn_is_late(1000, 1000 + 4 * 3600 - 1, 4 * 3600));
	assert_true(dsn_is_late(1000, 1000 + 4 * 3600, 4 * 3600));
	assert_false(dsn_is_late(1000, 500, 4 * 3600));
	assert_false(dsn_is_late(1000, 999999, 0));
}

/* ---- status ---- */

static const struct {
	enum dsn_action action;
	const char *reply, *status;
} statuses[] = {
    {DSN_FAILED, "550 5.1.1 no such user", "5.1.1"},
    {DSN_FAILED, "550-5.7.26 first of many", "5.7.26"},
    {DSN_FAILED, "550 5.1.1", "5.1.1"},
    {DSN_FAILED, "5.1.1 without a code", "5.1.1"},
    {DSN_FAILED, "550 no such user", "5.0.0"},
    {DSN_FAILED, "550", "5.0.0"},
    {DSN_FAILED, "", "5.0.0"},
    {DSN_FAILED, "the host has no MX", "5.0.0"},
    {DSN_FAILED, "451 4.7.1 later", "4.7.1"},
    {DSN_FAILED, "451 later", "4.0.0"},
    {DSN_FAILED, "550 4.1.1 classes differ", "5.0.0"},
    {DSN_FAILED, "450 5.1.1 classes differ", "4.0.0"},
    {DSN_FAILED, "250 2.1.5 fine", "5.0.0"},
    {DSN_FAILED, "550 5.1", "5.0.0"},
    {DSN_FAILED, "550 5.1.", "5.0.0"},
    {DSN_FAILED, "550 5..1 x", "5.0.0"},
    {DSN_FAILED, "550 5.1.1x", "5.0.0"},
    {DSN_FAILED, "550 5.1.1\r\nX: y", "5.0.0"},
    {DSN_FAILED, "550 5.1234.1 x", "5.0.0"},
    {DSN_FAILED, "550 5.01.1 x", "5.0.0"},
    {DSN_FAILED, "550 5.999.999 x", "5.999.999"},
    {DSN_FAILED, "550 6.1.1 x", "5.0.0"},
    {DSN_FAILED, "5505.1.1 x", "5.0.0"},
    {DSN_FAILED, "given up after 12 attempts: 450 4.2.0 greylisted", "4.2.0"},
    {DSN_FAILED, "given up after 12 attempts: 450 greylisted", "4.4.7"},
    {DSN_FAILED, "given up after 1 attempts", "4.4.7"},
    {DSN_FAILED, "given up after 1 attempts: ", "4.4.7"},
    {DSN_DELAYED, "450 4.2.0 greylisted", "4.2.0"},
    {DSN_DELAYED, "550 5.1.1 not now", "4.0.0"},
    {DSN_DELAYED, "", "4.0.0"},
    {DSN_DELIVERED, "", "2.0.0"},
    {DSN_DELIVERED, "250 2.1.5 ok", "2.1.5"},
    {DSN_RELAYED, "250 2.6.0 queued", "2.6.0"},
    {DSN_RELAYED, "250 ok", "2.0.0"},
    {DSN_RELAYED, "450 4.2.0 before", "2.0.0"},
    {DSN_EXPANDED, "", "2.0.0"},
};

static void
test_status(void **state)
{
	char status[DSN_STATUS_SIZE];

	(void)state;
	for (size_t i = 0; i < nitems(statuses); i++) {
		dsn_status(statuses[i].action, span_of(statuses[i].reply), status);
		print_message("%s\n", statuses[i].reply);
		assert_string_equal(status, statuses[i].status);
	}
}

static const struct {
	const char *route, *host;
} routes[] = {
    {"smtp:mx.example.org", "mx.example.org"},
    {"smtp:mx.example.org:25", "mx.example.org"},
    {"smtp:mx.example.org[192.0.2.1]:25", "mx.example.org"},
    {"smtp:mx.example.org, again", "mx.example.org"},
    {"smtp:[192.0.2.1]:25", "[192.0.2.1]"},
    {"smtp:[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
    {"smtp:[x", ""},
    {"smtp:[x]", ""},
    {"smtp:a\r\nb", ""},
    {"smtp:", ""},
    {"store", ""},
    {"", ""},
};

static void
test_remote(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(routes); i++) {
		print_message("%s\n", routes[i].route);
		assert_true(span_is(dsn_remote(span_of(routes[i].route)), routes[i].host));
	}
}

/* ---- the limit ---- */

static void
test_limit(void **state)
{
	struct bounce_limit *l = bounce_limit_new();
	struct span ann = span_of("ann@example.org"), bob = span_of("bob@example.org");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(bounce_limit_take(l, ann, 3, 1000 + i));
	assert_false(bounce_limit_take(l, ann, 3, 1003));
	assert_false(bounce_limit_take(l, span_of("Ann@EXAMPLE.org"), 3, 1000 + 3599));
	assert_true(bounce_limit_take(l, bob, 3, 1003));
	assert_true(bounce_limit_take(l, ann, 4, 1003)); /* a reload raised it */
	assert_true(bounce_limit_take(l, ann, 0, 1003)); /* or lifted it */
	assert_true(bounce_limit_take(l, ann, 1, 1000 + 3600));
	assert_false(bounce_limit_take(l, ann, 1, 1000 + 3601));
	assert_true(bounce_limit_take(l, ann, 1, 500)); /* the clock went back */
	bounce_limit_free(&l);
	bounce_limit_free(&l);
	assert_null(l);
}

static void
test_limit_is_bounded(void **state)
{
	struct bounce_limit *l = bounce_limit_new();
	char address[40];

	(void)state;
	for (unsigned i = 0; i < 2 * BOUNCE_LIMIT_ADDRESSES_MAX; i++) {
		snprintf(address, sizeof address, "u%u@example.org", i);
		assert_true(bounce_limit_take(l, span_of(address), 1, 1000 + i / 100));
		assert_true(bounce_limit_size(l) <= BOUNCE_LIMIT_ADDRESSES_MAX);
	}
	assert_false(bounce_limit_take(l, span_of(address), 1, 1500)); /* the newest are known */
	assert_true(bounce_limit_take(l, span_of("x@example.org"), 1, 100000));
	assert_int_equal(bounce_limit_size(l), 1); /* hours that are over are forgotten */
	bounce_limit_free(&l);
}

/* ---- the envelope ---- */

static void
test_envelope(void **state)
{
	struct envelope e = {.reverse_path = span_of("ann@example.org")}, own, read;
	struct recipient r;
	unsigned char bytes[512];
	const char *why;

	(void)state;
	assert_int_equal(dsn_envelope(&e, 42, 1800000000, &own, &r), 0);
	own.message_size = 10;
	assert_true(envelope_size(&own) < sizeof bytes);
	envelope_encode(&own, bytes);
	assert_int_equal(
	    envelope_parse(&read, (struct span){(char *)bytes, sizeof bytes}, &why), 0);
	assert_int_equal(read.id, 42);
	assert_int_equal(read.arrival_us, 1800000000000000);
	assert_int_equal(read.reverse_path.len, 0);
	assert_true(span_is(read.program, "queue"));
	assert_int_equal(read.n_recipients, 1);
	assert_true(span_is(read.recipients[0].address, "ann@example.org"));
	assert_int_equal(read.recipients[0].notify, NOTIFY_NEVER);
	assert_int_equal(read.recipients[0].original.len, 0);
	assert_int_equal(read.ret, RET_UNSET);
	envelope_clear(&read);
	e.reverse_path = span_of("");
	assert_int_equal(dsn_envelope(&e, 42, 0, &own, &r), -1);
	assert_int_equal(errno, EINVAL);
	e.reverse_path = span_of("a\r\nRCPT TO:<b@c>");
	assert_int_equal(dsn_envelope(&e, 42, 0, &own, &r), -1);
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

/* ---- the message ---- */

static const char small[] = "Subject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nText.\r\n";

static struct recipient bob = {.address = SPAN("bob@example.net"),
    .original = SPAN("rfc822;Bob+40example.net"),
    .reply = SPAN("550 5.1.1 no such user"),
    .route = SPAN("smtp:mx.example.net"),
    .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
    .parent = -1};

static void
about_bob(struct dsn *d, struct envelope *e, struct recipient *r, unsigned char *event,
    enum dsn_action action)
{
	*r = bob;
	*event = action;
	*e = (struct envelope){.id = 1800000000000000,
	    .arrival_us = 1800000000000000,
	    .reverse_path = span_of("ann@example.org"),
	    .envid = span_of("QQ+2B1"),
	    .recipients = r,
	    .n_recipients = 1};
	*d = (struct dsn){.id = 1800000600000000,
	    .nonce = 0x123456789abcdef,
	    .now_s = 1800000600,
	    .retry_until_s = 1800172800,
	    .whole_max_bytes = 100000,
	    .server = "mail.example.org",
	    .envelope = e,
	    .events = event};
}

static void
assert_sound(const struct notice *n, struct notice_parts *p)
{
	const char *flaw;

	assert_int_equal(n->error, 0);
	if ((flaw = notice_flaw(n, p)) != NULL)
		print_message("%s", n->at);
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
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	notice_make(&n, &d, span_of(small));
	assert_sound(&n, &p);
	assert_string_equal(n.at, failure);
	assert_int_equal(n.written.flags, 0);
	notice_free(&n);
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
		struct notice_parts p;
		struct recipient r;
		struct envelope e;
		unsigned char event;
		struct notice n;
		struct dsn d;

		print_message("row %zu\n", i);
		about_bob(&d, &e, &r, &event, kinds[i].action);
		r.reply = span_of(kinds[i].reply);
		notice_make(&n, &d, span_of(small));
		assert_sound(&n, &p);
		assert_true(part_has(p.header, kinds[i].subject));
		assert_true(part_has(p.part[0], kinds[i].text));
		assert_true(part_has(p.part[1], kinds[i].report));
		assert_false(part_has(p.part[1], kinds[i].not_in_report));
		/* RFC 3461 4.3: without a failure only the header is returned. */
		assert_int_equal(part_has(p.part[2], "Text."), kinds[i].action == DSN_FAILED);
		notice_free(&n);
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
		struct notice_parts p;
		struct recipient r;
		struct envelope e;
		unsigned char event;
		char type[200];
		struct notice n;
		struct dsn d;

		print_message("%s\n", returns[i].what);
		about_bob(&d, &e, &r, &event, DSN_FAILED);
		e.ret = returns[i].ret;
		e.flags = returns[i].flags;
		d.whole_max_bytes = returns[i].whole_max;
		notice_make(&n, &d, returns[i].message);
		assert_sound(&n, &p);
		snprintf(type, sizeof type, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n",
		    returns[i].type, returns[i].encoding);
		assert_true(part_has(p.part[2], type));
		assert_true(part_has(p.part[2], returns[i].has));
		p.part[2].at += strlen(type);
		p.part[2].len -= strlen(type);
		assert_true(
		    returns[i].has_not[0] == '-' || !part_has(p.part[2], returns[i].has_not));
		assert_true(part_has(p.part[0], returns[i].text));
		assert_int_equal(n.written.flags, returns[i].written_flags);
		notice_free(&n);
	}
}

static void
test_utf8_addresses(void **state)
{
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	r.address = span_of("j\xc3\xbcrgen@example.org");
	r.original = span_of("utf-8;j\xc3\xbcrgen@example.org");
	r.reply = span_of("550 5.1.1 kein \xc3\x9c");
	e.flags = ENVELOPE_SMTPUTF8;
	notice_make(&n, &d, span_of(small));
	assert_sound(&n, &p);
	assert_true(part_has(p.header, "report-type=global-delivery-status;"));
	assert_true(part_has(p.header, "Content-Transfer-Encoding: 8bit\r\n"));
	assert_true(part_has(p.part[0], "<j=C3=BCrgen@example.org>"));
	assert_true(part_has(p.part[1], "Content-Type: message/global-delivery-status\r\n"));
	assert_true(
	    part_has(p.part[1], "Original-Recipient: utf-8; j\xc3\xbcrgen@example.org\r\n"));
	assert_true(part_has(p.part[1], "Final-Recipient: utf-8; j\xc3\xbcrgen@example.org\r\n"));
	assert_true(part_has(p.part[1], "smtp; 550 5.1.1 kein \xc3\x9c\r\n"));
	assert_int_equal(n.written.flags, ENVELOPE_8BITMIME);
	notice_free(&n);

	/* The address is ASCII: so is the report. */
	r.address = span_of("bob@example.net");
	r.original = span_of("");
	e.reverse_path = span_of("\xc3\xa4nn@example.org");
	notice_make(&n, &d, span_of(small));
	assert_sound(&n, &p);
	assert_true(part_has(p.header, "To: <\xc3\xa4nn@example.org>\r\n"));
	assert_true(part_has(p.part[1], "Content-Type: message/delivery-status\r\n"));
	assert_true(part_has(p.part[1], "smtp; 550 5.1.1 kein ?\r\n"));
	assert_true(part_has(p.part[0], "kein =C3=9C"));
	assert_int_equal(n.written.flags, ENVELOPE_8BITMIME | ENVELOPE_SMTPUTF8);
	notice_free(&n);
}

static void
test_forwards(void **state)
{
	struct recipient r[2];
	struct notice_parts p;
	struct envelope e;
	unsigned char events[2] = {DSN_NONE, DSN_FAILED};
	struct notice n;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, r, events, DSN_NONE);
	r[1] = (struct recipient){.address = span_of("robert@example.com"), .parent = 0};
	events[1] = DSN_FAILED;
	e.n_recipients = 2;
	notice_make(&n, &d, span_of(small));
	assert_sound(&n, &p);
	assert_true(part_has(
	    p.part[0], "  <robert@example.com>\r\n    where mail for <bob@example.net> goes\r\n"));
	assert_true(part_has(p.part[1], "Original-Recipient: rfc822; Bob@example.net\r\n"
					"Final-Recipient: rfc822; robert@example.com\r\n"));
	notice_free(&n);
}

static void
test_many_recipients(void **state)
{
	struct recipient *r = xcalloc(MANY, sizeof *r);
	unsigned char *events = xcalloc(MANY, 1);
	struct notice_parts p;
	struct envelope e;
	struct notice n;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, r, events, DSN_FAILED);
	for (size_t i = 0; i < MANY; i++) {
		r[i] = bob;
		events[i] = DSN_FAILED;
	}
	e.n_recipients = MANY;
	notice_make(&n, &d, span_of(small));
	assert_sound(&n, &p);
	assert_int_equal(n.decision.n_tell, MANY);
	assert_true(part_has(p.part[0], "  and 2950 more, which the attached report names\r\n"));
	assert_true(p.part[0].len < 20000);
	notice_free(&n);
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
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;
	int len;

	for (enum dsn_action a = DSN_FAILED; a < DSN_ACTIONS; a++) {
		about_bob(&d, &e, &r, &event, a);
		r.address = r.original = r.reply = r.route = text;
		e.reverse_path = e.envid = text;
		len = snprintf(message, sizeof message, "Subject: %.*s\r\nMessage-ID: <%.*s@x>\r\n",
		    (int)text.len, text.at, (int)text.len, text.at);
		notice_make(&n, &d, (struct span){message, len});
		assert_sound(&n, &p);
		assert_int_equal(n.decision.n_tell, 1);
		notice_free(&n);
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
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	notice_make(&n, &d, span_of(text));
	assert_sound(&n, &p);
	assert_true(part_has(p.header, "boundary=\"=_8F81ElaRU_0123456789abcdf1\""));
	assert_true(part_has(p.part[2], text));
	notice_free(&n);
}

static void
test_no_boundary_left(void **state)
{
	char text[2000] = "";
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "=_8F81ElaRU_0123456789abcd%02x\r\n", 0xef + i);
	for (unsigned i = 0x11; i < 0x20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "=_8F81ElaRU_0123456789abcd%02x\r\n", i);
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	notice_make(&n, &d, span_of(text));
	assert_int_equal(n.error, EPROTO);
}

static void
test_big_original(void **state)
{
	char *text = xmalloc(BIG_BYTES);
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	memcpy(text, "X: y\r\n\r\n", 8);
	for (size_t i = 8; i < BIG_BYTES; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a' + i / 64 % 26;
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	d.whole_max_bytes = BIG_BYTES;
	notice_make(&n, &d, (struct span){text, BIG_BYTES});
	assert_sound(&n, &p);
	assert_non_null(memmem(p.part[2].at, p.part[2].len, text, BIG_BYTES));
	notice_free(&n);

	d.whole_max_bytes = BIG_BYTES - 1;
	notice_make(&n, &d, (struct span){text, BIG_BYTES});
	assert_sound(&n, &p);
	assert_true(n.len < 4000);
	notice_free(&n);

	/* A header of 5 MB of one line after another. */
	for (size_t i = 0; i < BIG_BYTES; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : i % 64 == 1 ? ':' : 'a';
	notice_make(&n, &d, (struct span){text, BIG_BYTES});
	assert_sound(&n, &p);
	assert_true(part_has(p.part[2], "Front of the header"));
	assert_true(n.len < ORIGINAL_HEADER_MAX_BYTES + 4000);
	notice_free(&n);
	free(text);
}

static void
test_long_lines(void **state)
{
	char *text = xmalloc(4000);
	struct notice_parts p;
	struct recipient r;
	struct envelope e;
	unsigned char event;
	struct notice n;
	struct dsn d;

	(void)state;
	memset(text, 'a', 4000);
	memcpy(text, "X: y\r\n\r\n", 8);
	memcpy(text + 8 + 998, "\r\n", 2);
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	notice_make(&n, &d, (struct span){text, 8 + 1000});
	assert_sound(&n, &p);
	assert_true(part_has(p.part[2], "message/rfc822"));
	notice_free(&n);

	memcpy(text + 8 + 998, "a\r\n", 3);
	notice_make(&n, &d, (struct span){text, 8 + 1001});
	assert_sound(&n, &p);
	assert_true(part_has(p.part[2], "text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit"));
	notice_free(&n);

	memcpy(text + 3, "bbbbb", 5); /* now it is the header */
	notice_make(&n, &d, (struct span){text, 8 + 1001});
	assert_sound(&n, &p);
	assert_true(part_has(
	    p.part[2], "text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable"));
	assert_true(part_has(p.part[2], "a=\r\na"));
	notice_free(&n);
	free(text);
}

static void
test_errors(void **state)
{
	int from = memfd_create("original", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY);
	unsigned char event, fate = DSN_TELL;
	struct dsn_written written;
	struct original o;
	struct recipient r;
	struct envelope e;
	struct dsn d;

	(void)state;
	about_bob(&d, &e, &r, &event, DSN_FAILED);
	assert_int_equal(write(from, small, sizeof small), sizeof small);
	assert_int_equal(original_open(&o, from, 0, sizeof small - 1), 0);
	d.original = &o;
	d.fates = &fate;
	assert_int_equal(dsn_write(&d, full, 0, &written), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(dsn_write(&d, -1, 0, &written), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(ftruncate(from, sizeof small - 4), 0); /* a file that lost its end */
	assert_int_equal(dsn_write(&d, full, 0, &written), -1);
	assert_int_equal(errno, EIO);
	original_close(&o);
	close(from);
	close(full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_is_told),
	    cmocka_unit_test(test_families),
	    cmocka_unit_test(test_null_sender_and_withhold),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_remote),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_limit_is_bounded),
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test(test_message_id),
	    cmocka_unit_test(test_subject),
	    cmocka_unit_test(test_subject_is_cut),
	    cmocka_unit_test(test_automatic),
	    cmocka_unit_test(test_original_errors),
	    cmocka_unit_test(test_scan),
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
