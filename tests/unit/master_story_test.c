/*
 * What a user is told of his messages, and what he is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/queue_id.h"
#include "master/story.h"

/* Ids as of this day. */
static char first[QUEUE_ID_TEXT_SIZE], second[QUEUE_ID_TEXT_SIZE];

struct said {
	const char *program, *text; /* A and B in front stand for the two ids */
};

static json_t *
lines_of(const struct said *said, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const char *text = said[i].text, *id = *text == 'A'   ? first
						       : *text == 'B' ? second
								      : NULL;
		char *whole = id != NULL ? xasprintf("%s%s", id, text + 1) : xstrdup(text);

		json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "program", said[i].program,
						"time", (int)i, "text", whole));
		free(whole);
	}
	return list;
}

/* Sentences with a line feed behind each. */
static const char *
tell(const struct said *said, size_t n, const char *user, const char *own, const char *what)
{
	static char out[8192];
	json_t *lines = lines_of(said, n), *addresses = json_pack("[s]", own), *story;
	const struct story_asker asker = {user, addresses, what};
	const json_t *one;
	size_t i;

	story = story_tell(lines, &asker);
	out[0] = '\0';
	json_array_foreach(story, i, one) snprintf(out + strlen(out), sizeof out - strlen(out),
	    "%s\n", json_string_value(json_object_get(one, "text")));
	json_decref(story);
	json_decref(addresses);
	json_decref(lines);
	return out;
}

static const struct said sent[] = {
    {"smtpd", "A accepted from=<ann@our.example> to=<x@x.example> to=<list@our.example> nrcpt=3 "
	      "size=9 client=1.2.3.4 helo=pc user=ann proto=ESMTPSA tls=TLSv1.3"},
    {"smtpd", "A recipients to=<y@y.example>"},
    {"router", "A expanded to=<list@our.example> recipients=2 mailboxes=bob delay=0.1"},
    {"router", "A recipients of=<list@our.example> to=<secret@z.example>"},
    {"deliver", "A sent to=<secret@z.example> host=mx.z.example address=[1.2.3.4]:25 tls=none "
		"cipher=none verified=no reply=250 ok delay=0.1"},
    {"deliver", "A sent to=<x@x.example> host=mx.x.example address=[1.2.3.4]:25 tls=none "
		"cipher=none verified=no reply=250 2.0.0 queued as delay=7 delay=0.1"},
    {"deliver", "A deferred to=<y@y.example> host=mx.y.example address=[1.2.3.4]:25 tls=none "
		"cipher=none verified=no reply=451 later delay=0.1"},
    {"queue", "A deferred attempts=1 next=1800000000"},
};

static void
a_sender_hears_of_those_he_has_named(void **state)
{
	(void)state;
	assert_string_equal(tell(sent, nitems(sent), "ann", "ann@our.example", "X@x.example"),
	    "Your message to x@x.example was accepted.\n"
	    "mx.x.example has taken it for x@x.example and says: 250 2.0.0 queued as delay=7\n"
	    "It is tried again.\n");
	assert_string_equal(tell(sent, nitems(sent), "ann", "ann@our.example", "list@our.example"),
	    "Your message to list@our.example was accepted.\n"
	    "It goes on from list@our.example to those behind this address.\n"
	    "It is tried again.\n");
	assert_string_equal(tell(sent, nitems(sent), "ann", "ann@our.example", "y@y.example"),
	    "Your message to y@y.example was accepted.\n"
	    "Your message to y@y.example could not be delivered yet. mx.y.example says: 451 later\n"
	    "It is tried again.\n");
	/* to whom the list leads */
	assert_string_equal(
	    tell(sent, nitems(sent), "ann", "ann@our.example", "secret@z.example"), "");
	assert_null(strstr(tell(sent, nitems(sent), "ann", "ann@our.example", NULL), "secret"));
}

/* Programs write at their own pace. */
static void
acceptance_comes_first(void **state)
{
	static const struct said lines[] = {
	    {"router", "A delivered to=<bob@our.example> via=store mailboxes=bob delay=0.1"},
	    {"smtpd", "A accepted from=<ann@our.example> to=<bob@our.example> nrcpt=1 size=9 "
		      "client=1.2.3.4 helo=pc user=ann proto=ESMTPSA tls="},
	};

	(void)state;
	assert_string_equal(tell(lines, nitems(lines), "ann", "ann@our.example", "bob@our.example"),
	    "Your message to bob@our.example was accepted.\n"
	    "It was put into the mailbox of bob@our.example.\n");
	assert_string_equal(tell(lines, nitems(lines), "bob", "bob@our.example", "ann@our.example"),
	    "A message from ann@our.example for you has arrived.\n"
	    "It was put into your mailbox.\n");
}

