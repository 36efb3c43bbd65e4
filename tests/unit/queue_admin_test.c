/*
 * Administrators' requests: pages of lists, and when an order is answered. The guardian in one
 * process; the answers come here instead of to the master.
 */
#include "tests/unit/queue_play_support.h"

#include <stdatomic.h>
#include <sysexits.h>

#include "queue/admin.h"
#include "queue/order.h"

enum { PAGE_MAX = 100, FDS_MAX = 1024 };

/* ---- in place of common/role.c and of the kernel ---- */

static struct {
	bool came;
	int code;
	json_t *doc;
	size_t messages, files; /* in the spool when it came */
} answer;

void
role_admin_reply(struct role *r, uint64_t tag, int code, json_t *doc)
{
	(void)r;
	assert_int_equal(tag, 7);
	assert_false(answer.came);
	answer.came = true;
	answer.code = code;
	answer.doc = doc;
	answer.messages = t.f.q.messages.n;
	answer.files = support_incoming(t.f.spool) + support_count(t.f.spool, "cur");
}

void
role_admin_error(struct role *r, uint64_t tag, int code, const char *format, ...)
{
	(void)format;
	role_admin_reply(r, tag, code, json_object());
}

void
role_exit_when_done(struct role *r)
{
	(void)r;
	fail_msg("no role runs here");
}

uid_t
role_uid(unsigned bit)
{
	(void)bit;
	return (uid_t)-1;
}

/* A write error is told once to each open file, as Linux does. */
static struct {
	atomic_bool happened;
	atomic_bool told[FDS_MAX];
} write_error;

int
syncfs(int fd)
{
	assert_true(fd >= 0 && fd < FDS_MAX);
	if (!atomic_load(&write_error.happened) || atomic_exchange(&write_error.told[fd], true))
		return 0;
	errno = EIO;
	return -1;
}

/* ---- asking ---- */

static int
setup_admin(void **state)
{
	memset(&answer, 0, sizeof answer);
	memset(&write_error, 0, sizeof write_error);
	return setup(state);
}

static int
teardown_admin(void **state)
{
	json_decref(answer.doc);
	return teardown(state);
}

/* words: up to a NULL. */
static void
ask(const char *const *words)
{
	char *list[10];
	size_t n = 0;

	while (words[n] != NULL && n < nitems(list)) {
		list[n] = xstrdup(words[n]);
		n++;
	}
	json_decref(answer.doc);
	memset(&answer, 0, sizeof answer);
	admin_request(&t.f.q, 7, list, n);
	for (size_t i = 0; i < n; i++)
		free(list[i]);
}

#define ASK(...) ask((const char *const[]){"queue", __VA_ARGS__, NULL})

static void
expect_answer(int code)
{
	until(answer.came);
	assert_int_equal(answer.code, code);
}

static json_int_t
number(const char *key)
{
	return json_integer_value(json_object_get(answer.doc, key));
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The page has these messages. */
static void
expect_page(const uint64_t *ids, size_t n)
{
	const json_t *messages;
	uint64_t shown[PAGE_MAX];

	expect_answer(EX_OK);
	messages = json_object_get(answer.doc, "messages");
	assert_int_equal(json_array_size(messages), n);
	assert_true(n <= PAGE_MAX);
	for (size_t i = 0; i < n; i++)
		assert_true(queue_id_parse(
		    span_of(json_string_value(json_object_get(json_array_get(messages, i), "id"))),
		    &shown[i]));
	qsort(shown, n, sizeof *shown, compare);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(shown[i], ids[i]);
}

static const char *
next_page(void)
{
	return json_string_value(json_object_get(answer.doc, "next"));
}

/* Page by page: these are all, each once, by id. */
static void
expect_pages(const char *limit, const char *filter, const uint64_t *ids, size_t n, size_t each)
{
	char *after = NULL;

	for (size_t at = 0;; at += each) {
		size_t left = n - at;

		ASK("list", limit, filter, after);
		expect_page(ids + at, left < each ? left : each);
		free(after);
		if (next_page() == NULL) {
			assert_true(left <= each);
			return;
		}
		assert_true(left >= each);
		after = xasprintf("after=%s", next_page());
	}
}

/* A page goes by id, and ids are given to files before messages come into them. */
static void
accept_many(uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ids[i] = accepted(1);
	qsort(ids, n, sizeof *ids, compare);
}

/* ---- lists ---- */

static void
pages(void **state)
{
	uint64_t ids[5];

	(void)state;
	accept_many(ids, 5);
	expect_pages("limit=2", "all=true", ids, 5, 2);
	expect_pages("limit=5", "all=true", ids, 5, 5);
	assert_int_equal(number("total"), 5);
	expect_pages("limit=1", "sender=ann@*", ids, 5, 1);
	ASK("list", "sender=nobody@*");
	expect_page(NULL, 0);
	assert_null(next_page());
}

/* Those of one sender among many more than are looked at in one go. */
static void
pages_of_a_sender(void **state)
{
	enum { ALL = 200, EACH = 7 };
	uint64_t bobs[ALL / 3 + 1];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		bool is_bob = i % 3 == 1;
		uint64_t id;

		support_sender = is_bob ? "bob@example.org" : "ann@example.org";
		id = accepted(1);
		if (is_bob)
			bobs[n++] = id;
	}
	qsort(bobs, n, sizeof *bobs, compare);
	expect_pages("limit=7", "sender=bob@*", bobs, n, EACH);
	expect_pages("limit=100", "sender=bob@*", bobs, n, 100);
	expect_pages("limit=7", "recipient=nobody@*", NULL, 0, EACH);
}

