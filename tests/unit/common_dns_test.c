/*
 * Questions to DNS servers that answer, misbehave, or are not there; judging of answers; addresses
 * of servers as text.
 */
#include "tests/unit/common_dns_support.h"

#include <arpa/inet.h>

#include "common/dns_wire.h"
#include "common/nameserver.h"

#define A_OF(name) name " 60 IN A 192.0.2.1"
#define EVIL(name) name " 60 IN A 203.0.113.66"

static const struct dns_rule rules[] = {
    {"plain.example", DNS_A, .answer = A_OF("plain.example.")},
    {"secure.example", DNS_A, .answer = A_OF("secure.example."), .secure = true},
    {"case.example", DNS_A, .answer = A_OF("CASE.example.")},
    {"two.example", DNS_A, .answer = A_OF("two.example.") "\ntwo.example. 30 IN A 192.0.2.2"},
    {"six.example", DNS_AAAA, .answer = "six.example. 60 IN AAAA 2001:db8::1"},
    {"others.example", DNS_A,
	.answer = EVIL("evil.example.") "\n" A_OF("others.example.") "\n" EVIL("evil2.example.")},
    {"only-others.example", DNS_A, .answer = EVIL("evil.example."), .authority = TEST_SOA},
    {"chaos.example", DNS_A, .answer = "chaos.example. 60 CH A 192.0.2.1", .authority = TEST_SOA},
    {"nodata.example", DNS_TLSA, .answer = ""},
    {"servfail.example", 0, .rcode = LDNS_RCODE_SERVFAIL},
    {"refused.example", 0, .rcode = LDNS_RCODE_REFUSED},
    {"formerr.example", 0, .rcode = LDNS_RCODE_FORMERR},
    {"notimp.example", 0, .rcode = LDNS_RCODE_NOTIMPL},
    {"yxdomain.example", 0, .rcode = LDNS_RCODE_YXDOMAIN},
    {"servfail-records.example", DNS_A, .rcode = LDNS_RCODE_SERVFAIL,
	.answer = A_OF("servfail-records.example.")},
    {"nx-records.example", DNS_A, .rcode = LDNS_RCODE_NXDOMAIN,
	.answer = A_OF("nx-records.example.")},
    {"lame.example", 0, .authority = "example. 60 IN NS ns.example.", .no_ra = true},
    {"referral.example", 0, .authority = "example. 60 IN NS ns.example."},
    {"lame-nx.example", 0, .rcode = LDNS_RCODE_NXDOMAIN, .authority = TEST_SOA, .no_ra = true},
    {"lame-empty.example", 0, .no_ra = true},
    {"empty.example", 0, .answer = ""},
    {"silent.example", 0, .how = B_SILENT},
    {"cut.example", DNS_A, .how = B_CUT_UDP, .answer = A_OF("cut.example.")},
    {"cut-always.example", DNS_A, .how = B_CUT_ALWAYS, .answer = A_OF("cut-always.example.")},
    {"tcp-closes.example", DNS_A, .how = B_TCP_CLOSES, .answer = A_OF("tcp-closes.example.")},
    {"tcp-half.example", DNS_A, .how = B_TCP_HALF, .answer = A_OF("tcp-half.example.")},
    {"fake-id.example", DNS_A, .how = B_FAKE_ID, .answer = A_OF("fake-id.example."),
	.fake = EVIL("fake-id.example.")},
    {"fake-question.example", DNS_A, .how = B_FAKE_QUESTION,
	.answer = A_OF("fake-question.example."), .fake = EVIL("fake-question.example.")},
    {"fake-source.example", DNS_A, .how = B_FAKE_SOURCE, .answer = A_OF("fake-source.example."),
	.fake = EVIL("fake-source.example.")},
    {"fake-forms.example", DNS_A, .how = B_FAKE_FORMS, .answer = A_OF("fake-forms.example."),
	.fake = EVIL("fake-forms.example.")},
    {"flood.example", DNS_A, .how = B_FLOOD, .answer = A_OF("flood.example."),
	.fake = EVIL("flood.example.")},
    {"loop.example", DNS_A, .how = B_LOOP},
    {"loop-target.example", DNS_MX, .how = B_LOOP_TARGET},
    {"garbage.example", 0, .how = B_GARBAGE},
    {"count-lies.example", DNS_A, .how = B_COUNT_LIES, .answer = A_OF("count-lies.example.")},
    {"no-edns.example", DNS_A, .how = B_NO_EDNS, .answer = A_OF("no-edns.example.")},
    {"badvers.example", DNS_A, .how = B_BADVERS, .answer = A_OF("badvers.example.")},
    {"a-empty.example", DNS_A, .has_raw = true, .raw_type = DNS_A},
    {"a-short.example", DNS_A, .has_raw = true, .raw_type = DNS_A, .raw_len = 3, .raw = "\1\2\3"},
    {"aaaa-short.example", DNS_AAAA, .has_raw = true, .raw_type = DNS_AAAA, .raw_len = 4,
	.raw = "\1\2\3\4"},
    {"mx-empty.example", DNS_MX, .has_raw = true, .raw_type = DNS_MX},
    {"mx-short.example", DNS_MX, .has_raw = true, .raw_type = DNS_MX, .raw_len = 2, .raw = "\0\1"},
    {"mx-cut.example", DNS_MX, .has_raw = true, .raw_type = DNS_MX, .raw_len = 4,
	.raw = "\0\1\77a"},
    {"cname-empty.example", DNS_A, .has_raw = true, .raw_type = DNS_CNAME},
    {"tlsa-empty.example", DNS_TLSA, .has_raw = true, .raw_type = DNS_TLSA},
    {"tlsa-short.example", DNS_TLSA, .has_raw = true, .raw_type = DNS_TLSA, .raw_len = 3,
	.raw = "\3\1\1"},
    {"alias.example", DNS_A,
	.answer = "alias.example. 50 IN CNAME plain.example.\n" A_OF("plain.example.")},
    {"alias-shuffled.example", DNS_A,
	.answer = A_OF("b.example.") "\na.example. 9 IN CNAME b.example.\n"
				     "alias-shuffled.example. 50 IN CNAME a.example."},
    {"alias-open.example", DNS_A, .answer = "alias-open.example. 7 IN CNAME plain.example.",
	.secure = true},
    {"alias-open-secure.example", DNS_A,
	.answer = "alias-open-secure.example. 70 IN CNAME secure.example.", .secure = true},
    {"alias-nx.example", DNS_A, .rcode = LDNS_RCODE_NXDOMAIN,
	.answer = "alias-nx.example. 50 IN CNAME gone.example.", .authority = TEST_SOA},
    {"alias-nodata.example", DNS_A, .answer = "alias-nodata.example. 50 IN CNAME other.example.",
	.authority = TEST_SOA},
    {"alias-odd.example", DNS_A,
	.answer = "alias-odd.example. 50 IN CNAME o\\010d\\.d.example.\n"
		  "o\\010d\\.d.example. 60 IN A 192.0.2.1"},
    {"circle.example", 0,
	.answer = "circle.example. 60 IN CNAME circle2.example.\n"
		  "circle2.example. 60 IN CNAME circle.example."},
    {"circle-open.example", 0, .answer = "circle-open.example. 60 IN CNAME circle-open2.example."},
    {"circle-open2.example", 0, .answer = "circle-open2.example. 60 IN CNAME circle-open.example."},
    {"self.example", 0, .answer = "self.example. 60 IN CNAME self.example."},
    {"ten.example", DNS_A,
	.answer = "ten.example. 60 CNAME c1.example.\nc1.example. 60 CNAME c2.example.\n"
		  "c2.example. 60 CNAME c3.example.\nc3.example. 60 CNAME c4.example.\n"
		  "c4.example. 60 CNAME c5.example.\nc5.example. 60 CNAME c6.example.\n"
		  "c6.example. 60 CNAME c7.example.\nc7.example. 60 CNAME c8.example.\n"
		  "c8.example. 60 CNAME c9.example.\nc9.example. 60 A 192.0.2.1"},
    {"eleven.example", DNS_A,
	.answer = "eleven.example. 60 CNAME c1.example.\nc1.example. 60 CNAME c2.example.\n"
		  "c2.example. 60 CNAME c3.example.\nc3.example. 60 CNAME c4.example.\n"
		  "c4.example. 60 CNAME c5.example.\nc5.example. 60 CNAME c6.example.\n"
		  "c6.example. 60 CNAME c7.example.\nc7.example. 60 CNAME c8.example.\n"
		  "c8.example. 60 CNAME c9.example.\nc9.example. 60 CNAME ca.example.\n"
		  "ca.example. 60 CNAME cb.example.\ncb.example. 60 A 192.0.2.1"},
    {"srv.example", DNS_SRV, .answer = "srv.example. 60 IN SRV 1 2 995 H.example."},
    {"srv-short.example", DNS_SRV, .has_raw = true, .raw_type = DNS_SRV, .raw_len = 6,
	.raw = "\0\1\0\2\0\3"},
    {"ptr.example", DNS_PTR, .answer = "ptr.example. 60 IN PTR Mail.example."},
    {"ptr-empty.example", DNS_PTR, .has_raw = true, .raw_type = DNS_PTR},
    {"txt.example", DNS_TXT, .answer = "txt.example. 60 IN TXT \"v=spf1 \" \"\" \"mx\\000 -all\""},
    {"txt-empty.example", DNS_TXT, .has_raw = true, .raw_type = DNS_TXT},
    {"txt-cut.example", DNS_TXT, .has_raw = true, .raw_type = DNS_TXT, .raw_len = 2, .raw = "\5a"},
    {"odd-mx.example", DNS_MX, .answer = "odd-mx.example. 60 IN MX 1 a/b\\010\\255.Example."},
    {"long-ttl.example", DNS_A, .answer = "long-ttl.example. 4294967295 IN A 192.0.2.1"},
    {"many.example", DNS_MX, .how = B_MANY, .many = 10000},
};

