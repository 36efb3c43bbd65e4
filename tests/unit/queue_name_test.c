/* Names of spool files. */
#include "tests/unit/queue_support.h"

#include "queue/spool_name.h"

static void
round_trips(void **state)
{
	static const struct {
		const char *text;
		struct spool_name name;
	} rows[] = {
	    {"8F80aA328,S=9223372036854775807,A=0,N=0", {.size = INT64_MAX}},
	    {"8F80aA328,S=70,A=0,N=0", {.size = 70}},
	    {"8F80aA328,S=70,A=12,N=1800000000",
		{.size = 70, .attempts = 12, .next_s = 1800000000}},
	    {"8F80aA328,S=70,A=0,N=0,R=1800000000", {.size = 70, .release_s = 1800000000}},
	    {"8F80aA328,S=70,A=1,N=5,H", {.size = 70, .attempts = 1, .next_s = 5, .held = true}},
	    {"8F80aA328,S=70,A=1,N=5,R=6,H",
		{.size = 70, .attempts = 1, .next_s = 5, .release_s = 6, .held = true}},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct spool_name name, expected = rows[i].name;
		char text[SPOOL_NAME_SIZE];
		uint64_t id;

		expected.in_cur = true;
		assert_true(spool_name_parse(span_of(rows[i].text), &id, &name));
		assert_int_equal(id, 1800000000000000);
		assert_int_equal(name.size, expected.size);
		assert_int_equal(name.attempts, expected.attempts);
		assert_int_equal(name.next_s, expected.next_s);
		assert_int_equal(name.release_s, expected.release_s);
		assert_int_equal(name.held, expected.held);
		assert_true(name.in_cur);
		spool_name_print(id, &expected, text);
		assert_string_equal(text, rows[i].text);
		/* The other directory's names are others. */
		assert_false(spool_name_parse_incoming(span_of(rows[i].text), &name));
		for (size_t n = 0; n < strlen(rows[i].text); n++) {
			struct span cut = {rows[i].text, n};

			if (!spool_name_parse(cut, &id, &name))
				continue;
			spool_name_print(id, &name, text);
			assert_true(span_is(cut, text));
		}
	}
}

static void
refuses(void **state)
{
	static const char *const rows[] = {
	    "",
	    "8F80aA328",
	    "8F80aA328,",
	    "8F80aA328,S=1",
	    "8F80aA328,S=,A=1,N=1",
	    "8F80aA328,S=0,A=1,N=1",
	    "8F80aA328,S=01,A=1,N=1",
	    "8F80aA328,S=+1,A=1,N=1",
	    "8F80aA328,S=-1,A=1,N=1",
	    "8F80aA328,S=1x,A=1,N=1",
	    "8F80aA328,S=1,A=1,N=1,",
	    "8F80aA328,s=1,A=1,N=1",
	    "8F80aA328,S=9223372036854775808,A=1,N=1",
	    "8F80aA328,S=99999999999999999999,A=1,N=1",
	    "8F80aA32,S=1,A=1,N=1",
	    "8F80aA32-,S=1,A=1,N=1",
	    "000000000,S=1,A=1,N=1",
	    "zzzzzzzzz,S=1,A=1,N=1",
	    "8F80aA328:S=1,A=1,N=1",
	    ".8F80aA328,S=1,A=1,N=1",
	    "8F80aA328,S=1,A=1",
	    "8F80aA328,S=1,N=1,A=1",
	    "8F80aA328,S=1,A=,N=1",
	    "8F80aA328,S=1,A=1,N=",
	    "8F80aA328,S=1,A=9999999999,N=1",
	    "8F80aA328,S=1,A=1,N=999999999999",
	    "8F80aA328,S=1,A=1,N=1,R=0",
	    "8F80aA328,S=1,A=1,N=1,R=",
	    "8F80aA328,S=1,A=1,N=1,R=01",
	    "8F80aA328,S=1,A=1,N=1,H,R=1",
	    "8F80aA328,S=1,A=1,N=1,H,",
	    "8F80aA328,S=1,A=1,N=1,HH",
	    "8F80aA328,S=1,A=1,N=1,X",
	    "8F80aA328,S=1,A=1,N=1,R=1,R=1",
	};
	struct spool_name name;
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_false(spool_name_parse(span_of(rows[i]), &id, &name));
	assert_false(spool_name_parse((struct span){"8F80aA328,S=1,A=1,N=1\0", 22}, &id, &name));
}

static void
incoming(void **state)
{
	static const char *const wrong[] = {"", "8F80aA32", "8F80aA3280", "8F80aA32-", "000000000",
	    "zzzzzzzzz", ".8F80aA32", "8F80aA328,S=1,A=0,N=0", "8F80aA328,"};
	struct spool_name name;
	char text[SPOOL_NAME_SIZE];

	(void)state;
	assert_true(spool_name_parse_incoming(span_of("8F80aA328"), &name));
	assert_int_equal(name.file, 1800000000000000);
	assert_false(name.in_cur);
	spool_name_print(1, &name, text);
	assert_string_equal(text, "8F80aA328");
	for (size_t i = 0; i < nitems(wrong); i++)
		assert_false(spool_name_parse_incoming(span_of(wrong[i]), &name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(incoming),
	    cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
