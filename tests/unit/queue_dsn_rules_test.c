/*
 * Who is told what, which status a reply means, how often one address is told, and in which
 * envelope.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "queue/bounce_limit.h"
#include "queue/dsn_rules.h"

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
	assert_int_equal(dsn_envelope(&e, 42, 1800000000123456, &own, &r), 0);
	own.message_size = 10;
	assert_true(envelope_size(&own) < sizeof bytes);
	envelope_encode(&own, bytes);
	assert_int_equal(
	    envelope_parse(&read, (struct span){(char *)bytes, sizeof bytes}, &why), 0);
	assert_int_equal(read.id, 42);
	assert_int_equal(read.arrival_us, 1800000000123456);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
