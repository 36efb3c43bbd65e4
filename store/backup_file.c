/*
 * One file of a mailbox into its backup. Touches that file, never through a symbolic link, and the
 * backup being made.
 */
#include "store/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"

enum { FILE_MODE = 0600, OTHER_MAX_BYTES = 64 << 20 };

static int
skip(struct backup_files *f)
{
	f->run->made.skipped++;
	f->run->made.verified = false;
	f->odd = true;
	return 0;
}

/* ---- copies ---- */

/* The regular file, open for reading. -1: it has gone (ENOENT) or is to be skipped. */
static int
open_source(int from, const char *name, struct stat *st)
{
	int fd = openat(
	    from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);

	/* Of another owner: the kernel lets nobody hide that he has read it. */
	if (fd == -1 && errno == EPERM)
		fd = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1 && (fstat(fd, st) == -1 || !S_ISREG(st->st_mode))) {
		closefd(&fd);
		errno = EINVAL;
	}
	return fd;
}

/* What failed stays in errno. */
static void
remove_part(int to, const char *name)
{
	int error = errno;

	(void)unlinkat(to, name, 0);
	errno = error;
}

/* As it was, its time included, which Dovecot reads. */
static int
write_copy(int source, const struct stat *st, int to, const char *name)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	int rv = -1;

	if (fd == -1)
		return -1;
	if (copy_file(source, st->st_size, fd) == 0 && futimens(fd, times) == 0)
		rv = 0;
	if (rv == 0)
		rv = close(fd);
	else
		closefd(&fd);
	if (rv == -1)
		remove_part(to, name);
	return rv;
}

/* Somebody cut it short just now, or it cannot be read: what cannot be written either is found by
 * syncfs(). */
static bool
is_of_the_source(int error)
{
	return error == EPROTO || error == EIO;
}

static void
remember(struct backup_files *f, const char *name, const unsigned char *digest)
{
	struct backup_copy *c = &f->pending[f->n_pending++];

	c->path = xasprintf("%s/%s", f->directory, name);
	memcpy(c->digest, digest, sizeof c->digest);
}

static int
copy_message(struct backup_files *f, int from, const char *name, int to)
{
	unsigned char digest[FILE_DIGEST_BYTES];
	struct stat st;
	int fd = open_source(from, name, &st), rv = -1;

	if (fd == -1)
		return errno == ENOENT ? 0 : skip(f);
	if (file_digest(fd, digest) == -1) {
		rv = skip(f);
	} else if (write_copy(fd, &st, to, name) == 0) {
		f->run->made.copied++;
		remember(f, name, digest);
		rv = 1;
	} else if (is_of_the_source(errno)) {
		rv = skip(f);
	} else {
		rv = errno == EEXIST ? 1 : backup_fail(f->run, "copy a message");
	}
	closefd(&fd);
	if (f->n_pending == BACKUP_PENDING_MAX && backup_file_check(f) == -1)
		return -1;
	return rv;
}

int
backup_file_other(struct backup_files *f, int from, const char *name, int to)
{
	struct stat st;
	int fd = open_source(from, name, &st), rv = 0;

	if (fd == -1)
		return errno == ENOENT ? 0 : skip(f);
	if (st.st_size > OTHER_MAX_BYTES)
		rv = skip(f);
	else if (write_copy(fd, &st, to, name) == -1 && errno != EEXIST)
		rv = is_of_the_source(errno) ? skip(f)
					     : backup_fail(f->run, "copy a file of a mailbox");
	closefd(&fd);
	return rv;
}

/* ---- links ---- */

/* Somebody may have put something else in its place after it was looked at. */
static int
look_at_link(struct backup_files *f, const char *name, int to)
{
	struct stat st;

	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		return 1;
	if (unlinkat(to, name, 0) == -1 && errno != ENOENT)
		return backup_fail(f->run, "remove what is no message from the backup");
	return skip(f);
}

int
backup_file_message(struct backup_files *f, int from, const char *name, int to)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : skip(f);
	if (!S_ISREG(st.st_mode))
		return skip(f);
	if (f->linkless)
		return copy_message(f, from, name, to);
	if (linkat(from, name, to, name, 0) == 0)
		return look_at_link(f, name, to);
	switch (errno) {
	case EEXIST:
		return 1;
	case ENOENT:
		return 0;
	case EXDEV:
		f->linkless = true;
		return copy_message(f, from, name, to);
	case EMLINK:
	case EPERM:
	case ENOSYS:
	case EOPNOTSUPP:
		return copy_message(f, from, name, to);
	default:
		return backup_fail(f->run, "link a message");
	}
}

/* ---- reading back ---- */

static bool
is_as_written(int root, const struct backup_copy *c)
{
	int fd = openat(root, c->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	unsigned char digest[FILE_DIGEST_BYTES];
	bool same;

	if (fd == -1)
		return false;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* from the disk, where that can be */
	same = file_digest(fd, digest) == 0 && memcmp(digest, c->digest, sizeof digest) == 0;
	closefd(&fd);
	return same;
}

int
backup_file_check(struct backup_files *f)
{
	if (f->n_pending > 0 && syncfs(f->root) == -1)
		return backup_fail(f->run, "make the backup durable");
	for (size_t i = 0; i < f->n_pending; i++)
		if (!is_as_written(f->root, &f->pending[i])) {
			f->run->made.verified = false;
			f->odd = true;
		}
	backup_file_end(f);
	return 0;
}

void
backup_file_end(struct backup_files *f)
{
	while (f->n_pending > 0)
		free(f->pending[--f->n_pending].path);
}
