/*
 * Hosts with ports, and the right sides of [routes] and [tls policy]: what is taken, as it is
 * printed, which parses to the same again; and what is refused, with the word at fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/next_hop.h"

static void
hosts(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		unsigned port;
		bool is_address;
		const char *printed;
	} rows[] = {
	    {"Mail.Example.org", "mail.example.org", 0, false, "mail.example.org"},
	    {"mail.example.org.:587", "mail.example.org", 587, false, "mail.example.org:587"},
	    {"mail", "mail", 0, false, "mail"},
	    {"a_b.x1:65535", "a_b.x1", 65535, false, "a_b.x1:65535"},
	    {"192.0.2.1", "192.0.2.1", 0, true, "192.0.2.1"},
	    {"192.0.2.1:25", "192.0.2.1", 25, true, "192.0.2.1:25"},
	    {"2001:DB8:0:0::1", "2001:db8::1", 0, true, "[2001:db8::1]"},
	    {"[2001:db8::1]", "2001:db8::1", 0, true, "[2001:db8::1]"},
	    {"[::1]:2525", "::1", 2525, true, "[::1]:2525"},
	    {"[IPv6:2001:db8::1]:25", "2001:db8::1", 25, true, "[2001:db8::1]:25"},
	    {"[ipv6:::1]", "::1", 0, true, "[::1]"},
	    {"::ffff:192.0.2.1", "::ffff:192.0.2.1", 0, true, "[::ffff:192.0.2.1]"},
	    {"", NULL, 0, false, ""},
	    {".", NULL, 0, false, ""},
	    {":", NULL, 0, false, ""},
	    {":25", NULL, 0, false, ""},
	    {"a:0", NULL, 0, false, ""},
	    {"a:65536", NULL, 0, false, ""},
	    {"a:-1", NULL, 0, false, ""},
	    {"a:", NULL, 0, false, ""},
	    {"a:b:25", NULL, 0, false, ""},
	    {"a b", NULL, 0, false, ""},
	    {"a..b", NULL, 0, false, ""},
	    {"*.a", NULL, 0, false, ""},
	    {"[", NULL, 0, false, ""},
	    {"[]", NULL, 0, false, ""},
	    {"[]:25", NULL, 0, false, ""},
	    {"[::1]25", NULL, 0, false, ""},
	    {"[::1]:", NULL, 0, false, ""},
	    {"[::1", NULL, 0, false, ""},
	    {"[a.example]:25", NULL, 0, false, ""},
	    {"[192.0.2.1]", NULL, 0, false, ""},
	    {"IPv6:::1", NULL, 0, false, ""},
	    {"[IPv6:]", NULL, 0, false, ""},
	    {"[IPv6:192.0.2.1]", NULL, 0, false, ""},
	    {"[IPv6:IPv6:::1]", NULL, 0, false, ""},
	    {"[IPv4:192.0.2.1]", NULL, 0, false, ""},
	    {"[IPv6:::1", NULL, 0, false, ""},
	    {"256.0.2.1", NULL, 0, false, ""},
	    {"192.0.2", NULL, 0, false, ""},
	    {"192.0.2.1.", NULL, 0, false, ""},
	    {"10", NULL, 0, false, ""},
	    {"fe80::1%eth0", NULL, 0, false, ""},
	    {"1:2:3:4:5:6:7:8:9", NULL, 0, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct host_port at;
		char printed[HOST_PORT_SIZE];

		if (host_port_parse(span_of(rows[i].text), &at) != (rows[i].host != NULL))
			fail_msg("%s", rows[i].text);
		if (rows[i].host == NULL)
			continue;
		assert_string_equal(at.host, rows[i].host);
		assert_int_equal(at.port, rows[i].port);
		assert_int_equal(at.is_address, rows[i].is_address);
		host_port_print(at.host, at.port, printed);
		assert_string_equal(printed, rows[i].printed);
	}
	assert_false(host_port_parse((struct span){"a\0b", 3}, &(struct host_port){.port = 0}));
}

static void
long_hosts(void **state)
{
	char text[400] = "", printed[HOST_PORT_SIZE];
	struct host_port at;

	(void)state;
	for (size_t i = 0; i < 127; i++)
		strlcat(text, "a.", sizeof text);
	strlcat(text, "b", sizeof text); /* 255 bytes */
	assert_true(host_port_parse(span_of(text), &at));
	host_port_print(at.host, 65535, printed);
	assert_int_equal(strlen(printed), 255 + 6);
	strlcat(text, ":65535", sizeof text);
	assert_true(host_port_parse(span_of(text), &at));
	text[0] = 'x';
	memmove(text + 1, text, strlen(text) + 1);
	assert_false(host_port_parse(span_of(text), &at));
}

