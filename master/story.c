/*
 * From lines of the logs to sentences. Fields are read one after the other as the programs write
 * them, so that a stranger's text in one cannot pass for another.
 */
#include "master/story.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "master/ctl_logs.h"

enum { RECIPIENTS_MAX = 1000, SENTENCE_SIZE = 1000 };

/* ---- lines ---- */

static struct span
text_of(const json_t *line)
{
	const json_t *text = json_object_get(line, "text");

	return (struct span){json_string_value(text), json_string_length(text)};
}

static bool
take_start(struct span *s, const char *start)
{
	size_t n = strlen(start);

	if (s->len < n || memcmp(s->at, start, n) != 0)
		return false;
	*s = (struct span){s->at + n, s->len - n};
	return true;
}

/* "to=<x>" from the front: the programs escape < and > within. */
static bool
take_address(struct span *s, const char *key, struct span *address)
{
	struct span rest = *s;

	if (!take_start(&rest, key) || !take_start(&rest, "<") || !span_take(&rest, '>', address))
		return false;
	(void)take_start(&rest, " ");
	*s = rest;
	return true;
}

/* "host=x " from the front. */
static bool
take_word(struct span *s, const char *key, struct span *word)
{
	struct span rest = *s;

	if (!take_start(&rest, key))
		return false;
	(void)span_take(&rest, ' ', word);
	*s = rest;
	return true;
}

/* Behind the last key, which only our own text follows. */
static bool
behind_last(struct span s, const char *key, struct span *value)
{
	size_t n = strlen(key);

	for (size_t i = s.len; i >= n; i--)
		if (memcmp(s.at + i - n, key, n) == 0) {
			*value = (struct span){s.at + i, s.len - i};
			return true;
		}
	return false;
}

