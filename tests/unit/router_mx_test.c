/*
 * From destinations to hosts: one table of zones and what becomes of them, then order, bounds, and
 * TLSA records.
 */
#include "tests/unit/common_dns_support.h"

#include "common/config.h"
#include "common/socket_address.h"
#include "router/mx.h"
#include "router/tlsa.h"

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA512 SHA256 SHA256
#define EE     " 60 IN TLSA 3 1 1 " SHA256

static const struct dns_rule rules[] = {
    /* hosts */
    {"a.example", DNS_A, .answer = "a.example. 60 A 192.0.2.1"},
    {"b.example", DNS_AAAA, .answer = "b.example. 60 AAAA 2001:db8::2"},
    {"c.example", DNS_A, .answer = "c.example. 60 A 192.0.2.3"},
    {"c.example", DNS_AAAA, .answer = "c.example. 60 AAAA 2001:db8::3"},
    {"none.example", DNS_TLSA, .answer = ""},
    {"fails.example", 0, .rcode = LDNS_RCODE_SERVFAIL},
    {"refuses.example", 0, .rcode = LDNS_RCODE_REFUSED},
    {"silent.example", 0, .how = B_SILENT},
    {"cut.example", 0, .how = B_CUT_ALWAYS},
    {"half.example", DNS_A, .answer = "half.example. 60 A 192.0.2.5"},
    {"half.example", DNS_AAAA, .rcode = LDNS_RCODE_SERVFAIL},
    {"alias.example", 0, .answer = "alias.example. 60 CNAME a.example.\na.example. 60 A 192.0.2.1"},
    {"circle.example", 0, .answer = "circle.example. 60 CNAME circle.example."},
    {"localhost", DNS_A, .answer = "localhost. 60 A 127.0.0.1"},
    {"localhost", DNS_AAAA, .answer = "localhost. 60 AAAA ::1"},
    {"odd.example", DNS_A,
	.answer = "odd.example. 60 A 0.0.0.0\nodd.example. 60 A 127.0.0.2\n"
		  "odd.example. 60 A 224.0.0.1\nodd.example. 60 A 255.255.255.255"},
    {"odd.example", DNS_AAAA,
	.answer = "odd.example. 60 AAAA ::\nodd.example. 60 AAAA ::ffff:127.0.0.1\n"
		  "odd.example. 60 AAAA ff02::1\nodd.example. 60 AAAA fe80::1\n"
		  "odd.example. 60 AAAA ::ffff:0.0.0.0"},
    {"mixed.example", DNS_A,
	.answer = "mixed.example. 60 A 127.0.0.1\nmixed.example. 60 A 192.0.2.6"},
    {"other-us.example", DNS_A, .answer = "other-us.example. 60 A 192.0.2.250"},
    {"other-us6.example", DNS_AAAA, .answer = "other-us6.example. 60 AAAA 2001:db8::250"},
    {"mapped-us.example", DNS_AAAA, .answer = "mapped-us.example. 60 AAAA ::ffff:192.0.2.250"},
    {"alias-us.example", 0,
	.answer = "alias-us.example. 60 CNAME mx.us.example.\nmx.us.example. 60 A 192.0.2.99"},
    {"mx.us.example", DNS_A, .answer = "mx.us.example. 60 A 192.0.2.99"},
    /* destinations */
    {"one.example", DNS_MX, .answer = "one.example. 60 MX 10 a.example."},
    {"three.example", DNS_MX,
	.answer = "three.example. 60 MX 30 c.example.\nthree.example. 60 MX 10 b.example.\n"
		  "three.example. 60 MX 20 a.example."},
    {"upper.example", DNS_MX, .answer = "UPPER.example. 60 MX 10 A.EXAMPLE."},
    {"twice.example", DNS_MX,
	.answer = "twice.example. 60 MX 30 a.example.\ntwice.example. 60 MX 10 A.example.\n"
		  "twice.example. 60 MX 10 a.example."},
    {"to-alias.example", DNS_MX, .answer = "to-alias.example. 60 MX 10 alias.example."},
    {"is-alias.example", 0,
	.answer = "is-alias.example. 60 CNAME one.example.\none.example. 60 MX 10 a.example."},
    {"null.example", DNS_MX, .answer = "null.example. 60 MX 0 ."},
    {"null5.example", DNS_MX, .answer = "null5.example. 60 MX 5 .\nnull5.example. 60 MX 0 ."},
    {"null-and.example", DNS_MX,
	.answer = "null-and.example. 60 MX 0 .\nnull-and.example. 60 MX 5 a.example."},
    {"dead.example", DNS_MX,
	.answer = "dead.example. 60 MX 10 gone.example.\ndead.example. 60 MX 10 none.example."},
    {"part-dead.example", DNS_MX,
	.answer = "part-dead.example. 60 MX 10 gone.example.\n"
		  "part-dead.example. 60 MX 20 a.example."},
    {"unsure.example", DNS_MX,
	.answer =
	    "unsure.example. 60 MX 10 gone.example.\nunsure.example. 60 MX 20 fails.example."},
    {"part-unsure.example", DNS_MX,
	.answer = "part-unsure.example. 60 MX 10 fails.example.\n"
		  "part-unsure.example. 60 MX 20 a.example."},
    {"to-half.example", DNS_MX, .answer = "to-half.example. 60 MX 10 half.example."},
    {"to-circle.example", DNS_MX, .answer = "to-circle.example. 60 MX 10 circle.example."},
    {"to-cut.example", DNS_MX, .answer = "to-cut.example. 60 MX 10 cut.example."},
    {"to-localhost.example", DNS_MX, .answer = "to-localhost.example. 60 MX 10 localhost."},
    {"to-odd.example", DNS_MX,
	.answer = "to-odd.example. 60 MX 10 odd.example.\nto-odd.example. 60 MX 20 localhost."},
    {"odd-first.example", DNS_MX,
	.answer =
	    "odd-first.example. 60 MX 10 odd.example.\nodd-first.example. 60 MX 20 a.example."},
    {"to-mixed.example", DNS_MX, .answer = "to-mixed.example. 60 MX 10 mixed.example."},
    {"to-ip.example", DNS_MX, .answer = "to-ip.example. 60 MX 10 192.0.2.1."},
    {"strange.example", DNS_MX,
	.answer = "strange.example. 60 MX 10 a/b.example.\nstrange.example. 60 MX 20 "
		  "x\\010y.example.\nstrange.example. 60 MX 30 \\255\\254.example.\n"
		  "strange.example. 60 MX 40 p\\.q.example."},
    {"strange-and.example", DNS_MX,
	.answer = "strange-and.example. 60 MX 10 a/b.example.\n"
		  "strange-and.example. 60 MX 20 a.example."},
    {"us-best.example", DNS_MX,
	.answer = "us-best.example. 60 MX 10 mx.us.example.\nus-best.example. 60 MX 20 a.example."},
    {"us-equal.example", DNS_MX,
	.answer =
	    "us-equal.example. 60 MX 10 a.example.\nus-equal.example. 60 MX 10 MX.us.Example."},
    {"us-backup.example", DNS_MX,
	.answer =
	    "us-backup.example. 60 MX 10 a.example.\nus-backup.example. 60 MX 20 b.example.\n"
	    "us-backup.example. 60 MX 20 mx.us.example.\nus-backup.example. 60 MX 30 c.example."},
    {"us-by-ip.example", DNS_MX,
	.answer =
	    "us-by-ip.example. 60 MX 10 a.example.\nus-by-ip.example. 60 MX 20 b.example.\n"
	    "us-by-ip.example. 60 MX 20 other-us.example.\nus-by-ip.example. 60 MX 30 c.example."},
    {"us-by-ip6.example", DNS_MX,
	.answer = "us-by-ip6.example. 60 MX 10 a.example.\n"
		  "us-by-ip6.example. 60 MX 20 other-us6.example."},
    {"us-mapped.example", DNS_MX, .answer = "us-mapped.example. 60 MX 10 mapped-us.example."},
    {"us-by-alias.example", DNS_MX,
	.answer = "us-by-alias.example. 60 MX 10 a.example.\n"
		  "us-by-alias.example. 60 MX 20 alias-us.example.\n"
		  "us-by-alias.example. 60 MX 30 c.example."},
    {"us-dead.example", DNS_MX,
	.answer =
	    "us-dead.example. 60 MX 10 gone.example.\nus-dead.example. 60 MX 20 mx.us.example."},
    {"us-unsure.example", DNS_MX,
	.answer = "us-unsure.example. 60 MX 10 fails.example.\n"
		  "us-unsure.example. 60 MX 20 mx.us.example."},
    {"xn--bcher-kva.example", DNS_MX, .answer = "xn--bcher-kva.example. 60 MX 10 a.example."},
    {"under_score.example", DNS_MX, .answer = "under_score.example. 60 MX 10 a.example."},
    {"broken.example", 0, .how = B_GARBAGE},
    {"lies.example", 0, .how = B_COUNT_LIES},
    {"loop.example", 0, .how = B_LOOP_TARGET},
    {"many.example", DNS_MX, .how = B_MANY, .many = 10000},
    {"many-good.example", DNS_MX, .how = B_MANY, .many = 10000,
	.answer = "many-good.example. 60 MX 0 a.example."},
    {"many-same.example", DNS_MX,
	.answer =
	    "many-same.example. 60 MX 1 gone.example.\nmany-same.example. 60 MX 2 gone.example.\n"
	    "many-same.example. 60 MX 3 gone.example.\nmany-same.example. 60 MX 4 gone.example.\n"
	    "many-same.example. 60 MX 5 gone.example.\nmany-same.example. 60 MX 6 gone.example.\n"
	    "many-same.example. 60 MX 7 gone.example.\nmany-same.example. 60 MX 9 a.example."},
    {"equal.example", DNS_MX,
	.answer = "equal.example. 60 MX 10 a.example.\nequal.example. 60 MX 10 b.example.\n"
		  "equal.example. 60 MX 10 c.example.\nequal.example. 60 MX 5 alias.example."},
    {"addresses.example", DNS_A,
	.answer = "addresses.example. 60 A 192.0.2.10\naddresses.example. 60 A 192.0.2.11\n"
		  "addresses.example. 60 A 192.0.2.12\naddresses.example. 60 A 192.0.2.13\n"
		  "addresses.example. 60 A 192.0.2.14\naddresses.example. 60 A 192.0.2.15\n"
		  "addresses.example. 60 A 192.0.2.16\naddresses.example. 60 A 192.0.2.17\n"
		  "addresses.example. 60 A 192.0.2.18\naddresses.example. 60 A 192.0.2.19"},
    {"addresses.example", DNS_AAAA,
	.answer =
	    "addresses.example. 60 AAAA 2001:db8::10\naddresses.example. 60 AAAA 2001:db8::11"},

    /* DANE */
    {"s.test", DNS_MX, .secure = true,
	.answer = "s.test. 60 MX 10 ee.test.\ns.test. 60 MX 11 plain.test.\n"
		  "s.test. 60 MX 12 insecure.test.\ns.test. 60 MX 13 odd.test.\n"
		  "s.test. 60 MX 14 empty.test.\ns.test. 60 MX 15 later.test.\n"
		  "s.test. 60 MX 16 forged.test.\ns.test. 60 MX 17 both.test.\n"
		  "s.test. 60 MX 18 cut.test.\ns.test. 60 MX 19 broken.test."},
    {"t.test", DNS_MX, .secure = true,
	.answer = "t.test. 60 MX 10 alias1.test.\nt.test. 60 MX 11 alias2.test.\n"
		  "t.test. 60 MX 12 alias3.test.\nt.test. 60 MX 13 alias4.test.\n"
		  "t.test. 60 MX 14 alias5.test."},
    {"u.test", DNS_MX, .answer = "u.test. 60 MX 10 ee.test."},
    {"ee.test", DNS_A, .secure = true, .answer = "ee.test. 60 A 192.0.2.1"},
    {"_25._tcp.ee.test", DNS_TLSA, .secure = true,
	.answer = "_25._tcp.ee.test." EE "\n_25._tcp.ee.test. 60 TLSA 2 0 2 " SHA512
		  "\n_25._tcp.ee.test. 60 TLSA 3 0 0 308201"},
    {"plain.test", DNS_A, .secure = true, .answer = "plain.test. 60 A 192.0.2.1"},
    {"insecure.test", DNS_A, .answer = "insecure.test. 60 A 192.0.2.1"},
    {"_25._tcp.insecure.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.insecure.test." EE},
    {"odd.test", DNS_A, .secure = true, .answer = "odd.test. 60 A 192.0.2.1"},
    {"_25._tcp.odd.test", DNS_TLSA, .secure = true,
	.answer =
	    "_25._tcp.odd.test. 60 TLSA 0 0 1 " SHA256 "\n_25._tcp.odd.test. 60 TLSA 1 1 1 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 4 1 1 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 255 1 1 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 3 2 1 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 3 1 3 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 3 1 2 " SHA256
	    "\n_25._tcp.odd.test. 60 TLSA 3 1 1 " SHA512},
    {"empty.test", DNS_A, .secure = true, .answer = "empty.test. 60 A 192.0.2.1"},
    {"_25._tcp.empty.test", DNS_TLSA, .secure = true, .has_raw = true, .raw_type = DNS_TLSA},
    {"later.test", DNS_A, .secure = true, .answer = "later.test. 60 A 192.0.2.1"},
    {"_25._tcp.later.test", DNS_TLSA, .rcode = LDNS_RCODE_SERVFAIL},
    {"forged.test", DNS_A, .secure = true, .answer = "forged.test. 60 A 192.0.2.1"},
    {"_25._tcp.forged.test", DNS_TLSA, .answer = "_25._tcp.forged.test." EE},
    {"both.test", DNS_A, .secure = true, .answer = "both.test. 60 A 192.0.2.1"},
    {"both.test", DNS_AAAA, .answer = "both.test. 60 AAAA 2001:db8::1"},
    {"_25._tcp.both.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.both.test." EE},
    {"cut.test", DNS_A, .secure = true, .answer = "cut.test. 60 A 192.0.2.1"},
    {"_25._tcp.cut.test", DNS_TLSA, .how = B_CUT_ALWAYS},
    {"broken.test", DNS_A, .secure = true, .answer = "broken.test. 60 A 192.0.2.1"},
    {"_25._tcp.broken.test", DNS_TLSA, .how = B_GARBAGE},
    /* TLSA at the end of the chain */
    {"alias1.test", DNS_A, .secure = true,
	.answer = "alias1.test. 60 CNAME ee.test.\nee.test. 60 A 192.0.2.1"},
    {"_25._tcp.alias1.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.alias1.test." EE},
    /* not there, but at the name itself */
    {"alias2.test", DNS_A, .secure = true,
	.answer = "alias2.test. 60 CNAME plain.test.\nplain.test. 60 A 192.0.2.1"},
    {"_25._tcp.alias2.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.alias2.test." EE},
    /* leads to an insecure zone, the CNAME is secure */
    {"alias3.test", DNS_A,
	.answer = "alias3.test. 60 CNAME insecure.test.\ninsecure.test. 60 A 192.0.2.1"},
    {"alias3.test", DNS_CNAME, .secure = true, .answer = "alias3.test. 60 CNAME insecure.test."},
    {"_25._tcp.alias3.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.alias3.test." EE},
    /* the CNAME is not secure either */
    {"alias4.test", 0,
	.answer = "alias4.test. 60 CNAME insecure.test.\ninsecure.test. 60 A 192.0.2.1"},
    {"_25._tcp.alias4.test", DNS_TLSA, .secure = true, .answer = "_25._tcp.alias4.test." EE},
    /* nobody knows */
    {"alias5.test", DNS_A,
	.answer = "alias5.test. 60 CNAME insecure.test.\ninsecure.test. 60 A 192.0.2.1"},
    {"alias5.test", DNS_CNAME, .rcode = LDNS_RCODE_SERVFAIL},
    /* no MX: the domain itself */
    {"implicit.test", DNS_A, .secure = true, .answer = "implicit.test. 60 A 192.0.2.1"},
    {"_25._tcp.implicit.test", DNS_TLSA, .secure = true,
	.answer = "_25._tcp.implicit.test. 60 CNAME _dane.test.\n_dane.test." EE},
};

