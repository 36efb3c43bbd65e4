/*
 * The next hop: one table of configurations and addresses, each with its destination, and what else
 * is known of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/tls_client.h"
#include "router/route.h"
#include "tests/unit/router_tables_support.h"

/* ---- a configuration: "nomta never server=H user=U tls=T !verify clear from=A" ---- */

static bool
has(const char *keys, const char *word)
{
	struct span rest = span_of(keys), one;

	while ((one = span_take_word(&rest)).len > 0)
		if (span_is(one, word))
			return true;
	return false;
}

static const char *
value_of(const char *keys, const char *name, const char *preset, char out[300])
{
	struct span rest = span_of(keys), one, key;

	strlcpy(out, preset, 300);
	while ((one = span_take_word(&rest)).len > 0)
		if (span_take(&one, '=', &key) && span_is(key, name))
			assert_true(span_copy(one, out, 300));
	return out;
}

static void
add_keys(struct settings *s, const char *keys)
{
	char server[300], user[300], tls[300], from[300];
	const struct setting_line lines[] = {
	    {"smtpd", "Use MTA", has(keys, "nomta") ? "false" : "true"},
	    {"smtpd", "Relay Delivery", has(keys, "never") ? "never" : "hourly"},
	    {"common", "SMTP Server", value_of(keys, "server", "", server)},
	    {"common", "SMTP Server User", value_of(keys, "user", "", user)},
	    {"common", "SMTP Server Password", "secret"},
	    {"common", "SMTP Server TLS", value_of(keys, "tls", "opportunistic", tls)},
	    {"common", "SMTP Server Verify", has(keys, "!verify") ? "false" : "true"},
	    {"common", "SMTP Server AUTH Without TLS", has(keys, "clear") ? "true" : "false"},
	    {"smtpd", "Relay FROM User", value_of(keys, "from", "", from)},
	};

	settings_add_lines(s, lines, nitems(lines));
}

/* "domain = value; domain = value", normalized. */
static void
add_lines(struct settings *s, const char *section, const char *text)
{
	struct span rest = span_of(text), one, name;
	char key[300], value[300];
	bool more;

	do {
		more = span_take(&rest, ';', &one);
		if (!span_take(&one, '=', &name))
			continue;
		assert_true(span_copy(span_trim(name), key, sizeof key));
		assert_true(span_copy(span_trim(one), value, sizeof value));
		settings_add(s, section, key, value);
	} while (more);
}

static struct tables *
load(const char *keys, const char *routes, const char *policy)
{
	struct settings *s = settings_new();

	settings_add(s, "smtpd", "Relay Domains", "peer.example *.peers.example");
	add_keys(s, keys);
	add_lines(s, "routes", routes);
	add_lines(s, "tls policy", policy);
	return tables_of(s);
}

static struct route
find(const struct tables *t, const char *address)
{
	char lower[ADDRESS_TEXT_SIZE];
	struct route route;
	struct place p;

	tables_place(t, span_of(address), lower, &p);
	route = route_find(t, &p, span_of(""));
	assert_int_equal(route_is_there(t, &p), route.kind != ROUTE_NONE);
	return route;
}

/* ---- the table ---- */

#define NO_SERVER   "nowhere: Use MTA is false and there is no SMTP Server"
#define SMART	    "server=smtp.isp.example:587"
#define ISP	    "smart:smtp.isp.example:587"
#define VIA_ISP	    "via smart host smtp.isp.example, port 587, "
#define TO_FAR	    "relay to MX of far.example, port 25, "
#define DANE_OR_MAY "TLS dane, else may"
#define NESTED	    "* = h1; *.example = h2; *.far.example = h3; a.far.example = h4"

