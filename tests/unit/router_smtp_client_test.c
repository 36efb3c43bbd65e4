/*
 * The SMTP client against a server that misbehaves at each step in each way: what becomes of each
 * recipient and of the session, and what was said meanwhile. TLS and AUTH:
 * router_smtp_secure_test.c.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "router/smtp_client.h"
#include "router_smtp_support.h"

#define ALL  "PIPELINING\nSIZE 50000000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING"
#define DATA "PIPELINING\nSIZE\n8BITMIME"
#define SLOW "8BITMIME"

static const char *const offers[] = {ALL, DATA, SLOW};

struct talk {
	struct server v;
	struct smtp_target target;
	struct smtp_session *s;
	char trace[1 << 16];
};

static void
on_trace(void *arg, enum smtp_trace what, struct span line)
{
	struct talk *t = arg;
	size_t len = strlen(t->trace);

	snprintf(t->trace + len, sizeof t->trace - len, "%c %.*s\n", "<>*"[what], (int)line.len,
	    line.at);
}

static struct talk *
talk_new(const char *offer, const struct rule *rules, size_t n_rules)
{
	struct talk *t = xcalloc(1, sizeof *t);

	t->v.offer = offer;
	t->v.rules = rules;
	t->v.n_rules = n_rules;
	server_start(&t->v);
	t->target = (struct smtp_target){.host = "mx.example",
	    .helo = "client.example",
	    .timeouts = smtp_timeouts_default,
	    .trace = on_trace,
	    .trace_arg = t};
	memcpy(&t->target.address, &t->v.address, sizeof t->v.address);
	t->s = smtp_session_new(&t->target);
	return t;
}

static void
talk_free(struct talk **t)
{
	smtp_quit(&(*t)->s);
	server_stop(&(*t)->v);
	free(*t);
	*t = NULL;
}

static int
file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd == -1 || write(fd, "before", 6) != 6 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	return fd;
}

static enum smtp_state
send_to(struct talk *t, struct span text, const struct smtp_recipient *to, size_t n,
    struct smtp_result *results)
{
	struct smtp_message m = {.fd = file_of(text.at, text.len),
	    .offset = 6,
	    .size = text.len,
	    .reverse_path = span_of("ann@client.example")};
	enum smtp_state state = smtp_send(t->s, &(struct smtp_mail){&m, to, results, n});

	close(m.fd);
	return state;
}

static enum smtp_state
send_one(struct talk *t, const char *text, struct smtp_result *result)
{
	struct smtp_recipient to = {.address = span_of("bob@test.example")};

	return send_to(t, span_of(text), &to, 1, result);
}

static bool
heard(const struct talk *t, const char *text)
{
	return memmem(t->v.heard, t->v.heard_len, text, strlen(text)) != NULL;
}

#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}
#define TEXT "Subject: x\r\n\r\n.\r\n..a\r\n.b\r\n\r\n.\r\n"

/* ---- what goes well ---- */

static void
test_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(offers); i++) {
		struct talk *t = talk_new(offers[i], NULL, 0);
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_string_equal(smtp_info(t->s)->address, "127.0.0.1");
		for (int n = 0; n < 3; n++) {
			assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
			assert_int_equal(r.end, END_DONE);
			assert_string_equal(r.reply, "250 2.0.0 taken");
			assert_true(r.dsn_passed_on == (i == 0) && !r.untried && !r.maybe_sent);
			assert_true(smtp_is_usable(t->s));
		}
		smtp_quit(&t->s);
		server_stop(&t->v);
		assert_true(span_is((struct span){t->v.body, t->v.body_len}, TEXT));
		assert_int_equal(t->v.n_messages, 3);
		assert_int_equal(t->v.n_chunks, i == 0 ? 3 : 0);
		assert_false(heard(t, "RSET"));
		assert_true(heard(t, "QUIT\r\n"));
		free(t);
	}
}

/* A group of commands leaves with one write: the server got it with one read. */
static void
test_groups(void **state)
{
	static const struct {
		const char *offer;
		unsigned reads; /* EHLO, the message's, QUIT */
	} rows[] = {{ALL, 3}, {DATA, 4}, {SLOW, 6}};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct talk *t = talk_new(rows[i].offer, NULL, 0);
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
		smtp_quit(&t->s);
		server_stop(&t->v);
		assert_int_equal(t->v.n_marks, rows[i].reads);
		free(t);
	}
}

static void
test_empty_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(offers); i++) {
		struct talk *t = talk_new(offers[i], NULL, 0);
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(send_one(t, "", &r), SMTP_USABLE);
		assert_int_equal(r.end, END_DONE);
		smtp_quit(&t->s);
		server_stop(&t->v);
		assert_int_equal(t->v.n_messages, 1);
		assert_int_equal(t->v.body_len, 0);
		free(t);
	}
}

