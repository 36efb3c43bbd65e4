/* Users of this machine: whose mail is marked, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/local_user.h"

static struct local_users *
make(const char *trusted)
{
	struct settings *s = settings_new();
	struct local_users *l;

	settings_add(s, "local users", "1000", "ann");
	settings_add(s, "local users", "0", "root");
	settings_add(s, "local users", "33", "www-data");
	settings_add(s, "local users", "1000", "ann-too");
	settings_add(s, "smtpd", "Trusted Users", trusted);
	l = local_users_new(s);
	settings_free(&s);
	return l;
}

static void
test_names(void **state)
{
	struct local_users *l = make("");

	(void)state;
	assert_string_equal(local_user_name(l, 0), "root");
	assert_string_equal(local_user_name(l, 33), "www-data");
	assert_string_equal(local_user_name(l, 1000), "ann");
	assert_null(local_user_name(l, 1001));
	assert_null(local_user_name(l, (uid_t)-1));
	local_users_free(&l);
	assert_null(l);
}

static void
test_senders(void **state)
{
	static const struct {
		uid_t uid;
		const char *trusted, *from;
		bool may;
	} table[] = {
	    {0, "", "x@elsewhere.example", true},
	    {1000, "", "", true},
	    {1000, "", "ann@mx.example", true},
	    {1000, "", "ann+tag@mx.example", true},
	    {1000, "", "Ann@mx.example", true},
	    {1000, "", "ann@elsewhere.example", false},
	    {1000, "", "ann@mx.example.elsewhere.example", false},
	    {1000, "", "bob@mx.example", false},
	    {1000, "", "ann-too@mx.example", false},
	    {1000, "", "+tag@mx.example", false},
	    {1001, "", "ann@mx.example", false},
	    {1001, "", "", true},
	    {33, "www-data", "x@elsewhere.example", true},
	    {33, "ann www-data", "x@elsewhere.example", true},
	    {33, "www-data2 www", "x@elsewhere.example", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct local_users *l = make(table[i].trusted);

		if (local_user_may_send_as(l, table[i].uid, "mx.example", span_of(table[i].from)) !=
		    table[i].may)
			fail_msg("row %zu", i);
		local_users_free(&l);
	}
}

static void
test_mark(void **state)
{
	struct local_users *l = make("");
	char out[700], small[40];
	size_t n;

	(void)state;
	n = local_user_mark(l, 1000, "mx.example", span_of("boss@mx.example"), out, sizeof out);
	assert_string_equal(out, "X-Authentication-Warning: mx.example: ann set sender to\r\n"
				 "\t<boss@mx.example>\r\n");
	assert_int_equal(n, strlen(out));
	(void)local_user_mark(l, 1001, "mx.example", span_of("boss@mx.example"), out, sizeof out);
	assert_string_equal(out,
	    "X-Authentication-Warning: mx.example: userid 1001 set sender to\r\n"
	    "\t<boss@mx.example>\r\n");
	assert_int_equal(
	    local_user_mark(l, 1001, "mx.example", span_of("b@mx.example"), small, sizeof small),
	    0);
	local_users_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_senders),
	    cmocka_unit_test(test_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
