/*
 * The spool directory; spool.h lists the states of its files. Touches the spool only, by the
 * descriptors that spool_open() made.
 */
#include "queue/spool.h"

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
#include "common/wall_clock.h"
#include "queue/envelope.h"
#include "queue/journal.h"

/* So many ids are promised at a time in the lock file: ten minutes. */
#define IDS_STRIDE 600000000ULL

enum { ASIDE_TRIES = 100, LOCK_TEXT_BYTES = 21, RECYCLED_MAX_BYTES = 256 * 1024 };

/* ---- slots ---- */

struct slot *
slot_new(uint64_t id, int fd)
{
	struct slot *s = xcalloc(1, sizeof *s);

	s->node.id = id;
	s->fd = fd;
	s->reader = -1;
	s->name.file = id;
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
	sp->incoming = open_directory(root, "incoming");
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
	uint64_t id = wall_clock_now();

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

/* ---- incoming/ ---- */

int
spool_create(struct spool *sp, uint64_t file)
{
	char name[QUEUE_ID_TEXT_SIZE];

	queue_id_print(file, name);
	return openat(sp->incoming, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int
spool_discard(struct spool *sp, uint64_t file)
{
	char name[QUEUE_ID_TEXT_SIZE];

	queue_id_print(file, name);
	return unlinkat(sp->incoming, name, 0);
}

static int
directory_of(struct spool *sp, const struct spool_name *name)
{
	return name->in_cur ? sp->cur : sp->incoming;
}

/* So that no start takes it for a message. */
static int
wipe_header(struct spool *sp, const struct spool_name *name, int *fd)
{
	static const unsigned char zeros[ENVELOPE_HEADER_BYTES];

	if (*fd == -1)
		*fd = spool_message_open(sp, 0, name, O_RDWR);
	return *fd == -1 ? -1 : spool_pwrite(*fd, zeros, sizeof zeros, 0);
}

struct slot *
spool_recycle(struct spool *sp, const struct spool_name *name, struct slot *kept)
{
	uint64_t id = spool_new_id(sp);
	struct slot *slot = slot_new(id, -1);

	slot->name = (struct spool_name){.file = name->file, .size = name->size};
	if (kept != NULL) {
		slot->fd = kept->fd;
		slot->reader = kept->reader;
		kept->fd = kept->reader = -1;
		slot_free(&kept);
	}
	if (name->size > RECYCLED_MAX_BYTES)
		errno = EFBIG;
	else if (id != 0 && wipe_header(sp, name, &slot->fd) == 0)
		return slot;
	slot_free(&slot);
	return NULL;
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
	if (st.st_nlink == 0) { /* somebody has removed it */
		errno = ENOENT;
		return -1;
	}
	if (st.st_size < 0 || (uint64_t)st.st_size < s->name.size) {
		errno = EPROTO;
		return -1;
	}
	if ((uint64_t)st.st_size > s->name.size && ftruncate(s->fd, s->name.size) == -1)
		return -1;
	if (spool_pwrite(s->fd, s->envelope, s->envelope_len, 0) == -1)
		return -1;
	if (!s->name.in_cur)
		return 0;
	queue_id_print(s->name.file, from);
	spool_name_print(s->node.id, &s->name, to);
	if (renameat(sp->incoming, from, sp->cur, to) == -1)
		return -1;
	s->moved = true;
	return 0;
}

int
spool_unplace(struct spool *sp, struct slot *s)
{
	if (!s->moved)
		return spool_discard(sp, s->name.file);
	s->moved = false;
	return spool_message_remove(sp, s->node.id, &s->name);
}

int
spool_sync_all(struct spool *sp)
{
	return syncfs(sp->incoming);
}

int
spool_sync_changes(struct spool *sp)
{
	return syncfs(sp->cur);
}

int
spool_sync_incoming(struct spool *sp)
{
	return fsync(sp->incoming);
}

/* ---- committed messages ---- */

bool
spool_is_bad(int error)
{
	switch (error) {
	case EPROTO:
	case ELOOP: /* a symbolic link */
	case ENXIO: /* a FIFO, a socket */
	case EISDIR:
	case ENOTDIR:
	case ENOENT:
	case EACCES:
	case EPERM:
		return true;
	}
	return false;
}

int
spool_message_open(struct spool *sp, uint64_t id, const struct spool_name *name, int flags)
{
	char text[SPOOL_NAME_SIZE];

	spool_name_print(id, name, text);
	return openat(
	    directory_of(sp, name), text, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int
spool_message_move(
    struct spool *sp, uint64_t id, struct spool_name *at, const struct spool_name *to)
{
	char old[SPOOL_NAME_SIZE], new[SPOOL_NAME_SIZE];

	spool_name_print(id, at, old);
	spool_name_print(id, to, new);
	if (renameat(directory_of(sp, at), old, directory_of(sp, to), new) == -1)
		return -1;
	*at = *to;
	return 0;
}

int
spool_message_leave_incoming(struct spool *sp, uint64_t id, struct spool_name *at)
{
	struct spool_name in_cur = *at;

	in_cur.in_cur = true;
	return at->in_cur ? 0 : spool_message_move(sp, id, at, &in_cur);
}

int
spool_append(int fd, const struct envelope *e, const struct journal *j)
{
	uint64_t at = e->message_offset + e->message_size + e->journal_len;
	struct stat st;
	int saved;

	if (j->len == 0)
		return 0;
	if (fstat(fd, &st) == -1)
		return -1;
	if ((uint64_t)st.st_size > at && ftruncate(fd, at) == -1)
		return -1;
	if (e->journal_len + j->len > ENVELOPE_JOURNAL_MAX_BYTES) {
		errno = EFBIG;
		return -1;
	}
	if (spool_pwrite(fd, j->at, j->len, at) == 0)
		return 0;
	saved = errno;
	if (ftruncate(fd, at) == -1)
		saved = errno; /* what stays is torn, and ignored */
	errno = saved;
	return -1;
}

int
spool_message_remove(struct spool *sp, uint64_t id, const struct spool_name *name)
{
	char text[SPOOL_NAME_SIZE];

	spool_name_print(id, name, text);
	return unlinkat(directory_of(sp, name), text, 0);
}

/* Under its own name, or with a number behind it (and cut) when that is taken. */
int
spool_set_aside(struct spool *sp, int directory, const char *name)
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
	return spool_set_aside(sp, directory_of(sp, name), text);
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
	closefd(&sp->incoming);
	closefd(&sp->cur);
	closefd(&sp->bad);
	closefd(&sp->lock);
	closefd(&sp->failures);
}
