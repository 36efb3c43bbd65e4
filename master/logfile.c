/*
 * The logs: one reader for each program's standard error, one file for each name.
 */
#include "master/logfile.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "common/wall_clock.h"
#include "master/journal.h"

/* GATHER_MS: after a read, the lines of so long go into the next one. */
enum {
	FILES_MAX = 32,
	READ_BYTES = 65536,
	REST_BYTES = LOG_LINE_MAX_BYTES + LOG_HEAD_BYTES + 2,
	GATHER_MS = 5
};

static struct {
	char name[64]; /* "smtpd.log" */
	int fd;
} files[FILES_MAX];
static size_t n_files;
static int directory = -1;
static int echo_fd = -1;

struct log_pipe {
	struct event readable, gathered;
	int fd;
	char name[32];
	pid_t pid;
	char rest[REST_BYTES];
	size_t n_rest;
	char last_words[512];
	bool ended, released;
};

int
logfile_open(const char *path)
{
	if (mkdir(path, 0750) == -1 && errno != EEXIST)
		return -1;
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory != -1 ? 0 : -1;
}

void
logfile_echo(int fd)
{
	echo_fd = fd;
}

void
logfile_reopen(void)
{
	for (size_t i = 0; i < n_files; i++)
		closefd(&files[i].fd);
	n_files = 0;
}

static void
rotated_name(char *out, size_t size, const char *name, int generation)
{
	if (generation == 0)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%s.%d", name, generation);
}

static int
rotate_one(const char *name)
{
	int rv = 0;

	for (int g = LOGFILE_KEEP; g > 0; g--) {
		char from[80], to[80];

		rotated_name(from, sizeof from, name, g - 1);
		rotated_name(to, sizeof to, name, g);
		if (renameat(directory, from, directory, to) == -1 && errno != ENOENT)
			rv = -1;
	}
	return rv;
}

/* "smtpd.log" and "smtpd.trace", not "smtpd.log.1". */
static bool
is_current(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix != NULL && suffix != name && strlen(name) < sizeof files[0].name &&
	       (strcmp(suffix, ".log") == 0 || strcmp(suffix, ".trace") == 0);
}

/* All files, also those that nothing was written to since they were opened anew. */
static size_t
current_names(char names[FILES_MAX][sizeof files[0].name])
{
	DIR *d = directory_read(directory, "");
	struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while (n < FILES_MAX && (e = readdir(d)) != NULL)
		if (is_current(e->d_name))
			strlcpy(names[n++], e->d_name, sizeof names[0]);
	closedir(d);
	return n;
}

int
logfile_rotate(void)
{
	char names[FILES_MAX][sizeof files[0].name];
	size_t n = current_names(names);
	int rv = 0;

	for (size_t i = 0; i < n; i++)
		if (rotate_one(names[i]) == -1)
			rv = -1;
	logfile_reopen();
	return rv;
}

static int
file_for(const char *name, const char *suffix)
{
	char wanted[64];

	snprintf(wanted, sizeof wanted, "%s.%s", name, suffix);
	for (size_t i = 0; i < n_files; i++)
		if (strcmp(files[i].name, wanted) == 0)
			return files[i].fd;
	if (n_files == FILES_MAX)
		return -1;
	files[n_files].fd =
	    openat(directory, wanted, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (files[n_files].fd == -1)
		return -1; /* tried again with the next line */
	strlcpy(files[n_files].name, wanted, sizeof files[n_files].name);
	return files[n_files++].fd;
}

/* ---- lines ---- */

static struct {
	logfile_line_cb cb;
	void *arg;
} listener;

void
logfile_listen(logfile_line_cb cb, void *arg)
{
	listener.cb = cb;
	listener.arg = arg;
}

/* Stamped lines of one kind gather here, so that what was read together is written together. */
struct out {
	char bytes[READ_BYTES * 2];
	size_t n;
	const char *suffix;
};

static void
write_out(struct log_pipe *p, struct out *o)
{
	int fd;

	if (o->n == 0)
		return;
	fd = file_for(p->name, o->suffix);
	/* A full disk loses log lines, not mail. */
	if (fd != -1 && write(fd, o->bytes, o->n) == -1 && errno == EBADF)
		logfile_reopen();
	if (echo_fd != -1 && write(echo_fd, o->bytes, o->n) == -1)
		echo_fd = -1;
	o->n = 0;
}

static const char *
stamp(uint64_t time_us)
{
	static time_t cached = -1;
	static char second[24], text[40];
	time_t now = time_us / 1000000;
	struct tm tm;

	if (now != cached) {
		cached = now;
		gmtime_r(&now, &tm);
		strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &tm);
	}
	snprintf(text, sizeof text, "%s.%06uZ", second, (unsigned)(time_us % 1000000));
	return text;
}

static const char *
level_word(char mark)
{
	switch (mark) {
	case '0' + LOG_LEVEL_WARN:
		return "warn: ";
	case '0' + LOG_LEVEL_DEBUG:
		return "debug: ";
	default:
		return "";
	}
}

/* Takes mark and time off a line; a line without them (a library's, a sanitizer's) is a warning of
 * now. */
