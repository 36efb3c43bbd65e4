/*
 * The SMTP client against a server that misbehaves at each step in each way: what becomes of the
 * recipient and of the session, and what was said meanwhile. Mail that goes well:
 * router_smtp_mail_test.c. TLS and AUTH: router_smtp_secure_test.c.
 */
#include "tests/unit/router_smtp_client_support.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_after_replies),
	    cmocka_unit_test(test_data_for_nobody),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_openings),
	    cmocka_unit_test(test_both_hellos_refused),
	    cmocka_unit_test(test_nobody_listens),
	    cmocka_unit_test(test_slow),
	    cmocka_unit_test(test_full_pipe),
	    cmocka_unit_test(test_early_refusal),
	    cmocka_unit_test(test_idle),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