static const struct {
	const char *keys, *routes, *policy, *address;
	const char *destination, *text;
} rows[] = {
    /* Use MTA */
    {"", "", "", "x@Far.Example", "mx:far.example", TO_FAR DANE_OR_MAY},
    {SMART, "", "", "x@far.example", "mx:far.example", TO_FAR DANE_OR_MAY},
    {"", "", "", "x@peer.example", "mx:peer.example",
	"relay to MX of peer.example, port 25, " DANE_OR_MAY},
    {"", "", "", "x@[192.0.2.1]", "mx:[192.0.2.1]", "relay to [192.0.2.1], port 25, TLS may"},
    {"", "", "", "x@[IPv6:2001:DB8::1]", "mx:[ipv6:2001:db8::1]",
	"relay to [ipv6:2001:db8::1], port 25, TLS may"},
    {"", "", "", "x@m\xc3\xbcnchen.example", "mx:xn--mnchen-3ya.example",
	"relay to MX of xn--mnchen-3ya.example, port 25, " DANE_OR_MAY},
    {"never", "", "", "x@far.example", "", "nowhere: Relay Delivery is never"},
    {"never " SMART, "* = h.example", "", "x@far.example", "", "nowhere: Relay Delivery is never"},
    {"never", "", "", "x@peer.example", "", "nowhere: Relay Delivery is never"},
    /* the SMTP Server */
    {"nomta", "", "", "x@far.example", "", NO_SERVER},
    {"nomta", "", "", "x@peer.example", "", NO_SERVER},
    {"nomta", "", "", "x@[192.0.2.1]", "", NO_SERVER},
    {"nomta " SMART, "", "", "x@far.example", ISP, VIA_ISP DANE_OR_MAY},
    {"nomta " SMART, "", "", "x@a.peers.example", ISP, VIA_ISP DANE_OR_MAY},
    {"nomta " SMART, "", "", "x@[192.0.2.1]", ISP, VIA_ISP DANE_OR_MAY},
    {"nomta server=SMTP.isp.example", "", "", "x@far.example", "smart:smtp.isp.example:25",
	"via smart host smtp.isp.example, port 25, " DANE_OR_MAY},
    {"nomta server=smtp.isp.example tls=implicit", "", "", "x@far.example",
	"smart:smtp.isp.example:465,implicit,tls=verify",
	"via smart host smtp.isp.example, port 465, implicit TLS verify smtp.isp.example"},
    {"nomta tls=implicit !verify " SMART, "", "", "x@far.example", ISP ",implicit,tls=encrypt,dane",
	VIA_ISP "implicit TLS dane, else encrypt"},
    {"nomta tls=required user=tod " SMART, "", "", "x@far.example", ISP ",tls=verify,user=tod",
	VIA_ISP "TLS verify smtp.isp.example, with a login"},
    {"nomta tls=required !verify user=tod@isp.example " SMART, "", "", "x@far.example",
	ISP ",tls=encrypt,dane,user=tod@isp.example",
	VIA_ISP "TLS dane, else encrypt, with a login"},
    {"nomta tls=none user=a,b+c%\xc3\xa9 " SMART, "", "", "x@far.example",
	ISP ",tls=none,user=a%2Cb%2Bc%25%C3%A9", VIA_ISP "TLS none, with a login"},
    {"nomta server=[2001:DB8::1]:2525", "", "", "x@far.example", "smart:[2001:db8::1]:2525",
	"via smart host 2001:db8::1, port 2525, TLS may"},
    {"nomta server=2001:db8::1 tls=required", "", "", "x@far.example",
	"smart:[2001:db8::1]:25,tls=verify",
	"via smart host 2001:db8::1, port 25, TLS verify 2001:db8::1"},
    {"nomta server=192.0.2.1 tls=required !verify", "", "", "x@far.example",
	"smart:192.0.2.1:25,tls=encrypt", "via smart host 192.0.2.1, port 25, TLS encrypt"},
    /* its TLS is its own */
    {"nomta " SMART, "", "* = verify; far.example = none", "x@far.example", ISP,
	VIA_ISP DANE_OR_MAY},
    /* [routes] wins over both */
    {"nomta", "far.example = mx", "", "x@far.example", "mx:far.example", TO_FAR DANE_OR_MAY},
    {"nomta", "far.example = mx", "", "x@other.example", "", NO_SERVER},
    {"nomta", "far.example = mx", "", "x@a.far.example", "", NO_SERVER},
    {"nomta " SMART, "peer.example = relay.example", "", "x@peer.example", "host:relay.example:25",
	"relay to host relay.example, port 25, " DANE_OR_MAY},
    {"", "peer.example = 192.0.2.1:2525", "", "x@PEER.example", "host:192.0.2.1:2525",
	"relay to host 192.0.2.1, port 2525, TLS may"},
    {"", "far.example = [2001:db8::25]:2525", "", "x@far.example", "host:[2001:db8::25]:2525",
	"relay to host 2001:db8::25, port 2525, TLS may"},
    {"", "far.example = smart host", "", "x@far.example", "",
	"nowhere: [routes] says smart host and there is no SMTP Server"},
    {SMART, "far.example = smart host", "", "x@far.example", ISP, VIA_ISP DANE_OR_MAY},
    /* the same host, without what belongs to the SMTP Server */
    {"user=tod " SMART, "far.example = smtp.isp.example:587", "", "x@far.example",
	"host:smtp.isp.example:587", "relay to host smtp.isp.example, port 587, " DANE_OR_MAY},
    {"", "far.example = h.example implicit tls", "", "x@far.example",
	"host:h.example:465,implicit,tls=encrypt,dane",
	"relay to host h.example, port 465, implicit TLS dane, else encrypt"},
    {"", "far.example = h.example:25 implicit tls", "far.example = none", "x@far.example",
	"host:h.example:25,implicit,tls=encrypt",
	"relay to host h.example, port 25, implicit TLS encrypt"},
    {"", "xn--mnchen-3ya.example = h.example", "", "x@m\xc3\xbcnchen.example", "host:h.example:25",
	"relay to host h.example, port 25, " DANE_OR_MAY},
    /* the most exact line */
    {"", NESTED, "", "x@a.far.example", "host:h4:25", NULL},
    {"", NESTED, "", "x@b.far.example", "host:h3:25", NULL},
    {"", NESTED, "", "x@far.example", "host:h2:25", NULL},
    {"", "a.far.example = h4; *.far.example = h3; *.example = h2; * = h1", "", "x@x.test",
	"host:h1:25", NULL},
    {"", "a*.example = h1; *b.example = h2", "", "x@a-b.example", "host:h1:25", NULL},
    {"", "*b.example = h2; a*.example = h1", "", "x@a-b.example", "host:h2:25", NULL},
    {"", "***************.example = h1; *.b.example = h2", "", "x@a.b.example", "host:h2:25", NULL},
    {"", "b.example = h1; a.example = h2; c.example = h3", "", "x@c.example", "host:h3:25", NULL},
    {"", "* = h1", "", "x@[192.0.2.1]", "host:h1:25", NULL},
    {"nomta", "* = mx", "", "x@[192.0.2.1]", "mx:[192.0.2.1]", NULL},
    {"", "*192.0.2.1 = h1; *.1* = h2", "", "x@[192.0.2.9]", "mx:[192.0.2.9]", NULL},
    /* [tls policy] */
    {"", "", "far.example = none", "x@far.example", "mx:far.example,tls=none", TO_FAR "TLS none"},
    {"", "", "* = may", "x@far.example", "mx:far.example,tls=may", TO_FAR "TLS may"},
    {"", "", "* = may; far.example = dane", "x@far.example", "mx:far.example", TO_FAR DANE_OR_MAY},
    {"", "", "* = encrypt", "x@far.example", "mx:far.example,tls=encrypt,dane",
	TO_FAR "TLS dane, else encrypt"},
    {"", "", "* = verify", "x@far.example", "mx:far.example,tls=verify",
	TO_FAR "TLS verify far.example .far.example"},
    {"", "", "* = verify far.example .far.example", "x@far.example", "mx:far.example,tls=verify",
	TO_FAR "TLS verify far.example .far.example"},
    {"", "", "* = verify .hoster.example 192.0.2.1", "x@far.example",
	"mx:far.example,tls=verify,names=.hoster.example+192.0.2.1",
	TO_FAR "TLS verify .hoster.example 192.0.2.1"},
    {"", "* = h.example", "far.example = verify", "x@far.example", "host:h.example:25,tls=verify",
	"relay to host h.example, port 25, TLS verify h.example"},
    {"", "* = h.example", "h.example = none; far.example = encrypt", "x@far.example",
	"host:h.example:25,tls=encrypt,dane",
	"relay to host h.example, port 25, TLS dane, else encrypt"},
    {"", "* = 192.0.2.1", "* = dane", "x@far.example", "host:192.0.2.1:25",
	"relay to host 192.0.2.1, port 25, TLS may"},
    {"", "* = h.example implicit tls", "* = verify a.example", "x@far.example",
	"host:h.example:465,implicit,tls=verify,names=a.example",
	"relay to host h.example, port 465, implicit TLS verify a.example"},
    {"", "", "* = verify", "x@[192.0.2.1]", "mx:[192.0.2.1],tls=verify",
	"relay to [192.0.2.1], port 25, TLS verify 192.0.2.1"},
    {"", "", "* = verify", "x@[IPv6:2001:db8::1]", "mx:[ipv6:2001:db8::1],tls=verify",
	"relay to [ipv6:2001:db8::1], port 25, TLS verify 2001:db8::1"},
    {"", "", "xn--mnchen-3ya.example = encrypt", "x@m\xc3\xbcnchen.example",
	"mx:xn--mnchen-3ya.example,tls=encrypt,dane", NULL},
};