static void
test_large(void **state)
{
	static char text[700000];
	struct smtp_recipient to = {.address = span_of("bob@test.example")};

	(void)state;
	for (size_t i = 0; i + 7 <= sizeof text; i += 7)
		memcpy(text + i, i % 3 ? "..abc\r\n" : ".\r\n.\xe9\r\n", 7);
	for (size_t i = 0; i < nitems(offers); i++) {
		struct talk *t = talk_new(offers[i], NULL, 0);
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		for (int n = 0; n < 1; n++)
			assert_int_equal(
			    send_to(t, (struct span){text, sizeof text}, &to, 1, &r), SMTP_USABLE);
		assert_int_equal(r.end, END_DONE);
		smtp_quit(&t->s);
		server_stop(&t->v);
		assert_int_equal(t->v.body_len, sizeof text);
		assert_memory_equal(t->v.body, text, sizeof text);
		free(t);
	}
}

/* ---- a fault at each step ---- */

/* Depends on what had left. */
#define KEEP ((enum smtp_state)100)

struct fault {
	enum act act;
	const char *text;
	enum delivery_end end;
	enum smtp_state state;
};

static const struct fault faults[] = {
    {SAY, "450 4.2.1 later\r\n", END_DEFERRED, SMTP_USABLE},
    {SAY, "550 5.7.1 never\r\n", END_FAILED, SMTP_USABLE},
    {SAY, "550-5.7.1 nev\r\n550 5.7.1 er\r\n", END_FAILED, SMTP_USABLE},
    {SAY, "421 4.3.2 bye\r\n", END_DEFERRED, SMTP_NEXT_HOST},
    {DROP, "421 4.3.2 bye\r\n", END_DEFERRED, SMTP_NEXT_HOST},
    {SAY, "399 odd\r\n", END_DEFERRED, KEEP},
    {DROP, NULL, END_DEFERRED, KEEP},
    {DROP, "250-half", END_DEFERRED, KEEP},
    {DROP, "250-half\r\n", END_DEFERRED, KEEP},
    {RESET, NULL, END_DEFERRED, KEEP},
    {SAY, "garbage\r\n", END_DEFERRED, KEEP},
    {SAY, "250-a\r\n550 b\r\n", END_DEFERRED, KEEP},
    {SAY, "250 bare\n", END_DEFERRED, KEEP},
    {FLOOD, "250-endless\r\n", END_DEFERRED, KEEP},
    {FLOOD, "no line end", END_DEFERRED, KEEP},
};

/* The fault at one step of the second message over one connection, then what was sent is counted.
 */
static void
check_fault(const char *offer, const char *at, const struct fault *f)
{
	struct rule rule = {at, f->act, f->text, 2, 1};
	struct talk *t = talk_new(offer, &rule, 1);
	bool ahead = strstr(offer, "CHUNKING") != NULL, ended = strcmp(at, "end") == 0;
	struct smtp_result r;
	enum smtp_state after;

	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
	after = send_one(t, TEXT, &r);
	if (r.end != f->end)
		fail_msg("%s at %s: end %d: %s", f->text, at, r.end, r.reply);
	if (f->state != KEEP && after != f->state)
		fail_msg("%s at %s: state %d: %s", f->text, at, after, r.reply);
	if (f->state == KEEP) {
		/* Once all has left, nobody knows: replies that are missing may have been kept. */
		assert_true(r.maybe_sent == (ended || ahead) || f->act == FLOOD || f->act == RESET);
		assert_true(r.untried == !r.maybe_sent);
		assert_int_equal(after, r.untried ? SMTP_NEXT_HOST : SMTP_BROKEN);
		assert_false(smtp_is_usable(t->s));
	} else {
		assert_false(r.maybe_sent);
		assert_true(r.untried == (f->state == SMTP_NEXT_HOST));
	}
	assert_null(strpbrk(r.reply, "\r\n"));
	if (after == SMTP_USABLE) {
		assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
		assert_int_equal(r.end, END_DONE);
	}
	smtp_quit(&t->s);
	server_stop(&t->v);
	/* A server of which the first half is refused must not deliver the second one. */
	assert_int_equal(t->v.n_connections, 1);
	free(t);
}

static void
test_faults(void **state)
{
	static const char *const steps[] = {"MAIL", "RCPT", "end"};

	(void)state;
	for (size_t o = 0; o < nitems(offers); o++)
		for (size_t i = 0; i < nitems(steps); i++)
			for (size_t f = 0; f < nitems(faults); f++)
				check_fault(offers[o], steps[i], &faults[f]);
	for (size_t o = 1; o < nitems(offers); o++)
		for (size_t f = 0; f < nitems(faults); f++)
			check_fault(offers[o], "DATA", &faults[f]);
}

/* What waits for the replies is not in a server that hangs up instead. */
static void
test_after_replies(void **state)
{
	static const char *const steps[] = {"MAIL", "RCPT"};
	struct smtp_recipient to = {.address = span_of("bob@test.example")};

	(void)state;
	for (size_t i = 0; i < nitems(steps); i++) {
		struct rule rule = {steps[i], DROP, NULL, 1, 1};
		struct talk *t = talk_new(ALL, &rule, 1);
		struct smtp_message m = {.fd = file_of(TEXT, strlen(TEXT)),
		    .offset = 6,
		    .size = strlen(TEXT),
		    .after_replies = true};
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(
		    smtp_send(t->s, &(struct smtp_mail){&m, &to, &r, 1}), SMTP_NEXT_HOST);
		assert_true(r.untried && !r.maybe_sent);
		smtp_quit(&t->s);
		server_stop(&t->v);
		assert_int_equal(t->v.n_chunks, 0);
		close(m.fd);
		free(t);
	}
}

