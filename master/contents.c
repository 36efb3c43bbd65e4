/*
 * Counts mailboxes and messages without asking their guardians, which may not run.
 */
#include "master/contents.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"

bool
contents_has_mailbox(int mail, const char *user)
{
	char path[NAME_MAX + sizeof "/inbox.fld"];

	return snprintf(path, sizeof path, "%s/inbox.fld", user) < (int)sizeof path &&
	       faccessat(mail, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void
contents_mailboxes(int mail, void (*found)(void *arg, const char *name), void *arg)
{
	DIR *d = directory_read(mail, ".");
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && contents_has_mailbox(mail, e->d_name))
			found(arg, e->d_name);
	closedir(d);
}

static void
count_one(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
}

/* A file in incoming/ may still wait for its message: it is empty, or begins with zeros. */
static bool
has_message(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char first = '\0';
	bool has = fd != -1 && read(fd, &first, 1) == 1 && first != '\0';

	closefd(&fd);
	return has;
}

static size_t
count_messages(int spool, const char *folder, bool look)
{
	DIR *d = directory_read(spool, folder);
	const struct dirent *e;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.' && (!look || has_message(dirfd(d), e->d_name));
	closedir(d);
	return n;
}

size_t
contents_messages(int mail, const char *user)
{
	char folder[NAME_MAX + sizeof "/new"];
	size_t n = 0;

	snprintf(folder, sizeof folder, "%s/new", user);
	n += count_messages(mail, folder, false);
	snprintf(folder, sizeof folder, "%s/cur", user);
	return n + count_messages(mail, folder, false);
}

char *
contents_left_behind(const char *key, int dir, const char *path)
{
	bool mail = strcmp(key, "Mail Directory") == 0;
	size_t n = 0;

	if (mail)
		contents_mailboxes(dir, count_one, &n);
	else if (strcmp(key, "Spool Directory") == 0)
		n = count_messages(dir, "cur", false) + count_messages(dir, "incoming", true);
	if (n == 0)
		return NULL;
	return mail ? xasprintf("%zu mailbox(es) stay behind in %s: nobody reads them there, and "
				"their users have none now",
			  n, path)
		    : xasprintf(
			  "%zu message(s) stay behind in %s: they are not delivered from there", n,
			  path);
}
