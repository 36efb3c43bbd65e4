/*
 * Aligned columns on standard output, and numbers as people read them.
 */
#include "master/ctl_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"

enum { TEXTS = 8, TEXT_BYTES = 32, COLUMN_GAP = 2 };

struct ctl_table {
	char **cells;
	size_t n, columns;
};

static void
add_cell(struct ctl_table *t, char *cell)
{
	if ((t->n & (t->n - 1)) == 0)
		t->cells = xrealloc(t->cells, (t->n ? t->n * 2 : 1) * sizeof *t->cells);
	t->cells[t->n++] = cell;
}

struct ctl_table *
ctl_table_new(const char *const *headings, size_t columns)
{
	struct ctl_table *t = xcalloc(1, sizeof *t);

	t->columns = columns;
	for (size_t i = 0; i < columns; i++)
		add_cell(t, xstrdup(headings[i]));
	return t;
}

void
ctl_table_add(struct ctl_table *t, const char *format, ...)
{
	char *cell = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&cell, format, ap) == -1)
		fatalx("out of memory");
	va_end(ap);
	add_cell(t, cell);
}

static size_t
width_of(const struct ctl_table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n; i += t->columns)
		if (strlen(t->cells[i]) > width)
			width = strlen(t->cells[i]);
	return width;
}

void
ctl_table_print(struct ctl_table **tp)
{
	struct ctl_table *t = *tp;
	size_t *widths = xcalloc(t->columns, sizeof *widths);

	for (size_t i = 0; i < t->columns; i++)
		widths[i] = width_of(t, i) + COLUMN_GAP;
	for (size_t i = 0, column = 0; i < t->n; i++) {
		if (++column == t->columns) {
			printf("%s\n", t->cells[i]);
			column = 0;
		} else
			printf("%-*s", (int)widths[column - 1], t->cells[i]);
		free(t->cells[i]);
	}
	free(widths);
	free(t->cells);
	free(t);
	*tp = NULL;
}

static char *
next_text(void)
{
	static char texts[TEXTS][TEXT_BYTES];
	static unsigned turn;

	return texts[turn++ % TEXTS];
}

const char *
ctl_size(uint64_t bytes)
{
	static const char units[] = "KMGT";
	char *text = next_text();
	size_t unit = 0;

	if (bytes < 10000) {
		snprintf(text, TEXT_BYTES, "%" PRIu64, bytes);
		return text;
	}
	for (bytes /= 1024; bytes >= 10000 && units[unit + 1] != '\0'; unit++)
		bytes /= 1024;
	snprintf(text, TEXT_BYTES, "%" PRIu64 "%c", bytes, units[unit]);
	return text;
}

const char *
ctl_duration(uint64_t s)
{
	char *text = next_text();

	if (s < 60)
		snprintf(text, TEXT_BYTES, "%us", (unsigned)s);
	else if (s < 3600)
		snprintf(text, TEXT_BYTES, "%um%02us", (unsigned)s / 60, (unsigned)s % 60);
	else if (s < 86400)
		snprintf(text, TEXT_BYTES, "%uh%02um", (unsigned)s / 3600, (unsigned)s % 3600 / 60);
	else
		snprintf(
		    text, TEXT_BYTES, "%" PRIu64 "d%02uh", s / 86400, (unsigned)(s % 86400 / 3600));
	return text;
}

const char *
ctl_time(int64_t seconds)
{
	char *text = next_text();
	time_t when = seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(text, TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strlcpy(text, "?", TEXT_BYTES);
	return text;
}