/* 354 although nobody was accepted: an empty message ends it, and what follows is in step. */
static void
test_data_for_nobody(void **state)
{
	static const struct rule rules[] = {{"RCPT", SAY, "550 5.1.1 no\r\n", 1, 0}};
	struct talk *t = talk_new(DATA, rules, nitems(rules));
	struct smtp_result r;

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
	assert_int_equal(r.end, END_FAILED);
	assert_string_equal(r.reply, "550 5.1.1 no");
	assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
	assert_int_equal(r.end, END_DONE);
	talk_free(&t);
}

/* A refused transaction is ended by a RSET that costs no round trip of its own. */
static void
test_reset(void **state)
{
	static const struct rule rules[] = {{"RCPT", SAY, "550 5.1.1 no\r\n", 1, 0},
	    {"end", SAY, "503 5.5.1 nobody to take it\r\n", 1, 0}};

	(void)state;
	for (size_t o = 0; o < nitems(offers); o++) {
		/* Without pipelining nothing is sent to its end. */
		struct talk *t = talk_new(offers[o], rules, o == 2 ? 1 : 2);
		struct smtp_result r;

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
		assert_int_equal(r.end, END_FAILED);
		assert_string_equal(r.reply, "550 5.1.1 no");
		assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
		assert_int_equal(r.end, END_DONE);
		assert_true(heard(t, "RSET\r\nMAIL FROM:<ann@client.example>"));
		talk_free(&t);
	}
}

/* ---- many recipients ---- */

static void
test_recipients(void **state)
{
	static const struct rule rules[] = {
	    {"RCPT", SAY, "550 5.1.1 no\r\n", 2, 0}, {"RCPT", SAY, "450 4.2.1 later\r\n", 3, 0}};
	const struct smtp_recipient to[] = {{.address = span_of("a@test.example")},
	    {.address = span_of("b@test.example")}, {.address = span_of("c@test.example")},
	    {.address = span_of("\"d e\"@test.example")}, {.address = span_of("no address")}};
	static const enum delivery_end ends[] = {
	    END_DONE, END_FAILED, END_DEFERRED, END_DONE, END_FAILED};

	(void)state;
	for (size_t o = 0; o < nitems(offers); o++) {
		struct talk *t = talk_new(offers[o], rules, nitems(rules));
		struct smtp_result r[nitems(to)];

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(send_to(t, span_of(TEXT), to, nitems(to), r), SMTP_USABLE);
		for (size_t i = 0; i < nitems(to); i++)
			assert_int_equal(r[i].end, ends[i]);
		assert_string_equal(r[1].reply, "550 5.1.1 no");
		assert_string_equal(r[2].reply, "450 4.2.1 later");
		assert_true(heard(t, "RCPT TO:<\"d e\"@test.example>\r\n"));
		assert_false(heard(t, "no address"));
		talk_free(&t);
	}
}

static void
test_421_among_recipients(void **state)
{
	static const struct rule rules[] = {
	    {"RCPT", SAY, "550 5.1.1 no\r\n", 1, 0}, {"RCPT", DROP, "421 bye\r\n", 3, 0}};
	const struct smtp_recipient to[] = {{.address = span_of("a@test.example")},
	    {.address = span_of("b@test.example")}, {.address = span_of("c@test.example")},
	    {.address = span_of("d@test.example")}};

	(void)state;
	for (size_t o = 0; o < nitems(offers); o++) {
		struct talk *t = talk_new(offers[o], rules, nitems(rules));
		struct smtp_result r[nitems(to)];

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		assert_int_equal(send_to(t, span_of(TEXT), to, nitems(to), r), SMTP_NEXT_HOST);
		assert_int_equal(r[0].end, END_FAILED);
		for (size_t i = 1; i < nitems(to); i++)
			assert_true(r[i].end == END_DEFERRED && r[i].untried && !r[i].maybe_sent);
		talk_free(&t);
	}
}

static void
check_hundreds(const char *offer, const struct rule *rules, size_t n_rules, unsigned messages)
{
	enum { N = 350 };
	static struct smtp_result r[N];
	struct talk *t = talk_new(offer, rules, n_rules);
	struct smtp_recipient to[N];

	for (size_t i = 0; i < N; i++)
		to[i] = (struct smtp_recipient){.address = span_of("bob@test.example")};
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(send_to(t, span_of(TEXT), to, N, r), SMTP_USABLE);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(r[i].end, END_DONE);
	smtp_quit(&t->s);
	server_stop(&t->v);
	assert_int_equal(t->v.n_messages, messages);
	free(t);
}