static void
routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct tables *t = load(rows[i].keys, rows[i].routes, rows[i].policy);
		struct route r = find(t, rows[i].address);
		char text[ROUTE_TEXT_SIZE];

		route_describe(&r, text);
		if (strcmp(r.destination, rows[i].destination) != 0 ||
		    (rows[i].text != NULL && strcmp(text, rows[i].text) != 0))
			fail_msg("row %zu: %s (%s)", i, r.destination, text);
		assert_null(strstr(r.destination, "secret"));
		assert_null(strstr(text, "secret"));
		assert_true(r.tls != TLS_VERIFY || r.names[0] != '\0');
		assert_true(r.kind != ROUTE_HOST || strchr(r.host, '[') == NULL);
		tables_free(&t);
	}
}

/* ---- what a destination does not tell ---- */

static void
smart_host(void **state)
{
	struct tables *t = load("nomta user=tod from=relay@our.example " SMART,
	    "near.example = mx; via.example = h", "");
	struct route r = find(t, "x@far.example");

	(void)state;
	assert_int_equal(r.kind, ROUTE_HOST);
	assert_true(r.smart_host);
	assert_string_equal(r.user, "tod");
	assert_string_equal(r.password, "secret");
	assert_false(r.auth_without_tls);
	assert_string_equal(r.reverse_path, "relay@our.example");
	r = find(t, "x@near.example");
	assert_int_equal(r.kind, ROUTE_MX);
	assert_string_equal(r.reverse_path, "");
	assert_string_equal(r.user, "");
	r = find(t, "x@via.example");
	assert_int_equal(r.kind, ROUTE_HOST);
	assert_false(r.smart_host);
	assert_string_equal(r.reverse_path, "");
	assert_string_equal(r.password, "");
	tables_free(&t);
	t = load("nomta " SMART, "", ""); /* without a user the password stays here */
	r = find(t, "x@far.example");
	assert_true(r.smart_host);
	assert_string_equal(r.password, "");
	assert_string_equal(r.reverse_path, "");
	tables_free(&t);
}

