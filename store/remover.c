/*
 * Removes directories for good. Touches those of one directory whose names start with .removing-,
 * never through a symbolic link.
 */
#include "store/remover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/memory.h"

enum { PORTION = 500, DEPTH_MAX = 16, ATTEMPTS_MAX = 8 };

static const char prefix[] = ".removing-";

struct remover {
	struct job job;
	struct worker *chores;
	int directory;
	bool running, again;
	/* the thread's: */
	bool more;
	int error;
};

/* ---- in the thread ---- */

/* The way down to where files are being removed. */
struct walk {
	DIR *dirs[DEPTH_MAX];
	char names[DEPTH_MAX][NAME_MAX + 1];
	size_t depth, removed;
};

static int
descend(struct walk *w, int at, const char *name)
{
	if (w->depth == DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	if ((w->dirs[w->depth] = directory_read(at, name)) == NULL)
		return -1;
	strlcpy(w->names[w->depth++], name, NAME_MAX + 1);
	return 0;
}

static void
leave(struct walk *w)
{
	int error = errno;

	closedir(w->dirs[--w->depth]);
	errno = error;
}

static int
remove_entry(struct walk *w, int at, const char *name)
{
	w->removed++;
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR || errno == EPERM ? descend(w, at, name) : -1;
}

/* One entry of the deepest directory, or that directory itself when it is empty. */
static int
step(struct walk *w, int directory)
{
	DIR *d = w->dirs[w->depth - 1];
	const struct dirent *e;

	do {
		errno = 0;
		e = readdir(d);
	} while (e != NULL && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	if (e != NULL)
		return remove_entry(w, dirfd(d), e->d_name);
	if (errno != 0)
		return -1;
	leave(w);
	return unlinkat(
	    w->depth ? dirfd(w->dirs[w->depth - 1]) : directory, w->names[w->depth], AT_REMOVEDIR);
}

/* 1: there is more of it, 0: it is gone, -1 with errno */
static int
remove_tree(int directory, const char *name)
{
	struct walk w = {.depth = 0};
	int rv = remove_entry(&w, directory, name);

	while (rv == 0 && w.depth > 0 && w.removed < PORTION)
		rv = step(&w, directory);
	if (rv == 0 && w.depth > 0)
		rv = 1;
	while (w.depth > 0)
		leave(&w);
	return rv;
}

static bool
find_taken(int directory, char name[NAME_MAX + 1])
{
	DIR *d = directory_read(directory, "");
	const struct dirent *e;
	bool found = false;

	if (d == NULL)
		return false;
	while (!found && (e = readdir(d)) != NULL)
		found = strncmp(e->d_name, prefix, sizeof prefix - 1) == 0 &&
			strlcpy(name, e->d_name, NAME_MAX + 1) <= NAME_MAX;
	closedir(d);
	return found;
}

static void
work(struct job *job)
{
	struct remover *r = (struct remover *)job;
	char name[NAME_MAX + 1];

	r->more = find_taken(r->directory, name);
	r->error = 0;
	if (r->more && remove_tree(r->directory, name) == -1)
		r->error = errno;
}

/* ---- in the loop ---- */

static void
done(struct job *job)
{
	struct remover *r = (struct remover *)job;

	r->running = false;
	if (r->error != 0)
		log_warn("cannot remove the files of what was removed: %s; what is left has a "
			 "name that starts with %s",
		    strerror(r->error), prefix);
	if ((r->more && r->error == 0) || r->again)
		remover_run(r);
}

struct remover *
remover_new(struct worker *chores, int directory)
{
	struct remover *r = xcalloc(1, sizeof *r);

	r->chores = chores;
	r->directory = directory;
	r->job.work = work;
	r->job.done = done;
	return r;
}

void
remover_free(struct remover **r)
{
	free(*r);
	*r = NULL;
}

int
remover_take(struct remover *r, const char *name)
{
	char taken[NAME_MAX + 1];
	struct timespec now;
	int rv = -1;

	errno = EEXIST;
	for (int i = 0; i < ATTEMPTS_MAX && rv == -1 && errno == EEXIST; i++) {
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(taken, sizeof taken, "%s%lld%09ld-%s", prefix, (long long)now.tv_sec,
		    now.tv_nsec, name);
		rv = renameat2(r->directory, name, r->directory, taken, RENAME_NOREPLACE);
	}
	return rv;
}

void
remover_run(struct remover *r)
{
	if (r->running) {
		r->again = true;
		return;
	}
	r->again = false;
	r->running = true;
	worker_push(r->chores, &r->job, false);
}