static void
test_hundreds(void **state)
{
	/* From the second on, too many: the others go into a transaction of their own. */
	static struct rule rules[348];

	(void)state;
	for (size_t o = 0; o < nitems(offers); o++)
		check_hundreds(offers[o], NULL, 0, 1);
	for (unsigned i = 0; i < nitems(rules); i++)
		rules[i] = (struct rule){"RCPT", SAY, "452 4.5.3 too many\r\n", i + 2, 0};
	for (size_t o = 0; o < nitems(offers); o++)
		check_hundreds(offers[o], rules, nitems(rules), 2);
	for (unsigned i = 0; i < nitems(rules); i++)
		rules[i].text = "552 too many\r\n";
	check_hundreds(DATA, rules, nitems(rules), 2);
}

/* A full mailbox is no limit of the transaction. */
static void
test_full_mailbox(void **state)
{
	static const struct rule rules[] = {{"RCPT", SAY, "552 5.2.2 full\r\n", 2, 0}};
	const struct smtp_recipient to[] = {
	    {.address = span_of("a@test.example")}, {.address = span_of("b@test.example")}};
	struct talk *t = talk_new(DATA, rules, nitems(rules));
	struct smtp_result r[2];

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(send_to(t, span_of(TEXT), to, 2, r), SMTP_USABLE);
	assert_int_equal(r[0].end, END_DONE);
	assert_int_equal(r[1].end, END_FAILED);
	talk_free(&t);
}

/* ---- opening ---- */

