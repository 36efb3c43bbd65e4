/* What users type to search, as an expression in prefix order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "webd/search_words.h"

static const char *const names[] = {"AND", "OR", "NOT", "flag", "label", "from", "to", "subject",
    "body", "text", "since", "before", "arrived", "arrived", "larger", "smaller", "attachment",
    "uids", "id"};

/* The expression as text: (AND from:ann (NOT text:x)). Returns how many nodes it took. */
static size_t
print(const struct search *s, size_t i, char *out, size_t size)
{
	const struct folders_find *f = &s->nodes[i];
	size_t used = 1, n = strlen(out);

	if (f->op <= FIND_NOT) {
		snprintf(out + n, size - n, "(%s", names[f->op]);
		for (unsigned k = 0; k < f->children; k++) {
			strlcat(out, " ", size);
			used += print(s, i + used, out, size);
		}
		strlcat(out, ")", size);
	} else if (f->text.len > 0) {
		snprintf(out + n, size - n, "%s:%.*s", names[f->op], (int)f->text.len, f->text.at);
	} else {
		snprintf(out + n, size - n, "%s:%llu", names[f->op], (unsigned long long)f->number);
	}
	return used;
}

static const struct {
	const char *words, *expression;
	bool problem;
} searches[] = {
    {"", "", false},
    {"  ", "", false},
    {"hello", "text:hello", false},
    {"hello world", "(AND text:hello text:world)", false},
    {"\"hello world\"", "text:hello world", false},
    {"\"hello", "text:hello", false},
    {"from:ann", "from:ann", false},
    {"FROM:\"Ann B\" x", "(AND from:Ann B text:x)", false},
    {"-from:ann", "(NOT from:ann)", false},
    {"a OR b c", "(AND (OR text:a text:b) text:c)", false},
    {"a OR b OR -c", "(OR text:a text:b (NOT text:c))", false},
    {"OR a", "(AND text:OR text:a)", false},
    {"a OR", "(AND text:a text:OR)", false},
    {"is:unread", "(NOT flag:1)", false},
    {"-is:unread", "flag:1", false},
    {"is:flagged", "flag:4", false},
    {"has:attachment", "attachment:0", false},
    {"label:work", "label:work", false},
    {"after:1970-01-02", "since:86400", false},
    {"before:1971", "before:31536000", false},
    {"larger:1M smaller:2kb", "(AND larger:1048576 smaller:2048)", false},
    {"http://x y", "(AND text:http://x text:y)", false},
    {"- a", "(AND text:- text:a)", false},
    {"before:2026-02-30 x", "text:x", true},
    {"before:soon", "", true},
    {"larger:big", "", true},
    {"is:odd has:wings", "", true},
    {"from: x", "text:x", false},
    {"\"\"", "", false},
};

static void
test_searches(void **state)
{
	struct search *s = xmalloc(sizeof *s);

	(void)state;
	for (size_t i = 0; i < nitems(searches); i++) {
		char text[500] = "";
		size_t used;

		assert_true(search_parse(s, searches[i].words));
		used = s->n > 0 ? print(s, 0, text, sizeof text) : 0;
		assert_int_equal(used, s->n);
		if (strcmp(text, searches[i].expression) != 0 ||
		    (s->problem[0] != '\0') != searches[i].problem)
			fail_msg("%s: %s, %s", searches[i].words, text, s->problem);
	}
	free(s);
}

static void
test_conditions(void **state)
{
	const struct folders_find attachment = {.op = FIND_ATTACHMENT};
	const struct folders_find unread = {.op = FIND_NOT, .number = FLAG_SEEN};
	struct search *s = xmalloc(sizeof *s);
	char text[500] = "";

	(void)state;
	assert_true(search_parse(s, ""));
	assert_true(search_require(s, unread));
	print(s, 0, text, sizeof text);
	assert_string_equal(text, "(NOT flag:1)");
	assert_true(search_require(s, attachment));
	text[0] = '\0';
	assert_int_equal(print(s, 0, text, sizeof text), s->n);
	assert_string_equal(text, "(AND (NOT flag:1) attachment:0)");
	assert_true(search_parse(s, "a OR b"));
	assert_true(search_require(s, attachment));
	text[0] = '\0';
	print(s, 0, text, sizeof text);
	assert_string_equal(text, "(AND (OR text:a text:b) attachment:0)");
	free(s);
}

/* Whatever is typed stays within the bounds, and is a whole expression. */
static void
test_limits(void **state)
{
	struct search *s = xmalloc(sizeof *s);
	char words[SEARCH_MAX_BYTES + 2], text[20000];

	(void)state;
	for (const char *const *unit =
		 (const char *const[]){"a ", "-a OR ", "\"", "is:", "-", "a:\"", NULL};
	     *unit != NULL; unit++) {
		words[0] = '\0';
		while (strlen(words) + strlen(*unit) <= SEARCH_MAX_BYTES)
			strcat(words, *unit);
		assert_true(search_parse(s, words));
		text[0] = '\0';
		if (s->n > 0)
			assert_int_equal(print(s, 0, text, sizeof text), s->n);
		while (search_require(s, (struct folders_find){.op = FIND_ATTACHMENT}))
			assert_true(s->n <= FOLDERS_EXPRESSION_MAX_NODES);
	}
	memset(words, 'a', SEARCH_MAX_BYTES + 1);
	words[SEARCH_MAX_BYTES + 1] = '\0';
	assert_false(search_parse(s, words));
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_searches),
	    cmocka_unit_test(test_conditions),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
