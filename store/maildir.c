/*
 * One mailbox on disk: its directories and its own limit. Touches that directory
 * only, never through a symbolic link.
 */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

enum { MAILBOX_MODE = 0700, FILE_MODE = 0600, LIMIT_TEXT_SIZE = 32 };

static const char inbox_name[] = "inbox.fld", limit_name[] = "quota", limit_new[] = "quota.new";
static const char *const folder_names[MAILDIR_FOLDERS] = {"new", "cur", "tmp"};

const char *
maildir_folder_name(enum maildir_folder folder)
{
	return folder_names[folder];
}

/* ---- directories ---- */

static int
open_directory(int at, const char *name)
{
	return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
maildir_check(const struct maildir *m)
{
	struct stat st;

	return fstatat(m->dir, inbox_name, &st, AT_SYMLINK_NOFOLLOW);
}

void
maildir_close(struct maildir *m)
{
	closefd(&m->dir);
	for (size_t i = 0; i < MAILDIR_FOLDERS; i++)
		closefd(&m->folders[i]);
	m->usage_known = m->usage_by_box = m->vacation_known = false;
	maildir_forget_parts(m);
}

/* The number in the quota file; what is no number is as if there were none, and logged. */
static uint64_t
read_limit(const struct maildir *m)
{
	char text[LIMIT_TEXT_SIZE];
	int fd = openat(m->dir, limit_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, text, sizeof text) : -1;
	struct span s = {text, n > 0 ? n : 0};
	uint64_t bytes;

	if (fd == -1 && errno == ENOENT)
		return STORE_NO_LIMIT;
	closefd(&fd);
	while (s.len && (s.at[s.len - 1] == '\n' || s.at[s.len - 1] == '\r'))
		s.len--;
	if (n == sizeof text || !span_u64(span_trim(s), STORE_NO_LIMIT - 1, &bytes)) {
		log_warn("the file quota holds no number of bytes: ignored mailbox=%s", m->name);
		return STORE_NO_LIMIT;
	}
	return bytes;
}

int
maildir_open(struct maildir *m, int mail)
{
	struct stat st;

	maildir_close(m);
	if ((m->dir = open_directory(mail, m->name)) == -1)
		return -1;
	if (maildir_check(m) == -1 || fstat(m->dir, &st) == -1) {
		maildir_close(m);
		return -1;
	}
	m->dev = st.st_dev;
	m->own_limit = read_limit(m);
	return 0;
}

int
maildir_folder(struct maildir *m, enum maildir_folder folder)
{
	int *fd = &m->folders[folder];

	if (*fd != -1)
		return *fd;
	*fd = open_directory(m->dir, folder_names[folder]);
	if (*fd == -1 && errno == ENOENT) {
		if (mkdirat(m->dir, folder_names[folder], MAILBOX_MODE) == -1 && errno != EEXIST)
			return -1;
		*fd = open_directory(m->dir, folder_names[folder]);
	}
	return *fd;
}

int
maildir_folder_open(struct maildir *m, enum maildir_folder folder)
{
	int at = maildir_folder(m, folder);

	return at == -1 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void
maildir_stamp(struct maildir *m, enum maildir_folder folder, struct stamp *stamp)
{
	struct stat st;
	int at = maildir_folder(m, folder);

	*stamp = (struct stamp){0};
	if (at != -1 && fstat(at, &st) == 0)
		*stamp = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
}

static bool
time_equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->ino == b->ino && a->ino != 0 && time_equal(a->changed, b->changed) &&
	       time_equal(a->modified, b->modified);
}

/* ---- its own limit ---- */

static int
write_file(int dir, const char *name, const char *text)
{
	size_t len = strlen(text);
	int fd, rv = -1;

	if (unlinkat(dir, name, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		return -1;
	errno = ENOSPC; /* what a short write means */
	if (write(fd, text, len) == (ssize_t)len && fdatasync(fd) == 0)
		rv = 0;
	closefd(&fd);
	return rv;
}

int
maildir_set_limit(struct maildir *m, uint64_t bytes)
{
	char text[LIMIT_TEXT_SIZE];

	if (bytes == STORE_NO_LIMIT) {
		if (unlinkat(m->dir, limit_name, 0) == -1 && errno != ENOENT)
			return -1;
	} else {
		snprintf(text, sizeof text, "%llu\n", (unsigned long long)bytes);
		if (write_file(m->dir, limit_new, text) == -1 ||
		    renameat(m->dir, limit_new, m->dir, limit_name) == -1)
			return -1;
	}
	m->own_limit = bytes;
	return 0;
}

/* ---- a new mailbox ---- */

/* inbox.fld last: a mailbox is never seen half made. */
int
maildir_create(int mail, const char *name)
{
	struct maildir m = {.dir = -1, .folders = {-1, -1, -1}};
	int fd = -1, rv = -1;

	if (mkdirat(mail, name, MAILBOX_MODE) == -1 && errno != EEXIST)
		return -1;
	if ((m.dir = open_directory(mail, name)) == -1)
		return -1;
	for (size_t i = 0; i < MAILDIR_FOLDERS; i++)
		if (maildir_folder(&m, i) == -1)
			goto out;
	fd = openat(
	    m.dir, inbox_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd != -1)
		rv = 0;
out:
	closefd(&fd);
	maildir_close(&m);
	return rv;
}
