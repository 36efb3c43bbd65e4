/*
 * Reading ahead: clients that go on, jump and turn back, with answers of store that come late and
 * in pieces. Each gets the message it wants; what is held stays within its bounds and is closed.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"
#include "pop3d/ahead.h"
#include "store/store.h"

enum { STEPS = 20000 };

struct mailbox {
	uint64_t count, next, last;
};

static struct mailbox mailbox;
static struct ahead ahead;
static unsigned all, gets;
static uint64_t state = 1;
static int open_before;

static uint64_t
draw(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

/* ---- store ---- */

uint64_t
mailbox_count(const struct mailbox *m)
{
	return m->count;
}

void
mailbox_get(struct mailbox *m, uint64_t first, uint64_t count)
{
	assert_true(m->next == m->last); /* one at a time */
	assert_in_range(count, 1, AHEAD_MAX);
	assert_true(first + count <= m->count);
	m->next = first;
	m->last = first + count;
	gets++;
}

/* A descriptor whose size is its index. Each seventh message is gone. */
static int
message_fd(uint64_t index)
{
	int fd;

	if (index % 7 == 6)
		return -1;
	fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, index), 0);
	return fd;
}

static void
answer(size_t n)
{
	for (; n > 0 && mailbox.next < mailbox.last; n--) {
		uint64_t i = mailbox.next++;

		ahead_arrived(&ahead, i, message_fd(i));
		assert_true(ahead.n <= AHEAD_MAX);
	}
}

/* ---- the client ---- */

static int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
start(uint64_t count)
{
	open_before = open_descriptors();
	mailbox = (struct mailbox){.count = count};
	all = gets = 0;
	ahead_start(&ahead, &mailbox, &all);
}

static void
stop(void)
{
	ahead_stop(&ahead);
	assert_int_equal(all, 0);
	assert_int_equal(open_descriptors(), open_before);
}

static void
check_message(int fd, uint64_t index)
{
	struct stat st;

	if (index % 7 == 6) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, index);
	close(fd);
}

/* Returns how often the client had to wait. */
static unsigned
fetch(uint64_t index)
{
	unsigned waits = 0;
	int fd;

	ahead_want(&ahead, index);
	while (!ahead_ready(&ahead, &fd)) {
		assert_true(mailbox.next < mailbox.last); /* something is under way */
		answer(1);
		waits++;
	}
	check_message(fd, index);
	return waits;
}

static uint64_t
next_of(uint64_t index)
{
	switch (draw(10)) {
	case 0:
		return draw(mailbox.count);
	case 1:
		return index; /* once more */
	case 2:
		return (index + draw(AHEAD_MAX)) % mailbox.count;
	case 3:
		return index >= 3 ? index - 3 : 0;
	default:
		return (index + 1) % mailbox.count;
	}
}

static void
any_order(void **unused)
{
	static const uint64_t counts[] = {1, 2, 5, 16, 17, 1000};

	(void)unused;
	for (size_t c = 0; c < nitems(counts); c++) {
		uint64_t index = 0;

		start(counts[c]);
		for (int i = 0; i < STEPS / (int)nitems(counts); i++) {
			answer(draw(4) ? draw(AHEAD_MAX) : 0);
			fetch(index);
			index = next_of(index);
		}
		stop();
	}
}

/* Stopped at any moment, nothing is left. */
static void
stopped(void **unused)
{
	(void)unused;
	for (int i = 0; i < STEPS / 20; i++) {
		start(50);
		for (uint64_t n = draw(20), index = 0; n > 0; n--) {
			fetch(index);
			index = next_of(index);
		}
		answer(draw(5));
		if (draw(2))
			ahead_want(&ahead, draw(50));
		stop();
	}
}

static void
in_order_it_does_not_wait(void **unused)
{
	unsigned waits = 0;

	(void)unused;
	start(1000);
	for (uint64_t i = 0; i < 1000; i++) {
		waits += fetch(i) > 0;
		answer(AHEAD_MAX);
	}
	assert_in_range(waits, 1, 1);
	assert_in_range(gets, 1, 1000 / (AHEAD_MAX / 2) + 5);
	stop();
}

static void
no_more_than_asked_for_a_jumper(void **unused)
{
	(void)unused;
	start(1000);
	for (uint64_t i = 900; i > 0; i -= 100)
		fetch(i);
	assert_int_equal(gets, 9);
	assert_int_equal(all, 0);
	stop();
}

/* When all sessions together hold too much, each gets what it wants and nothing ahead. */
static void
bounded_for_the_process(void **unused)
{
	(void)unused;
	start(100);
	all = AHEAD_ALL_MAX;
	for (uint64_t i = 0; i < 100; i++) {
		fetch(i);
		assert_int_equal(all, AHEAD_ALL_MAX);
	}
	all = AHEAD_ALL_MAX - 2;
	for (uint64_t i = 0; i < 100; i++) {
		fetch(i);
		assert_true(all <= AHEAD_ALL_MAX);
	}
	all -= AHEAD_ALL_MAX - 2;
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_order),
	    cmocka_unit_test(stopped),
	    cmocka_unit_test(in_order_it_does_not_wait),
	    cmocka_unit_test(no_more_than_asked_for_a_jumper),
	    cmocka_unit_test(bounded_for_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
