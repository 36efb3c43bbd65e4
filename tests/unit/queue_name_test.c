/* Names of spool files. */
#include "tests/unit/queue_support.h"

#include "queue/spool_name.h"

static void
round_trips(void **state)
{
	static const struct {
		bool in_cur;
		const char *text;
		struct spool_name name;
	} rows[] = {
	    {false, "8F80aA328,S=1", {.size = 1}},
	    {false, "8F80aA328,S=9223372036854775807", {.size = INT64_MAX}},
	    {true, "8F80aA328,S=70,A=0,N=0", {.size = 70}},
	    {true, "8F80aA328,S=70,A=12,N=1800000000",
		{.size = 70, .attempts = 12, .next_s = 1800000000}},
	    {true, "8F80aA328,S=70,A=0,N=0,R=1800000000", {.size = 70, .release_s = 1800000000}},
	    {true, "8F80aA328,S=70,A=1,N=5,H",
		{.size = 70, .attempts = 1, .next_s = 5, .held = true}},
	    {true, "8F80aA328,S=70,A=1,N=5,R=6,H",
		{.size = 70, .attempts = 1, .next_s = 5, .release_s = 6, .held = true}},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		struct spool_name name, expected = rows[i].name;
		char text[SPOOL_NAME_SIZE];
		uint64_t id;

		expected.in_cur = rows[i].in_cur;
		assert_true(spool_name_parse(span_of(rows[i].text), rows[i].in_cur, &id, &name));
		assert_int_equal(id, 1800000000000000);
		assert_int_equal(name.size, expected.size);
		assert_int_equal(name.attempts, expected.attempts);
		assert_int_equal(name.next_s, expected.next_s);
		assert_int_equal(name.release_s, expected.release_s);
		assert_int_equal(name.held, expected.held);
		assert_int_equal(name.in_cur, expected.in_cur);
		spool_name_print(id, &expected, text);
		assert_string_equal(text, rows[i].text);
		/* The other directory's names are others. */
		assert_false(spool_name_parse(span_of(rows[i].text), !rows[i].in_cur, &id, &name));
		for (size_t n = 0; n < strlen(rows[i].text); n++) {
			struct span cut = {rows[i].text, n};

			if (!spool_name_parse(cut, rows[i].in_cur, &id, &name))
				continue;
			spool_name_print(id, &name, text);
			assert_true(span_is(cut, text));
		}
	}
}

static void
refuses(void **state)
{
	static const struct {
		bool in_cur;
		const char *text;
	} rows[] = {
	    {false, ""},
	    {false, "8F80aA328"},
	    {false, "8F80aA328,"},
	    {false, "8F80aA328,S="},
	    {false, "8F80aA328,S=0"},
	    {false, "8F80aA328,S=01"},
	    {false, "8F80aA328,S=+1"},
	    {false, "8F80aA328,S=-1"},
	    {false, "8F80aA328,S=1x"},
	    {false, "8F80aA328,S=1,"},
	    {false, "8F80aA328,s=1"},
	    {false, "8F80aA328,S=9223372036854775808"},
	    {false, "8F80aA328,S=99999999999999999999"},
	    {false, "8F80aA32,S=1"},
	    {false, "8F80aA32-,S=1"},
	    {false, "000000000,S=1"},
	    {false, "zzzzzzzzz,S=1"},
	    {false, "8F80aA328:S=1"},
	    {false, ".8F80aA328,S=1"},
	    {true, "8F80aA328,S=1,A=1"},
	    {true, "8F80aA328,S=1,N=1,A=1"},
	    {true, "8F80aA328,S=1,A=,N=1"},
	    {true, "8F80aA328,S=1,A=1,N="},
	    {true, "8F80aA328,S=1,A=9999999999,N=1"},
	    {true, "8F80aA328,S=1,A=1,N=999999999999"},
	    {true, "8F80aA328,S=1,A=1,N=1,R=0"},
	    {true, "8F80aA328,S=1,A=1,N=1,R="},
	    {true, "8F80aA328,S=1,A=1,N=1,R=01"},
	    {true, "8F80aA328,S=1,A=1,N=1,H,R=1"},
	    {true, "8F80aA328,S=1,A=1,N=1,H,"},
	    {true, "8F80aA328,S=1,A=1,N=1,HH"},
	    {true, "8F80aA328,S=1,A=1,N=1,X"},
	    {true, "8F80aA328,S=1,A=1,N=1,R=1,R=1"},
	};
	struct spool_name name;
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_false(spool_name_parse(span_of(rows[i].text), rows[i].in_cur, &id, &name));
	assert_false(spool_name_parse((struct span){"8F80aA328,S=1\0", 14}, false, &id, &name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
