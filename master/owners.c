/*
 * Gives files to accounts. The configuration names directories, and may have been changed by
 * somebody who is not root; what an account has in a directory of its own may be a symbolic link to
 * anything. So only what lies below the instance's root is made and given, by descriptors, and only
 * links in directories of root's are followed.
 */
#include "master/owners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/directory.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/instance.h"
#include "master/programs.h"

/* What the supervisor changes in config/, and the key that init has made. Others stay whose they
 * are. */
static const char *const configuration[] = {
    "config.ini", "mail.ini", "history", "tls.crt", "tls.key"};

enum { CONFIG_MODE = 0711, LOG_MODE = 0750, RUN_MODE = 0711 };

struct gift {
	uid_t uid;
	gid_t gid;
	bool only_new; /* of the guardians' directories */
	json_t *notices;
};

static void
tell(const struct gift *g, const char *path, const char *what)
{
	json_array_append_new(
	    g->notices, json_sprintf("%s: %s", log_printable(span_of(path)), what));
}

static void
give(const struct gift *g, int fd, const char *name, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_uid == g->uid && (gid == (gid_t)-1 || st.st_gid == gid))
		return; /* also where nothing can be changed */
	if (fchownat(fd, "", g->uid, gid, AT_EMPTY_PATH) == -1)
		tell(g, name, strerror(errno));
}

/* Only what root has made, or what is in root's group. */
static void
give_file(const struct gift *g, int dir, const char *name, gid_t gid)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    (st.st_uid == 0 || (gid != (gid_t)-1 && st.st_gid == 0)))
		give(g, fd, name, gid);
	closefd(&fd);
}

/* Made where it is missing: the instance's own directory is not the supervisor's. */
static int
give_directory(const struct gift *g, const char *root, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int fd = -1;

	if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path)
		errno = ENAMETOOLONG;
	else if (mkdir(path, mode) == 0 || errno == EEXIST)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1)
		give(g, fd, path, (gid_t)-1);
	else if (errno != ENOENT) /* a link to what a service manager makes */
		tell(g, path, strerror(errno));
	return fd;
}

static void
give_sockets(const struct gift *g, const char *root)
{
	int fd = give_directory(g, root, "run", RUN_MODE);

	closefd(&fd);
}

static void
give_configuration(const struct gift *g, const char *root)
{
	int dir = give_directory(g, root, "config", CONFIG_MODE);

	for (size_t i = 0; dir != -1 && i < nitems(configuration); i++)
		give_file(g, dir, configuration[i], g->gid);
	closefd(&dir);
}

static void
give_logs(const struct gift *g, const char *root)
{
	int fd = give_directory(g, root, "log", LOG_MODE);
	DIR *d = fd != -1 ? directory_read(fd, "") : NULL;
	struct dirent *e;

	/* Their group may be one that reads logs. */
	while (d != NULL && (e = readdir(d)) != NULL)
		give_file(g, dirfd(d), e->d_name, (gid_t)-1);
	if (d != NULL)
		closedir(d);
	closefd(&fd);
}

/* ---- guardians ---- */

static bool
is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* An O_PATH descriptor; -1 with errno. Closes dir. */
static int
step_down(int dir, const char *name, mode_t mode, bool *made)
{
	struct stat st;
	int fd = -1;

	if (fstat(dir, &st) == 0) {
		*made = mkdirat(dir, name, mode) == 0;
		if (*made || errno == EEXIST)
			fd = openat(dir, name,
			    O_PATH | O_DIRECTORY | O_CLOEXEC |
				(is_roots_alone(&st) ? 0 : O_NOFOLLOW));
	}
	closefd(&dir);
	return fd;
}

/* What is below the instance's root, made where it is missing. An O_PATH descriptor; -1 with errno.
 */
static int
open_place(const char *root, const char *path, bool *made)
{
	char *copy = xstrdup(path + strlen(root)), *rest = copy, *name;
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (fd != -1 && (name = strsep(&rest, "/")) != NULL)
		if (name[0] != '\0')
			fd = step_down(fd, name, rest != NULL ? 0711 : 0700, made);
	free(copy); /* keeps errno */
	return fd;
}

static bool
belongs_to(int fd, uid_t uid)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == uid;
}

/* The supervisor's, or of one of the programs: somebody's who uses it. */
static bool
is_in_use(const struct gift *g, const struct instance *in, int fd)
{
	bool is = belongs_to(fd, g->uid);

	for (size_t i = 0; i < n_program_directories && !is; i++)
		is = belongs_to(fd, instance_uid(in, program_directories[i].owner));
	return is;
}

/* *why is a sentence, to be freed, where there is more to say than errno does. */
static int
give_place(const struct gift *g, const struct instance *in, const struct program_directory *d,
    const char *path, char **why)
{
	bool below = instance_has_below(in->root, path), made = false;
	uid_t uid = instance_uid(in, d->owner);
	int fd = below ? open_place(in->root, path, &made)
		       : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT && !below) {
		*why = xasprintf("it is not there: if it is meant, install -d -m 700 -o %lu -g %lu",
		    (unsigned long)uid, (unsigned long)in->accounts.gid);
	} else if (fd != -1 && !made && !belongs_to(fd, uid) &&
		   (g->only_new || !below || is_in_use(g, in, fd))) {
		*why = xasprintf(
		    "it is another account's: if it is meant, chown %lu", (unsigned long)uid);
		closefd(&fd);
	} else if (fd != -1 && instance_give_directory(in, fd, d->owner) == -1) {
		closefd(&fd); /* keeps errno */
	}
	return fd;
}

static void
give_to_program(const struct gift *g, const struct instance *in, const struct program_directory *d)
{
	const char *path = program_directory_path(d, in->root, in->config);
	char *why = NULL;
	int fd = give_place(g, in, d, path, &why);

	if (fd == -1)
		tell(g, path, why != NULL ? why : strerror(errno));
	else if (d->mailboxes)
		instance_adopt_mailboxes(in, fd, NULL);
	free(why);
	closefd(&fd);
}

/* A configuration with errors is the supervisor's to tell. */
static int
give_to_programs(const struct gift *g, struct instance *in, char **why)
{
	struct config_problems problems = {0};
	struct config *c = config_load(in->root, &problems);
	bool usable = problems.n_errors == 0;
	int rv = usable ? instance_use(in, c, why) : 0;

	if (!usable || rv == -1)
		config_free(&c);
	for (size_t i = 0; usable && rv == 0 && in->accounts.separated && i < n_program_directories;
	     i++)
		give_to_program(g, in, &program_directories[i]);
	config_problems_free(&problems);
	return rv;
}

/* Whoever may exchange what lies in it is not to have root give files away. */
static int
open_instance(struct instance *in, const char *root, char **why)
{
	struct stat st;

	*in = (struct instance){.lock = -1};
	if (realpath(root, in->root) == NULL || stat(in->root, &st) == -1) {
		*why = xasprintf("%s: %s", root, strerror(errno));
		return -1;
	}
	if (is_roots_alone(&st))
		return 0;
	*why = xasprintf("%s: is not root's alone, or others can write in it", in->root);
	return -1;
}

int
owners_give(const char *root, const struct owners_order *order, json_t *notices, char **why)
{
	const struct gift g = {order->uid, order->gid, order->only_new, notices};
	struct instance in;
	int rv;

	if (open_instance(&in, root, why) == -1)
		return -1;
	give_configuration(&g, in.root);
	give_logs(&g, in.root);
	give_sockets(&g, in.root);
	rv = give_to_programs(&g, &in, why);
	instance_close(&in);
	return rv;
}
