/*
 * Documents of a user: settings, contacts and the like, whatever the holder of a session makes of
 * them. Files in documents/ of the mailbox, replaced as a whole. A document's version is the time
 * of its file's last change in ns, which a replacement always moves on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/copy_file.h"
#include "store/index.h"

enum { NAME_MAX_BYTES = 40, DOCUMENTS_MAX = 50, DIRECTORY_MODE = 0700, FILE_MODE = 0600 };
#define NS_PER_S 1000000000ULL

static const char directory_name[] = "documents";

static bool
is_name(struct span s)
{
	if (s.len == 0 || s.len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-'))
			return false;
	}
	return true;
}

static int
open_directory(struct index *x, bool make)
{
	int fd = directory_open(x->directory, directory_name);

	if (fd == -1 && errno == ENOENT && make &&
	    mkdirat(x->directory, directory_name, DIRECTORY_MODE) == 0)
		fd = directory_open(x->directory, directory_name);
	return fd;
}

static bool
has_room(int at, const char *name)
{
	DIR *d = directory_read(at, "");
	const struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return false;
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, name) != 0;
	closedir(d);
	return n < DOCUMENTS_MAX;
}

static uint64_t
version_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

/* Sets the new file's version: later than that of the one it replaces, whatever the clock says. */
static int
set_version(int fd, uint64_t old, uint64_t *version)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	*version = version_of(&st) > old ? version_of(&st) : old + 1;
	times[1] = (struct timespec){*version / NS_PER_S, *version % NS_PER_S};
	return futimens(fd, times);
}

/* 0: there is none. -1 with errno when that cannot be said. */
static int
present_version(int at, const char *name, uint64_t *version)
{
	struct stat st;

	*version = 0;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*version = version_of(&st);
	else if (errno != ENOENT)
		return -1;
	return 0;
}

/* version is that of the old one, and then of the new one. */
static int
replace(int at, const char *name, int from, uint64_t size, uint64_t *version)
{
	char new_name[NAME_MAX_BYTES + 5];
	int fd, rv = -1;

	snprintf(new_name, sizeof new_name, "%s.new", name);
	(void)unlinkat(at, new_name, 0);
	fd = openat(at, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		return -1;
	/* Its bytes before its name: a power cut leaves the old one or the new one. */
	if (copy_file(from, size, fd) == 0 && set_version(fd, *version, version) == 0 &&
	    fsync(fd) == 0)
		rv = renameat(at, new_name, at, name);
	if (rv == -1) {
		int error = errno;

		(void)unlinkat(at, new_name, 0);
		errno = error;
	}
	closefd(&fd);
	return rv;
}

static enum folders_refusal
refusal_of(int error)
{
	return error == ENOSPC || error == EDQUOT ? FOLDERS_FULL : FOLDERS_TROUBLE;
}

/* Requests of a mailbox are served one at a time: nobody replaces it in between. */
static void
keep_at(int at, const char *name, uint64_t size, uint64_t expected, struct index_request *q)
{
	uint64_t version;

	if (present_version(at, name, &version) == -1)
		q->refusal = refusal_of(errno);
	else if (version != expected)
		q->refusal = FOLDERS_OTHER;
	else if (!has_room(at, name))
		q->refusal = FOLDERS_FULL;
	else if (replace(at, name, q->fd, size, &version) == -1)
		q->refusal = refusal_of(errno);
	else
		q->sync = true;
	q->number = version;
}

void
document_keep(struct index *x, struct index_request *q)
{
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
	uint64_t expected = get_u64(&q->fields);
	char name[NAME_MAX_BYTES + 1];
	struct stat st;
	int at;

	if (get_end(&q->fields) == -1 || q->fd == -1) {
		q->malformed = true;
		return;
	}
	if (!is_name(text) || !span_copy(text, name, sizeof name)) {
		q->refusal = FOLDERS_BAD_NAME;
		return;
	}
	if (fstat(q->fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FOLDERS_DOCUMENT_MAX_BYTES) {
		q->refusal = FOLDERS_BAD_REQUEST;
		return;
	}
	at = open_directory(x, true);
	if (at == -1)
		q->refusal = refusal_of(errno);
	else
		keep_at(at, name, st.st_size, expected, q);
	closefd(&at);
}

void
document_get(struct index *x, struct index_request *q)
{
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
	char name[NAME_MAX_BYTES + 1];
	struct writer w;
	struct stat st;
	int at, fd;

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	q->refusal = FOLDERS_NO_MESSAGE;
	if (!is_name(text) || !span_copy(text, name, sizeof name))
		return;
	at = open_directory(x, false);
	fd = at != -1 ? openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	closefd(&at);
	if (fd == -1) {
		/* What is only out of reach now must not be taken for missing, and replaced. */
		q->refusal = errno == ENOENT ? FOLDERS_NO_MESSAGE : FOLDERS_TROUBLE;
		return;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		closefd(&fd);
		return;
	}
	q->refusal = FOLDERS_GRANTED;
	q->number = version_of(&st);
	reply_begin(&w, FOLDERS_MESSAGE);
	(void)reply_add(&q->reply, &w, fd);
}