static void
a_recipient_hears_of_himself_and_the_sender(void **state)
{
	static const struct said lines[] = {
	    {"smtpd",
		"A accepted from=<ann@our.example> to=<bob@our.example> to=<carol@our.example> "
		"nrcpt=2 size=9 client=1.2.3.4 helo=pc user=ann proto=ESMTPSA tls="},
	    {"router", "A deferred to=<bob@our.example> mailboxes=bob reason=4.2.2 mailbox full"},
	    {"router", "A failed to=<carol@our.example> mailboxes=carol reason=5.2.2 mailbox full"},
	    {"router", "A delivered to=<bob@our.example> via=store mailboxes=bob delay=0.1"},
	};
	const char *story = tell(lines, nitems(lines), "bob", "bob@our.example", "ann@our.example");

	(void)state;
	assert_string_equal(story, "A message from ann@our.example for you has arrived.\n"
				   "It could not be put yet into your mailbox: 4.2.2 mailbox full\n"
				   "It was put into your mailbox.\n");
	assert_null(strstr(tell(lines, nitems(lines), "bob", "bob@our.example", NULL), "carol"));
	/* what bob has to do with carol is not his to ask */
	assert_string_equal(
	    tell(lines, nitems(lines), "bob", "bob@our.example", "carol@our.example"), "");
	/* nor anybody else's */
	assert_string_equal(
	    tell(lines, nitems(lines), "eve", "eve@our.example", "ann@our.example"), "");
	assert_string_equal(
	    tell(lines, nitems(lines), "eve", "eve@our.example", "bob@our.example"), "");
	assert_string_equal(tell(lines, nitems(lines), "eve", "eve@our.example", NULL), "");
}

/* A list's member hears that it came, and not who else got it. */
static void
several_mailboxes(void **state)
{
	static const struct said lines[] = {
	    {"smtpd", "A accepted from=<> to=<list@our.example> nrcpt=1 size=9 client=1.2.3.4 "
		      "helo=pc user= proto=ESMTP tls="},
	    {"router", "A failed to=<list@our.example> mailboxes=bob,carol reason=carol is full"},
	    {"router", "A mailboxes to=<list@our.example> mailboxes=dan"},
	};

	(void)state;
	assert_string_equal(tell(lines, nitems(lines), "bob", "bob@our.example", NULL),
	    "A message from the mail system for you has arrived.\n"
	    "It cannot be put into your mailbox.\n");
	assert_string_equal(tell(lines, nitems(lines), "bo", "bo@our.example", NULL), "");
	assert_string_equal(tell(lines, nitems(lines), "dan", "dan@our.example", NULL),
	    "A message from the mail system for you has arrived.\nIt was put into your mailbox.\n");
}

/* What a stranger says in a field is not taken for another one. */
static void
forged_fields(void **state)
{
	static const struct said lines[] = {
	    {"smtpd", "A accepted from=<m@x.example> to=<bob@our.example> nrcpt=1 size=9 "
		      "client=1.2.3.4 helo=x user=eve proto=ESMTPSA tls= user= proto=ESMTP tls="},
	    {"smtpd", "B refused from=<m@x.example> nrcpt=1 size=9 client=1.2.3.4 helo=x accepted "
		      "from=<eve@our.example> user= reply=\"no\""},
	    {"router", "A delivered to=<bob@our.example> via=store mailboxes=bob delay=0.1"},
	    {"smtpd", "A accepted from=<eve@our.example> to=<bob@our.example> nrcpt=1 size=9 "
		      "client=1 helo=x user=eve proto=ESMTP tls="}, /* the first one counts */
	};

	(void)state;
	assert_string_equal(tell(lines, nitems(lines), "eve", "eve@our.example", NULL), "");
	assert_string_equal(
	    tell(lines, nitems(lines), "eve", "eve@our.example", "bob@our.example"), "");
}

static void
refusals(void **state)
{
	static const struct said lines[] = {
	    {"smtpd", "- recipient-refused to=<bob@our.example> from=<m@x.example> client=1.2.3.4 "
		      "helo=x user= reply=\"552 5.2.2 mailbox full\""},
	    {"smtpd", "- recipient-refused to=<nobody@our.example> from=<ann@our.example> "
		      "client=1.2.3.4 helo=x user=ann reply=\"550 5.1.1 no such mailbox\""},
	};

	(void)state;
	assert_string_equal(tell(lines, nitems(lines), "bob", "bob@our.example", "m@x.example"),
	    "A message from m@x.example to bob@our.example was refused: 552 5.2.2 mailbox full\n");
	assert_string_equal(
	    tell(lines, nitems(lines), "ann", "ann@our.example", "nobody@our.example"),
	    "Your message to nobody@our.example was refused: 550 5.1.1 no such mailbox\n");
	assert_string_equal(
	    tell(lines, nitems(lines), "eve", "eve@our.example", "m@x.example"), "");
}

static void
odd_lines(void **state)
{
	static const struct said lines[] = {{"smtpd", ""}, {"smtpd", "A"}, {"smtpd", "A "},
	    {"smtpd", "A accepted"}, {"router", "A delivered to=<"},
	    {"queue", "A deferred attempts=x"},
	    {"smtpd", "A accepted from=<x to=<bob@our.example>"}, {"router", "A delivered to=<x>"},
	    {"smtpd", "- recipient-refused to=<bob@our.example>"}, {"smtpd", "warn: "},
	    {"smtpd", "nonsense with blanks"}};

	(void)state;
	assert_string_equal(tell(lines, nitems(lines), "bob", "bob@our.example", NULL), "");
	assert_string_equal(tell(lines, nitems(lines), "bob", "bob@our.example", "x"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sender_hears_of_those_he_has_named),
	    cmocka_unit_test(acceptance_comes_first),
	    cmocka_unit_test(a_recipient_hears_of_himself_and_the_sender),
	    cmocka_unit_test(several_mailboxes),
	    cmocka_unit_test(forged_fields),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(odd_lines),
	};

	strlcpy(first, queue_id_text(1790000000000000), sizeof first);
	strlcpy(second, queue_id_text(1790000000000001), sizeof second);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
