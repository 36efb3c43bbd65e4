/*
 * Directories that others can change. Touches what is in the directories it is given.
 */
#include "common/directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/memory.h"

int
directory_open(int at, const char *name)
{
	return openat(at, name[0] != '\0' ? name : ".",
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

DIR *
directory_read(int at, const char *name)
{
	int fd = directory_open(at, name);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;

	if (d == NULL)
		closefd(&fd);
	return d;
}

/* Some file systems do not say it with the name. */
static bool
entry_is(int at, const struct dirent *e, unsigned char type, mode_t mode)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == type;
	return fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == mode;
}

bool
directory_entry_is_file(int at, const struct dirent *e)
{
	return entry_is(at, e, DT_REG, S_IFREG);
}

bool
directory_entry_is_directory(int at, const struct dirent *e)
{
	return entry_is(at, e, DT_DIR, S_IFDIR);
}
