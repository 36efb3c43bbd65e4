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
			code = ctl_fail(EX_NOINPUT, "log/%s: %s", names->items[i], strerror(errno));
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
		return ctl_fail(EX_NOINPUT, "%s/log: %s", ctl->root, strerror(errno));
	if (names.n == 0 && program != NULL)
		code = ctl_fail(EX_NOINPUT, "there is no log of %s", log_safe(span_of(program)));
	else
		code = print_all(ctl, &names);
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

	if (n > 1)
		return ctl_usage(ctl);
	if (program != NULL && strcmp(program, "rotate") == 0)
		return follow ? ctl_usage(ctl) : rotate(ctl);
	return follow ? ctl_follow(ctl->root, program) : print_logs(ctl, program);
}
