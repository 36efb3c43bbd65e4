/* Lines of the users file, and what a client may call itself: tables of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/account.h"
#include "auth/login_name.h"
#include "common/memory.h"

#define HASH "$y$j9T$4Zk3QaBcDe5fGhIjKlMnO/$0123456789012345678901234567890123456789012"

/* ---- lines ---- */

static void
reads_lines(void **state)
{
	static const struct {
		const char *line, *name, *hash;
		bool admin;
		uint64_t quota;
	} rows[] = {
	    {"ann:" HASH "::", "ann", HASH, false, ACCOUNT_NO_QUOTA},
	    {"ann:" HASH, "ann", HASH, false, ACCOUNT_NO_QUOTA},
	    {"ann:" HASH ":", "ann", HASH, false, ACCOUNT_NO_QUOTA},
	    {"ann:" HASH ":admin", "ann", HASH, true, ACCOUNT_NO_QUOTA},
	    {"ann:" HASH ":admin:5242880", "ann", HASH, true, 5242880},
	    {"ann:" HASH "::0", "ann", HASH, false, 0},
	    {"ann:" HASH "::9223372036854775807", "ann", HASH, false, INT64_MAX},
	    {" \tann:" HASH ":: ", "ann", HASH, false, ACCOUNT_NO_QUOTA},
	    {"a-b_9:$6$abc$x::", "a-b_9", "$6$abc$x", false, ACCOUNT_NO_QUOTA},
	    {"0:$2b$05$abcdefghijklmnopqrstuu::", "0", "$2b$05$abcdefghijklmnopqrstuu", false,
		ACCOUNT_NO_QUOTA},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		const char *why = "";
		struct account a;

		if (account_parse(span_of(rows[i].line), &a, &why) == -1)
			fail_msg("%s: %s", rows[i].line, why);
		assert_true(span_is(a.name, rows[i].name));
		assert_true(span_is(a.hash, rows[i].hash));
		assert_int_equal(a.admin, rows[i].admin);
		assert_int_equal(a.quota, rows[i].quota);
	}
}

static void
prints_what_it_reads(void **state)
{
	static const char *const rows[] = {"ann:" HASH "::\n", "b:" HASH ":admin:\n",
	    "c-1:" HASH "::7\n", "d_2:" HASH ":admin:0\n"};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char line[ACCOUNT_LINE_MAX_BYTES + 2];
		const char *why;
		struct account a;

		assert_int_equal(
		    account_parse((struct span){rows[i], strlen(rows[i]) - 1}, &a, &why), 0);
		assert_int_equal(account_print(&a, line), strlen(rows[i]));
		assert_string_equal(line, rows[i]);
	}
}

