/*
 * The backup of one mailbox, which is in use: mail arrives, is flagged, moved and removed
 * meanwhile. Touches the mailbox, reading and never through a symbolic link, and the backup being
 * made.
 *
 * Directories are read again until none has changed since it was read. So a message that was there
 * all the time is in the backup, wherever it was moved; what has come under two names keeps the
 * later one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/backup_file.h"
#include "store/backup_seen.h"
#include "store/maildir.h"
#include "store/maildir_name.h"

/* A mailbox that is never quiet is left after ROUNDS_MAX. The kernel's stamps are no finer than
 * TICK_NS: what was changed less long ago may change again without a trace. */
enum {
	ROUNDS_MAX = 8,
	FOLDERS_MAX = 10000,
	DIRECTORY_MODE = 0700,
	TICK_NS = 20 * 1000 * 1000,
	NS_PER_S = 1000 * 1000 * 1000
};

struct place {
	struct stamp stamp; /* when its names were read last */
	bool settled;
	bool skipped; /* it cannot be read, which was counted */
};

struct folder {
	char name[NAME_MAX + 1]; /* "": the mailbox itself */
	struct place places[2];
};

struct copying {
	struct backup_run *run;
	struct backup_files *files;
	int from, to;
	struct folder *folders;
	size_t n_folders;
	struct backup_seen seen;
	bool changed; /* in this round */
};

/* ---- directories ---- */

/* new/ or cur/ of a folder. */
static int
open_place(int at, const struct folder *f, enum maildir_folder place)
{
	int folder = directory_open(at, f->name), fd = -1;

	if (folder != -1)
		fd = directory_open(folder, maildir_folder_name(place));
	closefd(&folder);
	return fd;
}

static int
make_folder(struct copying *c, const struct folder *f)
{
	int fd;

	if (f->name[0] != '\0' && mkdirat(c->to, f->name, DIRECTORY_MODE) == -1)
		return backup_fail(c->run, "make a folder in the backup");
	if ((fd = directory_open(c->to, f->name)) == -1)
		return backup_fail(c->run, "open a folder in the backup");
	for (int i = 0; i < MAILDIR_FOLDERS; i++)
		if (mkdirat(fd, maildir_folder_name(i), DIRECTORY_MODE) == -1) {
			closefd(&fd);
			return backup_fail(c->run, "make a folder in the backup");
		}
	closefd(&fd);
	return 0;
}

/* Of what is to be in the backup. */
static void
skip(struct copying *c)
{
	c->run->made.skipped++;
	c->run->made.verified = false;
	c->files->odd = true;
}

static int
add_folder(struct copying *c, const char *name)
{
	struct folder f = {.name = ""};

	for (size_t i = 0; i < c->n_folders; i++)
		if (strcmp(c->folders[i].name, name) == 0)
			return 0;
	if (c->n_folders == FOLDERS_MAX) {
		skip(c);
		return 0;
	}
	strlcpy(f.name, name, sizeof f.name);
	if (make_folder(c, &f) == -1)
		return -1;
	c->folders = xrealloc(c->folders, (c->n_folders + 1) * sizeof f);
	c->folders[c->n_folders++] = f;
	c->changed = true;
	return 0;
}

static int
list_folders(struct copying *c)
{
	DIR *d = directory_read(c->from, "");
	const struct dirent *e;
	int rv;

	if (d == NULL && errno != ENOENT) /* that mailbox was removed just now */
		skip(c);
	rv = add_folder(c, "");
	for (errno = 0; rv == 0 && d != NULL && (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] == '.' && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 && directory_entry_is_directory(dirfd(d), e))
			rv = add_folder(c, e->d_name);
	if (rv == 0 && d != NULL && errno != 0)
		rv = backup_fail(c->run, "read a mailbox");
	if (d != NULL)
		closedir(d);
	return rv;
}

/* ---- messages ---- */

static bool
is_quiet(const struct stamp *s)
{
	struct timespec now = {0};
	int64_t age_ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - s->changed.tv_sec > 1)
		return true;
	age_ns =
	    (now.tv_sec - s->changed.tv_sec) * (int64_t)NS_PER_S + now.tv_nsec - s->changed.tv_nsec;
	return age_ns > TICK_NS;
}