/* The words of an administrator are in no order, and some name nothing. */
static void
pages_of_named_ones(void **state)
{
	uint64_t ids[3];
	char *words;

	(void)state;
	accept_many(ids, 3);
	words = xasprintf("ids=%s", queue_id_text(ids[2]));
	for (size_t i = 0; i < 2; i++) {
		char *more = xasprintf("%s 000000001 %s", words, queue_id_text(ids[i]));

		free(words);
		words = more;
	}
	expect_pages("limit=2", words, ids, 3, 2);
	ASK("hold", words);
	expect_answer(EX_OK);
	assert_int_equal(number("done"), 3);
	assert_int_equal(number("unknown"), 2);
	expect_pages("limit=2", "held=true", ids, 3, 2);
	free(words);
}

/* Its file gets another name after the list has looked up the name, and before it reads the file.
 * It is on the page where it belongs, and what comes behind it is not shown twice. */
static void
one_is_missed(void **state)
{
	uint64_t ids[6];

	(void)state;
	accept_many(ids, nitems(ids));
	for (size_t i = 0; i < 3; i++) {
		struct order *o = order_new(ORDER_HOLD, NULL, NULL, NULL);
		char *after;

		ASK("list", "limit=2");
		order_give(&t.f.q, server_message(&t.f.q, ids[i]), o);
		order_release(&o);
		expect_page(ids, 2);
		assert_string_equal(next_page(), queue_id_text(ids[1]));
		after = xasprintf("after=%s", next_page());
		expect_pages("limit=2", "all=true", ids, nitems(ids), 2);
		ASK("list", "limit=4", after);
		expect_page(ids + 2, 4);
		free(after);
	}
}

/* One that cannot be read does not end a list, nor make a page longer. */
static void
one_is_damaged(void **state)
{
	uint64_t ids[5];
	struct message *m;
	int fd;

	(void)state;
	accept_many(ids, nitems(ids));
	m = server_message(&t.f.q, ids[1]);
	fd = spool_message_open(&t.f.q.spool, ids[1], &m->name, O_RDWR);
	assert_int_equal(pwrite(fd, "nonsense", 8, 0), 8);
	close(fd);
	ids[1] = ids[0];
	expect_pages("limit=2", "all=true", ids + 1, 4, 2);
	expect_pages("limit=4", "all=true", ids + 1, 4, 4);
}

/* ---- orders ---- */

static void
removed_before_the_answer(void **state)
{
	uint64_t ids[40];

	(void)state;
	accept_many(ids, nitems(ids));
	ASK("remove", "all=true");
	expect_answer(EX_OK);
	assert_int_equal(number("done"), 40);
	assert_int_equal(answer.messages, 0);
	assert_int_equal(answer.files, 0);
}

/* It is told about the order; and to who hands in mail, which may be damaged by it as well. */
static void
order_hears_a_write_error(void **state)
{
	uint64_t ids[2];

	(void)state;
	accept_many(ids, nitems(ids));
	atomic_store(&write_error.happened, true);
	ASK("hold", "all=true");
	expect_answer(EX_IOERR);
	for (int i = 0; i < 5; i++)
		submit(1);
	until(t.n_durable + t.n_refused == 2 + 5);
	assert_true(t.n_refused > 0);
	ASK("release", "all=true");
	expect_answer(EX_OK);
	assert_int_equal(number("done"), 2);
}

/* ---- wrong words ---- */

static void
wrong_words(void **state)
{
	static const struct {
		const char *words[3];
		int code;
	} rows[] = {
	    {{"list", "limit=0"}, EX_DATAERR},
	    {{"list", "limit=1001"}, EX_DATAERR},
	    {{"list", "after=1"}, EX_DATAERR},
	    {{"list", "nonsense"}, EX_DATAERR},
	    {{"hold"}, EX_DATAERR},
	    {{"reroute", "all=true"}, EX_DATAERR},
	    {{"reroute", "all=true", "to=mx"}, EX_DATAERR},
	    {{"show", "ids="}, EX_DATAERR},
	    {{"show", "ids=000000001"}, EX_NOINPUT},
	    {{"nonsense"}, EX_USAGE},
	};

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		ASK(rows[i].words[0], rows[i].words[1], rows[i].words[2]);
		assert_true(answer.came);
		if (answer.code != rows[i].code)
			fail_msg("row %zu: %d", i, answer.code);
	}
}

#define row(function) cmocka_unit_test_setup_teardown(function, setup_admin, teardown_admin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    row(pages),
	    row(pages_of_a_sender),
	    row(pages_of_named_ones),
	    row(one_is_missed),
	    row(one_is_damaged),
	    row(removed_before_the_answer),
	    row(order_hears_a_write_error),
	    row(wrong_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
