/* From a line of the logs to an entry of the journal. Pure. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "master/ctl_logs.h"
#include "master/journal.h"

/* KEY_MAX_BYTES: with SAMBAR_ in front a field's name has at most 64. */
enum { KEYS_MAX = 40, KEY_MAX_BYTES = 40, EVENT_MAX_BYTES = 64 };

struct entry {
	char *bytes;
	size_t n;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) add(struct entry *e, const char *format, ...)
{
	size_t room = JOURNAL_ENTRY_MAX_BYTES - e->n;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(e->bytes + e->n, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		e->full = true;
	else
		e->n += n;
}

struct field {
	struct span key, value;
};

/* "key=" from the front. */
static bool
take_key(struct span *s, struct span *key)
{
	size_t n = 0;

	while (n < s->len && (islower((unsigned char)s->at[n]) || (n > 0 && s->at[n] == '-')))
		n++;
	if (n == 0 || n > KEY_MAX_BYTES || n == s->len || s->at[n] != '=')
		return false;
	*key = (struct span){s->at, n};
	*s = (struct span){s->at + n + 1, s->len - n - 1};
	return true;
}

static bool
starts_with_key(struct span s)
{
	struct span key;

	return take_key(&s, &key);
}

/* Up to the blank behind "<a>" or "<a>,<b>": the programs escape < and > within. */
static size_t
length_of_addresses(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.at[n] == '<') {
		while (n < s.len && s.at[n] != '>')
			n++;
		if (n + 2 < s.len && s.at[n + 1] == ',' && s.at[n + 2] == '<')
			n += 2;
		else
			return n < s.len ? n + 1 : n;
	}
	return n;
}

static size_t
length_of_word(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.at[n] != ' ')
		n++;
	return n;
}

/* What others have written, which may look like our keys. */
static bool
is_free_text(struct span key, struct span rest)
{
	return rest.len > 0 && (rest.at[0] == '"' || span_is(key, "reason") ||
				   span_is(key, "reply") || span_is(key, "error"));
}

static struct span
take_value(struct span *s, struct span key)
{
	struct span all = *s, value;
	size_t n = s->len > 0 && s->at[0] == '<' ? length_of_addresses(*s) : length_of_word(*s);

	value = (struct span){s->at, n};
	*s = (struct span){s->at + n, s->len - n};
	if (s->len > 0)
		*s = (struct span){s->at + 1, s->len - 1};
	if (!is_free_text(key, all) && (s->len == 0 || starts_with_key(*s)))
		return value;
	*s = (struct span){all.at + all.len, 0};
	return all;
}

static bool
comes_once(const struct field *fields, size_t n, struct span key)
{
	size_t times = 0;

	for (size_t i = 0; i < n; i++)
		times += span_equal(fields[i].key, key);
	return times == 1;
}

static void
add_field(struct entry *e, struct span key, struct span value)
{
	char name[KEY_MAX_BYTES + 1];

	for (size_t i = 0; i < key.len; i++)
		name[i] = key.at[i] == '-' ? '_' : toupper((unsigned char)key.at[i]);
	name[key.len] = '\0';
	add(e, "SAMBAR_%s=%.*s\n", name, (int)value.len, value.at);
}

/* "<a>,<b>": one field for each, without the brackets. */
static void
add_value(struct entry *e, struct span key, struct span value)
{
	struct span address;

	if (value.len == 0 || value.at[0] != '<' || value.at[value.len - 1] != '>') {
		add_field(e, key, value);
		return;
	}
	while (value.len > 0) {
		value = (struct span){value.at + 1, value.len - 1};
		span_take(&value, '>', &address);
		add_field(e, key, address);
		if (value.len > 0)
			value = (struct span){value.at + 1, value.len - 1};
	}
}

static void
add_keys(struct entry *e, struct span rest)
{
	struct field fields[KEYS_MAX];
	size_t n = 0;

	while (n < KEYS_MAX && take_key(&rest, &fields[n].key)) {
		fields[n].value = take_value(&rest, fields[n].key);
		n++;
	}
	for (size_t i = 0; i < n; i++)
		if (comes_once(fields, n, fields[i].key))
			add_value(e, fields[i].key, fields[i].value);
}

/* The words in front of the first key. */
static struct span
take_event(struct span *s)
{
	struct span event = {s->at, 0}, word;

	while (s->len > 0 && !starts_with_key(*s)) {
		span_take(s, ' ', &word);
		event.len = word.at + word.len - event.at;
	}
	return event;
}

static void
add_event(struct entry *e, struct span text)
{
	struct span word, event;
	uint64_t id;

	span_take(&text, ' ', &word);
	if (log_is_id(word, &id))
		add_field(e, span_of("queue-id"), word);
	else if (!span_is(word, "-"))
		return; /* a sentence */
	event = take_event(&text);
	if (event.len > 0 && event.len <= EVENT_MAX_BYTES)
		add_field(e, span_of("event"), event);
	add_keys(e, text);
}

size_t
journal_entry(
    char out[JOURNAL_ENTRY_MAX_BYTES], const char *program, pid_t pid, int level, struct span text)
{
	struct entry e = {.bytes = out};

	add(&e, "PRIORITY=%d\nSYSLOG_IDENTIFIER=sambar-%s\nSYSLOG_PID=%d\nSAMBAR_PROGRAM=%s\n",
	    level, program, pid, program);
	add(&e, "MESSAGE=%.*s\n", (int)text.len, text.at);
	add_event(&e, text);
	return e.full ? 0 : e.n;
}
