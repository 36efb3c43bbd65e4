/*
 * The log files as sambarctl reads them.
 */
#include "master/ctl_logs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "common/queue_id.h"

/* ---- files ---- */

/* "smtpd.log.3" to "smtpd" and 3. False when it is no log. */
static bool
parse_name(const char *file, struct span *program, uint64_t *generation)
{
	const char *dot = strstr(file, ".log");

	*generation = 0;
	if (dot == NULL || dot == file || strlen(file) >= LOG_NAME_SIZE)
		return false;
	*program = (struct span){file, dot - file};
	dot += strlen(".log");
	return *dot == '\0' || (*dot == '.' && span_u64(span_of(dot + 1), 1000, generation));
}

static int
compare_names(const void *a, const void *b)
{
	struct span x = {"", 0}, y = {"", 0};
	uint64_t m = 0, n = 0;
	int order;

	parse_name(a, &x, &m);
	parse_name(b, &y, &n);
	order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);
	if (order == 0)
		order = (x.len > y.len) - (x.len < y.len);
	return order != 0 ? order : (n > m) - (n < m);
}

static void
add_name(struct log_names *names, const char *file)
{
	names->items = xrealloc(names->items, (names->n + 1) * sizeof *names->items);
	strlcpy(names->items[names->n++], file, LOG_NAME_SIZE);
}

int
log_names_read(struct log_names *out, const char *root, const char *program, bool rotated)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	*out = (struct log_names){0};
	snprintf(path, sizeof path, "%s/log", root);
	if ((d = opendir(path)) == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		struct span name;
		uint64_t generation;

		if (parse_name(e->d_name, &name, &generation) && (rotated || generation == 0) &&
		    (program == NULL || span_is(name, program)))
			add_name(out, e->d_name);
	}
	closedir(d);
	if (out->n > 0)
		qsort(out->items, out->n, sizeof *out->items, compare_names);
	return 0;
}

void
log_names_free(struct log_names *names)
{
	free(names->items);
	*names = (struct log_names){0};
}

FILE *
log_open_file(const char *root, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/log/%s", root, name) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(path, "re");
}

/* ---- lines ---- */

bool
log_stamp(struct span line, char out[LOG_STAMP_BYTES + 1])
{
	if (line.len < LOG_STAMP_BYTES || line.at[4] != '-' || line.at[10] != 'T' ||
	    line.at[LOG_STAMP_BYTES - 1] != 'Z')
		return false;
	return span_copy((struct span){line.at, LOG_STAMP_BYTES}, out, LOG_STAMP_BYTES + 1);
}

bool
log_is_id(struct span text, uint64_t *id)
{
	const uint64_t day_us = 86400ULL * 1000000;

	return queue_id_parse(text, id) && *id < (uint64_t)time(NULL) * 1000000 + day_us;
}

bool
log_line_id(struct span line, uint64_t *id)
{
	struct span word;

	span_take(&line, ' ', &word); /* time */
	span_take(&line, ' ', &word); /* name[pid]: */
	span_take(&line, ' ', &word);
	if (span_is(word, "warn:") || span_is(word, "debug:"))
		span_take(&line, ' ', &word);
	return log_is_id(word, id);
}

void
log_lines_add(struct log_lines *lines, struct span line, const char *stamp)
{
	struct log_kept kept = {.text = span_text(line), .n = lines->n};

	strlcpy(kept.stamp, stamp, sizeof kept.stamp);
	if ((lines->n & (lines->n - 1)) == 0)
		lines->items =
		    xrealloc(lines->items, (lines->n ? lines->n * 2 : 1) * sizeof *lines->items);
	lines->items[lines->n++] = kept;
}

static int
compare_kept(const void *a, const void *b)
{
	const struct log_kept *x = a, *y = b;
	int order = strcmp(x->stamp, y->stamp);

	return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

void
log_lines_sort(struct log_lines *lines)
{
	if (lines->n > 0)
		qsort(lines->items, lines->n, sizeof *lines->items, compare_kept);
}

void
log_lines_print(struct log_lines *lines)
{
	log_lines_sort(lines);
	for (size_t i = 0; i < lines->n; i++)
		puts(lines->items[i].text);
	fflush(stdout);
	log_lines_free(lines);
}

void
log_lines_free(struct log_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->items[i].text);
	free(lines->items);
	*lines = (struct log_lines){0};
}
