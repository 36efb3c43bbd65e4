/*
 * What a user has handed in: listing it, and taking it back, which happens before router has it or
 * not at all.
 */
#include "tests/unit/queue_play_support.h"

#include "queue/own.h"

static struct {
	struct queue_client *client;
	char doc[QUEUE_OWNED_MAX_BYTES + 1];
	uint64_t next;
	enum queue_cancelled end;
	char message_id[100];
	bool heard;
} web;

static int
setup_web(void **state)
{
	setup(state);
	memset(&web, 0, sizeof web);
	web.client = queue_client_new(t.f.base, t.f.socket, "webd", 1);
	return 0;
}

static int
teardown_web(void **state)
{
	queue_client_free(&web.client);
	return teardown(state);
}

static void
on_owned(void *arg, struct span doc, uint64_t next)
{
	(void)arg;
	assert_true(span_copy(doc, web.doc, sizeof web.doc));
	web.next = next;
	web.heard = true;
}

static void
on_cancelled(void *arg, enum queue_cancelled end, struct span message_id)
{
	(void)arg;
	web.end = end;
	assert_true(span_copy(message_id, web.message_id, sizeof web.message_id));
	web.heard = true;
}

/* How many messages this user has, of all pages. */
static size_t
count(const char *user)
{
	uint64_t after = 0;
	size_t n = 0;

	do {
		json_t *doc;

		web.heard = false;
		queue_own(web.client, span_of(user), after, on_owned, NULL);
		until(web.heard);
		doc = json_loads(web.doc, 0, NULL);
		assert_non_null(doc);
		n += json_array_size(json_object_get(doc, "messages"));
		json_decref(doc);
		assert_true(web.next == 0 || web.next > after);
		after = web.next;
	} while (after != 0);
	return n;
}

static enum queue_cancelled
cancel(const char *user, uint64_t id)
{
	web.heard = false;
	queue_cancel(web.client, span_of(user), id, on_cancelled, NULL);
	until(web.heard);
	return web.end;
}

static uint64_t
handed_in(const char *user, uint64_t release_s)
{
	static const char text[] =
	    "Received: by x\r\nsubject: Gr\r\n\tuss\r\nMessage-ID: <1@x>\r\n\r\nSubject: y\r\n";
	struct queue_slot slot = take();
	size_t before = t.n_durable;
	struct envelope e;

	support_envelope(&e, slot.id, 1, text);
	e.submitter = span_of(user);
	e.release_s = release_s;
	assert_int_equal(pwrite(slot.fd, text, strlen(text), envelope_size(&e)), strlen(text));
	queue_commit(t.client, &slot, &e, on_durable, NULL);
	support_free_envelope(&e);
	until(t.n_durable > before);
	return t.last_id;
}

static uint64_t
later(void)
{
	return wall_clock_now() / 1000000 + 1000;
}

static void
lists_own_only(void **state)
{
	uint64_t id = handed_in("ann", later());

	(void)state;
	handed_in("bob", 0);
	handed_in("", 0);
	assert_int_equal(count("bob"), 1);
	assert_int_equal(count("an"), 0);
	assert_int_equal(count("ann"), 1);
	assert_non_null(strstr(web.doc, queue_id_text(id)));
	assert_non_null(strstr(web.doc, "\"subject\":\"Gr\\tuss\""));
	assert_non_null(strstr(web.doc, "\"message_id\":\"<1@x>\""));
}

static void
lists_many(void **state)
{
	(void)state;
	for (int i = 0; i < 1300; i++)
		handed_in("ann", 0);
	handed_in("bob", 0);
	assert_int_equal(count("ann"), 1300);
	assert_int_equal(count("bob"), 1);
}

static void
takes_back(void **state)
{
	uint64_t id = handed_in("ann", later()), other = handed_in("ann", 0);

	(void)state;
	assert_int_equal(cancel("bob", id), CANCEL_UNKNOWN);
	assert_int_equal(cancel("ann", 12345), CANCEL_UNKNOWN);
	assert_int_equal(t.f.q.messages.n, 2);
	assert_int_equal(cancel("ann", id), CANCEL_DONE);
	assert_string_equal(web.message_id, "<1@x>");
	assert_int_equal(support_count(t.f.spool, "cur"), 0);
	assert_int_equal(cancel("ann", id), CANCEL_UNKNOWN);
	assert_int_equal(count("ann"), 1);
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(t.due[0].id, other);
}

static void
in_hand_is_not_touched(void **state)
{
	uint64_t id = handed_in("ann", 0);
	const struct queue_result r = {
	    .recipient = 0, .end = END_DEFERRED, .reply = {"451 x", 5}, .route = {"", 0}};

	(void)state;
	start_router(10);
	until(t.n_due == 1);
	assert_int_equal(cancel("ann", id), CANCEL_IN_HAND);
	queue_results(t.feed, id, true, true, &r, 1);
	until(server_message(&t.f.q, id)->state == MESSAGE_WAITING);
	assert_int_equal(cancel("ann", id), CANCEL_DONE);
	assert_int_equal(t.f.q.messages.n, 0);
}

/* Marks are not kept on disk: they are found again when they are needed. */
static void
after_a_restart(void **state)
{
	uint64_t id = handed_in("ann", later());

	(void)state;
	handed_in("bob", later());
	queue_client_free(&web.client);
	stop();
	start_with("300 900", "12");
	web.client = queue_client_new(t.f.base, t.f.socket, "webd", 1);
	assert_int_equal(server_message(&t.f.q, id)->mark, 0);
	assert_int_equal(cancel("bob", id), CANCEL_UNKNOWN);
	assert_int_equal(server_message(&t.f.q, id)->state, MESSAGE_WAITING);
	assert_int_equal(count("ann"), 1);
	assert_int_equal(server_message(&t.f.q, id)->mark, own_mark(span_of("ann")));
	assert_int_equal(count("bob"), 1);
	assert_int_equal(cancel("ann", id), CANCEL_DONE);
}

/* Whoever asked is gone before the answer. */
static void
asker_goes(void **state)
{
	uint64_t id = handed_in("ann", later());

	(void)state;
	queue_own(web.client, span_of("ann"), 0, on_owned, NULL);
	queue_cancel(web.client, span_of("ann"), id, on_cancelled, NULL);
	until(server_message(&t.f.q, id) == NULL ||
	      server_message(&t.f.q, id)->state == MESSAGE_CONCLUDING);
	queue_client_free(&web.client);
	until(t.f.q.messages.n == 0);
	assert_false(web.heard && web.end == CANCEL_IN_HAND);
}

#define row(function) cmocka_unit_test_setup_teardown(function, setup_web, teardown_web)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(lists_own_only),
	    row(lists_many),
	    row(takes_back),
	    row(in_hand_is_not_touched),
	    row(after_a_restart),
	    row(asker_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
