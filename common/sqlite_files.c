/*
 * The system calls of SQLite's own VFS that take a path, made relative to a directory: "/7/name" is
 * the file in the directory behind descriptor 7. Touches what lies in such directories only. Called
 * by all threads that have a database; keeps nothing.
 */
#include "common/sqlite_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"

/* "/7/index.db" to 7 and "index.db", "/7" to 7 and "."; NULL: it lies elsewhere. */
static const char *
below(const char *path, int *directory)
{
	struct span rest = {path + 1, strlen(path) - (path[0] != '\0')}, number = {"", 0};
	uint64_t fd;
	bool more = path[0] == '/' && span_take(&rest, '/', &number);

	errno = EACCES;
	if (path[0] != '/' || !span_u64(number, INT32_MAX, &fd) ||
	    (more && memchr(rest.at, '/', rest.len) != NULL))
		return NULL;
	*directory = fd;
	return more ? rest.at : ".";
}

static int
open_below(const char *path, int flags, int mode)
{
	int directory;
	const char *name = below(path, &directory);

	return name != NULL ? openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode) : -1;
}

static int
access_below(const char *path, int mode)
{
	int directory;
	const char *name = below(path, &directory);

	return name != NULL ? faccessat(directory, name, mode, 0) : -1;
}

static int
stat_below(const char *path, struct stat *st)
{
	int directory;
	const char *name = below(path, &directory);

	return name != NULL ? fstatat(directory, name, st, AT_SYMLINK_NOFOLLOW) : -1;
}

static int
unlink_below(const char *path)
{
	int directory;
	const char *name = below(path, &directory);

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
	int directory;

	*fd = below(path, &directory) != NULL
		  ? openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		  : -1;
	return *fd == -1 ? SQLITE_CANTOPEN : SQLITE_OK;
}

void
sqlite_files_use(void)
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
	static bool used;
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	if (used)
		return;
	used = true;
	for (size_t i = 0; i < nitems(calls); i++)
		if (vfs == NULL || vfs->iVersion < 3 ||
		    vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call) != SQLITE_OK)
			fatalx("this SQLite has no system call %s", calls[i].name);
}

void
sqlite_files_path(int directory, const char *name, char path[SQLITE_FILES_PATH_SIZE])
{
	snprintf(path, SQLITE_FILES_PATH_SIZE, "/%d/%s", directory, name);
}