static const struct {
	struct rule rule;
	enum smtp_state state;
	const char *reply; /* how it begins */
} openings[] = {
    {{"greeting", SAY, "220-a\r\n220 b\r\n", 1, 0}, SMTP_USABLE, "250"},
    {{"greeting", SAY, "450 4.3.2 busy\r\n", 1, 0}, SMTP_NEXT_HOST, "450 4.3.2 busy"},
    {{"greeting", SAY, "421 4.3.2 busy\r\n", 1, 0}, SMTP_NEXT_HOST, "421 4.3.2 busy"},
    {{"greeting", SAY, "554 5.7.1 not you\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.7.1 mx.example["},
    {{"greeting", SAY, "521 no mail\r\n", 1, 0}, SMTP_NEXT_HOST, "521 no mail"},
    {{"greeting", SAY, "556 no mail\r\n", 1, 0}, SMTP_NEXT_HOST, "556 no mail"},
    {{"greeting", SAY, "250 ok\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.0.0 mx.example["},
    {{"greeting", SAY, "+OK POP3\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    {{"greeting", SAY, "\x16\x03\x03\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    {{"greeting", DROP, NULL, 1, 0}, SMTP_NEXT_HOST, "451 4.4.2"},
    {{"greeting", DROP, "220 half", 1, 0}, SMTP_NEXT_HOST, "451 4.4.2"},
    {{"greeting", RESET, NULL, 1, 0}, SMTP_NEXT_HOST, "451 4.4"},
    {{"greeting", FLOOD, "220-x\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    {{"greeting", FLOOD, "220", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    {{"greeting", SAY, "220 a\n", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    /* more than it was asked: replies would be one late ever after */
    {{"greeting", SAY, "220 a\r\n250 b\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.5.0"},
    {{"EHLO", SAY, "502 5.5.1 old\r\n", 1, 0}, SMTP_USABLE, "250 test.example"},
    {{"EHLO", SAY, "450 4.7.1 grey\r\n", 1, 0}, SMTP_NEXT_HOST, "450 4.7.1 grey"},
    {{"EHLO", SAY, "421 bye\r\n", 1, 0}, SMTP_NEXT_HOST, "421 bye"},
    {{"EHLO", SAY, "521 no mail\r\n", 1, 0}, SMTP_NEXT_HOST, "521 no mail"},
    {{"EHLO", SAY, "354 what\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.0.0"},
    {{"EHLO", DROP, "250-half\r\n", 1, 0}, SMTP_NEXT_HOST, "451 4.4.2"},
    {{"EHLO", SAY, "250-a\r\n250 SIZE -1\r\n", 1, 0}, SMTP_USABLE, "250"},
    {{"EHLO", SAY, "250-a\r\n250-SIZE 99999999999999999999\r\n250 SIZE\r\n", 1, 0}, SMTP_USABLE,
	"250"},
    {{"EHLO", SAY, "250\r\n", 1, 0}, SMTP_USABLE, "250"},
};

static void
test_openings(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(openings); i++) {
		struct talk *t = talk_new(ALL, &openings[i].rule, 1);
		enum smtp_state got = smtp_open(t->s);
		const char *want = openings[i].reply;

		if (got != openings[i].state ||
		    strncmp(smtp_reply(t->s)->text, want, strlen(want)) != 0)
			fail_msg("%zu: %d %s", i, got, smtp_reply(t->s)->text);
		if (got == SMTP_USABLE) {
			struct smtp_result r;

			assert_int_equal(send_one(t, TEXT, &r), SMTP_USABLE);
			assert_int_equal(r.end, END_DONE);
		} else {
			assert_false(smtp_is_usable(t->s));
		}
		talk_free(&t);
	}
}

static void
test_both_hellos_refused(void **state)
{
	static const struct rule rules[] = {
	    {"EHLO", SAY, "550 no\r\n", 1, 0}, {"HELO", SAY, "550 no\r\n", 1, 0}};
	struct talk *t = talk_new(ALL, rules, nitems(rules));

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_NEXT_HOST);
	assert_int_equal(smtp_reply(t->s)->code, 451);
	talk_free(&t);
}

static void
test_nobody_listens(void **state)
{
	struct talk *t = talk_new(ALL, NULL, 0);
	struct smtp_result r;

	(void)state;
	server_stop(&t->v);
	assert_int_equal(smtp_open(t->s), SMTP_NEXT_HOST);
	assert_true(smtp_status_is(smtp_reply(t->s)->status, 4, 4, 1));
	/* And who goes on in spite of it learns it once more. */
	assert_int_equal(send_one(t, TEXT, &r), SMTP_NEXT_HOST);
	assert_true(r.end == END_DEFERRED && r.untried);
	smtp_quit(&t->s);
	free(t);
}

/* ---- time ---- */

static const struct rule slow[] = {
    {"greeting", SILENT, NULL, 1, 0},
    {"greeting", DRIP, "220-x\r\n", 1, 0},
    {"EHLO", DRIP, "250-x\r\n", 1, 0},
    {"MAIL", SILENT, NULL, 1, 0},
    {"RCPT", DRIP, "250-x\r\n", 1, 0},
    {"end", DRIP, "250-x\r\n", 1, 0},
    {"end", SILENT, NULL, 1, 0},
};

static void
test_slow(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(slow); i++) {
		struct talk *t = talk_new(ALL, &slow[i], 1);
		bool open = i < 3, ended = strcmp(slow[i].at, "end") == 0;
		struct smtp_timeouts *to = &t->target.timeouts;
		struct smtp_result r;

		/* Of each step, or of all. */
		if (i % 2) {
			to->open_s = open ? 1 : to->open_s;
			to->message_s = 1;
		} else {
			to->greeting_s = to->ehlo_s = open ? 1 : to->ehlo_s;
			to->mail_s = to->rcpt_s = to->end_s = 1;
		}
		assert_int_equal(smtp_open(t->s), open ? SMTP_NEXT_HOST : SMTP_USABLE);
		if (!open) {
			send_one(t, TEXT, &r);
			assert_true(r.end == END_DEFERRED && r.maybe_sent);
			assert_non_null(strstr(r.reply, "timed out"));
			assert_true(!ended || strstr(r.reply, "end of the message") != NULL);
		} else {
			assert_non_null(strstr(smtp_reply(t->s)->text, "timed out"));
		}
		talk_free(&t);
	}
}

/* A server that reads nothing of the message. */
static void
test_full_pipe(void **state)
{
	static const struct rule rules[] = {{"BDAT", STALL, NULL, 1, 0}};
	static char text[16 << 20];
	struct smtp_recipient to = {.address = span_of("bob@test.example")};
	struct talk *t = talk_new(ALL, rules, nitems(rules));
	struct smtp_result r;

	(void)state;
	for (size_t i = 0; i + 4 <= sizeof text; i += 4)
		memcpy(text + i, "ab\r\n", 4);
	t->target.timeouts.block_s = 1;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	send_to(t, (struct span){text, sizeof text}, &to, 1, &r);
	assert_int_equal(r.end, END_DEFERRED);
	assert_false(r.maybe_sent);
	talk_free(&t);
}

/* The reason is in the last words of a server that closes in the middle of the message. */
static void
test_early_refusal(void **state)
{
	static const struct rule rules[] = {{"BDAT", DROP, "552 5.3.4 too big\r\n", 1, 0}};
	static char text[600000];
	struct smtp_recipient to = {.address = span_of("bob@test.example")};
	struct talk *t = talk_new(ALL, rules, nitems(rules));
	struct smtp_result r;

	(void)state;
	for (size_t i = 0; i + 4 <= sizeof text; i += 4)
		memcpy(text + i, "ab\r\n", 4);
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	send_to(t, (struct span){text, sizeof text}, &to, 1, &r);
	/* A reset may overtake them; then it is not known. */
	assert_true(r.end == END_FAILED ? strcmp(r.reply, "552 5.3.4 too big") == 0
					: r.end == END_DEFERRED);
	talk_free(&t);
}

/* ---- idle sessions ---- */

static void
test_idle(void **state)
{
	static const struct rule rules[] = {
	    {"end", DROP, "250 2.0.0 taken\r\n421 4.4.2 idle\r\n", 1, 0}};
	struct talk *t = talk_new(ALL, rules, nitems(rules));
	struct smtp_result r;

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	send_one(t, TEXT, &r);
	assert_int_equal(r.end, END_DONE);
	server_stop(&t->v); /* the connection is closed for certain then */
	assert_false(smtp_is_usable(t->s));
	assert_int_equal(send_one(t, TEXT, &r), SMTP_NEXT_HOST);
	assert_true(r.end == END_DEFERRED && r.untried);
	smtp_quit(&t->s);
	free(t);
}

/* ---- extensions ---- */

static void
check_local(const char *offer, struct span text, unsigned flags, const char *from, const char *to,
    const char *reply, const char *mail)
{
	struct talk *t = talk_new(offer, NULL, 0);
	struct smtp_recipient recipient = {.address = span_of(to)};
	struct smtp_message m = {.fd = file_of(text.at, text.len),
	    .offset = 6,
	    .size = text.len,
	    .flags = flags,
	    .reverse_path = span_of(from)};
	struct smtp_result r;

	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(smtp_send(t->s, &(struct smtp_mail){&m, &recipient, &r, 1}), SMTP_USABLE);
	close(m.fd);
	if (reply != NULL) {
		assert_int_equal(r.end, END_FAILED);
		if (strncmp(r.reply, reply, strlen(reply)) != 0)
			fail_msg("%s", r.reply);
	} else if (r.end != END_DONE) {
		fail_msg("%s: %s", mail, r.reply);
	}
	/* The session is as before. */
	assert_true(smtp_is_usable(t->s));
	smtp_quit(&t->s);
	server_stop(&t->v);
	if (mail == NULL ? heard(t, "MAIL") : !heard(t, mail))
		fail_msg("%s: %.*s", mail, (int)t->v.heard_len, t->v.heard);
	free(t);
}

#define SEVEN "A: b\r\n\r\nc\r\n"
#define EIGHT "A: b\r\n\r\n\xc3\xa9\r\n"
#define UTF8  "A: \xc3\xa9\r\n\r\nc\r\n"

static void
test_extensions(void **state)
{
	static const struct {
		const char *offer;
		struct span text;
		unsigned flags;
		const char *from, *to, *reply, *mail;
	} rows[] = {
	    {ALL, BYTES(SEVEN), 0, "", "b@x", NULL, "MAIL FROM:<> SIZE=11\r\n"},
	    {ALL, BYTES(EIGHT), 0, "", "b@x", NULL, "MAIL FROM:<> SIZE=12 BODY=8BITMIME\r\n"},
	    {"SIZE", BYTES(SEVEN), ENVELOPE_8BITMIME, "", "b@x", NULL, "MAIL FROM:<> SIZE=11\r\n"},
	    {"SIZE", BYTES(EIGHT), 0, "", "b@x", "554 5.6.3", NULL},
	    {"", BYTES(SEVEN), 0, "a@x", "b@x", NULL, "MAIL FROM:<a@x>\r\n"},
	    {"SIZE 10", BYTES(SEVEN), 0, "", "b@x", "552 5.3.4", NULL},
	    {"SIZE 11", BYTES(SEVEN), 0, "", "b@x", NULL, "MAIL FROM:<> SIZE=11\r\n"},
	    {"SIZE 0", BYTES(SEVEN), 0, "", "b@x", NULL, "MAIL FROM:<> SIZE=11\r\n"},
	    /* SMTPUTF8 when it is needed, not when it was said */
	    {ALL, BYTES(SEVEN), ENVELOPE_SMTPUTF8, "", "b@x", NULL, "MAIL FROM:<> SIZE=11\r\n"},
	    {ALL, BYTES(UTF8), ENVELOPE_SMTPUTF8, "", "b@x", NULL, " BODY=8BITMIME SMTPUTF8\r\n"},
	    {ALL, BYTES(UTF8), 0, "", "b@x", NULL, " BODY=8BITMIME\r\n"},
	    {ALL, BYTES(SEVEN), 0, "", "\xc3\xa9@x", NULL, "MAIL FROM:<> SIZE=11 SMTPUTF8\r\n"},
	    {DATA, BYTES(UTF8), ENVELOPE_SMTPUTF8, "", "b@x", "553 5.6.7", NULL},
	    {DATA, BYTES(SEVEN), 0, "\xc3\xa9@x", "b@x", "553 5.6.7", NULL},
	    {DATA, BYTES(SEVEN), 0, "", "\xc3\xa9@x", "553 5.6.7", NULL},
	    /* what could be another command, or end the message */
	    {ALL, BYTES(SEVEN), 0, "a@x> SIZE=1\r\nRSET", "b@x", "553 5.1.7", NULL},
	    {ALL, BYTES(SEVEN), 0, "", "b@x>\r\nRSET\r\n", "553 5.1.3", NULL},
	    {ALL, BYTES("a\n.\nMAIL FROM:<>\r\n"), 0, "", "b@x", "554 5.6.0", NULL},
	    {DATA, BYTES("a\r\n.\rb\r\n"), 0, "", "b@x", "554 5.6.0", NULL},
	    {DATA, BYTES("a"), 0, "", "b@x", "554 5.6.0", NULL},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		check_local(rows[i].offer, rows[i].text, rows[i].flags, rows[i].from, rows[i].to,
		    rows[i].reply, rows[i].mail);
}

static void
check_dsn(const char *offer, const char *mail, const char *first, const char *second)
{
	const struct smtp_recipient to[] = {
	    {span_of("b@x"), span_of("rfc822;b+2Bc@y"), NOTIFY_SUCCESS | NOTIFY_DELAY},
	    {span_of("c@x"), span_of("rfc822;bad value"), NOTIFY_NEVER}};
	struct smtp_message m = {.fd = file_of(SEVEN, 11),
	    .offset = 6,
	    .size = 11,
	    .ret = RET_HDRS,
	    .envid = span_of("QQ+3D1")};
	struct talk *t = talk_new(offer, NULL, 0);
	bool dsn = strstr(offer, "DSN") != NULL;
	struct smtp_result r[2];

	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(smtp_send(t->s, &(struct smtp_mail){&m, to, r, 2}), SMTP_USABLE);
	close(m.fd);
	assert_true(r[0].dsn_passed_on == dsn && r[1].dsn_passed_on == dsn);
	assert_true(heard(t, mail) && heard(t, first) && heard(t, second));
	talk_free(&t);
}

static void
test_dsn(void **state)
{
	(void)state;
	check_dsn("DSN", "MAIL FROM:<> RET=HDRS ENVID=QQ+3D1\r\n",
	    "RCPT TO:<b@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@y\r\n",
	    "RCPT TO:<c@x> NOTIFY=NEVER\r\n");
	check_dsn("SIZE", "MAIL FROM:<> SIZE=11\r\n", "RCPT TO:<b@x>\r\n", "RCPT TO:<c@x>\r\n");
}

/* ---- the next message, announced ---- */

/* Two messages, of which the second is known in time; what was said is on one line for each write
 * of the client's. */
struct pair {
	struct smtp_message messages[2];
	struct smtp_recipient to[2][3];
	struct smtp_result results[2][3];
	struct smtp_mail mails[2];
	unsigned n_asked;
};

static bool
on_next(void *arg, struct smtp_mail *out)
{
	struct pair *p = arg;

	*out = p->mails[1];
	return p->n_asked++ == 0;
}

static struct pair *
pair_new(struct talk *t, size_t n_first, const char *second_address)
{
	struct pair *p = xcalloc(1, sizeof *p);

	for (size_t i = 0; i < 2; i++) {
		p->messages[i] = (struct smtp_message){.fd = file_of(i ? "two\r\n" : "one\r\n", 5),
		    .offset = 6,
		    .size = 5,
		    .reverse_path = span_of("ann@client.example")};
		p->mails[i] =
		    (struct smtp_mail){&p->messages[i], p->to[i], p->results[i], i ? 1 : n_first};
		for (size_t k = 0; k < 3; k++)
			p->to[i][k].address = span_of(i ? second_address : "bob@test.example");
	}
	t->target.next = on_next;
	t->target.next_arg = p;
	return p;
}

static void
pair_free(struct pair **p)
{
	close((*p)->messages[0].fd);
	close((*p)->messages[1].fd);
	free(*p);
	*p = NULL;
}

/* How many reads of the server's brought this text's end and more. */
static bool
came_with(const struct talk *t, const char *first, const char *second)
{
	const char *a = strstr(t->v.heard, first), *b = a != NULL ? strstr(a, second) : NULL;

	if (b == NULL)
		return false;
	for (size_t i = 0; i < t->v.n_marks; i++)
		if (t->v.marks[i] > (size_t)(a - t->v.heard) &&
		    t->v.marks[i] <= (size_t)(b - t->v.heard))
			return false;
	return true;
}

static const struct {
	const char *offer;
	struct rule rules[2];
	size_t n_first;
	const char *second;
	enum smtp_state first_state, second_state; /* of the same session, if it is usable */
	enum delivery_end ends[2];
	bool together, untried;
} pairs[] = {
    {DATA, {{0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE, {END_DONE, END_DONE}, true, false},
    /* what it says of the one is nothing about the other */
    {DATA, {{"end", SAY, "552 5.3.4 no\r\n", 1, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_FAILED, END_DONE}, true, false},
    {DATA, {{"end", SAY, "451 4.3.0 no\r\n", 1, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DEFERRED, END_DONE}, true, false},
    {DATA, {{"MAIL", SAY, "550 5.7.1 no\r\n", 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DONE, END_FAILED}, true, false},
    {DATA, {{"RCPT", SAY, "550 5.1.1 no\r\n", 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DONE, END_FAILED}, true, false},
    {DATA, {{"DATA", SAY, "451 4.3.0 no\r\n", 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DONE, END_DEFERRED}, true, false},
    {DATA, {{"end", SAY, "554 5.6.0 no\r\n", 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DONE, END_FAILED}, true, false},
    /* a server for which a refused message is not over */
    {DATA, {{"end", SAY, "554 5.6.0 no\r\n", 1, 0}, {"MAIL", SAY, "503 5.5.1 nested\r\n", 2, 0}}, 1,
	"x@y", SMTP_USABLE, SMTP_NEXT_HOST, {END_FAILED, END_DEFERRED}, true, true},
    /* lost with it, but not for good */
    {DATA, {{"end", SAY, "421 4.3.2 bye\r\n", 1, 0}}, 1, "x@y", SMTP_NEXT_HOST, SMTP_NEXT_HOST,
	{END_DEFERRED, END_DEFERRED}, true, true},
    {DATA, {{"end", DROP, "250 2.0.0 ok\r\n", 1, 0}}, 1, "x@y", SMTP_USABLE, SMTP_NEXT_HOST,
	{END_DONE, END_DEFERRED}, true, true},
    {DATA, {{"MAIL", DROP, NULL, 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_NEXT_HOST,
	{END_DONE, END_DEFERRED}, true, true},
    {DATA, {{"MAIL", SAY, "nonsense\r\n", 2, 0}}, 1, "x@y", SMTP_USABLE, SMTP_NEXT_HOST,
	{END_DONE, END_DEFERRED}, true, true},
    /* not with it: */
    {SLOW, {{0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE, {END_DONE, END_DONE}, false, false},
    {ALL, {{0}}, 1, "x@y", SMTP_USABLE, SMTP_USABLE, {END_DONE, END_DONE}, false, false},
    {DATA, {{"RCPT", SAY, "452 4.5.3 enough\r\n", 2, 0}}, 2, "x@y", SMTP_USABLE, SMTP_USABLE,
	{END_DONE, END_DONE}, false, false},
    {DATA, {{0}}, 1, "caf\303\251@y", SMTP_USABLE, SMTP_USABLE, {END_DONE, END_FAILED}, false,
	false},
};

static void
test_next(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(pairs); i++) {
		struct talk *t = talk_new(pairs[i].offer, pairs[i].rules,
		    pairs[i].rules[1].at   ? 2
		    : pairs[i].rules[0].at ? 1
					   : 0);
		struct pair *p = pair_new(t, pairs[i].n_first, pairs[i].second);

		assert_int_equal(smtp_open(t->s), SMTP_USABLE);
		if (smtp_send(t->s, &p->mails[0]) != pairs[i].first_state)
			fail_msg("%zu: %s", i, p->results[0][0].reply);
		if (smtp_send(t->s, &p->mails[1]) != pairs[i].second_state)
			fail_msg("%zu: %s", i, p->results[1][0].reply);
		for (size_t k = 0; k < 2; k++)
			if (p->results[k][0].end != pairs[i].ends[k])
				fail_msg("%zu: %zu: %s", i, k, p->results[k][0].reply);
		assert_true(p->results[1][0].untried == pairs[i].untried);
		assert_false(p->results[1][0].maybe_sent);
		if (came_with(t, "one\r\n.\r\n", "RCPT TO:<x@y>") != pairs[i].together)
			fail_msg("%zu: %s", i, t->v.heard);
		if (pairs[i].together && strstr(t->trace, "RSET") != NULL &&
		    pairs[i].ends[1] == END_DONE)
			fail_msg("%zu: a reset in between", i);
		talk_free(&t);
		pair_free(&p);
	}
}

/* One that was announced, and is never sent, goes with its session. */
static void
test_next_that_does_not_come(void **state)
{
	struct talk *t = talk_new(DATA, NULL, 0);
	struct pair *p = pair_new(t, 1, "x@y");

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(smtp_send(t->s, &p->mails[0]), SMTP_USABLE);
	assert_int_equal(p->results[0][0].end, END_DONE);
	assert_true(smtp_is_usable(t->s));
	talk_free(&t);
	pair_free(&p);
}

/* ---- the message's file ---- */

static void
test_short_file(void **state)
{
	static char text[200000];
	struct smtp_recipient to = {.address = span_of("bob@test.example")};
	struct talk *t = talk_new(ALL, NULL, 0);
	struct smtp_message m = {.offset = 6, .size = sizeof text + 1};
	struct smtp_result r;

	(void)state;
	memset(text, 'x', sizeof text);
	m.fd = file_of(text, sizeof text);
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	assert_int_equal(smtp_send(t->s, &(struct smtp_mail){&m, &to, &r, 1}), SMTP_USABLE);
	close(m.fd);
	assert_true(r.end == END_DEFERRED && smtp_status_is(r.status, 4, 3, 0));
	assert_false(heard(t, "MAIL"));
	talk_free(&t);
}

static void
test_trace(void **state)
{
	struct talk *t = talk_new(DATA, NULL, 0);
	struct smtp_result r;

	(void)state;
	assert_int_equal(smtp_open(t->s), SMTP_USABLE);
	send_one(t, SEVEN, &r);
	assert_non_null(strstr(t->trace, "< 220 test.example ESMTP\n> EHLO client.example\n"));
	assert_non_null(strstr(t->trace, "< 354 go\n* message of 11 bytes\n< 250 2.0.0 taken\n"));
	assert_string_equal(smtp_info(t->s)->name, "test.example");
	talk_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sent),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_empty_message),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_after_replies),
	    cmocka_unit_test(test_data_for_nobody),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_recipients),
	    cmocka_unit_test(test_421_among_recipients),
	    cmocka_unit_test(test_hundreds),
	    cmocka_unit_test(test_full_mailbox),
	    cmocka_unit_test(test_openings),
	    cmocka_unit_test(test_both_hellos_refused),
	    cmocka_unit_test(test_nobody_listens),
	    cmocka_unit_test(test_slow),
	    cmocka_unit_test(test_full_pipe),
	    cmocka_unit_test(test_early_refusal),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_dsn),
	    cmocka_unit_test(test_next),
	    cmocka_unit_test(test_next_that_does_not_come),
	    cmocka_unit_test(test_short_file),
	    cmocka_unit_test(test_trace),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
