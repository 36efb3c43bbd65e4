/* Work off the loop: one user's waits for its turn, another's does not wait for it, and what is
 * left at the end comes back, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "webd/background.h"

static struct event_base *base;
static char order[10];
static size_t n_done;

/* Held until there is a byte in its pipe. */
struct held {
	struct background_job job;
	char name;
	int gate[2];
	bool worked;
};

static void
work(struct background_job *job)
{
	struct held *h = (struct held *)job;
	char byte;

	assert_int_equal(read(h->gate[0], &byte, 1), 1);
	h->worked = true;
}

static void
done(struct background_job *job)
{
	struct held *h = (struct held *)job;

	order[n_done++] = h->worked ? h->name : '-';
	close(h->gate[0]);
	close(h->gate[1]);
	free(h);
	event_base_loopbreak(base);
}

static struct held *
push(struct background *b, const char *user, char name)
{
	struct held *h = xcalloc(1, sizeof *h);

	h->name = name;
	assert_int_equal(pipe(h->gate), 0);
	h->job.work = work;
	h->job.done = done;
	background_push(b, user, &h->job);
	return h;
}

static void
let_go(struct held *h)
{
	assert_int_equal(write(h->gate[1], "x", 1), 1);
}

static void
wait_for(size_t n)
{
	while (n_done < n)
		assert_int_not_equal(event_base_dispatch(base), -1);
}

static void
users_do_not_wait_for_each_other(void **state)
{
	struct background *b = background_new(base);
	struct held *a = push(b, "ann", 'a'), *second = push(b, "ann", 'A');

	(void)state;
	n_done = 0;
	let_go(second); /* and yet not before the first */
	let_go(push(b, "bob", 'b'));
	wait_for(1);
	let_go(push(b, "bob", 'c'));
	wait_for(2);
	let_go(a);
	wait_for(4);
	assert_memory_equal(order, "bcaA", 4);
	background_free(&b);
	assert_null(b);
}

static void
what_waits_can_be_cancelled(void **state)
{
	struct background *b = background_new(base);
	struct held *a = push(b, "ann", 'a'), *second = push(b, "ann", 'A');

	(void)state;
	n_done = 0;
	let_go(push(b, "ann", 'c'));
	assert_false(background_cancel(&a->job)); /* it is in its thread */
	assert_true(background_cancel(&second->job));
	close(second->gate[0]);
	close(second->gate[1]);
	free(second);
	let_go(a);
	wait_for(2);
	assert_memory_equal(order, "ac", 2);
	background_free(&b);
}

static void
what_is_left_comes_back(void **state)
{
	struct background *b = background_new(base);
	struct held *a = push(b, "ann", 'a');

	(void)state;
	n_done = 0;
	(void)push(b, "ann", 'A');
	let_go(a);
	background_free(&b);
	assert_int_equal(n_done, 2);
	assert_memory_equal(order, "a-", 2);
	background_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(users_do_not_wait_for_each_other),
	    cmocka_unit_test(what_waits_can_be_cancelled),
	    cmocka_unit_test(what_is_left_comes_back),
	};
	int rv;

	base = event_base_new();
	rv = cmocka_run_group_tests(tests, NULL, NULL);
	event_base_free(base);
	return rv;
}
