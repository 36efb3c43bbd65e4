/*
 * Addresses: what is a path, what it reads as, and what is refused with which words. What was
 * accepted is parsed again and must stay the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/address.h"
#include "common/memory.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define L63 A60 "aaa"
/* 4 labels: 63 + 63 + 63 and the last of n, with 3 dots: 192 + n. */
#define D192 L63 "." L63 "." L63 "."

enum {
	NUL = ADDRESS_ALLOW_NULL,
	U8 = ADDRESS_ALLOW_UTF8,
	BARE = ADDRESS_ALLOW_NO_DOMAIN,
};

struct row {
	const char *in;
	unsigned flags;
	const char *text; /* NULL: refused, and why tells the reason */
	const char *why;
};

static const char missing[] = "domain is missing", bad_domain[] = "malformed domain",
		  bad_literal[] = "malformed address literal",
		  bad_route[] = "malformed source route", no_local[] = "local part is missing",
		  dots[] = "misplaced dot in the local part",
		  long_local[] = "local part is longer than 64 bytes",
		  long_domain[] = "domain is longer than 255 bytes",
		  long_path[] = "path is longer than 256 bytes",
		  no_end[] = "path does not end with >",
		  unexpected[] = "unexpected character in the address",
		  no_quote[] = "quoted local part does not end",
		  control[] = "control character in the local part",
		  eight_bit[] = "8-bit address without SMTPUTF8", bad_utf8[] = "malformed UTF-8",
		  no_brackets[] = "path is not in angle brackets";

