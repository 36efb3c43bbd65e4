/* Queue ids as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "common/queue_id.h"

static void
round_trips(void **state)
{
	static const struct {
		uint64_t id;
		const char *text;
	} rows[] = {
	    {1, "000000001"},
	    {9, "000000009"},
	    {10, "00000000A"},
	    {35, "00000000Z"},
	    {36, "00000000a"},
	    {61, "00000000z"},
	    {62, "000000010"},
	    {1800000000000000, "8F80aA328"},
	    {13537086546263551, "zzzzzzzzz"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char text[QUEUE_ID_TEXT_SIZE];
		uint64_t id;

		queue_id_print(rows[i].id, text);
		assert_string_equal(text, rows[i].text);
		assert_string_equal(queue_id_text(rows[i].id), rows[i].text);
		assert_true(queue_id_parse(span_of(text), &id));
		assert_int_equal(id, rows[i].id);
	}
}

static void
sorts_by_age(void **state)
{
	char older[QUEUE_ID_TEXT_SIZE], newer[QUEUE_ID_TEXT_SIZE];

	(void)state;
	for (uint64_t id = 1; id < 1000000000000000; id = id * 3 + 1) {
		queue_id_print(id, older);
		queue_id_print(id + 1, newer);
		assert_true(strcmp(older, newer) < 0);
	}
}

static void
refuses(void **state)
{
	static const char *const rows[] = {"", "0", "000000000", "00000001", "0000000001",
	    "00000000-", "00000000 ", "00000000\n", "00000000/", "00000000:", "00000000@",
	    "00000000[", "00000000`", "00000000{", "+00000001", "-00000001", "00000000\xc3"};
	static const char with_nul[] = {'0', '0', '0', '0', '\0', '0', '0', '0', '1'};
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_false(queue_id_parse(span_of(rows[i]), &id));
	assert_false(queue_id_parse((struct span){with_nul, 9}, &id));
	assert_false(queue_id_parse((struct span){NULL, 0}, &id));
}

static void
texts_rotate(void **state)
{
	const char *first = queue_id_text(1);

	(void)state;
	for (int i = 0; i < 7; i++)
		queue_id_text(2);
	assert_string_equal(first, "000000001");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(sorts_by_age),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(texts_rotate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
