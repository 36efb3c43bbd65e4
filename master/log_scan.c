/*
 * The logs from their ends.
 */
#include "master/log_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "master/ctl_logs.h"

enum { PORTION_BYTES = 65536, LINE_KEPT_BYTES = 2400 };

/* A file; what is before `at` was not read yet. */
struct source {
	int fd;
	char program[LOG_NAME_SIZE];
	off_t at, stop; /* nothing before stop is read */
	char *rest;	/* the start of what was read: the end of a line that began before it */
	size_t n_rest;
	size_t found;
	char stamp[LOG_STAMP_BYTES + 1]; /* of the line that follows */
};

struct log_scan {
	struct source *sources;
	size_t n_sources, current;
	size_t lines;
	char *filter;
	bool (*wants)(void *arg, struct span line); /* NULL: all */
	void *arg;
	struct log_lines kept;
	char *portion;
};

/* ---- lines ---- */

json_t *
log_scan_describe(struct span program, uint64_t time_us, struct span text)
{
	if (text.len > LINE_KEPT_BYTES)
		text.len = LINE_KEPT_BYTES;
	return json_pack("{s:o, s:f, s:o}", "program", json_text(program), "time",
	    (double)time_us / 1e6, "text", json_text(text));
}

/* "2026-11-24T13:27:05.123456Z" in microseconds since 1970; 0 when it is none. */
static uint64_t
parse_stamp(const char *stamp)
{
	struct tm tm = {0};
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t us = 0;

	if (rest == NULL || *rest != '.' ||
	    !span_u64((struct span){rest + 1, strcspn(rest + 1, "Z")}, 999999, &us))
		return 0;
	return (uint64_t)timegm(&tm) * 1000000 + us;
}

/* "name[pid]: " in front goes. */
static struct span
text_of(struct span line, const char *stamp)
{
	struct span rest = line, word;

	if (stamp[0] == '\0' || !span_take(&rest, ' ', &word) || !span_take(&rest, ' ', &word))
		return line;
	return rest;
}

/* Lines come from the last one to the first; those with one stamp are to stay in order. */
static void
take_line(struct log_scan *s, struct source *f, struct span line)
{
	char stamp[LOG_STAMP_BYTES + 1] = "";
	bool stamped = log_stamp(line, stamp);

	if (stamped)
		strlcpy(f->stamp, stamp, sizeof f->stamp);
	if (line.len == 0 || f->found == s->lines || !span_holds_nocase(line, s->filter) ||
	    (s->wants != NULL && !s->wants(s->arg, line)))
		return;
	if (line.len > LINE_KEPT_BYTES)
		line.len = LINE_KEPT_BYTES;
	log_lines_add(&s->kept, line, f->stamp);
	s->kept.items[s->kept.n - 1].n = SIZE_MAX - s->kept.n;
	f->found++;
}

/* ---- portions ---- */

/* What was read, up to the line that began before it. */
static void
take_portion(struct log_scan *s, struct source *f, struct span read)
{
	while (read.len > 0) {
		const char *lf = memrchr(read.at, '\n', read.len);
		size_t start = lf != NULL ? (size_t)(lf + 1 - read.at) : 0;

		if (lf == NULL && f->at > f->stop)
			break;
		take_line(s, f, (struct span){read.at + start, read.len - start});
		read.len = lf != NULL ? start - 1 : 0;
	}
	/* A line longer than a portion is nobody's: its end is forgotten. */
	f->n_rest = read.len < PORTION_BYTES ? read.len : 0;
	memmove(f->rest, read.at, f->n_rest);
}

static void
read_portion(struct log_scan *s, struct source *f)
{
	size_t n = f->at - f->stop < PORTION_BYTES ? f->at - f->stop : PORTION_BYTES;

	f->at -= n;
	if (pread_all(f->fd, s->portion, n, f->at) == -1) {
		f->at = f->stop; /* cut short by somebody */
		return;
	}
	memcpy(s->portion + n, f->rest, f->n_rest);
	take_portion(s, f, (struct span){s->portion, n + f->n_rest});
}

bool
log_scan_step(struct log_scan *s)
{
	struct source *f;

	if (s->current == s->n_sources)
		return false;
	f = &s->sources[s->current];
	if (f->at > f->stop && f->found < s->lines)
		read_portion(s, f);
	else
		s->current++;
	return s->current < s->n_sources;
}

/* ---- life ---- */

static void
add_source(struct log_scan *s, const char *root, const char *file)
{
	struct source f = {.fd = -1};
	char path[PATH_MAX];
	struct stat st;
	off_t from;

	snprintf(path, sizeof path, "%s/log/%s", root, file);
	f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (f.fd == -1 || fstat(f.fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		closefd(&f.fd);
		return; /* rotated away meanwhile */
	}
	from = st.st_size - LOG_SCAN_FILE_MAX_BYTES;
	f.at = st.st_size;
	f.stop = from > 0 ? from : 0;
	f.rest = xmalloc(PORTION_BYTES);
	span_copy((struct span){file, strstr(file, ".log") - file}, f.program, sizeof f.program);
	s->sources = xrealloc(s->sources, (s->n_sources + 1) * sizeof *s->sources);
	s->sources[s->n_sources++] = f;
}

/* "smtpd.log" and "smtpd.log.1". */
static bool
is_recent(const char *file)
{
	const char *rest = strstr(file, ".log") + strlen(".log");

	return *rest == '\0' || strcmp(rest, ".1") == 0;
}

struct log_scan *
log_scan_new(const char *root, const char *program, size_t lines, const char *filter)
{
	struct log_names names;
	struct log_scan *s;

	if (log_names_read(&names, root, program, true) == -1)
		return NULL;
	s = xcalloc(1, sizeof *s);
	s->lines = lines < LOG_SCAN_LINES_MAX ? lines : LOG_SCAN_LINES_MAX;
	s->filter = xstrdup(filter);
	s->portion = xmalloc(2 * PORTION_BYTES);
	for (size_t i = 0; i < names.n; i++)
		if (is_recent(names.items[i]))
			add_source(s, root, names.items[i]);
	log_names_free(&names);
	return s;
}

void
log_scan_free(struct log_scan **sp)
{
	struct log_scan *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	for (size_t i = 0; i < s->n_sources; i++) {
		closefd(&s->sources[i].fd);
		free(s->sources[i].rest);
	}
	log_lines_free(&s->kept);
	free(s->sources);
	free(s->filter);
	free(s->portion);
	free(s);
}

void
log_scan_choose(struct log_scan *s, bool (*wants)(void *arg, struct span line), void *arg)
{
	s->wants = wants;
	s->arg = arg;
}

/* "smtpd" of "... smtpd[17]: ...". */
static struct span
program_of(struct span line, const char *stamp)
{
	struct span rest = line, word;

	if (stamp[0] == '\0' || !span_take(&rest, ' ', &word) || !span_take(&rest, '[', &word))
		return span_of("");
	return word;
}

json_t *
log_scan_result(struct log_scan *s)
{
	json_t *list = json_array();
	size_t from;

	log_lines_sort(&s->kept);
	from = s->kept.n > s->lines ? s->kept.n - s->lines : 0;
	for (size_t i = from; i < s->kept.n; i++) {
		const struct log_kept *k = &s->kept.items[i];
		struct span line = span_of(k->text);

		json_array_append_new(list, log_scan_describe(program_of(line, k->stamp),
						parse_stamp(k->stamp), text_of(line, k->stamp)));
	}
	return list;
}