static const struct row paths[] = {
    /* plain */
    {"<ann@example.org>", 0, "ann@example.org", NULL},
    {"<Ann.B@Example.ORG>", 0, "Ann.B@example.org", NULL},
    {"<a@b>", 0, "a@b", NULL},
    {"<a@localhost>", 0, "a@localhost", NULL},
    {"<a@x.org.>", 0, "a@x.org", NULL},
    {"<a@win_host.x-y.org>", 0, "a@win_host.x-y.org", NULL},
    {"<a@123.45>", 0, "a@123.45", NULL},
    {"<!#$%&'*+-/=?^_`{|}~@x>", 0, "!#$%&'*+-/=?^_`{|}~@x", NULL},
    {"<a%b@us>", 0, "a%b@us", NULL},
    {"<a!b@us>", 0, "a!b@us", NULL},
    {"<|prog@x>", 0, "|prog@x", NULL},
    {"</etc/passwd@x>", 0, "/etc/passwd@x", NULL},
    {"<user+tag@x>", 0, "user+tag@x", NULL},
    {"<../../x@y>", 0, NULL, dots},
    {"<user+../../x@y>", 0, NULL, dots},
    /* no brackets, no end, no parts */
    {"", 0, NULL, no_brackets},
    {"ann@example.org", 0, NULL, no_brackets},
    {" <a@b>", 0, NULL, no_brackets},
    {"<", 0, NULL, no_local},
    {"<a@b", 0, NULL, no_end},
    {"<a", 0, NULL, missing},
    {"<a@", 0, NULL, missing},
    {"<a@>", 0, NULL, missing},
    {"<@>", 0, NULL, missing},
    {"<@b>", 0, NULL, bad_route},
    {"<a>", 0, NULL, missing},
    {"<a@b@c>", 0, NULL, unexpected},
    {"<a@b c>", 0, NULL, unexpected},
    {"<a@b >", 0, NULL, unexpected},
    {"< a@b>", 0, NULL, no_local},
    {"<a b@c>", 0, NULL, missing},
    {"<a@ b>", 0, NULL, missing},
    {"<<a@b>>", 0, NULL, no_local},
    {"<a,b@c>", 0, NULL, missing},
    {"<a(b)@c>", 0, NULL, missing},
    {"<a\\>", 0, NULL, missing},
    {"<a\\@b>", 0, NULL, missing},
    /* the null path */
    {"<>", NUL, "", NULL},
    {"<>", 0, NULL, no_local},
    {"< >", NUL, NULL, no_local},
    {"<", NUL, NULL, no_local},
    /* dots */
    {"<a.b.c@x>", 0, "a.b.c@x", NULL},
    {"<.a@x>", 0, NULL, dots},
    {"<a.@x>", 0, NULL, dots},
    {"<a..b@x>", 0, NULL, dots},
    {"<.@x>", 0, NULL, dots},
    {"<a@.x>", 0, NULL, bad_domain},
    {"<a@x..y>", 0, NULL, bad_domain},
    {"<a@x..>", 0, NULL, bad_domain},
    {"<a@.>", 0, NULL, bad_domain},
    /* domains */
    {"<a@-x.org>", 0, NULL, bad_domain},
    {"<a@x-.org>", 0, NULL, bad_domain},
    {"<a@x.org/y>", 0, NULL, unexpected},
    {"<a@x*y>", 0, NULL, unexpected},
    {"<a@" L63 ".org>", 0, "a@" L63 ".org", NULL},
    {"<a@" L63 "a.org>", 0, NULL, bad_domain},
    /* quoted local parts */
    {"<\"ann\"@x>", 0, "ann@x", NULL},
    {"<\"a.b\"@x>", 0, "a.b@x", NULL},
    {"<\"\\a\\n\\n\"@x>", 0, "ann@x", NULL},
    {"<\"a b\"@x>", 0, "\"a b\"@x", NULL},
    {"<\"a@b\"@x>", 0, "\"a@b\"@x", NULL},
    {"<\"a>b\"@x>", 0, "\"a>b\"@x", NULL},
    {"<\"a\\\"b\"@x>", 0, "\"a\\\"b\"@x", NULL},
    {"<\"a\\\\b\"@x>", 0, "\"a\\\\b\"@x", NULL},
    {"<\"a\\ b\"@x>", 0, "\"a b\"@x", NULL},
    {"<\"\"@x>", 0, "\"\"@x", NULL},
    {"<\".a\"@x>", 0, "\".a\"@x", NULL},
    {"<\"a..b\"@x>", 0, "\"a..b\"@x", NULL},
    {"<\"a\"b@x>", 0, NULL, missing},
    {"<a\"b\"@x>", 0, NULL, missing},
    {"<\"a\".\"b\"@x>", 0, NULL, missing},
    {"<\"a@x>", 0, NULL, no_quote},
    {"<\"a\\\"@x>", 0, NULL, no_quote},
    {"<\"a\\", 0, NULL, no_quote},
    {"<\"", 0, NULL, no_quote},
    {"<\"a\tb\"@x>", 0, NULL, control},
    {"<\"a\nb\"@x>", 0, NULL, control},
    {"<\"a\\\rb\"@x>", 0, NULL, control},
    {"<\"a\x7f\"@x>", 0, NULL, control},
    {"<a\rb@x>", 0, NULL, missing},
    {"<a\x7f@x>", 0, NULL, missing},
    /* source routes */
    {"<@a:u@x>", 0, "u@x", NULL},
    {"<@a,@b:u@x>", 0, "u@x", NULL},
    {"<@a.org.,@[192.0.2.1]:u@x>", 0, "u@x", NULL},
    {"<@a,b:u@x>", 0, NULL, bad_route},
    {"<@a,:u@x>", 0, NULL, bad_route},
    {"<@a,@:u@x>", 0, NULL, missing},
    {"<@:u@x>", 0, NULL, missing},
    {"<@a:>", NUL, NULL, no_local},
    {"<@a:@b:u@x>", 0, NULL, no_local},
    {"<@a", 0, NULL, bad_route},
    /* literals */
    {"<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", NULL},
    {"<a@[IPv6:2001:DB8::1]>", 0, "a@[ipv6:2001:db8::1]", NULL},
    {"<a@[ipv6:::ffff:192.0.2.1]>", 0, "a@[ipv6:::ffff:192.0.2.1]", NULL},
    {"<a@[192.0.2]>", 0, NULL, bad_literal},
    {"<a@[192.0.2.256]>", 0, NULL, bad_literal},
    {"<a@[192.0.2.1>", 0, NULL, bad_literal},
    {"<a@[]>", 0, NULL, bad_literal},
    {"<a@[", 0, NULL, bad_literal},
    {"<a@[2001:db8::1]>", 0, NULL, bad_literal},
    {"<a@[IPv6:192.0.2.1]>", 0, NULL, bad_literal},
    {"<a@[IPv6:fe80::1%lo]>", 0, NULL, bad_literal},
    {"<a@[x:y]>", 0, NULL, bad_literal},
    {"<a@[192.0.2.1].org>", 0, NULL, unexpected},
    /* without a domain */
    {"<postmaster>", BARE, "postmaster", NULL},
    {"<\"a@b\">", BARE, "\"a@b\"", NULL},
    {"<postmaster@>", BARE, NULL, missing},
    {"<>", BARE, NULL, no_local},
    /* 8-bit */
    {"<gr\xc3\xbc\xc3\x9f@x>", U8, "gr\xc3\xbc\xc3\x9f@x", NULL},
    {"<a@m\xc3\xbcnchen.de>", U8, "a@m\xc3\xbcnchen.de", NULL},
    {"<\"gr\xc3\xbc \"@x>", U8, "\"gr\xc3\xbc \"@x", NULL},
    {"<\"gr\xc3\xbc\"@x>", U8, "gr\xc3\xbc@x", NULL},
    {"<gr\xc3\xbc@x>", 0, NULL, eight_bit},
    {"<\"\xc3\xbc\"@x>", 0, NULL, eight_bit},
    {"<a@\xc3\xbc>", 0, NULL, bad_domain},
    {"<\xc3@x>", U8, NULL, bad_utf8},
    {"<\xc0\xaf@x>", U8, NULL, bad_utf8},
    {"<\xed\xa0\x80@x>", U8, NULL, bad_utf8},
    {"<\"\xff\"@x>", U8, NULL, bad_utf8},
    {"<a@\xc3>", U8, NULL, bad_domain},
    /* limits at n - 1, n, n + 1 */
    {"<" L63 "@x>", 0, L63 "@x", NULL},
    {"<" L63 "a@x>", 0, L63 "a@x", NULL},
    {"<" L63 "aa@x>", 0, NULL, long_local},
    {"<\"" L63 "a\"@x>", 0, L63 "a@x", NULL},
    {"<\"" A60 " a\"@x>", 0, "\"" A60 " a\"@x", NULL},
    {"<\"" A60 " aa\"@x>", 0, NULL, long_local},
    {"<a@" D192 A60 "aa>", 0, NULL, long_path},	  /* domain 254, path 258 */
    {"<a@" D192 A60 ">", 0, "a@" D192 A60, NULL}, /* domain 252, path 256 */
    {"<aa@" D192 A60 ">", 0, NULL, long_path},
    {"<a@" D192 L63 ">", 0, NULL, long_path}, /* domain 255 */
    {"<a@" D192 L63 "a>", 0, NULL, long_domain},
    {"<a@" L63 L63 L63 L63 L63 L63 ">", 0, NULL, long_domain},
    {"<@" D192 A10 ":" A10 A10 A10 A10 "aaa@x>", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x",
	NULL},
    {"<@" D192 A10 ":" A10 A10 A10 A10 A10 "@x>", 0, NULL, long_path},
};

