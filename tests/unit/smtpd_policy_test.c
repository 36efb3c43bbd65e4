/*
 * Who may send: the rules alone, one table for MAIL and one for RCPT. What router would say is part
 * of each row; a row that must not ask says nothing.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "common/ip_list.h"
#include "common/memory.h"
#include "common/socket_address.h"
#include "smtpd/policy.h"

/* ---- a row's words ---- */

enum { NOT_ASKED = -1 };

/* Keys that are not named have their defaults. */
static bool
has(const char *words, const char *word)
{
	return strstr(words, word) != NULL;
}

static struct policy_settings
read_keys(const char *keys)
{
	struct policy_settings s = {.require_auth = !has(keys, "!auth"),
	    .restrict_relay = !has(keys, "!restrict"),
	    .allow_any_from = has(keys, "anyfrom"),
	    .relay_never = has(keys, "never"),
	    .recipients_max = 100};
	const char *ips = strstr(keys, "ips=");

	s.relay_ips = ip_list_new(span_of(ips != NULL ? ips + 4 : "127.0.0.1 ::1"));
	return s;
}

static struct policy_question
make_question(const struct policy_settings *settings, struct sockaddr_storage *address,
    enum session_kind kind, const char *ip, bool user, const char *from, int standing)
{
	assert_true(socket_address_parse(ip, address));
	return (struct policy_question){.settings = settings,
	    .client = {.kind = kind,
		.address = (struct sockaddr *)address,
		.loopback = socket_address_is_loopback((struct sockaddr *)address),
		.logged_in = user},
	    .reverse_path = span_of(from),
	    .has_standing = standing != NOT_ASKED,
	    .standing = standing == NOT_ASKED ? 0 : standing,
	    .words = ""};
}

/* "ok", "ask", or the reply. */
static void
print(const struct policy_decision *d, char out[200])
{
	if (d->outcome == POLICY_REFUSE)
		snprintf(out, 200, "%s %s", d->status, d->sentence);
	else
		strlcpy(out, d->outcome == POLICY_ASK ? "ask" : "ok", 200);
}

/* All but the last step pass on; the last one is the decision. */
static void
check_trace(const struct policy_trace *t, const struct policy_decision *d, const char *rule)
{
	assert_true(t->n > 0);
	for (size_t i = 0; i + 1 < t->n; i++) {
		assert_int_equal(t->steps[i].decision.outcome, POLICY_NEXT);
		assert_true(t->steps[i].decision.sentence[0] != '\0');
	}
	assert_memory_equal(&t->steps[t->n - 1].decision.outcome, &d->outcome, sizeof d->outcome);
	assert_ptr_equal(t->steps[t->n - 1].decision.sentence, d->sentence);
	assert_string_equal(t->steps[t->n - 1].rule, rule);
}

#define STRANGER "192.0.2.7"
#define DENIED	 "550 5.7.1 Relaying denied"
#define NO_LOGIN "550 5.7.1 Relaying denied without a login"
#define SENDER	 "550 5.7.1 Relaying denied to this sender"
#define ONLY	 "550 5.7.1 Only local mail is accepted"
#define LATER	 "451 4.3.0 The sender cannot be checked now; try again later"

