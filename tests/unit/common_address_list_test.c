/* The members of lists of addresses, right ones and others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/address_list.h"
#include "common/memory.h"

static char found[1000];

static void
on_member(void *arg, struct span member, struct span address)
{
	size_t n = strlen(found);

	(void)arg;
	assert_true(address.at >= member.at && address.at + address.len <= member.at + member.len);
	snprintf(found + n, sizeof found - n, "[%.*s]", (int)address.len, address.at);
}

static void
on_address(void *arg, const char *address)
{
	size_t n = strlen(found);

	(void)arg;
	snprintf(found + n, sizeof found - n, "[%s]", address);
}

static void
test_members(void **state)
{
	static const struct {
		const char *text, *members;
	} rows[] = {
	    {"", ""},
	    {" , ;,", ""},
	    {"ann", "[ann]"},
	    {"ann@x", "[ann@x]"},
	    {" a@x , b@y ", "[a@x][b@y]"},
	    {"a@x;b@y", "[a@x][b@y]"},
	    {"a@x b@y", "[a@x][b@y]"},
	    {"a@x (b@y) c@z", "[a@x][c@z]"},
	    {"Ann Smith", "[Ann Smith]"},
	    {"Ann Smith, b@y", "[Ann Smith][b@y]"},
	    {"Ann ann@x", "[Ann ann@x]"},
	    {"Ann <ann@x>", "[ann@x]"},
	    {"\"A, (n)\" < ann@x >", "[ann@x]"},
	    {"ann@x (the, <b@y>)", "[ann@x]"},
	    {"(no, body)", ""},
	    {"friends: a@x, B <b@y>; c@z", "[a@x][b@y][c@z]"},
	    {"undisclosed recipients:;", ""},
	    {"undisclosed-recipients:", ""},
	    {"\"a b\"@x, \"c,d\"@y", "[\"a b\"@x][\"c,d\"@y]"},
	    {"<@r,@s:a@x>", "[a@x]"},
	    {"a@[IPv6:2001:db8::1], b@y", "[a@[IPv6:2001:db8::1]][b@y]"},
	    {"a@[::1, b@y", "[a@[][1][b@y]"},
	    {"a@@x, b@y", "[a@@x][b@y]"},
	    {"<a@x, b@y", "[<a@x, b@y]"},
	    {"a@x <b@y", "[<b@y]"},
	    {"<>", "[]"},
	    {"<a@x>>", "[a@x]"},
	    {"\"a@x", "[\"a@x]"},
	    {"\"a@x ", "[\"a@x]"},
	    {"a@x (b@y", "[a@x]"},
	    {"=?utf-8?Q?A=2C_n?= <a@x>", "[a@x]"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		found[0] = '\0';
		address_list_members(span_of(rows[i].text), on_member, NULL);
		if (strcmp(found, rows[i].members) != 0)
			fail_msg("%s: %s", rows[i].text, found);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text, *addresses;
	} rows[] = {
	    {"", ""},
	    {"Ann <a@x>, b@Y (c@z), ann", "[a@x][b@y]"},
	    {"g: a@x;, \"q\"@x, a@@x", "[a@x][q@x]"},
	    {"a@[192.0.2.1]", "[a@[192.0.2.1]]"},
	    {"a@[IPv6:2001:db8::1] <b@x", "[a@[ipv6:2001:db8::1]]"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		found[0] = '\0';
		address_list_read(span_of(rows[i].text), on_address, NULL);
		if (strcmp(found, rows[i].addresses) != 0)
			fail_msg("%s: %s", rows[i].text, found);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