static void
loopback(void **state)
{
	static const struct {
		const char *host;
		bool yes;
	} rows[] = {{"127.0.0.1:25", true}, {"127.9.9.9", true}, {"::1", true}, {"[::1]:25", true},
	    {"192.0.2.1", false}, {"localhost", false}};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct host_port at;

		assert_true(host_port_parse(span_of(rows[i].host), &at));
		assert_int_equal(host_port_is_loopback(&at), rows[i].yes);
	}
}

/* Printed, or "!word: why". */
static const char *
read_route(const char *text, char out[600])
{
	struct next_hop hop;
	struct span bad;
	const char *why;

	if (next_hop_parse(span_of(text), &hop, &bad, &why))
		next_hop_print(&hop, out);
	else
		snprintf(out, 600, "!%.*s: %s", (int)bad.len, bad.at, why);
	return out;
}

static void
routes(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"mx", "mx"},
	    {" MX ", "mx"},
	    {"smart host", "smart host"},
	    {"Smart \t HOST", "smart host"},
	    {"smart", "smart"},
	    {"smart implicit tls", "smart implicit tls"},
	    {"h.example", "h.example"},
	    {"h.example:2525", "h.example:2525"},
	    {"h.example\timplicit  TLS", "h.example implicit tls"},
	    {"::1 implicit tls", "[::1] implicit tls"},
	    {"[IPv6:2001:DB8::1]:25", "[2001:db8::1]:25"},
	    {"MX.", "mx."}, /* a host of this name */
	    {"mx. implicit tls", "mx. implicit tls"},
	    {"", "!: says nothing"},
	    {"mx host", "!host: nothing may stand here"},
	    {"mx:25", "mx:25"},
	    {"smart hosts", "!hosts: is not \"implicit tls\""},
	    {"smart host:25", "!host:25: is not \"implicit tls\""},
	    {"smart host implicit tls", "!implicit: nothing may stand here"},
	    {"h.example implicit", "!: \"implicit\" wants \"tls\" behind it"},
	    {"h.example tls", "!tls: is not \"implicit tls\""},
	    {"h.example implicit tls implicit tls", "!implicit: nothing may stand here"},
	    {"h.example h2.example", "!h2.example: is not \"implicit tls\""},
	    {"smtp://h.example", "!smtp://h.example: is no host and no host:port"},
	};
	char out[600], again[600];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		assert_string_equal(read_route(rows[i].text, out), rows[i].expected);
		if (out[0] != '!')
			assert_string_equal(read_route(out, again), out);
	}
}

static const char *
read_rule(const char *text, char out[600])
{
	struct tls_rule rule;
	struct span bad;
	const char *why;

	if (!tls_rule_parse(span_of(text), &rule, &bad, &why)) {
		snprintf(out, 600, "!%.*s: %s", (int)bad.len, bad.at, why);
		return out;
	}
	tls_rule_print(&rule, out);
	strlcat(out, rule.dane ? " +" : " -", 600);
	return out;
}

static void
policies(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"none", "none -"},
	    {"May", "may -"},
	    {"dane", "dane +"},
	    {"ENCRYPT", "encrypt +"},
	    {"verify", "verify -"},
	    {"verify A.example  .B.example. 192.0.2.1 ::1",
		"verify a.example .b.example 192.0.2.1 ::1 -"},
	    {"", "!: says nothing"},
	    {"secure", "!secure: is no policy"},
	    {"none of", "!of: nothing may stand here"},
	    {"encrypt a.example", "!a.example: nothing may stand here"},
	    {"dane dane", "!dane: nothing may stand here"},
	    {"verify a.example *", "!*: is no host name, .domain or address"},
	    {"verify .", "!.: is no host name, .domain or address"},
	    {"verify ..a", "!..a: is no host name, .domain or address"},
	    {"verify .::1", "!.::1: is no host name, .domain or address"},
	    {"verify a:25", "!a:25: is no host name, .domain or address"},
	};
	char out[600], text[700] = "verify";

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_string_equal(read_rule(rows[i].text, out), rows[i].expected);
	for (size_t i = 0; i < 32; i++)
		strlcat(text, " abc.efg", sizeof text); /* 255 bytes */
	assert_true(out[0] != '\0' && read_rule(text, out)[0] != '!');
	strlcat(text, " x", sizeof text);
	assert_string_equal(read_rule(text, out), "!x: all names together have up to 255 bytes");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hosts),
	    cmocka_unit_test(long_hosts),
	    cmocka_unit_test(loopback),
	    cmocka_unit_test(routes),
	    cmocka_unit_test(policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
