/*
 * A start: finds the messages in the spool directory, removes what holds none and sets aside what
 * is not sound. Touches the spool only, by the descriptors that spool_open() made.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/directory.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "common/queue_id.h"
#include "queue/envelope.h"
#include "queue/spool.h"

enum { READ_BYTES = 65536 };

struct scan {
	struct spool *sp;
	int directory;
	const char *directory_name;
	spool_found_cb found;
	void *arg;
};

static void
aside(struct scan *s, const char *name, const char *why)
{
	const char *shown = log_safe(span_of(name));

	if (spool_set_aside(s->sp, s->directory, name) == 0)
		log_warn("%s/%s set aside: %s", s->directory_name, shown, why);
	else
		log_warn("%s/%s ignored: %s, and it cannot be set aside: %s", s->directory_name,
		    shown, why, strerror(errno));
}

static void
found(struct scan *s, uint64_t id, const struct spool_name *name)
{
	s->found(s->arg, id, name);
	if (id > s->sp->last_id)
		s->sp->last_id = id;
	if (name->file > s->sp->last_id)
		s->sp->last_id = name->file;
}

/* ---- incoming/ ---- */

enum content {
	CONTENT_NONE,	 /* empty, or its header was wiped */
	CONTENT_MESSAGE, /* whole: id and name are set */
	CONTENT_UNSOUND, /* why is set */
	CONTENT_UNREADABLE
};

/* -1 with errno; EPROTO when the file ends before. */
static int
checksum(int fd, uint64_t at, uint64_t left, uint32_t *crc)
{
	unsigned char *bytes = xmalloc(READ_BYTES);
	int rv = -1;

	*crc = crc32_z(0, NULL, 0);
	while (left > 0) {
		size_t n = left < READ_BYTES ? left : READ_BYTES;

		if (pread_all(fd, bytes, n, at) == -1)
			goto out;
		*crc = crc32_z(*crc, bytes, n);
		at += n;
		left -= n;
	}
	rv = 0;
out:
	free(bytes);
	return rv;
}

static bool
is_wiped(const unsigned char *head, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (head[i] != 0)
			return false;
	return true;
}

/* A file that is not sound, or one that cannot be read now? */
static enum content
trouble(void)
{
	return spool_is_bad(errno) ? CONTENT_UNSOUND : CONTENT_UNREADABLE;
}

static enum content
whole_message(int fd, const struct envelope *e, const char **why)
{
	uint32_t crc;

	*why = "its message is not whole";
	if (checksum(fd, e->message_offset, e->message_size, &crc) == -1)
		return trouble();
	return crc == e->message_crc && e->id < SPOOL_ID_END ? CONTENT_MESSAGE : CONTENT_UNSOUND;
}

static enum content
message_of(int fd, uint64_t *id, struct spool_name *name, const char **why)
{
	unsigned char *storage;
	enum content content;
	struct envelope e;

	if (envelope_read(&e, fd, &storage, why) == -1)
		return trouble();
	*id = e.id;
	name->size = e.message_offset + e.message_size;
	name->release_s = e.release_s;
	content = whole_message(fd, &e, why);
	envelope_clear(&e);
	free(storage);
	return content;
}

static enum content
content_of(int fd, uint64_t *id, struct spool_name *name, const char **why)
{
	unsigned char head[ENVELOPE_HEADER_BYTES];
	enum content content;
	struct stat st;
	ssize_t n;

	*why = "not a regular file";
	if (fstat(fd, &st) == -1)
		return CONTENT_UNREADABLE;
	if (!S_ISREG(st.st_mode))
		return CONTENT_UNSOUND;
	if ((n = pread(fd, head, sizeof head, 0)) == -1)
		return CONTENT_UNREADABLE;
	if (is_wiped(head, n))
		return CONTENT_NONE;
	content = message_of(fd, id, name, why);
	/* What an earlier message has left behind this one is no journal of it. */
	if (content == CONTENT_MESSAGE && (uint64_t)st.st_size > name->size &&
	    ftruncate(fd, name->size) == -1)
		return CONTENT_UNREADABLE;
	return content;
}

/* Errors that say nothing about this file end the program: master starts it again, later. A bad
 * place on the disk must not keep all other mail. */
static void
set_trouble_aside(struct scan *s, const char *name, const char *why)
{
	if (errno != EIO && !spool_is_bad(errno))
		fatal("cannot read the spool's file %s/%s", s->directory_name,
		    log_safe(span_of(name)));
	if (errno != ENOENT)
		aside(s, name, why);
}

static void
scan_incoming(struct scan *s, const char *name)
{
	struct spool_name parsed;
	const char *why;
	uint64_t id;
	int fd;

	if (!spool_name_parse_incoming(span_of(name), &parsed)) {
		aside(s, name, "not a name of ours");
		return;
	}
	fd = openat(s->directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		set_trouble_aside(s, name, "it cannot be opened");
		return;
	}
	switch (content_of(fd, &id, &parsed, &why)) {
	case CONTENT_NONE:
		if (unlinkat(s->directory, name, 0) == -1)
			aside(s, name, "it cannot be removed");
		break;
	case CONTENT_MESSAGE:
		found(s, id, &parsed);
		break;
	case CONTENT_UNSOUND:
		aside(s, name, why);
		break;
	case CONTENT_UNREADABLE:
		set_trouble_aside(s, name, why);
		break;
	}
	closefd(&fd);
}

/* ---- cur/ ---- */

static void
scan_cur(struct scan *s, const char *name)
{
	struct spool_name parsed;
	struct stat st;
	uint64_t id;

	if (!spool_name_parse(span_of(name), &id, &parsed)) {
		aside(s, name, "not a name of ours");
		return;
	}
	if (fstatat(s->directory, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		log_warn("%s/%s ignored: %s", s->directory_name, name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		aside(s, name, "not a regular file");
	else if ((uint64_t)st.st_size < parsed.size)
		aside(s, name, "the file is cut short");
	else
		found(s, id, &parsed);
}

/* ---- both ---- */

static void
scan_directory(struct scan *s, void (*each)(struct scan *, const char *))
{
	DIR *d = directory_read(s->directory, "");
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
spool_recover(struct spool *sp, spool_found_cb on_found, void *arg)
{
	struct scan incoming = {sp, sp->incoming, "incoming", on_found, arg};
	struct scan cur = {sp, sp->cur, "cur", on_found, arg};

	scan_directory(&incoming, scan_incoming);
	scan_directory(&cur, scan_cur);
	/* What is whole may have been placed but not synced; from now on it counts as accepted. */
	if (spool_sync_all(sp) == -1)
		fatal("cannot sync the spool");
}
