/*
 * The system calls of SQLite's own VFS that take a path, made relative to one directory. Touches
 * what lies in this directory only.
 */
#include "fetcher/seen_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

static int directory = -1;

/* "/fetcher.db" to "fetcher.db", "/" to "."; NULL: it lies elsewhere. */
static const char *
below(const char *path)
{
	if (path[0] != '/' || strchr(path + 1, '/') != NULL) {
		errno = EACCES;
		return NULL;
	}
	return path[1] != '\0' ? path + 1 : ".";
}

static int
open_below(const char *path, int flags, int mode)
{
	const char *name = below(path);

	return name != NULL ? openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode) : -1;
}

static int
access_below(const char *path, int mode)
{
	const char *name = below(path);

	return name != NULL ? faccessat(directory, name, mode, 0) : -1;
}

static int
stat_below(const char *path, struct stat *st)
{
	const char *name = below(path);

	return name != NULL ? fstatat(directory, name, st, AT_SYMLINK_NOFOLLOW) : -1;
}

static int
unlink_below(const char *path)
{
	const char *name = below(path);

	return name != NULL ? unlinkat(directory, name, 0) : -1;
}

static char *
working_directory(char *out, size_t size)
{
	if (size < 2) {
		errno = ERANGE;
		return NULL;
	}
	return strcpy(out, "/");
}

/* A file's directory, to be synced when the file is new. */
static int
open_directory(const char *path, int *fd)
{
	(void)path;
	*fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd == -1 ? SQLITE_CANTOPEN : SQLITE_OK;
}

void
seen_files_use(int fd)
{
	static const struct {
		const char *name;
		sqlite3_syscall_ptr call;
	} calls[] = {
	    {"open", (sqlite3_syscall_ptr)open_below},
	    {"access", (sqlite3_syscall_ptr)access_below},
	    {"stat", (sqlite3_syscall_ptr)stat_below},
	    {"lstat", (sqlite3_syscall_ptr)stat_below},
	    {"unlink", (sqlite3_syscall_ptr)unlink_below},
	    {"getcwd", (sqlite3_syscall_ptr)working_directory},
	    {"openDirectory", (sqlite3_syscall_ptr)open_directory},
	};
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	directory = fd;
	for (size_t i = 0; i < nitems(calls); i++)
		if (vfs == NULL || vfs->iVersion < 3 ||
		    vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call) != SQLITE_OK)
			fatalx("this SQLite has no system call %s", calls[i].name);
}
