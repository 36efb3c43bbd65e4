/*
 * Documents of a user: settings, contacts and the like, whatever the holder of a session makes of
 * them. Files in documents/ of the mailbox, replaced as a whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "store/index.h"

enum {
	NAME_MAX_BYTES = 40,
	DOCUMENTS_MAX = 50,
	DIRECTORY_MODE = 0700,
	FILE_MODE = 0600,
	COPY_BYTES = 65536
};

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
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(x->directory, directory_name, flags);

	if (fd == -1 && errno == ENOENT && make &&
	    mkdirat(x->directory, directory_name, DIRECTORY_MODE) == 0)
		fd = openat(x->directory, directory_name, flags);
	return fd;
}

static bool
has_room(int at, const char *name)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	size_t n = 0;

	if (d == NULL) {
		closefd(&fd);
		return false;
	}
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, name) != 0;
	closedir(d);
	return n < DOCUMENTS_MAX;
}

static int
copy(int from, uint64_t size, int to)
{
	char buf[COPY_BYTES];
	uint64_t at = 0;

	while (at < size) {
		size_t n = size - at < sizeof buf ? size - at : sizeof buf;

		if (pread_all(from, buf, n, at) == -1)
			return -1;
		errno = ENOSPC; /* what a short write means */
		if (write(to, buf, n) != (ssize_t)n)
			return -1;
		at += n;
	}
	return 0;
}

static int
replace(int at, const char *name, int from, uint64_t size)
{
	char new_name[NAME_MAX_BYTES + 5];
	int fd, rv = -1;

	snprintf(new_name, sizeof new_name, "%s.new", name);
	(void)unlinkat(at, new_name, 0);
	fd = openat(at, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		return -1;
	/* Its bytes before its name: a power cut leaves the old one or the new one. */
	if (copy(from, size, fd) == 0 && fdatasync(fd) == 0)
		rv = renameat(at, new_name, at, name);
	if (rv == -1) {
		int error = errno;

		(void)unlinkat(at, new_name, 0);
		errno = error;
	}
	closefd(&fd);
	return rv;
}

void
document_keep(struct index *x, struct index_request *q)
{
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
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
		q->refusal = errno == ENOSPC || errno == EDQUOT ? FOLDERS_FULL : FOLDERS_TROUBLE;
	else if (!has_room(at, name))
		q->refusal = FOLDERS_FULL;
	else if (replace(at, name, q->fd, st.st_size) == -1)
		q->refusal = errno == ENOSPC || errno == EDQUOT ? FOLDERS_FULL : FOLDERS_TROUBLE;
	else
		q->sync = true;
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
	reply_begin(&w, FOLDERS_MESSAGE);
	(void)reply_add(&q->reply, &w, fd);
}