/* Its names are to be read: it is not as it was. */
static bool
look_at_place(struct place *p, int fd)
{
	struct stat st;
	struct stamp now = {0};

	if (fstat(fd, &st) == 0)
		now = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
	if (p->settled && stamp_equal(&now, &p->stamp))
		return false;
	p->settled = is_quiet(&now);
	p->stamp = now;
	return true;
}

static int
copy_name(struct copying *c, const struct folder *f, int from, const char *name, int to)
{
	struct seen_name s = backup_seen_name(f->name, name);
	int rv;

	if (atomic_load(c->run->stop)) {
		errno = ECANCELED;
		return backup_fail(c->run, "go on");
	}
	if (backup_seen_has(&c->seen, s))
		return 0;
	if ((rv = backup_file_message(c->files, from, name, to)) == 1)
		backup_seen_note(&c->seen, s);
	return rv == -1 ? -1 : 0;
}

static int
copy_names(struct copying *c, const struct folder *f, DIR *d, int to)
{
	const struct dirent *e;
	int rv = 0;

	for (errno = 0; rv == 0 && (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] != '.')
			rv = copy_name(c, f, dirfd(d), e->d_name, to);
	if (rv == 0 && errno != 0)
		rv = backup_fail(c->run, "read a folder of a mailbox");
	return rv;
}

static int
copy_place(struct copying *c, struct folder *f, enum maildir_folder place)
{
	int from = open_place(c->from, f, place), to = -1, rv = 0;
	char directory[2 * NAME_MAX];
	DIR *d = NULL;

	snprintf(directory, sizeof directory, "%s%s%s", f->name, f->name[0] ? "/" : "",
	    maildir_folder_name(place));
	c->files->directory = directory;
	if (from == -1 && errno != ENOENT && !f->places[place].skipped) {
		f->places[place].skipped = true;
		skip(c);
	}
	if (from == -1 || !look_at_place(&f->places[place], from)) {
		closefd(&from);
		return 0;
	}
	c->changed = true;
	if ((to = open_place(c->to, f, place)) == -1)
		rv = backup_fail(c->run, "open a folder in the backup");
	else if ((d = fdopendir(from)) == NULL)
		rv = backup_fail(c->run, "read a folder of a mailbox");
	else
		rv = copy_names(c, f, d, to);
	closefd(&to);
	if (d != NULL)
		closedir(d);
	else
		closefd(&from);
	return rv;
}

/* new/ first: what is read meanwhile goes from there to cur/. */
static int
copy_round(struct copying *c)
{
	c->changed = false;
	if (list_folders(c) == -1)
		return -1;
	for (size_t i = 0; i < c->n_folders; i++)
		if (copy_place(c, &c->folders[i], MAILDIR_NEW) == -1 ||
		    copy_place(c, &c->folders[i], MAILDIR_CUR) == -1)
			return -1;
	return 0;
}

/* ---- all other files: after the messages, so that their keywords are known ---- */

/* A cache, and what is being written. */
static bool
is_passing(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' || strncmp(name, "index.db", sizeof "index.db" - 1) == 0 ||
	       (n > 4 && strcmp(name + n - 4, ".new") == 0);
}

