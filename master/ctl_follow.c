/*
 * sambarctl log -f: new lines of the logs as they are written, through rotations. inotify says when
 * to look. Reads log/ only.
 */
#include "master/ctl_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_logs.h"

enum { READ_BYTES = 65536, FIRST_BYTES = 16384, FIRST_LINES = 10 };

/* A file being followed. */
struct tail {
	char name[LOG_NAME_SIZE];
	int fd;
	char *rest; /* a line that has no end yet */
	size_t n_rest;
	char stamp[LOG_STAMP_BYTES + 1];
};

struct follow {
	const char *root, *program;
	struct tail *tails;
	size_t n;
	struct log_lines lines; /* new ones, to be sorted and printed */
};

/* ---- one file ---- */

static void
take_lines(struct follow *f, struct tail *t, const char *bytes, size_t len)
{
	struct span rest, line;

	t->rest = xrealloc(t->rest, t->n_rest + len);
	memcpy(t->rest + t->n_rest, bytes, len);
	rest = (struct span){t->rest, t->n_rest + len};
	while (span_take(&rest, '\n', &line)) {
		log_stamp(line, t->stamp); /* or that of the line before */
		log_lines_add(&f->lines, line, t->stamp);
	}
	t->n_rest = line.len;
	memmove(t->rest, line.at, line.len);
}

static void
read_tail(struct follow *f, struct tail *t)
{
	static char bytes[READ_BYTES];
	struct stat st;
	ssize_t n;

	/* Cut short by somebody: from the start again. */
	if (fstat(t->fd, &st) == 0 && st.st_size < lseek(t->fd, 0, SEEK_CUR))
		(void)lseek(t->fd, 0, SEEK_SET);
	while ((n = read(t->fd, bytes, sizeof bytes)) > 0)
		take_lines(f, t, bytes, n);
}

static int
open_tail(const struct follow *f, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/log/%s", f->root, name);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Where the last FIRST_LINES lines of a file start. */
static off_t
last_lines(int fd)
{
	char bytes[FIRST_BYTES];
	off_t end = lseek(fd, 0, SEEK_END), from = end > FIRST_BYTES ? end - FIRST_BYTES : 0;
	ssize_t n = pread(fd, bytes, sizeof bytes, from);
	unsigned lines = 0;

	for (ssize_t i = n - 1; i > 0; i--)
		if (bytes[i - 1] == '\n' && ++lines == FIRST_LINES)
			return from + i;
	return from;
}

static void
start_tail(struct follow *f, const char *name, bool from_start)
{
	struct tail t = {.fd = open_tail(f, name)};

	if (t.fd == -1)
		return; /* gone again */
	if (!from_start)
		(void)lseek(t.fd, last_lines(t.fd), SEEK_SET);
	strlcpy(t.name, name, sizeof t.name);
	f->tails = xrealloc(f->tails, (f->n + 1) * sizeof *f->tails);
	f->tails[f->n++] = t;
}

/* ---- which files ---- */

static struct tail *
find_tail(struct follow *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->tails[i].name, name) == 0)
			return &f->tails[i];
	return NULL;
}

/* The name may lead to another file by now: after the old one's last lines. */
static void
reopen_if_replaced(struct follow *f, struct tail *t)
{
	struct stat old, new;
	int fd = open_tail(f, t->name);

	if (fd == -1 || fstat(fd, &new) == -1 || fstat(t->fd, &old) == -1 ||
	    (old.st_ino == new.st_ino &&old.st_dev == new.st_dev)) {
		closefd(&fd);
		return;
	}
	read_tail(f, t);
	closefd(&t->fd);
	t->fd = fd;
	t->n_rest = 0;
}

static int
look_at_names(struct follow *f, bool first)
{
	struct log_names names;

	if (log_names_read(&names, f->root, f->program, false) == -1)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct tail *t = find_tail(f, names.items[i]);

		if (t == NULL)
			start_tail(f, names.items[i], !first);
		else
			reopen_if_replaced(f, t);
	}
	log_names_free(&names);
	return 0;
}

static void
print_new(struct follow *f)
{
	for (size_t i = 0; i < f->n; i++)
		read_tail(f, &f->tails[i]);
	log_lines_print(&f->lines);
}

/* ---- when ---- */

/* Waits for events; *names says whether files came or went. */
static int
wait_for_events(int fd, bool *names)
{
	char bytes[READ_BYTES] __attribute__((aligned(8)));
	ssize_t n = read(fd, bytes, sizeof bytes);

	*names = false;
	if (n == -1)
		return errno == EINTR ? 0 : -1;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(bytes + at);

		if (e->mask & ~(uint32_t)IN_MODIFY)
			*names = true;
		at += sizeof *e + e->len;
	}
	return 0;
}

static int
loop(struct follow *f, int events)
{
	bool names = true, first = true;

	for (;;) {
		if (names && look_at_names(f, first) == -1)
			return -1;
		first = false;
		print_new(f);
		if (ferror(stdout)) {
			errno = EPIPE;
			return -1;
		}
		if (wait_for_events(events, &names) == -1)
			return -1;
	}
}

int
ctl_follow(const char *root, const char *program)
{
	struct follow f = {.root = root, .program = program};
	char path[PATH_MAX];
	int events = inotify_init1(IN_CLOEXEC);

	snprintf(path, sizeof path, "%s/log", root);
	/* Watched first, read then: nothing falls between. */
	if (events != -1 && inotify_add_watch(events, path,
				IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM) != -1)
		(void)loop(&f, events);
	return ctl_fail(ctl_code_of(errno, EX_IOERR), "%s: %s", path, strerror(errno));
}
