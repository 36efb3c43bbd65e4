/* What waits and when it is tried again: the heap, the table of ids, the retry intervals. */
#include "tests/unit/queue_support.h"

enum { N = 2000 };

static struct message messages[N];

static uint32_t
pseudo_random(void)
{
	static uint32_t x = 12345;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void
is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct message) <= 88);
}

static void
in_order(void **state)
{
	struct schedule s = {0};
	struct message *m;
	uint64_t last_due = 0, last_id = 0;
	size_t n = 0;

	(void)state;
	assert_null(schedule_take(&s, UINT64_MAX));
	assert_null(schedule_first(&s));
	for (size_t i = 0; i < N; i++) {
		messages[i] = (struct message){.node.id = i + 1};
		schedule_put(&s, &messages[i], pseudo_random() % 500);
	}
	for (size_t i = 0; i < N; i += 3)
		schedule_remove(&s, &messages[i]);
	assert_int_equal(schedule_due(&s, 500), schedule_size(&s));
	while ((m = schedule_take(&s, 500)) != NULL) {
		assert_true(
		    m->due_us > last_due || (m->due_us == last_due && m->node.id > last_id));
		assert_int_equal((m->node.id - 1) % 3 != 0, true);
		last_due = m->due_us;
		last_id = m->node.id;
		assert_true(schedule_first(&s) == NULL || schedule_first(&s)->due_us >= last_due);
		n++;
	}
	assert_int_equal(n, N - (N + 2) / 3);
	schedule_clear(&s);
}

static void
clock_went_back(void **state)
{
	struct schedule s = {0};
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		messages[i] = (struct message){
		    .node.id = i + 1, .name.release_s = i % 10 == 0 ? 2000 + i : 0};
		schedule_put(&s, &messages[i], 5000000000 + pseudo_random());
	}
	schedule_clamp(&s, 1000);
	for (struct message *m; (m = schedule_take(&s, UINT64_MAX)) != NULL;) {
		assert_int_equal(m->due_us, m->name.release_s ? m->name.release_s * 1000000 : 1000);
		assert_true(m->due_us >= last);
		last = m->due_us;
	}
	schedule_clear(&s);
}

/* New mail does not wait until all that was tried before has been tried again; nor does that wait
 * for ever. */
static void
new_overtakes_old(void **state)
{
	struct schedule s = {0};
	struct message *m;
	size_t n_fresh = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		messages[i] = (struct message){.node.id = i + 1, .name.attempts = i % 2};
		schedule_put(&s, &messages[i], i % 2 ? 1000 : 2000);
	}
	assert_int_equal(schedule_first(&s)->due_us, 1000);
	assert_int_equal(schedule_take(&s, 1500)->name.attempts, 1); /* none else is due */
	for (size_t i = 1; i <= N / 2; i++) {
		assert_non_null(m = schedule_take(&s, 2000));
		assert_int_equal(m->name.attempts, i % SCHEDULE_RETRY_SHARE == 0);
	}
	assert_null(schedule_take(&s, 999));
	assert_int_equal(schedule_size(&s), N / 2 - 1);
	while ((m = schedule_take(&s, 2000)) != NULL)
		n_fresh += m->name.attempts == 0;
	assert_int_equal(n_fresh, N / 2 / SCHEDULE_RETRY_SHARE);
	assert_int_equal(schedule_size(&s), 0);
	schedule_clear(&s);
}

static void
finds_by_id(void **state)
{
	struct id_map map = {0};
	struct id_node *node = NULL;
	size_t n = 0;

	(void)state;
	assert_null(id_map_get(&map, 1));
	assert_null(id_map_next(&map, NULL));
	for (size_t i = 0; i < N; i++) {
		messages[i] = (struct message){.node.id = 1800000000000000 + i * 7};
		id_map_put(&map, &messages[i].node);
	}
	for (size_t i = 0; i < N; i += 2)
		id_map_remove(&map, &messages[i].node);
	for (size_t i = 0; i < N; i++)
		assert_ptr_equal(
		    id_map_get(&map, 1800000000000000 + i * 7), i % 2 ? &messages[i].node : NULL);
	while ((node = id_map_next(&map, node)) != NULL)
		n++;
	assert_int_equal(n, map.n);
	assert_int_equal(n, N / 2);
	id_map_clear(&map);
}

static void
retry_times(void **state)
{
	struct queue q = {0};
	const struct retry *r = &q.retry;
	const uint64_t day = 24 * 3600;

	(void)state;
	support_settings(&q, "300 900  3600", "12");
	assert_int_equal(r->n, 3);
	assert_int_equal(r->maximum_s, 2 * day);
	assert_int_equal(retry_longest_s(r), 3600);
	assert_int_equal(retry_next_s(r, 1, 1000, 1000), 1300);
	assert_int_equal(retry_next_s(r, 2, 1000, 1000), 1900);
	assert_int_equal(retry_next_s(r, 3, 1000, 1000), 4600);
	assert_int_equal(retry_next_s(r, 1000000, 1000, 1000), 4600);
	/* One last attempt at the end of the time. */
	assert_int_equal(retry_next_s(r, 9, 2 * day - 10, 0), 2 * day);
	assert_false(retry_is_over(r, 2 * day - 1, 0));
	assert_true(retry_is_over(r, 2 * day, 0));
	assert_false(retry_is_over(r, 0, 100)); /* the clock went back */
	support_settings(&q, "300", "0");
	assert_true(retry_is_over(r, 5, 5));
	support_settings(&q, "", "1");
	assert_int_equal(retry_next_s(r, 1, 0, 0), 4 * 3600);
	support_settings(&q, "x 0 5", "1");
	assert_int_equal(retry_next_s(r, 1, 0, 0), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_small),
	    cmocka_unit_test(in_order),
	    cmocka_unit_test(clock_went_back),
	    cmocka_unit_test(new_overtakes_old),
	    cmocka_unit_test(finds_by_id),
	    cmocka_unit_test(retry_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
