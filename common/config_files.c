/*
 * The files of the configuration as the editor changes them. Writes below config/ of an instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/config_edit_private.h"
#include "common/memory.h"
#include "common/write_all.h"

/* Nobody who holds the lock needs it for long. */
enum { LOCK_TRY_MS = 10, LOCK_TRIES = 100 };

/* ---- replacing a file ---- */

/* Owner and mode of the old file, before there is anything to read in the new one. */
static int
take_over_rights(int fd, const char *old)
{
	struct stat st, mine;

	if (stat(old, &st) == -1 || fstat(fd, &mine) == -1)
		return -1;
	if ((st.st_uid != mine.st_uid || st.st_gid != mine.st_gid) &&
	    fchown(fd, st.st_uid, st.st_gid) == -1)
		return -1;
	return fchmod(fd, st.st_mode & 07777);
}

static int
sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	int fd, rv;

	if (strlcpy(directory, path, sizeof directory) >= sizeof directory ||
	    (slash = strrchr(directory, '/')) == NULL)
		return -1;
	*slash = '\0';
	if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	rv = fsync(fd);
	closefd(&fd);
	return rv;
}

/* A new file on its way to the old one's place. */
struct replacement {
	char *path; /* free of symbolic links, so that the file itself is replaced */
	char temporary[PATH_MAX + 16]; /* "": there is none */
};

static void
drop_replacement(struct replacement *r)
{
	int error = errno;

	if (r->temporary[0] != '\0')
		(void)unlink(r->temporary);
	free(r->path);
	*r = (struct replacement){.path = NULL};
	errno = error;
}

/* On 0 the new file is durable beside the old one. */
static int
prepare(struct replacement *r, const char *root, int which, struct span text)
{
	char path[PATH_MAX];
	int fd, rv = -1;

	snprintf(path, sizeof path, "%s/config/%s", root, config_source_names[which]);
	*r = (struct replacement){.path = realpath(path, NULL)};
	if (r->path == NULL)
		return -1;
	snprintf(r->temporary, sizeof r->temporary, "%s.XXXXXX", r->path);
	if ((fd = mkostemp(r->temporary, O_CLOEXEC)) == -1)
		r->temporary[0] = '\0';
	else if (take_over_rights(fd, r->path) == 0 && write_all(fd, text.at, text.len) == 0 &&
		 fsync(fd) == 0)
		rv = 0;
	closefd(&fd);
	return rv;
}

static int
put_in_place(struct replacement *r)
{
	if (rename(r->temporary, r->path) == -1)
		return -1;
	r->temporary[0] = '\0';
	return sync_directory_of(r->path);
}

/* ---- the files ---- */

int
config_lock(const char *root)
{
	const struct timespec moment = {0, LOCK_TRY_MS * 1000000L};
	char path[PATH_MAX];
	int fd, tries = LOCK_TRIES;

	if (snprintf(path, sizeof path, "%s/config", root) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		if ((errno != EWOULDBLOCK && errno != EINTR) || --tries == 0)
			closefd(&fd); /* keeps errno */
		else
			(void)nanosleep(&moment, NULL);
	return fd;
}

int
config_files_lock(const char *root, struct config_changed *out)
{
	int fd = config_lock(root);

	if (fd == -1)
		config_refuse(out, errno,
		    errno == EWOULDBLOCK
			? xstrdup("somebody else is just changing the configuration: try again")
			: xasprintf("%s/config: %s", root, strerror(errno)));
	return fd;
}

bool
config_source_differs(const struct config_source *a, const struct config_source *b)
{
	return a->text != NULL && b->text != NULL &&
	       (a->len != b->len || memcmp(a->text, b->text, a->len) != 0);
}

int
config_files_write(const char *root, const struct config_source *old,
    const struct config_source *new, struct config_changed *out)
{
	struct replacement files[CONFIG_SOURCES] = {{NULL, ""}, {NULL, ""}}, back;
	int which, last = 0, rv = 0;

	for (which = 0; which < CONFIG_SOURCES && rv == 0; last = which++)
		if (config_source_differs(&old[which], &new[which]))
			rv = prepare(&files[which], root, which,
			    (struct span){new[which].text, new[which].len});
	for (which = 0; which < CONFIG_SOURCES && rv == 0; last = which++)
		if (files[which].temporary[0] != '\0')
			rv = put_in_place(&files[which]);
	if (rv == -1)
		config_refuse(out, errno,
		    xasprintf(
			"%s/config/%s: %s", root, config_source_names[last], strerror(errno)));
	if (rv == -1 && which == CONFIG_SOURCES && files[0].path != NULL &&
	    files[0].temporary[0] == '\0') {
		if (prepare(&back, root, 0, (struct span){old[0].text, old[0].len}) == 0)
			(void)put_in_place(&back);
		drop_replacement(&back);
	}
	for (which = 0; which < CONFIG_SOURCES; which++)
		drop_replacement(&files[which]);
	return rv;
}
