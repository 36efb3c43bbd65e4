/*
 * Commands of the configuration, cut into words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/command_line.h"
#include "common/memory.h"

static const struct {
	const char *text, *words; /* words: each behind a |; "" when there are none */
} rows[] = {
    {"/bin/true", "|/bin/true"},
    {"/bin/cat  a\tb ", "|/bin/cat|a|b"},
    {" /bin/cat", "|/bin/cat"},
    {"/bin/cat 'a b' \"c  d\"", "|/bin/cat|a b|c  d"},
    {"/x --of='ann lee'@x", "|/x|--of=ann lee@x"},
    {"/x 'say \"it\"' \"it's\"", "|/x|say \"it\"|it's"},
    {"/x '' \"\"", "|/x||"},
    {"/x $HOME `id` ;|&>\\", "|/x|$HOME|`id`|;|&>\\"},
    {"'/a b/c'd", "|/a b/cd"},
    {"", ""},
    {"  ", ""},
    {"/x 'a", ""},
    {"/x a\"", ""},
    {"/x 'a\"", ""},
};

static void
test_words(void **state)
{
	char *words[COMMAND_WORDS_MAX + 1], text[200], all[200];

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		size_t n;

		all[0] = '\0';
		strlcpy(text, rows[i].text, sizeof text);
		n = command_line_split(text, words);
		for (size_t k = 0; k < n; k++) {
			strlcat(all, "|", sizeof all);
			strlcat(all, words[k], sizeof all);
		}
		assert_string_equal(all, rows[i].words);
		if (n > 0)
			assert_null(words[n]);
	}
}

static void
test_how_many(void **state)
{
	char *words[COMMAND_WORDS_MAX + 1], text[3 * COMMAND_WORDS_MAX + 10] = "";

	(void)state;
	for (int i = 0; i < COMMAND_WORDS_MAX; i++)
		strlcat(text, "a ", sizeof text);
	assert_int_equal(command_line_split(text, words), COMMAND_WORDS_MAX);
	assert_null(words[COMMAND_WORDS_MAX]);
	text[0] = '\0';
	for (int i = 0; i <= COMMAND_WORDS_MAX; i++)
		strlcat(text, "a ", sizeof text);
	assert_int_equal(command_line_split(text, words), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words), cmocka_unit_test(test_how_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
