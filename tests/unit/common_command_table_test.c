/* Which command a line is, and what is wrong with it, by a table of four verbs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/command_table.h"
#include "common/memory.h"

enum { FIRST = 1 << 0, SECOND = 1 << 1, SHORT = 16, LONG = 24 };

static void
run(struct session *s, struct span argument)
{
	(void)s, (void)argument;
}

static const struct command table[] = {
    {"NONE", FIRST | SECOND, SHORT, ARGUMENT_NONE, run},
    {"MAY", FIRST | SECOND, SHORT, ARGUMENT_MAY, run},
    {"MUST", FIRST | SECOND, LONG, ARGUMENT_MUST, run},
    {"LATE", SECOND, SHORT, ARGUMENT_NONE, run},
};

static const struct {
	const char *line, *verb, *argument;
	enum command_fault fault;
} rows[] = {
    {"NONE", "NONE", "", COMMAND_RIGHT},
    {"none", "NONE", "", COMMAND_RIGHT},
    {"NONE ", "NONE", "", COMMAND_RIGHT},
    {"NONE \t ", "NONE", "\t ", COMMAND_RIGHT},
    {"NONE x", "NONE", "x", COMMAND_NO_ARGUMENT_ALLOWED},
    {"MAY", "MAY", "", COMMAND_RIGHT},
    {"MAY a b", "MAY", "a b", COMMAND_RIGHT},
    {"MUST", "MUST", "", COMMAND_ARGUMENT_MISSING},
    {"MUST  ", "MUST", " ", COMMAND_ARGUMENT_MISSING},
    {"MUST x", "MUST", "x", COMMAND_RIGHT},
    {"LATE", "LATE", "", COMMAND_OUT_OF_ORDER},
    {"LATE x", "LATE", "x", COMMAND_OUT_OF_ORDER},
    {"", NULL, NULL, COMMAND_UNKNOWN},
    {" NONE", NULL, NULL, COMMAND_UNKNOWN},
    {"NONEX", NULL, NULL, COMMAND_UNKNOWN},
    {"NON", NULL, NULL, COMMAND_UNKNOWN},
    {"NONE\tx", NULL, NULL, COMMAND_UNKNOWN},
    {"MAY 4567890123", "MAY", "4567890123", COMMAND_RIGHT},
    {"MAY 45678901234", "MAY", "45678901234", COMMAND_TOO_LONG},
    {"MUST 567890123456789012", "MUST", "567890123456789012", COMMAND_TOO_LONG},
    {"MUST 56789012345678901", "MUST", "56789012345678901", COMMAND_RIGHT},
    {"WHO 456789", NULL, NULL, COMMAND_UNKNOWN},
    {"WHO 4567890", NULL, NULL, COMMAND_TOO_LONG},
    {"MAY \001", "MAY", "\001", COMMAND_HAS_CONTROL},
    {"LATE \r", "LATE", "\r", COMMAND_HAS_CONTROL},
};

static void
commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct command_line l = command_read(table, nitems(table), span_of(rows[i].line));

		assert_true(span_is(l.line, rows[i].line));
		assert_int_equal(command_check(&l, FIRST, 12), rows[i].fault);
		if (rows[i].verb == NULL) {
			assert_null(l.command);
			continue;
		}
		assert_string_equal(l.command->verb, rows[i].verb);
		assert_true(span_is(l.argument, rows[i].argument));
	}
}

/* A NUL is a byte of a line, and no end of it. */
static void
nul(void **state)
{
	struct command_line l = command_read(table, nitems(table), (struct span){"MAY a\0b", 7});

	(void)state;
	assert_int_equal(command_check(&l, FIRST, 12), COMMAND_HAS_CONTROL);
}

static void
states(void **state)
{
	struct command_line l = command_read(table, nitems(table), span_of("LATE"));

	(void)state;
	assert_int_equal(command_check(&l, FIRST, 12), COMMAND_OUT_OF_ORDER);
	assert_int_equal(command_check(&l, SECOND, 12), COMMAND_RIGHT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands), cmocka_unit_test(nul), cmocka_unit_test(states)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