static void
auth_without_tls(void **state)
{
	static const struct {
		const char *keys;
		bool yes;
	} cases[] = {
	    {"nomta user=tod " SMART, false}, {"nomta user=tod clear " SMART, true},
	    {"nomta user=tod server=127.0.0.1:2525", true},
	    {"nomta user=tod server=[::1]:2525", true},
	    {"nomta user=tod server=localhost", false}, /* whatever that resolves to */
	};

	(void)state;
	for (size_t i = 0; i < nitems(cases); i++) {
		struct tables *t = load(cases[i].keys, "", "");

		assert_int_equal(find(t, "x@far.example").auth_without_tls, cases[i].yes);
		tables_free(&t);
	}
}

/* The longest of everything fits. */
static void
longest(void **state)
{
	char keys[600] = "nomta server=", domain[256] = "", address[300] = "x@",
	     text[ROUTE_TEXT_SIZE];
	struct tables *t;
	struct route r;

	(void)state;
	for (size_t i = 0; i < 127; i++)
		strlcat(domain, "a.", sizeof domain);
	strlcat(domain, "b", sizeof domain);
	strlcat(address, domain, sizeof address);
	t = load("", "", "* = verify");
	r = find(t, address);
	assert_string_equal(r.host, domain);
	assert_int_equal(strlen(r.names), 255 + 1 + 256);
	route_describe(&r, text);
	assert_string_equal(text + strlen(text) - strlen(domain), domain);
	tables_free(&t);
	strlcat(keys, domain, sizeof keys);
	strlcat(keys, ":65535 tls=implicit user=", sizeof keys);
	for (size_t i = 0; i < 255; i++)
		strlcat(keys, "\xe9", sizeof keys);
	t = load(keys, "", "");
	r = find(t, address);
	assert_string_equal(r.destination + strlen(r.destination) - 6, "%E9%E9");
	assert_int_equal(strlen(r.destination),
	    strlen("smart::65535,implicit,tls=verify,user=") + 255 + 3 * 255);
	tables_free(&t);
}

/* Both name the same modes in the same order. */
static void
modes(void **state)
{
	(void)state;
	assert_int_equal((int)TLS_NEVER, (int)TLS_CLIENT_NONE);
	assert_int_equal((int)TLS_MAY, (int)TLS_CLIENT_MAY);
	assert_int_equal((int)TLS_ENCRYPT, (int)TLS_CLIENT_ENCRYPT);
	assert_int_equal((int)TLS_VERIFY, (int)TLS_CLIENT_VERIFY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(routes),
	    cmocka_unit_test(smart_host),
	    cmocka_unit_test(auth_without_tls),
	    cmocka_unit_test(longest),
	    cmocka_unit_test(modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