static struct dns_server server;
static struct dns *dns;

static int
set_up(void **state)
{
	struct dns_settings settings;

	(void)state;
	dns_server_start(&server, rules, nitems(rules));
	settings = settings_for(&server);
	dns = dns_new(&settings);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dns_free(&dns);
	dns_server_stop(&server);
	return 0;
}

static struct dns_answer *
look_up(struct dns *d, const char *name, enum dns_type type)
{
	return dns_lookup(d, name, type, dns_deadline(d));
}

/* ---- one table ---- */

struct expectation {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	size_t n;
	uint32_t ttl;
	const char *end; /* the chain's; NULL: the name */
	const char *why;
};

static const char broken[] = "the DNS server's answer is broken";
static const char circle[] = "its DNS aliases lead in a circle or too far";
static const char lame[] = "the DNS server does not resolve names";
static const char puzzled[] = "the DNS server did not understand the question";
static const char cut[] = "the DNS server's answer is cut";
static const char away[] = "the DNS server is out of reach";

static const struct expectation expectations[] = {
    {"plain.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"secure.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"case.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"two.example", DNS_A, DNS_FOUND, 2, 30, NULL, ""},
    {"six.example", DNS_AAAA, DNS_FOUND, 1, 60, NULL, ""},
    {"others.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"only-others.example", DNS_A, DNS_NODATA, 0, 120, NULL, ""},
    {"chaos.example", DNS_A, DNS_NODATA, 0, 120, NULL, ""},
    {"nodata.example", DNS_A, DNS_NODATA, 0, 120, NULL, ""},
    {"plain.example", DNS_MX, DNS_NODATA, 0, 120, NULL, ""},
    {"unknown.example", DNS_A, DNS_NXDOMAIN, 0, 120, NULL, ""},
    {"empty.example", DNS_A, DNS_NODATA, 0, 0, NULL, ""},
    {"servfail.example", DNS_A, DNS_LATER, 0, 0, NULL, "the DNS server answered SERVFAIL"},
    {"refused.example", DNS_A, DNS_LATER, 0, 0, NULL, "the DNS server refused the question"},
    {"formerr.example", DNS_A, DNS_LATER, 0, 0, NULL, puzzled},
    {"notimp.example", DNS_A, DNS_LATER, 0, 0, NULL, puzzled},
    {"yxdomain.example", DNS_A, DNS_LATER, 0, 0, NULL, "the DNS server answered with an error"},
    {"servfail-records.example", DNS_A, DNS_LATER, 0, 0, NULL, "the DNS server answered SERVFAIL"},
    {"nx-records.example", DNS_A, DNS_LATER, 0, 0, NULL,
	"the DNS server's answer contradicts itself"},
    {"lame.example", DNS_A, DNS_LATER, 0, 0, NULL, lame},
    {"referral.example", DNS_A, DNS_LATER, 0, 0, NULL, lame},
    {"lame-nx.example", DNS_A, DNS_LATER, 0, 0, NULL, lame},
    {"lame-empty.example", DNS_A, DNS_LATER, 0, 0, NULL, lame},
    {"cut.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"cut-always.example", DNS_A, DNS_LATER, 0, 0, NULL, cut},
    {"tcp-closes.example", DNS_A, DNS_LATER, 0, 0, NULL, away},
    {"tcp-half.example", DNS_A, DNS_LATER, 0, 0, NULL, away},
    {"fake-id.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"fake-question.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"fake-source.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"fake-forms.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"flood.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"loop.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"loop-target.example", DNS_MX, DNS_LATER, 0, 0, NULL, broken},
    {"garbage.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"count-lies.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"no-edns.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"badvers.example", DNS_A, DNS_FOUND, 1, 60, NULL, ""},
    {"a-empty.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"a-short.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"aaaa-short.example", DNS_AAAA, DNS_LATER, 0, 0, NULL, broken},
    {"mx-empty.example", DNS_MX, DNS_LATER, 0, 0, NULL, broken},
    {"mx-short.example", DNS_MX, DNS_LATER, 0, 0, NULL, broken},
    {"mx-cut.example", DNS_MX, DNS_LATER, 0, 0, NULL, broken},
    {"cname-empty.example", DNS_A, DNS_LATER, 0, 0, NULL, broken},
    {"tlsa-empty.example", DNS_TLSA, DNS_FOUND, 1, 60, NULL, ""},
    {"tlsa-short.example", DNS_TLSA, DNS_FOUND, 1, 60, NULL, ""},
    {"alias.example", DNS_A, DNS_FOUND, 1, 50, "plain.example", ""},
    {"alias.example", DNS_CNAME, DNS_NODATA, 0, 120, NULL, ""},
    {"self.example", DNS_CNAME, DNS_FOUND, 1, 60, NULL, ""},
    {"alias-shuffled.example", DNS_A, DNS_FOUND, 1, 9, "b.example", ""},
    {"alias-open.example", DNS_A, DNS_FOUND, 1, 7, "plain.example", ""},
    {"alias-nx.example", DNS_A, DNS_NXDOMAIN, 0, 50, "gone.example", ""},
    {"alias-nodata.example", DNS_A, DNS_NODATA, 0, 50, "other.example", ""},
    {"alias-odd.example", DNS_A, DNS_FOUND, 1, 50, "o\\010d\\.d.example", ""},
    {"circle.example", DNS_A, DNS_LATER, 0, 0, NULL, circle},
    {"circle-open.example", DNS_A, DNS_LATER, 0, 0, NULL, circle},
    {"self.example", DNS_A, DNS_LATER, 0, 0, NULL, circle},
    {"ten.example", DNS_A, DNS_FOUND, 1, 60, "c9.example", ""},
    {"eleven.example", DNS_A, DNS_LATER, 0, 0, NULL, circle},
    {"srv.example", DNS_SRV, DNS_FOUND, 1, 60, NULL, ""},
    {"srv-short.example", DNS_SRV, DNS_LATER, 0, 0, NULL, broken},
    {"ptr.example", DNS_PTR, DNS_FOUND, 1, 60, NULL, ""},
    {"ptr-empty.example", DNS_PTR, DNS_LATER, 0, 0, NULL, broken},
    {"txt.example", DNS_TXT, DNS_FOUND, 1, 60, NULL, ""},
    {"txt-empty.example", DNS_TXT, DNS_FOUND, 1, 60, NULL, ""},
    {"txt-cut.example", DNS_TXT, DNS_LATER, 0, 0, NULL, broken},
    {"odd-mx.example", DNS_MX, DNS_FOUND, 1, 60, NULL, ""},
    {"long-ttl.example", DNS_A, DNS_FOUND, 1, 0, NULL, ""},
    {"", DNS_A, DNS_NXDOMAIN, 0, 0, NULL, ""},
    {"a..example", DNS_A, DNS_NXDOMAIN, 0, 0, NULL, ""},
    {"a23456789012345678901234567890123456789012345678901234567890abcd.example", DNS_A,
	DNS_NXDOMAIN, 0, 0, NULL, ""},
};

static void
check(const struct expectation *e)
{
	struct dns_answer *a = look_up(dns, e->name, e->type);

	if (a->status != e->status || a->n != e->n || strcmp(a->why, e->why) != 0)
		fail_msg("%s: status %d, %zu records, why <%s>", e->name, a->status, a->n, a->why);
	if (e->status != DNS_LATER && a->ttl != e->ttl)
		fail_msg("%s: TTL %u", e->name, a->ttl);
	if (e->status != DNS_LATER && strcmp(a->name, e->end ? e->end : e->name) != 0)
		fail_msg("%s: ends at <%s>", e->name, a->name);
	for (size_t i = 0; i < a->n && e->type == DNS_A; i++) {
		assert_int_equal(a->records[i].data.len, 4);
		assert_memory_equal(a->records[i].data.at, i ? "\300\0\2\2" : "\300\0\2\1", 4);
	}
	dns_answer_free(&a);
	assert_null(a);
}

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(expectations); i++)
		check(&expectations[i]);
}

/* ---- what is secure ---- */

static void
check_secure(const char *name, enum dns_type type, bool expected)
{
	struct dns_answer *a = look_up(dns, name, type);

	if (a->secure != expected)
		fail_msg("%s: secure is %d", name, a->secure);
	dns_answer_free(&a);
}

static void
test_secure(void **state)
{
	struct dns_settings settings = settings_for(&server);

	(void)state;
	server.secure_absence = true;
	check_secure("plain.example", DNS_A, false);
	check_secure("secure.example", DNS_A, true);
	check_secure("unknown.example", DNS_A, true);
	check_secure("plain.example", DNS_MX, true);
	check_secure("alias-open.example", DNS_A, false);
	check_secure("alias-open-secure.example", DNS_A, true);
	check_secure("a..example", DNS_A, false);
	check_secure("servfail.example", DNS_A, false);
	dns_free(&dns);
	settings.trust_ad = false;
	dns = dns_new(&settings);
	check_secure("secure.example", DNS_A, false);
	check_secure("unknown.example", DNS_A, false);
}

static void
test_names_are_text(void **state)
{
	struct dns_answer *a = look_up(dns, "odd-mx.example", DNS_MX);

	(void)state;
	assert_string_equal(a->records[0].name, "a/b\\010\\255.example");
	assert_int_equal(a->records[0].preference, 1);
	dns_answer_free(&a);
}

static void
test_what_other_records_hold(void **state)
{
	struct dns_answer *srv = look_up(dns, "srv.example", DNS_SRV);
	struct dns_answer *ptr = look_up(dns, "ptr.example", DNS_PTR);
	struct dns_answer *txt = look_up(dns, "txt.example", DNS_TXT);
	const struct dns_record *r = &srv->records[0];

	(void)state;
	assert_string_equal(r->name, "h.example");
	assert_int_equal(r->preference, 1);
	assert_int_equal(r->weight, 2);
	assert_int_equal(r->port, 995);
	assert_string_equal(ptr->records[0].name, "mail.example");
	assert_int_equal(txt->records[0].data.len, 15);
	assert_memory_equal(txt->records[0].data.at, "v=spf1 mx\0 -all", 15);
	dns_answer_free(&srv);
	dns_answer_free(&ptr);
	dns_answer_free(&txt);
}

static void
test_many_records(void **state)
{
	struct dns_answer *a = look_up(dns, "many.example", DNS_MX);

	(void)state;
	assert_int_equal(a->status, DNS_FOUND);
	assert_true(a->n > 2900); /* as many as one answer can hold */
	assert_string_equal(a->records[2900].name, "h2900.many.example");
	assert_int_equal(server.tcp, 1);
	dns_answer_free(&a);
}

/* ---- several servers ---- */

static const struct dns_rule refusing[] = {
    {"plain.example", 0, .rcode = LDNS_RCODE_REFUSED},
    {"secure.example", 0, .authority = "example. 60 IN NS ns.example.", .no_ra = true},
    {"cut.example", 0, .how = B_TCP_CLOSES},
    {"nodata.example", 0, .how = B_GARBAGE},
    {"empty.example", 0, .how = B_SILENT},
    {"unknown.example", 0, .rcode = LDNS_RCODE_SERVFAIL},
};

static void
check_status(struct dns *d, const char *name, enum dns_type type, enum dns_status expected)
{
	struct dns_answer *a = look_up(d, name, type);

	if (a->status != expected)
		fail_msg("%s: status %d, %s", name, a->status, a->why);
	dns_answer_free(&a);
}

/* Nothing is known yet, for this reason. Frees the answer. */
static void
check_later(struct dns_answer *a, const char *why)
{
	assert_int_equal(a->status, DNS_LATER);
	assert_string_equal(a->why, why);
	dns_answer_free(&a);
}

static void
test_the_second_server_is_asked(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns_server first;
	struct dns *d;

	(void)state;
	dns_server_start(&first, refusing, nitems(refusing));
	settings.servers[1] = settings.servers[0];
	settings.servers[0] = first.address;
	settings.n_servers = 2;
	d = dns_new(&settings);
	check_status(d, "plain.example", DNS_A, DNS_FOUND);
	check_status(d, "secure.example", DNS_A, DNS_FOUND);
	check_status(d, "nodata.example", DNS_A, DNS_NODATA);
	check_status(d, "unknown.example", DNS_A, DNS_NXDOMAIN);
	assert_int_equal(first.udp, 4);
	check_status(d, "cut.example", DNS_A, DNS_FOUND);
	assert_int_equal(first.udp, 5);
	/* out of reach by TCP: it comes last from now on */
	check_status(d, "two.example", DNS_A, DNS_FOUND);
	assert_int_equal(first.udp, 5);
	check_status(d, "servfail.example", DNS_A, DNS_NXDOMAIN);
	assert_int_equal(first.udp, 6);
	dns_free(&d);
	dns_server_stop(&first);
}

static void
test_a_silent_server_comes_last(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns_server first;
	struct dns *d;

	(void)state;
	dns_server_start(&first, refusing, nitems(refusing));
	settings.servers[1] = settings.servers[0];
	settings.servers[0] = first.address;
	settings.n_servers = 2;
	settings.timeout_ms = 100;
	settings.rounds = 1000; /* a slow machine tries again */
	d = dns_new(&settings);
	check_status(d, "empty.example", DNS_A, DNS_NODATA);
	dns_free(&d);
	settings = settings_for(&first);
	d = dns_new(&settings);
	check_status(d, "plain.example", DNS_A, DNS_LATER); /* it has read all before this */
	assert_true(first.udp >= 2);
	dns_free(&d);
	dns_server_stop(&first);
}

/*
 * An address where nobody answers, and the kernel says so: its port is held, until *fd is closed,
 * by a socket that takes bytes from one other port only.
 */
static struct sockaddr_storage
closed_port(int *fd)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in other = {.sin_family = AF_INET, .sin_port = htons(1)};

	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = bind_to(SOCK_DGRAM, &address);
	assert_int_equal(connect(*fd, (struct sockaddr *)&other, sizeof other), 0);
	return address;
}

static void
test_a_dead_server_and_none(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns *d;
	int held;

	(void)state;
	settings.servers[1] = settings.servers[0];
	settings.servers[0] = closed_port(&held);
	settings.n_servers = 2;
	d = dns_new(&settings);
	check_status(d, "plain.example", DNS_A, DNS_FOUND);
	dns_free(&d);

	settings.servers[1] = settings.servers[0];
	d = dns_new(&settings);
	check_later(look_up(d, "plain.example", DNS_A), away);
	dns_free(&d);

	settings.n_servers = 0;
	d = dns_new(&settings);
	check_later(look_up(d, "plain.example", DNS_A), "no DNS server is set");
	dns_free(&d);
	close(held);
}

static void
test_silence_ends(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns *d;

	(void)state;
	settings.timeout_ms = 20;
	settings.rounds = 3;
	d = dns_new(&settings);
	check_later(look_up(d, "silent.example", DNS_A), "the DNS server does not answer");
	dns_free(&d);
	check_status(dns, "plain.example", DNS_A, DNS_FOUND); /* it has read all before this */
	assert_int_equal(server.udp, 4);
}

static void
test_the_deadline_ends_it(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns_answer *a;
	struct dns *d;

	(void)state;
	settings.budget_ms = 20;
	settings.rounds = 1000000;
	d = dns_new(&settings);
	check_status(d, "silent.example", DNS_A, DNS_LATER);
	/* nothing is asked without time, and that is not remembered */
	check_later(dns_lookup(d, "plain.example", DNS_A, 0), "the DNS took too long");
	a = dns_lookup(d, "plain.example", DNS_A, INT64_MAX);
	assert_int_equal(a->status, DNS_FOUND);
	dns_answer_free(&a);
	dns_free(&d);
}

/* ---- remembering ---- */

static uint64_t clock_s;

static uint64_t
moved_clock(void)
{
	return clock_s;
}

static unsigned
asked_for(struct dns *d, const char *name, enum dns_type type)
{
	unsigned before = server.udp;
	struct dns_answer *a = look_up(d, name, type);

	dns_answer_free(&a);
	return server.udp - before;
}

static void
test_answers_are_remembered(void **state)
{
	struct dns_settings settings = settings_for(&server);
	struct dns *d;

	(void)state;
	settings.now_s = moved_clock;
	clock_s = 1000;
	d = dns_new(&settings);
	assert_int_equal(asked_for(d, "two.example", DNS_A), 1);
	assert_int_equal(asked_for(d, "unknown.example", DNS_A), 1);
	assert_int_equal(asked_for(d, "servfail.example", DNS_A), 1);
	assert_int_equal(asked_for(d, "empty.example", DNS_A), 1);
	clock_s += 4;
	assert_int_equal(asked_for(d, "two.example", DNS_A), 0);
	assert_int_equal(asked_for(d, "two.example", DNS_AAAA), 1);
	assert_int_equal(asked_for(d, "unknown.example", DNS_A), 0);
	assert_int_equal(asked_for(d, "servfail.example", DNS_A), 0);
	assert_int_equal(asked_for(d, "empty.example", DNS_A), 1); /* without SOA */
	clock_s += 1;
	assert_int_equal(asked_for(d, "servfail.example", DNS_A), 1);
	clock_s += 25;
	assert_int_equal(asked_for(d, "two.example", DNS_A), 1);
	assert_int_equal(asked_for(d, "unknown.example", DNS_A), 0);
	clock_s += 90;
	assert_int_equal(asked_for(d, "unknown.example", DNS_A), 1);
	dns_free(&d);
	dns_free(&d);
}

/* ---- the questions ---- */

static void
test_queries(void **state)
{
	struct dns_query q, other;
	uint8_t ids[64][2];
	unsigned same = 0;

	(void)state;
	assert_int_equal(dns_query_build(&q, "a.example", DNS_MX, true), 0);
	assert_int_equal(q.wire[2], 1);	   /* RD */
	assert_int_equal(q.wire[3], 0x20); /* AD */
	assert_int_equal(q.wire[11], 1);   /* one additional record: OPT with DO */
	assert_int_equal(q.wire[q.len - 4], 0x80);
	assert_int_equal(q.question_len, 15);
	assert_int_equal(dns_query_build(&other, "a.example", DNS_MX, false), 0);
	assert_int_equal(other.wire[11], 0);
	for (size_t i = 0; i < nitems(ids); i++) {
		dns_query_draw_id(&q);
		memcpy(ids[i], q.wire, 2);
		same += i > 0 && memcmp(ids[i], ids[i - 1], 2) == 0;
	}
	assert_true(same < 10);
}

/* ---- addresses of servers ---- */

static void
test_nameserver_texts(void **state)
{
	static const struct {
		const char *text;
		int family, port;
	} rows[] = {
	    {"192.0.2.53", AF_INET, 53},
	    {"192.0.2.53:5353", AF_INET, 5353},
	    {"[192.0.2.53]:5353", AF_INET, 5353},
	    {"2001:db8::53", AF_INET6, 53},
	    {"[2001:db8::53]", AF_INET6, 53},
	    {"[2001:db8::53]:5353", AF_INET6, 5353},
	    {"fe80::1%1", AF_INET6, 53},
	    {"fe80::1%lo", AF_INET6, 53},
	    {"", 0, 0},
	    {"192.0.2", 0, 0},
	    {"192.0.2.53:", 0, 0},
	    {"192.0.2.53:0", 0, 0},
	    {"192.0.2.53:65536", 0, 0},
	    {"192.0.2.53%1", 0, 0},
	    {"[2001:db8::53", 0, 0},
	    {"[2001:db8::53]5353", 0, 0},
	    {"[2001:db8::53]:x", 0, 0},
	    {"fe80::1%nosuchinterface", 0, 0},
	    {"ns.example", 0, 0},
	    {"2001:db8::53::1", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct sockaddr_storage address;
		bool good = nameserver_parse(span_of(rows[i].text), &address);
		int port = ntohs(((struct sockaddr_in *)&address)->sin_port); /* of both */

		if (good != (rows[i].family != 0) ||
		    (good && (address.ss_family != rows[i].family || port != rows[i].port)))
			fail_msg("<%s>", rows[i].text);
	}
}

static void
test_resolv_conf(void **state)
{
	static const struct {
		const char *text, *servers;
		bool trust_ad;
	} rows[] = {
	    {"nameserver 192.0.2.1\n", "192.0.2.1", false},
	    {"nameserver 192.0.2.1", "192.0.2.1", false},
	    {"# x\n;nameserver 192.0.2.9\nsearch a b\nnameserver\t2001:db8::1 x\n"
	     "options edns0 trust-ad\nnameserver 192.0.2.2  \n",
		"2001:db8::1 192.0.2.2", true},
	    {"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
	     "nameserver 192.0.2.4\n",
		"192.0.2.1 192.0.2.2 192.0.2.3", false},
	    {"nameserver\nnameserver x\nnameserverx 192.0.2.1\n", "127.0.0.1", false},
	    {"", "127.0.0.1", false},
	    {"options\noptions trust-ad2\n", "127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct resolv_conf conf;
		char all[3 * NAMESERVER_TEXT_SIZE] = "";

		resolv_conf_parse(span_of(rows[i].text), &conf);
		for (size_t k = 0; k < conf.n; k++) {
			strlcat(all, k ? " " : "", sizeof all);
			strlcat(all, conf.servers[k], sizeof all);
		}
		assert_string_equal(all, rows[i].servers);
		assert_int_equal(conf.trust_ad, rows[i].trust_ad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_secure, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_names_are_text, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_what_other_records_hold, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_many_records, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_the_second_server_is_asked, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_silent_server_comes_last, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_dead_server_and_none, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_silence_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_the_deadline_ends_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_answers_are_remembered, set_up, tear_down),
	    cmocka_unit_test(test_queries),
	    cmocka_unit_test(test_nameserver_texts),
	    cmocka_unit_test(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
