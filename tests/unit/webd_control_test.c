/*
 * webd's side of a session with master: the test is master, at the other end of the socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include <cmocka.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "master/control.h"
#include "webd/control.h"

enum { PART_BYTES = 60000, PARTS = 600 }; /* 36 MB */

static struct event_base *base;
static struct control *control;
static struct ipc_channel *master;

static struct {
	char words[200]; /* of the last request, with blanks between */
	uint64_t tag;
	unsigned n_asked, n_answers, n_closed;
	int code;
	bool more;
} seen;

static void
on_request(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	(void)arg;
	assert_int_equal(type, CONTROL_REQUEST);
	seen.words[0] = '\0';
	while (get_more(r)) {
		struct span word = get_str(r, r->left);
		size_t len = strlen(seen.words);

		snprintf(seen.words + len, sizeof seen.words - len, "%s%.*s", len > 0 ? " " : "",
		    (int)word.len, word.at);
	}
	seen.tag = tag;
	seen.n_asked++;
}

static void
on_master_closed(void *arg)
{
	(void)arg;
}

static void
on_closed(void *arg)
{
	(void)arg;
	seen.n_closed++;
}

static void
on_answer(void *arg, int code, json_t *doc, bool more)
{
	struct control_call **call = arg;

	assert_true(json_is_object(doc));
	if (!more)
		*call = NULL;
	seen.code = code;
	seen.more = more;
	seen.n_answers++;
}

static void
answer(uint64_t tag, bool more, struct span text)
{
	struct writer w;

	ipc_write(&w, CONTROL_REPLY, tag);
	put_u64(&w, 0);
	put_u64(&w, more);
	put_str(&w, text);
	ipc_channel_send(master, &w, -1);
}

static void
until_asked(unsigned n)
{
	while (seen.n_asked < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void
until_answered(unsigned n)
{
	while (seen.n_answers < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static int
setup(void **state)
{
	int ends[2];

	(void)state;
	memset(&seen, 0, sizeof seen);
	base = event_base_new();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	control = control_new(base, ends[0], on_closed, NULL);
	master = ipc_channel_new(base, ends[1], on_request, on_master_closed, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	control_free(&control);
	ipc_channel_free(&master);
	event_base_free(base);
	return 0;
}

static void
an_answer_comes_in_parts(void **state)
{
	static const char *const words[] = {"user", "list"};
	struct control_call *call;

	(void)state;
	call = control_ask(control, words, nitems(words), on_answer, &call);
	until_asked(1);
	assert_string_equal(seen.words, "user list");
	answer(seen.tag, true, span_of("{\"us"));
	answer(seen.tag, false, span_of("ers\": []}"));
	until_answered(1);
	assert_int_equal(seen.code, 0);
	assert_false(seen.more);
	assert_null(call);
}

/* It is answered all the same, once, and what comes behind is nobody's. */
static void
an_answer_is_too_long(void **state)
{
	static const char *const words[] = {"user", "list"};
	struct control_call *call;
	char *part = xmalloc(PART_BYTES);

	(void)state;
	memset(part, ' ', PART_BYTES);
	call = control_ask(control, words, nitems(words), on_answer, &call);
	until_asked(1);
	for (int i = 0; i < PARTS; i++) {
		answer(seen.tag, true, (struct span){part, PART_BYTES});
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	answer(seen.tag, false, span_of("{}"));
	until_answered(1);
	assert_int_equal(seen.code, EX_UNAVAILABLE);
	assert_null(call);
	free(part);
	call = control_ask(control, words, nitems(words), on_answer, &call);
	until_asked(2);
	answer(seen.tag, false, span_of("{}"));
	until_answered(2);
	assert_int_equal(seen.code, 0);
}

/* Master is told, or it would go on with it. */
static void
a_follow_is_given_up(void **state)
{
	static const char *const words[] = {"log", "follow", "all"};
	struct control_call *call, *same;
	char unfollow[64];

	(void)state;
	same = call = control_follow(control, words, nitems(words), on_answer, &same);
	until_asked(1);
	snprintf(unfollow, sizeof unfollow, "log unfollow %llu", (unsigned long long)seen.tag);
	answer(seen.tag, true, span_of("{\"lines\": []}"));
	until_answered(1);
	assert_true(seen.more);
	control_cancel(&call);
	control_cancel(&same); /* once is enough */
	until_asked(2);
	assert_string_equal(seen.words, unfollow);
	answer(seen.tag, false, span_of("{}"));
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(seen.n_asked, 2);
	assert_int_equal(seen.n_answers, 1);
}

static void
the_session_is_lost(void **state)
{
	static const char *const words[] = {"status"};
	struct control_call *call;

	(void)state;
	call = control_ask(control, words, nitems(words), on_answer, &call);
	until_asked(1);
	ipc_channel_free(&master);
	until_answered(1);
	assert_int_equal(seen.code, EX_UNAVAILABLE);
	assert_int_equal(seen.n_closed, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_answer_comes_in_parts, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_answer_is_too_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_follow_is_given_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_session_is_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