static int
copy_others(struct copying *c, const char *name)
{
	DIR *d = directory_read(c->from, name);
	int to = d != NULL ? directory_open(c->to, name) : -1, rv = 0;
	const struct dirent *e;
	struct stat st;

	if (d == NULL && errno != ENOENT)
		skip(c);
	if (d != NULL && to == -1)
		rv = backup_fail(c->run, "open a folder in the backup");
	for (errno = 0; rv == 0 && d != NULL && (e = readdir(d)) != NULL; errno = 0)
		if (!is_passing(e->d_name) &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			rv = backup_file_other(c->files, dirfd(d), e->d_name, to);
	if (rv == 0 && d != NULL && errno != 0)
		rv = backup_fail(c->run, "read a folder of a mailbox");
	closefd(&to);
	if (d != NULL)
		closedir(d);
	return rv;
}

static int
copy_all_others(struct copying *c)
{
	static const char documents[] = "documents";
	struct stat st;

	for (size_t i = 0; i < c->n_folders; i++)
		if (copy_others(c, c->folders[i].name) == -1)
			return -1;
	if (fstatat(c->from, documents, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISDIR(st.st_mode))
		return 0;
	if (mkdirat(c->to, documents, DIRECTORY_MODE) == -1)
		return backup_fail(c->run, "make a folder in the backup");
	return copy_others(c, documents);
}

/* ---- reading back ---- */

/* It was renamed or moved after it had come, and is there under its later name, too. */
static bool
is_outdated(const struct copying *c, const struct folder *f, int from, const char *name)
{
	struct stat st;

	if (!c->seen.twice || backup_seen_has(&c->seen, backup_seen_name(f->name, name)))
		return false;
	return from == -1 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == -1;
}

static int
count_message(struct copying *c, int at, const char *name)
{
	struct backup *made = &c->run->made;
	struct maildir_name n;
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return backup_fail(c->run, "read the backup");
	maildir_name_parse(span_of(name), &n);
	if (!S_ISREG(st.st_mode) || (n.ours && n.size != (uint64_t)st.st_size)) {
		made->verified = false;
		c->files->odd = true;
	}
	made->messages++;
	made->bytes += st.st_size;
	return 0;
}

static int
read_back(struct copying *c, const struct folder *f, enum maildir_folder place)
{
	int to = open_place(c->to, f, place), from = open_place(c->from, f, place), rv = 0;
	DIR *d = to != -1 ? fdopendir(to) : NULL;
	const struct dirent *e;

	if (d == NULL) {
		closefd(&to);
		closefd(&from);
		return backup_fail(c->run, "read the backup");
	}
	for (errno = 0; rv == 0 && (e = readdir(d)) != NULL; errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (!is_outdated(c, f, from, e->d_name))
			rv = count_message(c, dirfd(d), e->d_name);
		else if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			rv = backup_fail(c->run, "remove an outdated name from the backup");
	}
	if (rv == 0 && errno != 0)
		rv = backup_fail(c->run, "read the backup");
	closefd(&from);
	closedir(d);
	return rv;
}

/* A folder that was renamed or removed meanwhile, with nothing left in it. */
static void
drop_if_gone(const struct copying *c, const struct folder *f)
{
	struct stat st;
	int fd;

	if (f->name[0] == '\0' || fstatat(c->from, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    (fd = directory_open(c->to, f->name)) == -1)
		return;
	for (int i = 0; i < MAILDIR_FOLDERS; i++)
		(void)unlinkat(fd, maildir_folder_name(i), AT_REMOVEDIR);
	closefd(&fd);
	(void)unlinkat(c->to, f->name, AT_REMOVEDIR);
}

static int
read_all_back(struct copying *c)
{
	if (backup_file_check(c->files) == -1)
		return -1;
	for (size_t i = 0; i < c->n_folders; i++) {
		if (read_back(c, &c->folders[i], MAILDIR_NEW) == -1 ||
		    read_back(c, &c->folders[i], MAILDIR_CUR) == -1)
			return -1;
		drop_if_gone(c, &c->folders[i]);
	}
	return 0;
}

/* ---- all of it ---- */

static int
copy_mailbox(struct copying *c)
{
	for (int i = 0; i < ROUNDS_MAX && (i == 0 || c->changed); i++)
		if (copy_round(c) == -1)
			return -1;
	return copy_all_others(c) == -1 ? -1 : read_all_back(c);
}

int
backup_mailbox(struct backup_run *r, const char *name, int day)
{
	struct backup_files files = {.run = r};
	struct copying c = {.run = r, .files = &files, .to = -1};
	struct stat st;
	int rv = -1;

	c.from = directory_open(r->mail, name);
	if (c.from == -1 || fstatat(c.from, "inbox.fld", &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT && errno != ENOTDIR) {
			skip(&c);
			strlcpy(r->odd, name, sizeof r->odd);
		}
		closefd(&c.from);
		return 0; /* no mailbox, none any more, or one that cannot be read */
	}
	if (mkdirat(day, name, DIRECTORY_MODE) == -1 || (c.to = directory_open(day, name)) == -1) {
		(void)backup_fail(r, "make a mailbox in the backup");
	} else {
		files.root = c.to;
		rv = copy_mailbox(&c);
	}
	atomic_store(&r->done, ++r->made.mailboxes);
	if (files.odd)
		strlcpy(r->odd, name, sizeof r->odd);
	backup_file_end(&files);
	free(c.folders);
	backup_seen_free(&c.seen);
	closefd(&c.from);
	closefd(&c.to);
	return rv;
}