static void
check_row(const struct row *row)
{
	char out[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
	const char *why = "";
	char line[2048];
	struct span rest;

	snprintf(line, sizeof line, "%s%s", row->in, row->in[0] ? " SIZE=1" : "");
	rest = span_of(line);
	if (row->text == NULL) {
		assert_int_equal(address_parse_path(&rest, row->flags, out, &why), -1);
		assert_string_equal(out, "");
		assert_string_equal(why, row->why);
		assert_ptr_equal(rest.at, line);
		return;
	}
	if (address_parse_path(&rest, row->flags, out, &why) == -1)
		fail_msg("%s: %s", row->in, why);
	assert_string_equal(out, row->text);
	assert_true(span_is(rest, " SIZE=1"));
	assert_int_equal(address_parse(span_of(out), row->flags, again, &why), 0);
	assert_string_equal(again, out);
}

static void
paths_table(void **state)
{
	(void)state;
	assert_true(nitems(paths) >= 80);
	for (size_t i = 0; i < nitems(paths); i++)
		check_row(&paths[i]);
}

/* Every prefix of every row, in memory of exactly its size: an overrun is seen by sanitizers. */
static void
prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(paths); i++)
		for (size_t n = 0; n < strlen(paths[i].in); n++) {
			char *exact = xmalloc(n ? n : 1), out[ADDRESS_TEXT_SIZE];
			struct span line = {exact, n};
			const char *why = NULL;

			memcpy(exact, paths[i].in, n);
			if (address_parse_path(&line, paths[i].flags, out, &why) == -1)
				assert_non_null(why);
			address_parse((struct span){exact, n}, paths[i].flags, out, &why);
			free(exact);
		}
}

static void
nul_bytes(void **state)
{
	static const struct span rows[] = {{"<a\0@x>", 6}, {"<a@x\0>", 6}, {"<\"\0\"@x>", 7},
	    {"<\"\\\0\"@x>", 8}, {"<\0>", 3}, {"\0", 1}, {"<a@[192.0.2.1\0]>", 16}};
	char out[ADDRESS_TEXT_SIZE];
	const char *why;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span line = rows[i];

		assert_int_equal(address_parse_path(&line, NUL | U8 | BARE, out, &why), -1);
	}
}