bool
story_line_id(struct span text, uint64_t *id)
{
	struct span word;

	(void)take_start(&text, "warn: ");
	span_take(&text, ' ', &word);
	return log_is_id(word, id);
}

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool
has_id(const uint64_t *ids, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

size_t
story_ids(const json_t *lines, uint64_t ids[STORY_MESSAGES_MAX])
{
	size_t n = 0;

	for (size_t i = json_array_size(lines); i > 0 && n < STORY_MESSAGES_MAX; i--) {
		uint64_t id;

		if (story_line_id(text_of(json_array_get(lines, i - 1)), &id) &&
		    !has_id(ids, n, id))
			ids[n++] = id;
	}
	if (n > 0)
		qsort(ids, n, sizeof *ids, compare_ids);
	return n;
}

/* ---- one message ---- */

struct message {
	const struct story_asker *asker;
	json_t *story;
	char *from;	    /* NULL: its start is not in the logs */
	json_t *recipients; /* as its sender has named them */
	bool is_sender, is_recipient;
	json_int_t next; /* when it is tried again, 0: never */
	bool in_mailbox; /* was told */
};

static void __attribute__((format(printf, 3, 4)))
tell(struct message *m, const json_t *line, const char *format, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	json_array_append_new(
	    m->story, json_pack("{s:O, s:o}", "time", json_object_get(line, "time"), "text",
			  json_text(span_of(sentence))));
}

static bool
list_has(const json_t *list, struct span text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(
	    list, i, one) if (span_is_nocase(text, json_string_value(one))) return true;
	return false;
}

static bool
names_user(struct span mailboxes, const char *user)
{
	struct span one;
	bool more;

	do {
		more = span_take(&mailboxes, ',', &one);
		if (span_is(one, user))
			return true;
	} while (more);
	return false;
}

/* Whether he may hear of this recipient, whom he has named. */
static bool
may_hear(const struct message *m, struct span to)
{
	return list_has(m->recipients, to) &&
	       (m->asker->what == NULL || span_is_nocase(to, m->asker->what));
}

/* ---- its start ---- */

static void
read_recipients(struct message *m, struct span *rest)
{
	struct span to;

	while (take_address(rest, "to=", &to))
		if (json_array_size(m->recipients) < RECIPIENTS_MAX)
			json_array_append_new(m->recipients, json_text(to));
}

/* "accepted from=<> to=<> ... helo= user= proto= tls=" */
static void
read_accepted(struct message *m, struct span rest)
{
	struct span from, user;

	if (m->from != NULL || !take_address(&rest, "from=", &from))
		return;
	m->from = span_text(from);
	read_recipients(m, &rest);
	if (behind_last(rest, " user=", &user)) {
		(void)span_take(&user, ' ', &from);
		m->is_sender = span_is(from, m->asker->user);
	}
}

/* "to=<> mailboxes=a,b", with "via=store" between. */
static bool
is_for_mailbox(const struct message *m, struct span rest, struct span *behind, bool *alone)
{
	struct span to, word, mailboxes;

	if (!take_address(&rest, "to=", &to))
		return false;
	(void)take_word(&rest, "via=", &word);
	if (!take_word(&rest, "mailboxes=", &mailboxes))
		return false;
	*behind = rest;
	*alone = span_is(mailboxes, m->asker->user);
	return names_user(mailboxes, m->asker->user);
}

/* The verb behind the id, and what follows. */
static bool
read_verb(const json_t *line, struct span *verb, struct span *rest)
{
	*rest = text_of(line);
	(void)take_start(rest, "warn: ");
	span_take(rest, ' ', verb); /* the id */
	span_take(rest, ' ', verb);
	return verb->len > 0;
}

static void
learn(struct message *m, const json_t *line)
{
	struct span verb, rest, behind;
	bool alone;
	const char *program = json_string_value(json_object_get(line, "program"));

	if (!read_verb(line, &verb, &rest))
		return;
	if (span_is(verb, "accepted"))
		read_accepted(m, rest);
	else if (span_is(verb, "recipients") && strcmp(program, "router") != 0)
		read_recipients(m, &rest);
	else if (strcmp(program, "router") == 0 && is_for_mailbox(m, rest, &behind, &alone))
		m->is_recipient = true;
}

/* ---- what its sender hears ---- */

static const char *
text(struct span s)
{
	static char buffers[4][SENTENCE_SIZE / 3];
	static unsigned turn;
	char *out = buffers[turn++ % 4];

	if (s.len >= sizeof buffers[0])
		s.len = sizeof buffers[0] - 1;
	if (!span_copy(s, out, sizeof buffers[0]))
		out[0] = '\0';
	return out;
}

static void
tell_sent_off(struct message *m, const json_t *line)
{
	const json_t *one;
	size_t i;

	json_array_foreach(m->recipients, i, one) if (may_hear(m, span_of(json_string_value(one))))
	    tell(m, line, "Your message to %s was accepted.", json_string_value(one));
}

/* " reply=TEXT delay=1.2" */
static struct span
reply_of(struct span rest)
{
	struct span reply, delay;
	const char *at = memmem(rest.at, rest.len, " reply=", 7);

	if (at == NULL)
		return span_of("");
	reply = (struct span){at + 7, rest.at + rest.len - (at + 7)};
	if (behind_last(reply, " delay=", &delay))
		reply.len = delay.at - strlen(" delay=") - reply.at;
	return span_trim(reply);
}

/* "deferred" and "failed": by another host, or here. */
static void
tell_trouble(struct message *m, const json_t *line, struct span to, struct span rest, bool failed)
{
	const char *end = failed ? "cannot be delivered" : "could not be delivered yet";
	struct span host, reason;

	if (take_word(&rest, "host=", &host))
		tell(m, line, "Your message to %s %s. %s%s%s", text(to), end,
		    span_is(host, "none") ? "" : text(host),
		    span_is(host, "none") ? "" : " says: ", text(reply_of(rest)));
	else if (behind_last(rest, "reason=", &reason))
		tell(m, line, "Your message to %s %s: %s", text(to), end, text(reason));
}

static void
tell_recipient(struct message *m, const json_t *line, struct span verb, struct span rest)
{
	struct span to, host;

	if (!take_address(&rest, "to=", &to) || !may_hear(m, to))
		return;
	if (span_is(verb, "delivered"))
		tell(m, line, "It was put into the mailbox of %s.", text(to));
	else if (span_is(verb, "dropped"))
		tell(m, line, "Mail for %s is discarded here, as the administrator wants it.",
		    text(to));
	else if (span_is(verb, "expanded"))
		tell(m, line, "It goes on from %s to those behind this address.", text(to));
	else if (span_is(verb, "sent") && take_word(&rest, "host=", &host))
		tell(m, line, "%s has taken it for %s and says: %s", text(host), text(to),
		    text(reply_of(rest)));
	else if (span_is(verb, "deferred") || span_is(verb, "failed"))
		tell_trouble(m, line, to, rest, span_is(verb, "failed"));
}

/* What was done to the message as a whole. */
static void
tell_order(struct message *m, const json_t *line, struct span verb)
{
	static const struct {
		const char *verb, *sentence;
	} orders[] = {
	    {"held", "It is held: the administrator, or its sender, lets it go later."},
	    {"released", "It was released."},
	    {"removed", "The administrator has removed it."},
	    {"given", "The administrator has given it up: a message about this is sent to you."},
	    {"cancelled", "You have taken it back."},
	    {"notified", "A message about this was sent to you."},
	};

	for (size_t i = 0; i < nitems(orders); i++)
		if (span_is(verb, orders[i].verb))
			tell(m, line, "%s", orders[i].sentence);
}

/* "deferred attempts=N next=T" of queue. */
static void
note_next(struct message *m, struct span rest)
{
	struct span word;
	uint64_t next;

	if (take_word(&rest, "attempts=", &word) && take_word(&rest, "next=", &word) &&
	    span_u64(word, INT64_MAX, &next))
		m->next = next;
}

static void
tell_sender(struct message *m, const json_t *line)
{
	const char *program = json_string_value(json_object_get(line, "program"));
	struct span verb, rest;

	if (!read_verb(line, &verb, &rest))
		return;
	m->next = 0;
	if (span_is(verb, "accepted"))
		tell_sent_off(m, line);
	else if (strcmp(program, "queue") == 0 && span_is(verb, "deferred"))
		note_next(m, rest);
	else if (strcmp(program, "queue") == 0 && !span_is(verb, "failed"))
		tell_order(m, line, verb);
	else
		tell_recipient(m, line, verb, rest);
}

/* ---- what a recipient hears ---- */

static const char *
sender_text(const struct message *m)
{
	return m->from[0] != '\0' ? m->from : "the mail system";
}

static void
tell_mailbox(struct message *m, const json_t *line)
{
	struct span verb, rest, behind, reason;
	bool alone;

	if (!read_verb(line, &verb, &rest))
		return;
	if (span_is(verb, "accepted")) {
		tell(m, line, "A message from %s for you has arrived.", sender_text(m));
		return;
	}
	if (!is_for_mailbox(m, rest, &behind, &alone))
		return;
	if ((span_is(verb, "delivered") || span_is(verb, "expanded") ||
		span_is(verb, "mailboxes")) &&
	    !m->in_mailbox) {
		m->in_mailbox = true;
		tell(m, line, "It was put into your mailbox.");
	} else if (span_is(verb, "deferred") || span_is(verb, "failed")) {
		/* What is said of several mailboxes may name others. */
		bool known = alone && behind_last(behind, "reason=", &reason);

		tell(m, line, "It %s into your mailbox%s%s",
		    span_is(verb, "failed") ? "cannot be put" : "could not be put yet",
		    known ? ": " : ".", known ? text(reason) : "");
	}
}

/* ---- all of it ---- */

static bool
concerns(const struct message *m)
{
	const char *what = m->asker->what;

	if (m->from == NULL || !(m->is_sender || m->is_recipient))
		return false;
	return what == NULL || (m->is_sender && list_has(m->recipients, span_of(what))) ||
	       (m->is_recipient && strcasecmp(m->from, what) == 0);
}

/* The lines of the message that tell of its acceptance, or the others. */
static void
tell_lines(struct message *m, const json_t *lines, uint64_t id, bool acceptance)
{
	const json_t *line;
	struct span verb, rest;
	uint64_t its;
	size_t i;

	json_array_foreach(lines, i, line)
	{
		if (!story_line_id(text_of(line), &its) || its != id ||
		    !read_verb(line, &verb, &rest) || span_is(verb, "accepted") != acceptance)
			continue;
		if (m->is_sender)
			tell_sender(m, line);
		else
			tell_mailbox(m, line);
	}
}

static void
tell_message(const json_t *lines, uint64_t id, const struct story_asker *asker, json_t *story)
{
	struct message m = {.asker = asker, .story = story, .recipients = json_array()};
	const json_t *line;
	uint64_t its;
	size_t i;

	json_array_foreach(lines, i, line) if (story_line_id(text_of(line), &its) && its == id)
	    learn(&m, line);
	json_array_foreach(m.recipients, i, line) m.is_recipient |=
	    list_has(asker->addresses, span_of(json_string_value(line)));
	if (concerns(&m)) {
		/* It may be delivered before the program that took it in has said so. */
		tell_lines(&m, lines, id, true);
		tell_lines(&m, lines, id, false);
		if (m.next != 0)
			json_array_append_new(story,
			    json_pack("{s:I, s:s}", "time", m.next, "text", "It is tried again."));
	}
	free(m.from);
	json_decref(m.recipients);
}

/* "- recipient-refused to=<> from=<> client= helo= user= reply="...": it never was a message. */
static void
tell_refusal(const json_t *line, const struct story_asker *asker, json_t *story)
{
	struct message m = {.asker = asker, .story = story};
	struct span rest = text_of(line), to, from, reply, before, user;

	if (!take_start(&rest, "- recipient-refused ") || !take_address(&rest, "to=", &to) ||
	    !take_address(&rest, "from=", &from) || !behind_last(rest, " reply=\"", &reply))
		return;
	if (reply.len > 0)
		reply.len--; /* its quote */
	before = (struct span){rest.at, reply.at - strlen(" reply=\"") - rest.at};
	if (!behind_last(before, " user=", &user))
		user = span_of("");
	if (span_is(user, asker->user) && asker->what != NULL && span_is_nocase(to, asker->what))
		tell(&m, line, "Your message to %s was refused: %s", text(to), text(reply));
	else if (list_has(asker->addresses, to) && asker->what != NULL &&
		 span_is_nocase(from, asker->what))
		tell(&m, line, "A message from %s to %s was refused: %s", text(from), text(to),
		    text(reply));
}

json_t *
story_tell(const json_t *lines, const struct story_asker *asker)
{
	uint64_t ids[STORY_MESSAGES_MAX];
	size_t n = story_ids(lines, ids), i;
	json_t *story = json_array();
	const json_t *line;

	json_array_foreach(lines, i, line) tell_refusal(line, asker, story);
	for (i = 0; i < n; i++)
		tell_message(lines, ids[i], asker, story);
	return story;
}
