/*
 * Entries of the journal: which fields a line has, and what a stranger's text in it cannot make.
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
#include "master/journal.h"

#define ID "4Zk3Qa000"

static const struct {
	const char *line, *fields; /* what follows MESSAGE */
} rows[] = {
    {"all programs run", ""},
    {"", ""},
    {"-", ""},
    {ID, "SAMBAR_QUEUE_ID=" ID "\n"},
    {ID " delivered to=<ann@example.org> via=store delay=0.4",
	"SAMBAR_QUEUE_ID=" ID "\nSAMBAR_EVENT=delivered\nSAMBAR_TO=ann@example.org\n"
	"SAMBAR_VIA=store\nSAMBAR_DELAY=0.4\n"},
    {ID " accepted from=<> to=<a@x>,<\"b c\"@x> nrcpt=2 user= tls=",
	"SAMBAR_QUEUE_ID=" ID "\nSAMBAR_EVENT=accepted\nSAMBAR_FROM=\nSAMBAR_TO=a@x\n"
	"SAMBAR_TO=\"b c\"@x\nSAMBAR_NRCPT=2\nSAMBAR_USER=\nSAMBAR_TLS=\n"},
    {"- malformed request user=ann client=::1",
	"SAMBAR_EVENT=malformed request\nSAMBAR_USER=ann\nSAMBAR_CLIENT=::1\n"},
    {"- session-refused user=ann reason=too-many",
	"SAMBAR_EVENT=session-refused\nSAMBAR_USER=ann\nSAMBAR_REASON=too-many\n"},
    {"- some-event two-words=x", "SAMBAR_EVENT=some-event\nSAMBAR_TWO_WORDS=x\n"},
    /* Text of others goes to the end. */
    {ID " failed to=<a@x> reason=550 no to=<b@x> here",
	"SAMBAR_QUEUE_ID=" ID "\nSAMBAR_EVENT=failed\nSAMBAR_TO=a@x\n"
	"SAMBAR_REASON=550 no to=<b@x> here\n"},
    {"- refused what=\"a\" b=\"c\" d=1", "SAMBAR_EVENT=refused\nSAMBAR_WHAT=\"a\" b=\"c\" d=1\n"},
    {"- x user=ann and so on client=1", "SAMBAR_EVENT=x\nSAMBAR_USER=ann and so on client=1\n"},
    /* What seems to come twice has no field. */
    {"- auth user=x client=6.6.6.6 client=127.0.0.1", "SAMBAR_EVENT=auth\nSAMBAR_USER=x\n"},
    /* No keys. */
    {"- x A=1", "SAMBAR_EVENT=x A=1\n"},
    {"- x =1", "SAMBAR_EVENT=x =1\n"},
    {"- x to=<a", "SAMBAR_EVENT=x\nSAMBAR_TO=<a\n"},
    {"- x to=<a>,<", "SAMBAR_EVENT=x\nSAMBAR_TO=<a>,<\n"},
    {"- x to=", "SAMBAR_EVENT=x\nSAMBAR_TO=\n"},
};

static void
fields(void **state)
{
	char entry[JOURNAL_ENTRY_MAX_BYTES], expected[JOURNAL_ENTRY_MAX_BYTES];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		size_t n = journal_entry(entry, "smtpd", 7, 6, span_of(rows[i].line));

		assert_true(n > 0);
		snprintf(expected, sizeof expected,
		    "PRIORITY=6\nSYSLOG_IDENTIFIER=sambar-smtpd\nSYSLOG_PID=7\n"
		    "SAMBAR_PROGRAM=smtpd\nMESSAGE=%s\n%s",
		    rows[i].line, rows[i].fields);
		entry[n] = '\0';
		assert_string_equal(entry, expected);
	}
}

/* Read from memory of exactly its length, cut at each byte. */
static void
cut_anywhere(void **state)
{
	char entry[JOURNAL_ENTRY_MAX_BYTES];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		for (size_t n = 0; n <= strlen(rows[i].line); n++) {
			char *copy = xmalloc(n + 1);

			memcpy(copy, rows[i].line, n);
			assert_true(journal_entry(entry, "x", 1, 4, (struct span){copy, n}) > 0);
			free(copy);
		}
}

static void
too_long(void **state)
{
	static char line[JOURNAL_ENTRY_MAX_BYTES];
	char entry[JOURNAL_ENTRY_MAX_BYTES];

	(void)state;
	memset(line, 'x', sizeof line);
	assert_int_equal(journal_entry(entry, "x", 1, 4, (struct span){line, sizeof line}), 0);
	/* Fits once, and not a second time. */
	memcpy(line, "- x reason=", 11);
	assert_int_equal(journal_entry(entry, "x", 1, 4, (struct span){line, 6000}), 0);
}

/* More keys than have room. */
static void
many_keys(void **state)
{
	char line[2000] = "- x", entry[JOURNAL_ENTRY_MAX_BYTES];

	(void)state;
	for (int i = 0; i < 200; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), " k%c%c=1", 'a' + i / 26,
		    'a' + i % 26);
	assert_true(journal_entry(entry, "x", 1, 4, span_of(line)) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fields), cmocka_unit_test(cut_anywhere),
	    cmocka_unit_test(too_long), cmocka_unit_test(many_keys)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
