/*
 * sambarctl log: the logs merged by time, and their rotation. Reads log/ only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_follow.h"
#include "master/ctl_logs.h"
#include "master/programs.h"

/* One file, and the line of it that comes next. */
struct source {
	FILE *f;
	char *line;
	size_t size;
	ssize_t len; /* -1: it is at its end */
	char stamp[LOG_STAMP_BYTES + 1];
};

static void
advance(struct source *s)
{
	s->len = getline(&s->line, &s->size, s->f);
	if (s->len > 0)
		log_stamp((struct span){s->line, s->len}, s->stamp); /* or the one before */
}

static struct source *
earliest(struct source *sources, size_t n)
{
	struct source *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (sources[i].len > 0 &&
		    (best == NULL || strcmp(sources[i].stamp, best->stamp) < 0))
			best = &sources[i];
	return best;
}

static int
merge(struct source *sources, size_t n)
{
	struct source *s;

	for (size_t i = 0; i < n; i++)
		advance(&sources[i]);
	while ((s = earliest(sources, n)) != NULL) {
		if (fwrite(s->line, 1, s->len, stdout) != (size_t)s->len)
			return ctl_fail(EX_IOERR, "standard output: %s", strerror(errno));
		advance(s);
	}
	return 0;
}

static int
print_all(const struct ctl *ctl, const struct log_names *names)
{
	struct source *sources = xcalloc(names->n, sizeof *sources);
	size_t n = 0;
	int code = 0;

	for (size_t i = 0; i < names->n && code == 0; i++) {
		sources[n].f = log_open_file(ctl->root, names->items[i]);
		if (sources[n].f != NULL)
			n++;
		else if (errno != ENOENT) /* rotated away meanwhile */
			code = ctl_fail(ctl_code_of(errno, EX_NOINPUT), "log/%s: %s",
			    names->items[i], strerror(errno));
	}
	if (code == 0)
		code = merge(sources, n);
	for (size_t i = 0; i < n; i++) {
		fclose(sources[i].f);
		free(sources[i].line);
	}
	free(sources);
	return code;
}

static int
print_logs(struct ctl *ctl, const char *program)
{
	struct log_names names;
	int code;

	if (log_names_read(&names, ctl->root, program, false) == -1)
		return ctl_fail(
		    ctl_code_of(errno, EX_NOINPUT), "%s/log: %s", ctl->root, strerror(errno));
	code = print_all(ctl, &names);
	log_names_free(&names);
	return code;
}

/* ---- which program ---- */

/* "smtpd", of "smtpd.log.1". */
static struct span
program_of(const char *file)
{
	return (struct span){file, strstr(file, ".log") - file};
}

static bool
is_program(const char *name)
{
	for (size_t i = 0; i < n_programs; i++)
		if (strcmp(programs[i].name, name) == 0)
			return true;
	return strcmp(name, "master") == 0;
}

static void
put_name(FILE *f, struct span name)
{
	fprintf(f, "%s%s", ftell(f) > 0 ? ", " : "", log_safe(name));
}

/* Those of the table, and whatever else has a log. To be freed. */
static char *
known_names(const struct log_names *names)
{
	char *text = NULL, name[LOG_NAME_SIZE];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		fatalx("out of memory");
	put_name(f, span_of("master"));
	for (size_t i = 0; i < n_programs; i++)
		put_name(f, span_of(programs[i].name));
	for (size_t i = 0; i < names->n; i++)
		if (span_copy(program_of(names->items[i]), name, sizeof name) && !is_program(name))
			put_name(f, span_of(name));
	if (fclose(f) != 0)
		fatalx("out of memory");
	return text;
}

/* A program whose log is not there, as after a rotation, has said nothing yet. */
static int
check_program(const struct ctl *ctl, const char *program)
{
	struct log_names names;
	bool known = is_program(program);
	char *text;
	int code = 0;

	if (log_names_read(&names, ctl->root, known ? program : NULL, true) == -1)
		return ctl_fail(
		    ctl_code_of(errno, EX_NOINPUT), "%s/log: %s", ctl->root, strerror(errno));
	for (size_t i = 0; i < names.n; i++)
		known |= span_is(program_of(names.items[i]), program);
	if (!known) {
		text = known_names(&names);
		code = ctl_fail(EX_NOINPUT, "there is no log of \"%s\": there are those of %s",
		    log_safe(span_of(program)), text);
		free(text);
	}
	log_names_free(&names);
	return code;
}

static int
rotate(struct ctl *ctl)
{
	static const char *const words[] = {"log", "rotate"};
	int code = ctl_tell(ctl, false, words, nitems(words));

	return code != 0 ? code : ctl_done(ctl, "the logs were rotated");
}

int
ctl_log(struct ctl *ctl, char **args, size_t n)
{
	bool follow = ctl_flag(args, &n, "-f");
	const char *program = n > 0 ? args[0] : NULL;
	int code;

	if (n > 1 || (program != NULL && program[0] == '-'))
		return ctl_misuse(ctl, args, n, 1);
	if (program != NULL && strcmp(program, "rotate") == 0)
		return follow ? ctl_usage(ctl) : rotate(ctl);
	if (ctl->json)
		return ctl_fail(EX_USAGE, "log prints lines, and knows no --json (trace does)");
	if (program != NULL && (code = check_program(ctl, program)) != 0)
		return code;
	return follow ? ctl_follow(ctl->root, program) : print_logs(ctl, program);
}