static struct dns_server server;
static struct dns *dns;
static struct mx_settings settings = {.ipv4 = true, .ipv6 = true};
static struct ip_list *own, *unusable;
static struct mx_list list;

static int
set_up(void **state)
{
	char *why = NULL;
	const struct config_key *key = config_find("outgoing", "Unusable Addresses", &why);
	struct dns_settings s;

	(void)state;
	assert_non_null(key);
	dns_server_start(&server, rules, nitems(rules));
	server.secure_absence = true;
	s = settings_for(&server);
	dns = dns_new(&s);
	own = ip_list_new(span_of("192.0.2.250 2001:db8::250"));
	unusable = ip_list_new(span_of(key->preset));
	settings = (struct mx_settings){
	    span_of("us.example mx.us.example"), own, unusable, .ipv4 = true, .ipv6 = true};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	ip_list_free(&own);
	ip_list_free(&unusable);
	dns_free(&dns);
	dns_server_stop(&server);
	return 0;
}

static void
find(const char *domain)
{
	mx_of_domain(dns, &settings, span_of(domain), 25, dns_deadline(dns), &list);
}

/* "10 a.example 192.0.2.1; 20 alias.example>b.example 2001:db8::2" */
static void
describe(char *out, size_t size)
{
	FILE *f = fmemopen(out, size, "w");

	assert_non_null(f);
	for (size_t i = 0; i < list.n; i++) {
		const struct mx_host *h = &list.hosts[i];

		fprintf(f, "%s%u %s%s%s", i ? "; " : "", h->preference, h->name,
		    h->alias[0] ? ">" : "", h->alias);
		for (size_t k = 0; k < h->n; k++) {
			char text[SOCKET_ADDRESS_TEXT_SIZE];

			socket_address_text((const struct sockaddr *)&h->addresses[k], text);
			fprintf(f, " %s", text);
			assert_int_equal(
			    ntohs(((const struct sockaddr_in *)&h->addresses[k])->sin_port), 25);
		}
	}
	fclose(f);
}

