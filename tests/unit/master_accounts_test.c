/*
 * The accounts of the programs, from a user database of the test's own.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "master/accounts.h"
#include "master/programs.h"

/* In the place of the C library's. */
static struct {
	const char *without; /* these lack, as " store pop3d " */
	const char *root;    /* this one is number 0 */
	const char *same;    /* this one has the number of auth */
	bool none, no_group;
	int error;
} database;

static struct passwd entry;
static struct group group;

struct passwd *
getpwnam(const char *name)
{
	char word[40];

	errno = database.error;
	snprintf(word, sizeof word, " %s ", name + strlen("sambar-"));
	if (database.error != 0 || database.none || strstr(database.without, word) != NULL)
		return NULL;
	entry.pw_uid = 100;
	for (size_t i = 0; i < n_programs; i++)
		if (strcmp(programs[i].name, name + strlen("sambar-")) == 0)
			entry.pw_uid = 201 + i;
	if (strstr(database.root, word) != NULL)
		entry.pw_uid = 0;
	if (strstr(database.same, word) != NULL)
		entry.pw_uid = 201;
	return &entry;
}

struct group *
getgrnam(const char *name)
{
	assert_string_equal(name, "sambar");
	errno = 0;
	group.gr_gid = 300;
	return database.none || database.no_group ? NULL : &group;
}

static int
clear(void **state)
{
	(void)state;
	memset(&database, 0, sizeof database);
	database.without = database.root = database.same = "";
	return 0;
}

static void
named_accounts_win(void **state)
{
	const uint64_t bases[] = {0, 61000};
	struct accounts a;
	char *why;

	(void)state;
	for (size_t b = 0; b < nitems(bases); b++) {
		assert_int_equal(accounts_find(&a, bases[b], &why), 0);
		assert_true(a.separated);
		assert_int_equal(a.base, 0);
		assert_int_equal(a.gid, 300);
		for (size_t i = 0; i < n_programs; i++)
			assert_int_equal(accounts_uid(&a, programs[i].role), 201 + i);
	}
}

static void
programs_to_come_need_none(void **state)
{
	struct accounts a;
	char *why;

	(void)state;
	database.without = " imapd ";
	assert_int_equal(accounts_find(&a, 0, &why), 0);
	assert_int_equal(accounts_uid(&a, ROLE_IMAPD), (uid_t)-1);
	assert_int_equal(accounts_uid(&a, ROLE_QUEUE), 203);
}

static void
numbers_where_there_are_none(void **state)
{
	struct accounts a;
	char *why;

	(void)state;
	database.none = true;
	assert_int_equal(accounts_find(&a, 61000, &why), 0);
	assert_true(a.separated);
	assert_int_equal(a.base, 61000);
	assert_int_equal(a.gid, 61000);
	for (size_t i = 0; i < n_programs; i++)
		assert_int_equal(accounts_uid(&a, programs[i].role), 61000 + i);
	assert_int_equal(accounts_find(&a, 0, &why), 0);
	assert_false(a.separated);
	assert_int_equal(accounts_uid(&a, ROLE_QUEUE), (uid_t)-1);
}

static void
refused(uint64_t base, const char *expected)
{
	struct accounts a;
	char *why = NULL;

	assert_int_equal(accounts_find(&a, base, &why), -1);
	assert_non_null(strstr(why, expected));
	free(why);
}

static void
none_is_root_instead(void **state)
{
	static const char *const numbers[] = {"", "61000"};
	char without[40], expected[60];

	(void)state;
	for (size_t b = 0; b < nitems(numbers); b++)
		for (size_t i = 0; i < n_programs; i++) {
			snprintf(without, sizeof without, " %s ", programs[i].name);
			snprintf(
			    expected, sizeof expected, "no account sambar-%s", programs[i].name);
			database.without = without;
			refused(strtoul(numbers[b], NULL, 10), expected);
		}
	clear(NULL);
	database.no_group = true;
	refused(0, "no group sambar");
	clear(NULL);
	database.without = " auth store queue router smtpd pop3d deliver imapd webd fetcher ";
	refused(0, "no account sambar-auth"); /* the group alone says that they were meant */
	clear(NULL);
	database.root = " router ";
	refused(0, "sambar-router is root's");
	clear(NULL);
	database.same = " smtpd ";
	refused(0, "sambar-auth and sambar-smtpd have one number");
	clear(NULL);
	database.error = EIO;
	refused(61000, "cannot look up the account sambar-auth");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(named_accounts_win, clear),
	    cmocka_unit_test_setup(programs_to_come_need_none, clear),
	    cmocka_unit_test_setup(numbers_where_there_are_none, clear),
	    cmocka_unit_test_setup(none_is_root_instead, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