static void
bare_addresses(void **state)
{
	static const struct row rows[] = {
	    {"ann@example.org", 0, "ann@example.org", NULL},
	    {"ann@Example.org.", 0, "ann@example.org", NULL},
	    {"ann", BARE, "ann", NULL},
	    {"", NUL, "", NULL},
	    {"", 0, NULL, "address is empty"},
	    {"ann", 0, NULL, missing},
	    {"<ann@x>", 0, NULL, no_local},
	    {"ann@x>", 0, NULL, "unexpected character in the address"},
	    {"ann@x ", 0, NULL, "unexpected character in the address"},
	    {"ann@x,bob@y", 0, NULL, "unexpected character in the address"},
	    {"@a:ann@x", 0, NULL, no_local},
	    {"a@" D192 A60, 0, "a@" D192 A60, NULL},
	    {"aa@" D192 A60, 0, NULL, "address is longer than 254 bytes"},
	};
	char out[ADDRESS_TEXT_SIZE];
	const char *why;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		int rv = address_parse(span_of(rows[i].in), rows[i].flags, out, &why);

		assert_int_equal(rv, rows[i].text ? 0 : -1);
		assert_string_equal(out, rows[i].text ? rows[i].text : "");
		if (rv == -1)
			assert_string_equal(why, rows[i].why);
	}
}

static void
splitting(void **state)
{
	static const struct {
		const char *text, *local, *domain;
	} rows[] = {
	    {"ann@x", "ann", "x"},
	    {"\"a@b\"@x", "\"a@b\"", "x"},
	    {"\"a@b\"", "\"a@b\"", ""},
	    {"postmaster", "postmaster", ""},
	    {"", "", ""},
	    {"a@[ipv6:::1]", "a", "[ipv6:::1]"},
	};
	struct span local, domain;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		address_split(span_of(rows[i].text), &local, &domain);
		assert_true(span_is(local, rows[i].local));
		assert_true(span_is(domain, rows[i].domain));
	}
	address_split((struct span){NULL, 0}, &local, &domain);
	assert_int_equal(local.len + domain.len, 0);
}

static void
domains(void **state)
{
	static const char *const good[] = {
	    "x", "example.org", "a-b.c_d", "1.2.3.4", "_dmarc.x", "xn--mnchen-3ya.de", D192 L63};
	static const char *const bad[] = {"", ".", "x.", ".x", "a..b", "-a", "a-", "a b", "a@b",
	    "m\xc3\xbcnchen.de", "[192.0.2.1]", "a/b", "*", D192 L63 "a", L63 "a", "a\n"};

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_true(address_is_domain(span_of(good[i])));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_false(address_is_domain(span_of(bad[i])));
	assert_false(address_is_domain((struct span){"a\0b", 3}));
	assert_true(address_is_literal(span_of("[127.0.0.1]")));
	assert_false(address_is_literal(span_of("127.0.0.1")));
	assert_false(address_is_literal(span_of("[")));
	assert_false(address_is_literal(span_of("[IPv6:]")));
}

static void
patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} rows[] = {
	    {"*sambar.com", "sambar.com", true},
	    {"*sambar.com", "www.SAMBAR.com", true},
	    {"*sambar.com", "notsambar.com", true},
	    {"*sambar.com", "sambar.com.evil", false},
	    {"*", "", true},
	    {"**", "x", true},
	    {"", "", true},
	    {"", "x", false},
	    {"a*b*c", "abc", true},
	    {"a*b*c", "aXbbYc", true},
	    {"a*b*c", "acb", false},
	    {"140.175.165.*", "140.175.165.9", true},
	    {"140.175.165.*", "140.175.16.5", false},
	    {"a*", "b", false},
	    {"*a", "ab", false},
	    {"a", "aa", false},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_int_equal(
		    address_match(span_of(rows[i].pattern), span_of(rows[i].text)), rows[i].match);
	assert_true(address_match_list(span_of(" a.org \t *b.org  "), span_of("x.b.org")));
	assert_false(address_match_list(span_of("a.org b.org"), span_of("c.org")));
	assert_false(address_match_list(span_of("  "), span_of("")));
	assert_false(address_match_list((struct span){NULL, 0}, span_of("x")));
}

static void
user_names(void **state)
{
	static const char *const good[] = {"a", "billy-bob", "x_1", "9", "_", "nulls", L63 "a"};
	static const char *const bad[] = {
	    "", "-a", "a.b", "A", "null", "a b", "a/b", "..", L63 "aa", "\xc3\xbc", "a+b", "a@b"};

	(void)state;
	for (size_t i = 0; i < nitems(good); i++)
		assert_true(address_is_user_name(span_of(good[i])));
	for (size_t i = 0; i < nitems(bad); i++)
		assert_false(address_is_user_name(span_of(bad[i])));
	assert_false(address_is_user_name((struct span){"a\0", 2}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_table),
	    cmocka_unit_test(prefixes),
	    cmocka_unit_test(nul_bytes),
	    cmocka_unit_test(bare_addresses),
	    cmocka_unit_test(splitting),
	    cmocka_unit_test(domains),
	    cmocka_unit_test(patterns),
	    cmocka_unit_test(user_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
