/*
 * One instance: its directories, its lock and the accounts of its programs.
 */
#include "master/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"

#ifndef PROGRAMS_DIRECTORY
#define PROGRAMS_DIRECTORY "../lib/sambar"
#endif

/* ---- where things lie ---- */

static int
find_programs(struct instance *in, char **why)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	static const char *const places[] = {".", PROGRAMS_DIRECTORY};
	char *slash;

	if (n == -1) {
		*why = xasprintf("cannot find out where the programs lie: %s", strerror(errno));
		return -1;
	}
	self[n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	for (size_t i = 0; i < nitems(places); i++) {
		snprintf(path, sizeof path, "%s/%s/queue", self, places[i]);
		if (access(path, X_OK) == 0) {
			*strrchr(path, '/') = '\0';
			if (strlcpy(in->programs, path, sizeof in->programs) < sizeof in->programs)
				return 0;
		}
	}
	*why = xasprintf(
	    "the programs lie neither in %s nor in %s/%s", self, self, PROGRAMS_DIRECTORY);
	return -1;
}

/* run/ may be a link to a directory that is gone while the service is stopped. */
static int
make_run(const struct instance *in)
{
	char target[PATH_MAX] = "";
	int root, rv;

	if (access(in->run, F_OK) == 0)
		return 0;
	if ((root = open(in->root, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	rv = readlinkat(root, "run", target, sizeof target - 1);
	rv = mkdirat(root, rv > 0 ? target : "run", 0711);
	closefd(&root);
	return rv;
}

int
instance_open(struct instance *in, const char *root, char **why)
{
	*in = (struct instance){.lock = -1};
	if (realpath(root, in->root) == NULL) {
		*why = xasprintf("%s: %s", root, strerror(errno));
		return -1;
	}
	/* A UNIX socket's path has 108 bytes. */
	if (snprintf(in->run, sizeof in->run, "%s/run", in->root) > 90) {
		*why = xasprintf("%s: the path is too long for sockets in it", in->root);
		return -1;
	}
	if (make_run(in) == -1) {
		*why = xasprintf("%s: %s", in->run, strerror(errno));
		return -1;
	}
	return find_programs(in, why);
}

/* The file that is locked, made where there is none. One that another user's supervisor has left is
 * replaced: it is locked by nobody, and could not be written. */
static int
open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd != -1 || errno != EACCES ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return fd; /* it runs: the caller finds out, too */
	if (unlink(path) == -1) {
		closefd(&fd);
		return -1;
	}
	closefd(&fd);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/* Not one that another supervisor removed when it ended. */
static bool
is_still_there(const char *path, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}

static int
take_lock(struct instance *in, const char *path, char **why)
{
	char pid[32] = "";
	ssize_t n;

	do {
		closefd(&in->lock);
		if ((in->lock = open_lock(path)) == -1) {
			*why = xasprintf("%s: %s", path, strerror(errno));
			return -1;
		}
		if (flock(in->lock, LOCK_EX | LOCK_NB) == -1) {
			if ((n = read(in->lock, pid, sizeof pid - 1)) < 0)
				n = 0;
			pid[n] = '\0';
			*why = xasprintf("%s runs already: pid %s", in->root, pid);
			return -1;
		}
	} while (!is_still_there(path, in->lock));
	return 0;
}

static void
lock_path(const struct instance *in, char *out, size_t size)
{
	snprintf(out, size, "%s/master.pid", in->run);
}

/* Whose it is tells others who has started the instance. */
static int
own_lock(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	return st.st_uid == geteuid() ? 0 : fchown(fd, geteuid(), getegid());
}

int
instance_lock(struct instance *in, char **why)
{
	char path[PATH_MAX + 16], pid[32];
	int n = snprintf(pid, sizeof pid, "%d", getpid());

	lock_path(in, path, sizeof path);
	if (take_lock(in, path, why) == -1) {
		closefd(&in->lock);
		return -1;
	}
	if (own_lock(in->lock) == -1 || ftruncate(in->lock, 0) == -1 ||
	    pwrite(in->lock, pid, n, 0) != n) {
		*why = xasprintf("%s: %s", path, strerror(errno));
		closefd(&in->lock);
		return -1;
	}
	return 0;
}

void
instance_close(struct instance *in)
{
	char path[PATH_MAX + 16];

	config_free(&in->config);
	if (in->lock == -1)
		return;
	lock_path(in, path, sizeof path);
	(void)unlink(path); /* while it is locked: nobody else's */
	closefd(&in->lock);
}

/* ---- accounts ---- */

int
instance_use(struct instance *in, struct config *config, char **why)
{
	uint64_t base = config_u64(config, "common", "Uid Base");

	if (accounts_can_be_taken() && accounts_find(&in->accounts, base, why) == -1)
		return -1;
	in->config = config;
	return 0;
}

void
instance_replace(struct instance *in, struct config *config)
{
	config_free(&in->config);
	in->config = config;
}

bool
instance_runs_as_root(const struct instance *in)
{
	return geteuid() == 0 && !in->accounts.separated;
}

bool
instance_gives_files(const struct instance *in)
{
	return geteuid() == 0 && in->accounts.separated;
}

bool
instance_waits_for_accounts(const struct instance *in, const struct config *config)
{
	bool by_name = in->accounts.separated && in->accounts.base == 0;

	return accounts_can_be_taken() && !by_name &&
	       config_u64(config, "common", "Uid Base") != in->accounts.base;
}

uid_t
instance_uid(const struct instance *in, unsigned role)
{
	return accounts_uid(&in->accounts, role);
}

/* ---- directories ---- */

bool
instance_has_below(const char *root, const char *path)
{
	size_t n = strlen(root);
	const char *slash;

	if (strncmp(path, root, n) != 0 || path[n] != '/')
		return false;
	for (slash = path + n; slash != NULL; slash = strchr(slash + 1, '/')) {
		size_t dots = strspn(slash + 1, ".");

		if ((dots == 1 || dots == 2) && (slash[1 + dots] == '/' || slash[1 + dots] == '\0'))
			return false;
	}
	return true;
}

bool
instance_lacks_parent(const char *root, const char *path, char **why)
{
	char parent[PATH_MAX], *slash;
	struct stat st;

	if (instance_has_below(root, path) || strlcpy(parent, path, sizeof parent) >= sizeof parent)
		return false;
	while ((slash = strrchr(parent, '/')) != NULL && slash != parent && slash[1] == '\0')
		*slash = '\0';
	if (slash == NULL || slash == parent)
		return false;
	*slash = '\0';
	if (stat(parent, &st) == 0 || errno != ENOENT)
		return false;
	*why = xasprintf("%s cannot be made: there is no %s", path, parent);
	return true;
}

static int
make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		int rv;

		*slash = '\0';
		rv = mkdir(path, 0711);
		*slash = '/';
		if (rv == -1 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/*
 * An instance that once ran under other accounts: everything below goes to the new one. At most two
 * levels down, which is as deep as our directories are.
 */
static void
give_below(int dir, uid_t uid, gid_t gid, int levels)
{
	DIR *d = directory_read(dir, "");
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		struct stat st;
		int fd;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		fd = openat(dirfd(d), e->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd != -1 && fstat(fd, &st) == 0 &&
		    (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1))) {
			if (st.st_uid != uid && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == -1)
				log_warn("cannot change the owner of %s: %s",
				    log_safe(span_of(e->d_name)), strerror(errno));
			if (S_ISDIR(st.st_mode) && levels > 0)
				give_below(fd, uid, gid, levels - 1);
		}
		closefd(&fd);
	}
	closedir(d);
}

static int
make_directory(const char *path)
{
	char copy[PATH_MAX];

	if (strlcpy(copy, path, sizeof copy) >= sizeof copy) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (make_parents(copy) == -1)
		return -1;
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

int
instance_give_directory(const struct instance *in, int fd, unsigned role)
{
	uid_t uid = instance_uid(in, role);
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (uid == (uid_t)-1 || st.st_uid == uid)
		return 0;
	if (fchownat(fd, "", uid, in->accounts.gid, AT_EMPTY_PATH) == -1)
		return -1;
	give_below(fd, uid, in->accounts.gid, 2);
	return 0;
}

int
instance_directory(const struct instance *in, const char *path, unsigned role)
{
	int fd;

	if (make_directory(path) == -1 || (fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	if (instance_give_directory(in, fd, role) == -1)
		closefd(&fd); /* keeps errno */
	return fd;
}

static bool
is_foreign_directory(int mail, const char *name, uid_t uid)
{
	static const char *const parts[] = {"", "/new", "/cur", "/tmp"};
	char path[NAME_MAX + 8];
	struct stat st;

	for (size_t i = 0; i < nitems(parts); i++) {
		snprintf(path, sizeof path, "%s%s", name, parts[i]);
		if (fstatat(mail, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
		    st.st_uid != uid)
			return true;
	}
	return false;
}

static void
adopt(const struct instance *in, int mail, const char *name)
{
	uid_t uid = instance_uid(in, ROLE_STORE);
	int fd;

	if (!is_foreign_directory(mail, name, uid))
		return;
	if ((fd = openat(mail, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC)) == -1)
		return;
	if (fchownat(fd, "", uid, in->accounts.gid, AT_EMPTY_PATH) == 0)
		log_info("mailbox %s now belongs to store", log_safe(span_of(name)));
	give_below(fd, uid, in->accounts.gid, 1);
	closefd(&fd);
}

void
instance_adopt_mailboxes(const struct instance *in, int mail, const char *name)
{
	DIR *d;
	struct dirent *e;

	if (!instance_gives_files(in))
		return;
	if (name != NULL) {
		adopt(in, mail, name);
		return;
	}
	if ((d = directory_read(mail, "")) == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			adopt(in, dirfd(d), e->d_name);
	closedir(d);
}