static void
refuses_lines(void **state)
{
	static const struct {
		const char *line, *why; /* the beginning of it */
	} rows[] = {
	    {"", "there is no colon"},
	    {"ann", "there is no colon"},
	    {":", "no user"},
	    {":" HASH, "no user"},
	    {"Ann:" HASH, "no user"},
	    {"a.b:" HASH, "no user"},
	    {"-a:" HASH, "no user"},
	    {"../a:" HASH, "no user"},
	    {"a/b:" HASH, "no user"},
	    {".a:" HASH, "no user"},
	    {"null:" HASH, "no user"},
	    {"a b:" HASH, "no user"},
	    {"\xc3\xbc:" HASH, "no user"},
	    {"a@example.org:" HASH, "no user"},
	    {"ann :" HASH, "no user"},
	    {"a2345678901234567890123456789012345678901234567890123456789012345:" HASH, "no user"},
	    {"ann:", "the password"},
	    {"ann::", "the password"},
	    {"ann:secret::", "the password"},
	    {"ann:*::", "the password"},
	    {"ann:!::", "the password"},
	    {"ann:!" HASH "::", "the password"},
	    {"ann:x::", "the password"},
	    {"ann:*0::", "the password"},
	    {"ann:abXXXXXXXXXXX::", "the password"},
	    {"ann:$1$abc$x::", "the password"}, /* MD5 */
	    {"ann:{SHA}x::", "the password"},
	    {"ann:" HASH " x::", "the password"},
	    {"ann: " HASH "::", "the password"},
	    {"ann:" HASH "\r::", "the password"},
	    {"ann:" HASH "\r", "the password"},
	    {"ann:" HASH "\xff::", "the password"},
	    {"ann:" HASH ":Admin:", "the rights"},
	    {"ann:" HASH ":admin :", "the rights"},
	    {"ann:" HASH ":root:", "the rights"},
	    {"ann:" HASH "::-1", "the quota"},
	    {"ann:" HASH "::5M", "the quota"},
	    {"ann:" HASH "::9223372036854775808", "the quota"},
	    {"ann:" HASH "::none", "the quota"},
	    {"ann:" HASH ":::", "there are more"},
	    {"ann:" HASH "::1:x", "there are more"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		const char *why = "";
		struct account a;

		if (account_parse(span_of(rows[i].line), &a, &why) != -1 ||
		    strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: %s", rows[i].line, why);
	}
	assert_int_equal(account_parse((struct span){"ann\0:" HASH, 5 + strlen(HASH)},
			     &(struct account){0}, &(const char *){NULL}),
	    -1);
}

static void
long_lines(void **state)
{
	char line[ACCOUNT_LINE_MAX_BYTES * 2];
	const char *why;
	struct account a;

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "ann:$6$", 7);
	/* a hash of 383 bytes is one, 384 are not */
	assert_int_equal(account_parse((struct span){line, 4 + 383}, &a, &why), 0);
	assert_int_equal(account_parse((struct span){line, 4 + 384}, &a, &why), -1);
	assert_int_equal(
	    account_parse((struct span){line, ACCOUNT_LINE_MAX_BYTES + 1}, &a, &why), -1);
	assert_string_equal(why, "the line is longer than 1024 bytes");
	assert_int_equal(account_parse((struct span){line, sizeof line}, &a, &why), -1);
}

static void
blank_lines_and_names(void **state)
{
	static const struct {
		const char *line;
		bool blank;
		const char *name;
	} rows[] = {
	    {"", true, ""},
	    {" \t", true, ""},
	    {"# ann:x", true, "# ann"},
	    {"  #", true, "#"},
	    {"ann", false, "ann"},
	    {"ann:x:y", false, "ann"},
	    {"  ann:x", false, "ann"},
	    {":x", false, ""},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct span line = span_of(rows[i].line);

		assert_int_equal(account_line_is_blank(line), rows[i].blank);
		assert_true(span_is(account_line_name(line), rows[i].name));
	}
}

/* ---- login names ---- */

static void
login_names(void **state)
{
	static const struct {
		const char *name, *user; /* "": nobody */
	} rows[] = {
	    {"ann", "ann"},
	    {"ANN", "ann"},
	    {"billy-bob_2", "billy-bob_2"},
	    {"ann@our.example", "ann"},
	    {"Ann@OUR.Example", "ann"},
	    {"ann*our.example", "ann"},
	    {"ann@x.inside.example", "ann"},
	    {"ann*deep.x.inside.example", "ann"},
	    {"ann@second.example", "ann"},
	    {"", ""},
	    {"@", ""},
	    {"*", ""},
	    {"ann@", ""},
	    {"ann*", ""},
	    {"@our.example", ""},
	    {"*our.example", ""},
	    {"ann@other.example", ""},
	    {"ann@inside.example", ""},
	    {"ann@our.example.org", ""},
	    {"ann@xour.example", ""},
	    {"ann@our.example ", ""},
	    {" ann", ""},
	    {"ann ", ""},
	    {"ann@our.example@our.example", ""},
	    {"ann*our.example@our.example", ""}, /* an @ leaves * as it is */
	    {"ann@our.example*our.example", ""},
	    {"a*n*our.example", ""},
	    {"\"ann\"@our.example", ""},
	    {"../ann", ""},
	    {"ann/x", ""},
	    {".ann", ""},
	    {"a.b", ""},
	    {"a.b@our.example", ""},
	    {"-ann", ""},
	    {"null", ""},
	    {"ann\n", ""},
	    {"\xc3\xa4nn", ""},
	    {"a234567890123456789012345678901234567890123456789012345678901234",
		"a234567890123456789012345678901234567890123456789012345678901234"},
	    {"a2345678901234567890123456789012345678901234567890123456789012345", ""},
	};
	char user[AUTH_USER_SIZE];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		bool meant = login_name_user(span_of(rows[i].name), "our.example",
		    span_of("*.inside.example second.example"), user);

		if (strcmp(user, rows[i].user) != 0 || meant != (rows[i].user[0] != '\0'))
			fail_msg("%s: %s", rows[i].name, user);
	}
	assert_false(login_name_user((struct span){"ann\0", 4}, "our.example", span_of(""), user));
	assert_false(login_name_user(span_of("ann@"), "", span_of(""), user));
	assert_false(login_name_user(span_of("ann@x"), "", span_of(""), user));
	assert_true(login_name_user(span_of("ann@x"), "", span_of("*"), user));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_lines),
	    cmocka_unit_test(prints_what_it_reads),
	    cmocka_unit_test(refuses_lines),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(blank_lines_and_names),
	    cmocka_unit_test(login_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
