/*
 * The mbox format, read piece by piece.
 */
#include "master/import_mbox.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"

/* A From line is no longer, and no header's name. */
enum { LINE_MAX_BYTES = 1000 };

enum state { MBOX_OUTSIDE, MBOX_FIRST_LINE, MBOX_TEXT };

struct mbox {
	const struct mbox_ops *ops;
	void *arg;
	enum state state;
	uint64_t offset, from_at, arrival_s; /* of the line in hand; of the message */
	bool after_empty;		     /* the line before was empty, or there was none */
	char empty[2];			     /* which belongs to the message, or ends it */
	size_t empty_len;
	bool told;    /* of what lies outside */
	bool passing; /* the rest of a long line is text */
	size_t n;
	char line[LINE_MAX_BYTES];
};

/* ---- the From line ---- */

static bool
take_clock(struct span word, struct tm *tm)
{
	struct span part[3] = {{NULL, 0}};
	uint64_t value[3] = {0};
	size_t n = 0;

	while (n < 3 && word.len > 0)
		(void)span_take(&word, ':', &part[n++]);
	if (n < 2 || word.len > 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (part[i].len != 2 || !span_u64(part[i], i == 0 ? 23 : 60, &value[i]))
			return false;
	tm->tm_hour = value[0];
	tm->tm_min = value[1];
	tm->tm_sec = value[2];
	return true;
}

static bool
take_month(struct span word, struct tm *tm)
{
	static const char *const names[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	for (size_t i = 0; i < nitems(names); i++)
		if (span_is_nocase(word, names[i])) {
			tm->tm_mon = i;
			return true;
		}
	return false;
}

/* "+0100" as seconds. */
static bool
take_zone(struct span word, int64_t *zone_s)
{
	uint64_t n;

	if (word.len != 5 || (word.at[0] != '+' && word.at[0] != '-') ||
	    !span_u64((struct span){word.at + 1, 4}, 2359, &n))
		return false;
	*zone_s = (n / 100 * 60 + n % 100) * 60;
	if (word.at[0] == '-')
		*zone_s = -*zone_s;
	return true;
}

/* In any order, as many write it: "Thu Nov 26 13:00:00 2026", with a zone before or after the year.
 * Without one it is UTC. */
static bool
take_date(struct span rest, uint64_t *at_s)
{
	struct tm tm = {.tm_mon = -1, .tm_hour = -1};
	bool has_year = false;
	int64_t zone_s = 0, at;
	struct span word;

	while ((word = span_take_word(&rest)).len > 0) {
		uint64_t number;

		if (take_month(word, &tm) || take_zone(word, &zone_s) ||
		    (tm.tm_hour == -1 && take_clock(word, &tm)))
			continue;
		if (!span_u64(word, 9999, &number))
			continue;
		if (word.len == 4 && number >= 1970) {
			tm.tm_year = number - 1900;
			has_year = true;
		} else if (number >= 1 && number <= 31 && tm.tm_mday == 0) {
			tm.tm_mday = number;
		}
	}
	if (!has_year || tm.tm_mon == -1 || tm.tm_hour == -1 || tm.tm_mday == 0)
		return false;
	at = timegm(&tm) - zone_s;
	*at_s = at > 0 ? at : 1;
	return true;
}

bool
mbox_from_line(struct span line, uint64_t *arrival_s)
{
	static const char from[] = "From ";
	const size_t n = sizeof from - 1;

	while (line.len > 0 && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
		line.len--;
	if (line.len < n || memcmp(line.at, from, n) != 0)
		return false;
	return take_date(span_trim((struct span){line.at + n, line.len - n}), arrival_s);
}

/* ---- lines ---- */

static void
put_text(struct mbox *m, struct span text)
{
	if (m->empty_len > 0)
		m->ops->on_text(m->arg, (struct span){m->empty, m->empty_len});
	m->empty_len = 0;
	if (text.len > 0)
		m->ops->on_text(m->arg, text);
}

static struct span
unquoted(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.at[n] == '>')
		n++;
	if (n > 0 && line.len - n >= 5 && memcmp(line.at + n, "From ", 5) == 0)
		return (struct span){line.at + 1, line.len - 1};
	return line;
}

static bool
is_empty(struct span line)
{
	return (line.len == 1 && line.at[0] == '\n') ||
	       (line.len == 2 && memcmp(line.at, "\r\n", 2) == 0);
}

/* A field's name and a colon; some programs leave a quoted From line in front. */
static bool
begins_header(struct span line)
{
	size_t n = 0;

	if (unquoted(line).len != line.len)
		return true;
	while (n < line.len && line.at[n] > ' ' && line.at[n] < 0x7f && line.at[n] != ':')
		n++;
	return n > 0 && n < line.len && line.at[n] == ':';
}

static void
end_message(struct mbox *m)
{
	if (m->state == MBOX_TEXT)
		m->ops->on_end(m->arg);
	else if (m->state == MBOX_FIRST_LINE)
		m->ops->on_damage(m->arg, m->from_at, "it is empty");
	m->empty_len = 0; /* it was the separator's */
	m->state = MBOX_OUTSIDE;
}

static void
take_first_line(struct mbox *m, struct span line)
{
	if (is_empty(line) || !begins_header(line)) {
		m->ops->on_damage(m->arg, m->from_at, "it does not begin with a header");
		m->state = MBOX_OUTSIDE;
		m->told = true;
		return;
	}
	m->ops->on_begin(m->arg, m->from_at, m->arrival_s);
	m->state = MBOX_TEXT;
	put_text(m, unquoted(line));
}

static void
take_text_line(struct mbox *m, struct span line)
{
	if (!is_empty(line)) {
		put_text(m, unquoted(line));
		return;
	}
	put_text(m, (struct span){NULL, 0});
	memcpy(m->empty, line.at, line.len);
	m->empty_len = line.len;
}

static void
take_line(struct mbox *m, struct span line)
{
	uint64_t arrival_s;
	bool empty = is_empty(line);

	if (m->after_empty && mbox_from_line(line, &arrival_s)) {
		end_message(m);
		m->from_at = m->offset;
		m->arrival_s = arrival_s;
		m->state = MBOX_FIRST_LINE;
		m->told = false;
	} else if (m->state == MBOX_FIRST_LINE) {
		take_first_line(m, line);
	} else if (m->state == MBOX_TEXT) {
		take_text_line(m, line);
	} else if (!empty && !m->told) {
		m->told = true;
		m->ops->on_damage(m->arg, m->offset, "no line \"From SENDER DATE\" is before it");
	}
	m->after_empty = empty;
}

/* The line in hand, or as much of it as fits. */
static void
finish_line(struct mbox *m)
{
	struct span line = {m->line, m->n};

	if (!m->passing)
		take_line(m, line);
	else if (m->state == MBOX_TEXT)
		put_text(m, line);
	m->passing = m->n > 0 && m->line[m->n - 1] != '\n';
	m->offset += m->n;
	m->n = 0;
}

/* ---- the door ---- */

struct mbox *
mbox_new(const struct mbox_ops *ops, void *arg)
{
	struct mbox *m = xcalloc(1, sizeof *m);

	m->ops = ops;
	m->arg = arg;
	m->after_empty = true;
	return m;
}

void
mbox_free(struct mbox **m)
{
	free(*m);
	*m = NULL;
}

void
mbox_put(struct mbox *m, struct span bytes)
{
	while (bytes.len > 0) {
		const char *lf = memchr(bytes.at, '\n', bytes.len);
		size_t n = lf != NULL ? (size_t)(lf + 1 - bytes.at) : bytes.len;
		size_t room = sizeof m->line - m->n;

		if (n > room)
			n = room;
		memcpy(m->line + m->n, bytes.at, n);
		m->n += n;
		bytes = (struct span){bytes.at + n, bytes.len - n};
		if (m->line[m->n - 1] == '\n' || m->n == sizeof m->line)
			finish_line(m);
	}
}

void
mbox_end(struct mbox *m)
{
	if (m->n > 0)
		finish_line(m);
	end_message(m);
}