static void
read_head(struct span *line, char *mark, uint64_t *time_us)
{
	if (line->len >= LOG_HEAD_BYTES && line->at[0] == '<' && line->at[2] == '>' &&
	    span_u64((struct span){line->at + 3, 16}, UINT64_MAX, time_us)) {
		*mark = line->at[1];
		*line = (struct span){line->at + LOG_HEAD_BYTES, line->len - LOG_HEAD_BYTES};
		return;
	}
	*mark = '0' + LOG_LEVEL_WARN;
	*time_us = wall_clock_now();
}

static int
level_of(char mark)
{
	int level = mark - '0';

	return level >= LOG_LEVEL_FATAL && level <= LOG_LEVEL_DEBUG ? level : LOG_LEVEL_WARN;
}

static void
file_line(struct log_pipe *p, struct span line, struct out *log, struct out *trace)
{
	struct out *o;
	uint64_t time_us;
	size_t start;
	char mark;

	read_head(&line, &mark, &time_us);
	if (mark == '0' + LOG_LEVEL_FATAL)
		span_copy((struct span){line.at, line.len < 500 ? line.len : 500}, p->last_words,
		    sizeof p->last_words);
	o = mark == LOG_TRACE_MARK ? trace : log;
	if (mark != LOG_TRACE_MARK)
		journal_send(p->name, p->pid, level_of(mark), line);
	if (o->n + line.len + 128 > sizeof o->bytes)
		write_out(p, o);
	start = o->n + snprintf(o->bytes + o->n, sizeof o->bytes - o->n,
			   "%s %s[%d]: ", stamp(time_us), p->name, p->pid);
	o->n = start + snprintf(o->bytes + start, sizeof o->bytes - start, "%s%.*s\n",
			   level_word(mark), (int)line.len, line.at);
	if (mark != LOG_TRACE_MARK && listener.cb != NULL)
		listener.cb(listener.arg, p->name, time_us,
		    (struct span){o->bytes + start, o->n - 1 - start});
}

static void
file_lines(struct log_pipe *p, const char *bytes, size_t len)
{
	static struct out log = {.suffix = "log"}, trace = {.suffix = "trace"};
	struct span rest = {bytes, len}, line;

	while (span_take(&rest, '\n', &line))
		if (line.len < READ_BYTES)
			file_line(p, line, &log, &trace);
	/* line: what has no end yet. */
	p->n_rest = line.len < sizeof p->rest ? line.len : sizeof p->rest;
	memcpy(p->rest, line.at, p->n_rest);
	write_out(p, &log);
	write_out(p, &trace);
}

/* ---- pipes ---- */

static void
end_pipe(struct log_pipe *p)
{
	event_del(&p->readable);
	event_del(&p->gathered);
	closefd(&p->fd);
	p->ended = true;
}

enum pipe_state { PIPE_READ, PIPE_FULL, PIPE_EMPTY, PIPE_ENDED };

static enum pipe_state
read_pipe(struct log_pipe *p)
{
	static char bytes[REST_BYTES + READ_BYTES];
	ssize_t n;

	memcpy(bytes, p->rest, p->n_rest);
	n = read(p->fd, bytes + p->n_rest, READ_BYTES);
	if (n > 0) {
		file_lines(p, bytes, p->n_rest + n);
		return n < READ_BYTES / 2 ? PIPE_READ : PIPE_FULL;
	}
	if (n == -1 && errno == EINTR)
		return PIPE_READ;
	return n == -1 && errno == EAGAIN ? PIPE_EMPTY : PIPE_ENDED;
}

/* What there is now. */
static void
read_all(struct log_pipe *p)
{
	enum pipe_state state = PIPE_READ;

	while (!p->ended && state != PIPE_EMPTY)
		if ((state = read_pipe(p)) == PIPE_ENDED)
			end_pipe(p);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval wait = {0, GATHER_MS * 1000};
	struct log_pipe *p = arg;

	(void)fd, (void)what;
	switch (read_pipe(p)) {
	case PIPE_FULL: /* its writer may wait for room */
		event_add(&p->readable, NULL);
		return;
	case PIPE_READ:
	case PIPE_EMPTY:
		evtimer_add(&p->gathered, &wait);
		return;
	case PIPE_ENDED:
		break;
	}
	end_pipe(p);
	if (p->released)
		free(p);
}

static void
on_gathered(evutil_socket_t fd, short what, void *arg)
{
	struct log_pipe *p = arg;

	(void)fd, (void)what;
	event_add(&p->readable, NULL);
}

int
log_pipe_new(struct event_base *base, const char *name, struct log_pipe **pipe)
{
	struct log_pipe *p;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	p = xcalloc(1, sizeof *p);
	p->fd = ends[0];
	strlcpy(p->name, name, sizeof p->name);
	evutil_make_socket_nonblocking(p->fd);
	event_assign(&p->readable, base, p->fd, EV_READ, on_readable, p);
	evtimer_assign(&p->gathered, base, on_gathered, p);
	event_add(&p->readable, NULL);
	*pipe = p;
	return ends[1];
}

void
log_pipe_set_pid(struct log_pipe *p, pid_t pid)
{
	p->pid = pid;
}

const char *
log_pipe_last_words(struct log_pipe *p)
{
	read_all(p);
	return p->last_words;
}

void
log_pipe_release(struct log_pipe *p)
{
	read_all(p);
	p->released = true; /* somebody may still hold the other end */
	if (p->ended)
		free(p);
}
