/*
 * The spool directory; spool.h lists the states of its files. Touches the spool only, by the
 * descriptors that spool_open() made.
 */
#include "queue/spool.h"

#include <dirent.h>
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

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"

/* So many ids are promised at a time in the lock file: ten minutes. */
#define IDS_STRIDE 600000000ULL

enum { ASIDE_TRIES = 100, LOCK_TEXT_BYTES = 21 };

/* ---- slots ---- */

struct slot *
slot_new(uint64_t id, int fd)
{
	struct slot *s = xcalloc(1, sizeof *s);

	s->node.id = id;
	s->fd = fd;
	s->reader = -1;
	return s;
}

void
slot_free(struct slot **sp)
{
	struct slot *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	closefd(&s->fd);
	closefd(&s->reader);
	free(s->envelope);
	free(s);
}

/* ---- opening ---- */

static int
open_directory(int root, const char *name)
{
	int fd;

	if (mkdirat(root, name, 0700) == -1 && errno != EEXIST)
		fatal("cannot make the spool's directory %s", name);
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		fatal("cannot open the spool's directory %s", name);
	return fd;
}

void
spool_open(struct spool *sp, int root, int failures)
{
	*sp = (struct spool){.root = root, .lock = -1};
	/* What came is O_PATH, which cannot be synced. */
	sp->failures = openat(failures, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sp->failures == -1)
		fatal("cannot open the directory of failures");
	closefd(&failures);
	sp->tmp = open_directory(root, "tmp");
	sp->new = open_directory(root, "new");
	sp->cur = open_directory(root, "cur");
	sp->bad = open_directory(root, "bad");
	sp->lock = openat(root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (sp->lock == -1)
		fatal("cannot open the spool's lock file");
}

static void
read_ids_end(struct spool *sp)
{
	char text[LOCK_TEXT_BYTES];
	ssize_t n = pread(sp->lock, text, sizeof text, 0);
	struct span number = {text, n > 0 ? n : 0}, line;
	uint64_t end;

	if (n == -1)
		fatal("cannot read the spool's lock file");
	span_take(&number, '\n', &line);
	if (n == 0)
		return;
	if (span_u64(line, SPOOL_ID_END, &end) && end > 0)
		sp->last_id = end - 1;
	else
		log_warn("the spool's lock file holds no number: it is written anew");
}

void
spool_lock(struct spool *sp)
{
	while (flock(sp->lock, LOCK_EX) == -1)
		if (errno != EINTR)
			fatal("cannot lock the spool");
	read_ids_end(sp);
}

/* ---- ids ---- */

static int
write_ids_end(struct spool *sp, uint64_t end)
{
	char text[LOCK_TEXT_BYTES + 1];
	int n = snprintf(text, sizeof text, "%020llu\n", (unsigned long long)end);

	if (spool_pwrite(sp->lock, text, n, 0) == -1 || fdatasync(sp->lock) == -1)
		return -1;
	sp->ids_end = end;
	return 0;
}

uint64_t
spool_new_id(struct spool *sp)
{
	struct timespec now;
	uint64_t id;

	clock_gettime(CLOCK_REALTIME, &now);
	id = (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	if (id <= sp->last_id)
		id = sp->last_id + 1; /* the clock went back, or too many in a microsecond */
	if (id >= SPOOL_ID_END) {
		errno = EOVERFLOW;
		return 0;
	}
	if (id >= sp->ids_end && write_ids_end(sp, id + IDS_STRIDE) == -1)
		return 0;
	sp->last_id = id;
	return id;
}

/* ---- tmp/ ---- */

int
spool_create(struct spool *sp, uint64_t id)
{
	char name[QUEUE_ID_TEXT_SIZE];

	queue_id_print(id, name);
	return openat(sp->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int
spool_discard(struct spool *sp, uint64_t id)
{
	char name[QUEUE_ID_TEXT_SIZE];

	queue_id_print(id, name);
	return unlinkat(sp->tmp, name, 0);
}

static int
directory_of(struct spool *sp, const struct spool_name *name)
{
	return name->in_cur ? sp->cur : sp->new;
}

/* Under its new name. */
static int
empty_file(struct spool *sp, const char *name, int *fd)
{
	if (*fd == -1)
		*fd = openat(sp->tmp, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd != -1 && ftruncate(*fd, 0) == 0)
		return 0;
	(void)unlinkat(sp->tmp, name, 0);
	return -1;
}

struct slot *
spool_recycle(struct spool *sp, uint64_t id, const struct spool_name *name, struct slot *kept)
{
	char from[SPOOL_NAME_SIZE], to[QUEUE_ID_TEXT_SIZE];
	uint64_t new_id = spool_new_id(sp);
	struct slot *slot = slot_new(new_id, -1);

	if (kept != NULL) {
		slot->fd = kept->fd;
		slot->reader = kept->reader;
		kept->fd = kept->reader = -1;
		slot_free(&kept);
	}
	spool_name_print(id, name, from);
	queue_id_print(new_id, to);
	if (new_id == 0 || renameat(directory_of(sp, name), from, sp->tmp, to) == -1 ||
	    empty_file(sp, to, &slot->fd) == -1)
		slot_free(&slot);
	return slot;
}

/* ---- the commit ---- */

int
spool_pwrite(int fd, const void *bytes, size_t n, uint64_t at)
{
	const unsigned char *from = bytes;

	while (n > 0) {
		ssize_t done = pwrite(fd, from, n, at);

		if (done == -1 && errno == EINTR)
			continue;
		if (done <= 0) {
			if (done == 0)
				errno = EIO;
			return -1;
		}
		from += done;
		n -= done;
		at += done;
	}
	return 0;
}

int
spool_place(struct spool *sp, struct slot *s)
{
	char from[QUEUE_ID_TEXT_SIZE], to[SPOOL_NAME_SIZE];
	struct stat st;

	if (fstat(s->fd, &st) == -1)
		return -1;
	if (st.st_size < 0 || (uint64_t)st.st_size != s->name.size) {
		errno = EPROTO;
		return -1;
	}
	if (spool_pwrite(s->fd, s->envelope, s->envelope_len, 0) == -1)
		return -1;
	queue_id_print(s->node.id, from);
	spool_name_print(s->node.id, &s->name, to);
	if (renameat(sp->tmp, from, directory_of(sp, &s->name), to) == -1)
		return -1;
	s->placed = true;
	return 0;
}

int
spool_unplace(struct spool *sp, struct slot *s)
{
	if (!s->placed)
		return spool_discard(sp, s->node.id);
	s->placed = false;
	return spool_message_remove(sp, s->node.id, &s->name);
}

int
spool_sync_all(struct spool *sp)
{
	return syncfs(sp->new);
}

int
spool_sync_new(struct spool *sp)
{
	return fsync(sp->new);
}

/* ---- committed messages ---- */

int
spool_message_open(struct spool *sp, uint64_t id, const struct spool_name *name, int flags)
{
	char text[SPOOL_NAME_SIZE];

	spool_name_print(id, name, text);
	return openat(
	    directory_of(sp, name), text, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int
spool_message_rename(
    struct spool *sp, uint64_t id, const struct spool_name *from, const struct spool_name *to)
{
	char old[SPOOL_NAME_SIZE], new[SPOOL_NAME_SIZE];

	spool_name_print(id, from, old);
	spool_name_print(id, to, new);
	return renameat(directory_of(sp, from), old, directory_of(sp, to), new);
}

int
spool_message_remove(struct spool *sp, uint64_t id, const struct spool_name *name)
{
	char text[SPOOL_NAME_SIZE];

	spool_name_print(id, name, text);
	return unlinkat(directory_of(sp, name), text, 0);
}

/* Under its own name, or with a number behind it (and cut) when that is taken. */
static int
set_aside(struct spool *sp, int directory, const char *name)
{
	char other[NAME_MAX + 1];

	for (int i = 0; i < ASIDE_TRIES; i++) {
		if (i == 0)
			strlcpy(other, name, sizeof other);
		else
			snprintf(other, sizeof other, "%.200s.%d", name, i);
		if (renameat2(directory, name, sp->bad, other, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int
spool_message_set_aside(struct spool *sp, uint64_t id, const struct spool_name *name)
{
	char text[SPOOL_NAME_SIZE];

	spool_name_print(id, name, text);
	return set_aside(sp, directory_of(sp, name), text);
}

/* ---- a start ---- */

struct scan {
	struct spool *sp;
	int directory;
	const char *directory_name;
	bool in_cur;
	spool_found_cb found;
	void *arg;
};

static void
aside(struct scan *s, const char *name, const char *why)
{
	const char *shown = log_safe(span_of(name));

	if (set_aside(s->sp, s->directory, name) == 0)
		log_warn("%s/%s set aside: %s", s->directory_name, shown, why);
	else
		log_warn("%s/%s ignored: %s, and it cannot be set aside: %s", s->directory_name,
		    shown, why, strerror(errno));
}

static void
remove_torn(struct scan *s, const char *name, uint64_t id)
{
	if (unlinkat(s->directory, name, 0) == 0)
		log_warn(
		    "%s removed: its file is cut short, it was never accepted", queue_id_text(id));
	else
		aside(s, name, "the file is cut short");
}

static void
scan_tmp(struct scan *s, const char *name)
{
	if (unlinkat(s->directory, name, 0) == -1)
		aside(s, name, "not a file of ours");
}

static void
scan_message(struct scan *s, const char *name)
{
	struct spool_name parsed;
	struct stat st;
	uint64_t id;

	if (!spool_name_parse(span_of(name), s->in_cur, &id, &parsed)) {
		aside(s, name, "not a name of ours");
		return;
	}
	if (fstatat(s->directory, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		log_warn("%s/%s ignored: %s", s->directory_name, name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		aside(s, name, "not a regular file");
	else if ((uint64_t)st.st_size >= parsed.size)
		s->found(s->arg, id, &parsed);
	else if (s->in_cur || st.st_size == 0)
		aside(s, name, "the file is cut short");
	else
		remove_torn(s, name, id);
	if (id > s->sp->last_id)
		s->sp->last_id = id;
}

static void
scan_directory(struct scan *s, void (*each)(struct scan *, const char *))
{
	int fd = openat(s->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL)
		fatal("cannot read the spool's directory %s", s->directory_name);
	while (errno = 0, (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			each(s, entry->d_name);
	if (errno != 0)
		fatal("cannot read the spool's directory %s", s->directory_name);
	closedir(d);
}

void
spool_recover(struct spool *sp, spool_found_cb found, void *arg)
{
	struct scan tmp = {sp, sp->tmp, "tmp", false, NULL, NULL};
	struct scan new = {sp, sp->new, "new", false, found, arg};
	struct scan cur = {sp, sp->cur, "cur", true, found, arg};

	scan_directory(&tmp, scan_tmp);
	scan_directory(&new, scan_message);
	scan_directory(&cur, scan_message);
	/* What is in new/ may have been renamed but not synced; from now on it counts as accepted.
	 */
	if (spool_sync_all(sp) == -1)
		fatal("cannot sync the spool");
}

void
spool_close(struct spool *sp)
{
	if (sp->last_id != 0 && write_ids_end(sp, sp->last_id + 1) == -1)
		log_warn("cannot write the spool's lock file: %s", strerror(errno));
}

void
spool_free(struct spool *sp)
{
	closefd(&sp->root);
	closefd(&sp->tmp);
	closefd(&sp->new);
	closefd(&sp->cur);
	closefd(&sp->bad);
	closefd(&sp->lock);
	closefd(&sp->failures);
}
