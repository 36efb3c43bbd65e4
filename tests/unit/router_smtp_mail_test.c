/*
 * The mail of the SMTP client: how messages go to a server in each of its dialects, one and many
 * recipients, what its extensions allow, and the next message behind the one before it. Servers
 * that misbehave: router_smtp_faults_test.c. TLS and AUTH: router_smtp_secure_test.c.
 */
#include "tests/unit/router_smtp_client_support.h"

#define BYTES(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

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
	    cmocka_unit_test(test_recipients),
	    cmocka_unit_test(test_421_among_recipients),
	    cmocka_unit_test(test_hundreds),
	    cmocka_unit_test(test_full_mailbox),
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