static void
check_text(void)
{
	assert_true(strlen(list.text) < MX_TEXT_SIZE - 1);
	assert_int_equal(list.text[0] != '\0', list.end != MX_FOUND);
	for (const char *c = list.text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			fail_msg("<%s>", list.text);
}

/* ---- one table ---- */

static const struct {
	const char *domain;
	enum mx_end end;
	const char *result; /* the hosts, or the code */
} rows[] = {
    {"one.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"ONE.example.", MX_FOUND, "10 a.example 192.0.2.1"},
    {"upper.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"three.example", MX_FOUND,
	"10 b.example 2001:db8::2; 20 a.example 192.0.2.1; 30 c.example 2001:db8::3 192.0.2.3"},
    {"twice.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"to-alias.example", MX_FOUND, "10 alias.example>a.example 192.0.2.1"},
    {"is-alias.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"a.example", MX_FOUND, "0 a.example 192.0.2.1"}, /* no MX */
    {"alias.example", MX_FOUND, "0 alias.example>a.example 192.0.2.1"},
    {"xn--bcher-kva.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"b\303\274cher.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"B\303\234CHER.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"under_score.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"null-and.example", MX_FOUND, "5 a.example 192.0.2.1"},
    {"part-dead.example", MX_FOUND, "20 a.example 192.0.2.1"},
    {"part-unsure.example", MX_FOUND, "20 a.example 192.0.2.1"},
    {"to-half.example", MX_FOUND, "10 half.example 192.0.2.5"},
    {"odd-first.example", MX_FOUND, "20 a.example 192.0.2.1"},
    {"to-mixed.example", MX_FOUND, "10 mixed.example 192.0.2.6"},
    {"strange-and.example", MX_FOUND, "20 a.example 192.0.2.1"},
    {"us-backup.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"us-by-ip.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"us-by-ip6.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"us-by-alias.example", MX_FOUND, "10 a.example 192.0.2.1"},
    {"many-same.example", MX_FOUND, "9 a.example 192.0.2.1"},
    {"many-good.example", MX_FOUND, "0 a.example 192.0.2.1"},
    {"unknown.example", MX_FAILED, "5.1.2"},
    {"none.example", MX_FAILED, "5.1.2"},
    {"null.example", MX_FAILED, "5.1.10"},
    {"null5.example", MX_FAILED, "5.1.10"},
    {"dead.example", MX_FAILED, "5.4.4"},
    {"to-localhost.example", MX_FAILED, "5.4.4"},
    {"to-odd.example", MX_FAILED, "5.4.4"},
    {"to-ip.example", MX_FAILED, "5.4.4"},
    {"strange.example", MX_FAILED, "5.4.4"},
    {"us-best.example", MX_FAILED, "5.4.6"},
    {"us-equal.example", MX_FAILED, "5.4.6"},
    {"us-mapped.example", MX_FAILED, "5.4.6"},
    {"us-dead.example", MX_FAILED, "5.4.6"},
    {"other-us.example", MX_FAILED, "5.4.6"}, /* no MX, our address */
    {"alias-us.example", MX_FAILED, "5.4.6"},
    {"localhost", MX_FAILED, "5.1.2"},
    {"fails.example", MX_LATER, "4.4.3"},
    {"refuses.example", MX_LATER, "4.4.3"},
    {"cut.example", MX_LATER, "4.4.3"},
    {"broken.example", MX_LATER, "4.4.3"},
    {"lies.example", MX_LATER, "4.4.3"},
    {"loop.example", MX_LATER, "4.4.3"},
    {"circle.example", MX_LATER, "4.4.3"},
    {"unsure.example", MX_LATER, "4.4.3"},
    {"us-unsure.example", MX_LATER, "4.4.3"},
    {"to-circle.example", MX_LATER, "4.4.3"},
    {"to-cut.example", MX_LATER, "4.4.3"},
    {"many.example", MX_LATER, "4.4.3"}, /* none of the first is there */
    {"[192.0.2.77]", MX_FOUND, "0 192.0.2.77 192.0.2.77"},
    {"[IPv6:2001:db8::77]", MX_FOUND, "0 2001:db8::77 2001:db8::77"},
    {"[ipv6:2001:DB8::77]", MX_FOUND, "0 2001:DB8::77 2001:db8::77"},
    {"[192.0.2.250]", MX_FAILED, "5.4.6"},
    {"[IPv6:2001:db8::250]", MX_FAILED, "5.4.6"},
    {"[127.0.0.1]", MX_FAILED, "5.4.4"},
    {"[0.0.0.0]", MX_FAILED, "5.4.4"},
    {"[IPv6:::]", MX_FAILED, "5.4.4"},
    {"[IPv6:::ffff:127.0.0.1]", MX_FAILED, "5.4.4"},
    {"[192.0.2.256]", MX_FAILED, "5.1.2"},
    {"[a.example]", MX_FAILED, "5.1.2"},
    {"[", MX_FAILED, "5.1.2"},
    {"[]", MX_FAILED, "5.1.2"},
    {"", MX_FAILED, "5.1.2"},
    {".", MX_FAILED, "5.1.2"},
    {"a..example", MX_FAILED, "5.1.2"},
    {"a\nb.example", MX_FAILED, "5.1.2"},
    {"a/b.example", MX_FAILED, "5.1.2"},
    {"\377\376.example", MX_FAILED, "5.1.2"},
    {"a.example\r\nRCPT", MX_FAILED, "5.1.2"},
};

static void
test_destinations(void **state)
{
	char result[2000];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		find(rows[i].domain);
		strlcpy(result, list.code, sizeof result);
		if (list.n > 0)
			describe(result, sizeof result);
		if (list.end != rows[i].end || strcmp(result, rows[i].result) != 0)
			fail_msg(
			    "<%s>: end %d, %s, %s", rows[i].domain, list.end, result, list.text);
		assert_int_equal(list.n > 0, list.end == MX_FOUND);
		check_text();
	}
}

static void
test_long_names(void **state)
{
	char name[1000];

	(void)state;
	memset(name, '\\', sizeof name);
	for (size_t len = 1; len < sizeof name; len += 7) {
		mx_of_domain(dns, &settings, (struct span){name, len}, 25, 0, &list);
		assert_int_equal(list.end, MX_FAILED);
		assert_true(strlen(list.text) < MX_TEXT_SIZE);
	}
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	mx_of_domain(dns, &settings, (struct span){name, 253}, 25, dns_deadline(dns), &list);
	assert_string_equal(list.code, "5.1.2"); /* fits, and is not there */
	assert_int_equal(server.udp, 1);
	mx_of_domain(dns, &settings, (struct span){name, 255}, 25, dns_deadline(dns), &list);
	assert_string_equal(list.code, "5.1.2");
	mx_of_domain(dns, &settings, (struct span){name, 300}, 25, dns_deadline(dns), &list);
	assert_string_equal(list.code, "5.1.2");
	assert_int_equal(server.udp, 1);
}

/* ---- order and bounds ---- */

static void
test_equals_are_shuffled(void **state)
{
	unsigned first[3] = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		find("equal.example");
		assert_int_equal(list.n, 4);
		assert_string_equal(list.hosts[0].name, "alias.example");
		first[list.hosts[1].name[0] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		assert_true(first[i] > 0);
}

static void
test_addresses(void **state)
{
	unsigned seen[20] = {0}, different = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		const struct mx_host *h = &list.hosts[0];

		find("addresses.example");
		assert_int_equal(list.n, 1);
		assert_int_equal(h->n, HOST_ADDRESSES_MAX);
		for (size_t k = 0; k < h->n; k++) {
			const struct sockaddr_in *v4 = (const void *)&h->addresses[k];

			assert_int_equal(v4->sin_family, k == 0 || k == 2 ? AF_INET6 : AF_INET);
			if (k == 1)
				seen[(ntohl(v4->sin_addr.s_addr) & 0xff) - 10]++;
		}
	}
	for (size_t i = 0; i < nitems(seen); i++)
		different += seen[i] > 0;
	assert_true(different > 1);
	settings.ipv6 = false;
	find("three.example");
	assert_int_equal(list.n, 2);
	settings.ipv6 = true;
	settings.ipv4 = false;
	find("one.example");
	assert_string_equal(list.code, "5.4.4");
}

static void
test_look_ups_are_bounded(void **state)
{
	unsigned before;

	(void)state;
	find("many.example");
	before = server.udp;
	assert_true(before <= 1 + 2 * MX_LOOKED_MAX);
	find("many-good.example");
	assert_true(server.udp - before <= 1 + 2 * MX_LOOKED_MAX);
	assert_int_equal(list.n, 1);
}

static void
test_silence_defers(void **state)
{
	struct dns_settings s = settings_for(&server);

	(void)state;
	dns_free(&dns);
	s.timeout_ms = 20;
	s.rounds = 2;
	dns = dns_new(&s);
	find("silent.example");
	assert_int_equal(list.end, MX_LATER);
	assert_string_equal(list.code, "4.4.3");
	assert_string_equal(list.text,
	    "cannot find the mail servers of <silent.example> now: the DNS server does not answer");
}

/* ---- hosts of the configuration ---- */

static void
find_host(const char *name, enum mx_end end, const char *expected)
{
	char result[500];

	mx_of_host(dns, &settings, span_of(name), 25, dns_deadline(dns), &list);
	strlcpy(result, list.code, sizeof result);
	if (list.n > 0)
		describe(result, sizeof result);
	assert_int_equal(list.end, end);
	assert_string_equal(result, expected);
	check_text();
}

static void
test_hosts(void **state)
{
	(void)state;
	find_host("a.example", MX_FOUND, "0 a.example 192.0.2.1");
	find_host("one.example", MX_LATER, "4.4.4"); /* its MX are not asked for */
	find_host("gone.example", MX_LATER, "4.4.4");
	find_host("fails.example", MX_LATER, "4.4.4");
	find_host("a b", MX_LATER, "4.4.4");
	find_host("", MX_LATER, "4.4.4");
	find_host("localhost", MX_FOUND, "0 localhost ::1 127.0.0.1");
	find_host("mail.localhost", MX_FOUND, "0 mail.localhost ::1 127.0.0.1"); /* nobody knows it */
	find_host("other-us.example", MX_FOUND, "0 other-us.example 192.0.2.250");
	find_host("127.0.0.1", MX_FOUND, "0 127.0.0.1 127.0.0.1");
	find_host("[127.0.0.1]", MX_FOUND, "0 127.0.0.1 127.0.0.1");
	find_host("2001:db8::1", MX_FOUND, "0 2001:db8::1 2001:db8::1");
	find_host("[IPv6:::1]", MX_FOUND, "0 ::1 ::1");
}

/* ---- DANE ---- */

static void
check_tlsa(const char *host, enum tlsa_state state, const char *base, size_t n)
{
	struct tlsa_set set;

	for (size_t i = 0; i < list.n; i++) {
		if (strcmp(list.hosts[i].name, host) != 0)
			continue;
		tlsa_lookup(dns, &list, &list.hosts[i], 25, dns_deadline(dns), &set);
		if (set.state != state || strcmp(set.base, base) != 0 || set.n != n)
			fail_msg("%s: %d <%s> %zu records, %s", host, set.state, set.base, set.n,
			    set.text);
		assert_int_equal(set.text[0] != '\0', state == TLSA_LATER);
		tlsa_set_clear(&set);
		tlsa_set_clear(&set);
		return;
	}
	fail_msg("no host %s", host);
}

static void
test_tlsa(void **state)
{
	(void)state;
	find("s.test");
	assert_true(list.secure);
	assert_int_equal(list.n, MX_HOSTS_MAX);
	check_tlsa("ee.test", TLSA_USABLE, "ee.test", 3);
	check_tlsa("plain.test", TLSA_NONE, "", 0);
	check_tlsa("insecure.test", TLSA_INSECURE, "", 0);
	check_tlsa("odd.test", TLSA_UNUSABLE, "odd.test", 0);
	check_tlsa("empty.test", TLSA_UNUSABLE, "empty.test", 0);
	check_tlsa("later.test", TLSA_LATER, "", 0);
	check_tlsa("forged.test", TLSA_NONE, "", 0);
	check_tlsa("both.test", TLSA_INSECURE, "", 0);
	check_tlsa("cut.test", TLSA_LATER, "", 0);
	check_tlsa("broken.test", TLSA_LATER, "", 0);
}

static void
test_tlsa_of_aliases(void **state)
{
	(void)state;
	find("t.test");
	check_tlsa("alias1.test", TLSA_USABLE, "ee.test", 3);
	check_tlsa("alias2.test", TLSA_USABLE, "alias2.test", 1);
	check_tlsa("alias3.test", TLSA_USABLE, "alias3.test", 1);
	check_tlsa("alias4.test", TLSA_INSECURE, "", 0);
	check_tlsa("alias5.test", TLSA_LATER, "", 0);
}

static void
test_tlsa_needs_a_secure_mx(void **state)
{
	(void)state;
	find("u.test");
	assert_false(list.secure);
	assert_true(list.hosts[0].secure);
	check_tlsa("ee.test", TLSA_INSECURE, "", 0);
	find("implicit.test");
	assert_true(list.secure && list.implicit);
	check_tlsa("implicit.test", TLSA_USABLE, "implicit.test", 1);
	server.secure_absence = false;
	dns_free(&dns);
	dns = dns_new(&(struct dns_settings){
	    .servers = {server.address}, .n_servers = 1, .timeout_ms = 60000, .trust_ad = true});
	find("implicit.test");
	assert_false(list.secure);
	check_tlsa("implicit.test", TLSA_INSECURE, "", 0);
	find("[192.0.2.77]");
	check_tlsa("192.0.2.77", TLSA_INSECURE, "", 0);
	/* the configuration names the host */
	mx_of_host(dns, &settings, span_of("ee.test"), 25, dns_deadline(dns), &list);
	check_tlsa("ee.test", TLSA_USABLE, "ee.test", 3);
}

static void
test_tlsa_parse(void **state)
{
	static const struct {
		unsigned char head[3];
		size_t data;
		bool good;
	} cases[] = {
	    {{3, 1, 1}, 32, true},
	    {{3, 1, 1}, 31, false},
	    {{3, 1, 1}, 33, false},
	    {{3, 1, 1}, 0, false},
	    {{2, 0, 2}, 64, true},
	    {{2, 0, 2}, 32, false},
	    {{2, 1, 0}, 1, true},
	    {{2, 1, 0}, 0, false},
	    {{2, 1, 0}, 3000, true},
	    {{0, 1, 1}, 32, false},
	    {{1, 1, 1}, 32, false},
	    {{4, 1, 1}, 32, false},
	    {{255, 1, 1}, 32, false},
	    {{3, 2, 1}, 32, false},
	    {{3, 255, 1}, 32, false},
	    {{3, 1, 3}, 32, false},
	    {{3, 1, 255}, 32, false},
	};
	char data[3100] = {0};
	struct tlsa_record r;

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		memcpy(data, cases[i].head, 3);
		if (tlsa_parse((struct span){data, 3 + cases[i].data}, &r) != cases[i].good)
			fail_msg("row %zu", i);
		if (cases[i].good)
			assert_true(r.data.len == cases[i].data && r.data.at == data + 3);
	}
	for (size_t len = 0; len < 3; len++)
		assert_false(tlsa_parse((struct span){data, len}, &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_destinations, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_long_names, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_equals_are_shuffled, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_look_ups_are_bounded, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_silence_defers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_hosts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tlsa, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tlsa_of_aliases, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_tlsa_needs_a_secure_mx, set_up, tear_down),
	    cmocka_unit_test(test_tlsa_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