static void
mail(void **state)
{
	static const struct {
		enum session_kind kind;
		const char *keys, *ip;
		bool user;
		const char *from;
		int standing;
		const char *expected, *rule;
	} rows[] = {
	    {KIND_SMTP, "", STRANGER, false, "a@far.test", NOT_ASKED, "ok", "login"},
	    {KIND_SMTP, "", STRANGER, false, "", NOT_ASKED, "ok", "login"},
	    {KIND_LOCAL, "", "local", false, "a@far.test", NOT_ASKED, "ok", "login"},
	    {KIND_SUBMISSION, "", STRANGER, false, "", NOT_ASKED,
		"530 5.7.0 Authentication required", "port"},
	    {KIND_SUBMISSION, "!auth !restrict", "127.0.0.1", false, "a@x.test", NOT_ASKED,
		"530 5.7.0 Authentication required", "port"},
	    {KIND_SMTPS, "", "::1", false, "a@x.test", NOT_ASKED,
		"530 5.7.0 Authentication required", "port"},
	    {KIND_SMTP, "", STRANGER, true, "a@x.test", NOT_ASKED, "ask", "sender"},
	    {KIND_SMTP, "", STRANGER, true, "a@x.test", ROUTER_OWN, "ok", "sender"},
	    {KIND_SMTP, "", STRANGER, true, "a@x.test", ROUTER_FOREIGN,
		"553 5.7.1 Sender address is not yours", "sender"},
	    {KIND_SMTP, "", STRANGER, true, "a@x.test", ROUTER_STANDING_LATER, LATER, "sender"},
	    {KIND_SUBMISSION, "!auth !restrict", "::1", true, "a@x.test", NOT_ASKED, "ask",
		"sender"},
	    {KIND_SUBMISSION, "", STRANGER, true, "", NOT_ASKED, "ok", "null sender"},
	    {KIND_SMTPS, "anyfrom", STRANGER, true, "a@x.test", NOT_ASKED, "ok", "Allow Any FROM"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct policy_settings s = read_keys(rows[i].keys);
		struct sockaddr_storage address;
		struct policy_question q = make_question(&s, &address, rows[i].kind, rows[i].ip,
		    rows[i].user, rows[i].from, rows[i].standing);
		struct policy_trace trace;
		struct policy_decision d = policy_mail(&q, &trace);
		char text[200];

		print(&d, text);
		if (strcmp(text, rows[i].expected) != 0)
			fail_msg("row %zu: %s", i, text);
		check_trace(&trace, &d, rows[i].rule);
		assert_int_equal(policy_mail(&q, NULL).outcome, d.outcome);
		ip_list_free(&s.relay_ips);
	}
}

static void
recipients(void **state)
{
	static const struct {
		const char *keys, *ip;
		bool user;
		const char *from;
		int standing;
		enum router_verdict verdict;
		uint64_t targets;
		const char *expected, *rule;
	} rows[] = {
	    /* router says no */
	    {"", STRANGER, false, "a@x", NOT_ASKED, ROUTER_UNKNOWN, 0, "550 5.1.1 Unknown mailbox",
		"recipient"},
	    {"", "::1", true, "a@x", NOT_ASKED, ROUTER_FULL, 1, "452 4.2.2 Mailbox is full",
		"recipient"},
	    {"", "::1", true, "a@x", NOT_ASKED, ROUTER_TOO_BIG, 1,
		"552 5.2.2 Message is larger than the mailbox", "recipient"},
	    {"", STRANGER, false, "a@x", NOT_ASKED, ROUTER_LOOP, 0,
		"550 5.4.6 Aliases lead in a circle", "recipient"},
	    {"", STRANGER, false, "a@x", NOT_ASKED, ROUTER_LATER, 0,
		"451 4.3.0 Mailboxes do not answer; try again later", "recipient"},
	    {"", STRANGER, true, "a@x", NOT_ASKED, ROUTER_LOCAL, 101,
		"550 5.5.3 Expands to too many recipients", "Maximum Recipients"},
	    {"", STRANGER, true, "a@x", NOT_ASKED, ROUTER_LOCAL, 100, "ok", "local"},
	    /* local mail is everybody's, whatever the keys */
	    {"", STRANGER, false, "a@x", NOT_ASKED, ROUTER_LOCAL, 1, "ok", "local"},
	    {"never", STRANGER, false, "", NOT_ASKED, ROUTER_LOCAL, 1, "ok", "local"},
	    {"ips=none", STRANGER, false, "", NOT_ASKED, ROUTER_LOCAL, 0, "ok", "local"},
	    /* only local mail */
	    {"never", "::1", true, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, ONLY, "Relay Delivery"},
	    {"never", STRANGER, false, "a@x", NOT_ASKED, ROUTER_RELAY, 1, ONLY, "Relay Delivery"},
	    {"never !auth !restrict", STRANGER, false, "a@x", NOT_ASKED, ROUTER_AWAY, 1, ONLY,
		"Relay Delivery"},
	    {"", "127.0.0.1", true, "a@x", NOT_ASKED, ROUTER_NOWHERE, 1, ONLY, "Use MTA"},
	    {"!auth !restrict", STRANGER, false, "", NOT_ASKED, ROUTER_NOWHERE, 1, ONLY, "Use MTA"},
	    {"never", STRANGER, false, "a@x", NOT_ASKED, ROUTER_NOWHERE, 1, ONLY, "Relay Delivery"},
	    {"", STRANGER, true, "a@x", NOT_ASKED, ROUTER_NOWHERE, 101,
		"550 5.5.3 Expands to too many recipients", "Maximum Recipients"},
	    /* forwards and peers are everybody's */
	    {"", STRANGER, false, "", NOT_ASKED, ROUTER_AWAY, 3, "ok", "forward"},
	    {"", STRANGER, false, "", NOT_ASKED, ROUTER_RELAY, 1, "ok", "Relay Domains"},
	    /* the shipped default */
	    {"", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN, "Require AUTH"},
	    {"", STRANGER, true, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "login"},
	    {"", "127.0.0.1", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ask", "sender"},
	    {"", "::1", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1, "ok", "sender"},
	    {"", "::ffff:127.0.0.1", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1, "ok", "sender"},
	    {"", "127.0.0.1", false, "a@x", ROUTER_FOREIGN, ROUTER_REMOTE, 1, SENDER, "sender"},
	    {"", "127.0.0.1", false, "a@x", ROUTER_STANDING_LATER, ROUTER_REMOTE, 1, LATER,
		"sender"},
	    {"", "127.0.0.1", false, "", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "sender"},
	    /* programs of this machine */
	    {"", "local", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "sendmail"},
	    {"", "local", false, "", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "sendmail"},
	    {"never", "local", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, ONLY, "Relay Delivery"},
	    {"", "local", false, "a@x", NOT_ASKED, ROUTER_NOWHERE, 1, ONLY, "Use MTA"},
	    {"", "127.0.0.2", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN, "Require AUTH"},
	    /* Require AUTH overrides the list, but for this host */
	    {"ips=192.0.2.*", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN,
		"Require AUTH"},
	    {"ips=*", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN,
		"Require AUTH"},
	    {"ips=127.*", "127.0.0.2", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1, "ok", "sender"},
	    {"ips=none", "127.0.0.1", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN,
		"Require AUTH"},
	    {"ips=none", "local", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "sendmail"},
	    {"ips=none", "127.0.0.1", true, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "login"},
	    {"!restrict", "127.0.0.1", false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok",
		"Restrict Relay"},
	    {"!restrict", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, NO_LOGIN,
		"Require AUTH"},
	    /* without it: hosts and senders */
	    {"!auth", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, DENIED,
		"Restrict Relay IPs"},
	    {"!auth ips=192.0.2.*", STRANGER, false, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ask",
		"sender"},
	    {"!auth ips=192.0.2.0/29", STRANGER, false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1, "ok",
		"sender"},
	    {"!auth ips=192.0.2.8/29", STRANGER, false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1, DENIED,
		"Restrict Relay IPs"},
	    {"!auth ips=192.0.2.*", "::ffff:192.0.2.7", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1,
		"ok", "sender"},
	    {"!auth ips=2001:db8::/32", "2001:db8:1::9", false, "a@x", ROUTER_FOREIGN,
		ROUTER_REMOTE, 1, SENDER, "sender"},
	    {"!auth ips=2001:db8:1:*", "2001:db8:1::9", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1,
		"ok", "sender"},
	    {"!auth ips=2001:db8::/32", "2001:db9::1", false, "a@x", ROUTER_OWN, ROUTER_REMOTE, 1,
		DENIED, "Restrict Relay IPs"},
	    {"!auth ips=*", STRANGER, false, "", NOT_ASKED, ROUTER_REMOTE, 1, SENDER, "sender"},
	    {"!auth", "::1", false, "", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "sender"},
	    {"!auth", STRANGER, true, "a@x", NOT_ASKED, ROUTER_REMOTE, 1, "ok", "login"},
	    {"!auth !restrict", STRANGER, false, "", NOT_ASKED, ROUTER_REMOTE, 1, "ok",
		"Restrict Relay"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct policy_settings s = read_keys(rows[i].keys);
		struct sockaddr_storage address;
		struct policy_question q = make_question(&s, &address,
		    strcmp(rows[i].ip, "local") == 0 ? KIND_LOCAL : KIND_SMTP, rows[i].ip,
		    rows[i].user, rows[i].from, rows[i].standing);
		struct policy_trace trace;
		struct policy_decision d;
		char text[200];

		q.verdict = rows[i].verdict;
		q.targets = rows[i].targets;
		d = policy_recipient(&q, &trace);
		print(&d, text);
		if (strcmp(text, rows[i].expected) != 0)
			fail_msg("row %zu: %s", i, text);
		check_trace(&trace, &d, rows[i].rule);
		assert_int_equal(policy_recipient(&q, NULL).outcome, d.outcome);
		ip_list_free(&s.relay_ips);
	}
}

static void
words_of_router(void **state)
{
	struct policy_settings s = read_keys("");
	struct policy_question q = {
	    .settings = &s, .verdict = ROUTER_UNKNOWN, .words = "Ann has moved"};
	struct policy_decision d = policy_recipient(&q, NULL);

	(void)state;
	assert_string_equal(d.status, "550 5.1.1");
	assert_string_equal(d.sentence, "Ann has moved");
	ip_list_free(&s.relay_ips);
}

static void
ports(void **state)
{
	static const struct {
		enum session_kind kind;
		bool loopback, tls;
		bool login, starttls, fills_in;
	} rows[] = {
	    {KIND_SMTP, false, false, false, true, false},
	    {KIND_SMTP, true, false, true, true, false},
	    {KIND_SMTP, false, true, true, false, false},
	    {KIND_SUBMISSION, false, false, false, true, true},
	    {KIND_SMTPS, false, true, true, false, true},
	    {KIND_SMTPS, false, false, false, false, true},
	    {KIND_LOCAL, true, false, true, false, true},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct policy_client c = {
		    .kind = rows[i].kind, .loopback = rows[i].loopback, .tls = rows[i].tls};

		assert_int_equal(policy_login(&c), rows[i].login);
		assert_int_equal(policy_starttls(&c, true), rows[i].starttls);
		assert_false(policy_starttls(&c, false));
		assert_int_equal(policy_fills_in(&c), rows[i].fills_in);
	}
	assert_int_equal(policy_kind_of("SMTP"), KIND_SMTP);
	assert_int_equal(policy_kind_of("Submission"), KIND_SUBMISSION);
	assert_int_equal(policy_kind_of("SMTPS"), KIND_SMTPS);
	assert_int_equal(policy_kind_of("Local"), KIND_LOCAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail),
	    cmocka_unit_test(recipients),
	    cmocka_unit_test(words_of_router),
	    cmocka_unit_test(ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
