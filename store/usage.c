/*
 * How full a mailbox is: the bytes of its messages, by their names where these tell. Reads the
 * names of the mailbox's folders, never through a symbolic link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/maildir.h"
#include "store/maildir_name.h"

enum { PARTS_MAX = 4000, PARTS_PAUSE_MS = 2000 };

uint64_t
maildir_limit(const struct maildir *m, uint64_t shared)
{
	return m->own_limit != STORE_NO_LIMIT ? m->own_limit : shared;
}

static uint64_t
file_bytes(int folder, const struct dirent *e)
{
	struct maildir_name name;
	struct stat st;

	if (e->d_name[0] == '.')
		return 0;
	maildir_name_parse(span_of(e->d_name), &name);
	if (name.has_size)
		return name.size;
	if (fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode))
		return 0;
	return st.st_size;
}

static int
count_folder(int fd, uint64_t *bytes)
{
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	int error;

	if (d == NULL) {
		closefd(&fd);
		return -1;
	}
	errno = 0;
	while ((e = readdir(d)) != NULL) {
		uint64_t n = file_bytes(fd, e);

		*bytes = n < UINT64_MAX - *bytes ? *bytes + n : UINT64_MAX;
		errno = 0;
	}
	error = errno;
	closedir(d);
	errno = error;
	return error ? -1 : 0;
}

void
maildir_usage_check(struct maildir *m)
{
	struct stamp now[2];

	if (!m->usage_known || m->usage_by_box)
		return;
	maildir_stamp(m, MAILDIR_NEW, &now[MAILDIR_NEW]);
	maildir_stamp(m, MAILDIR_CUR, &now[MAILDIR_CUR]);
	m->usage_known = stamp_equal(&now[MAILDIR_NEW], &m->usage_stamps[MAILDIR_NEW]) &&
			 stamp_equal(&now[MAILDIR_CUR], &m->usage_stamps[MAILDIR_CUR]);
}

void
maildir_usage_add(struct maildir *m, enum maildir_folder folder, int64_t bytes)
{
	if (!m->usage_known)
		return;
	if (bytes >= 0 || m->usage >= (uint64_t)-bytes)
		m->usage += bytes;
	else
		m->usage = 0;
	maildir_stamp(m, folder, &m->usage_stamps[folder]);
}

static int
count_usage(struct maildir *m)
{
	uint64_t bytes = 0;

	maildir_usage_check(m);
	if (m->usage_known)
		return 0;
	maildir_stamp(m, MAILDIR_NEW, &m->usage_stamps[MAILDIR_NEW]);
	maildir_stamp(m, MAILDIR_CUR, &m->usage_stamps[MAILDIR_CUR]);
	if (count_folder(maildir_folder_open(m, MAILDIR_NEW), &bytes) == -1 ||
	    count_folder(maildir_folder_open(m, MAILDIR_CUR), &bytes) == -1)
		return -1;
	m->usage = bytes;
	m->usage_known = true;
	return 0;
}

/* ---- other folders ---- */

/* One of .Name/new and .Name/cur. */
struct usage_part {
	char name[NAME_MAX + 5];
	struct stamp stamp;
	uint64_t bytes;
	bool found;
};

void
maildir_forget_parts(struct maildir *m)
{
	free(m->parts);
	m->parts = NULL;
	m->n_parts = 0;
	m->parts_ms = 0;
}

static struct usage_part *
find_part(struct maildir *m, const char *name)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (strcmp(m->parts[i].name, name) == 0)
			return &m->parts[i];
	if (m->n_parts >= PARTS_MAX)
		return NULL;
	m->parts = xrealloc(m->parts, (m->n_parts + 1) * sizeof *m->parts);
	m->parts[m->n_parts] = (struct usage_part){.bytes = 0};
	strlcpy(m->parts[m->n_parts].name, name, sizeof m->parts[0].name);
	return &m->parts[m->n_parts++];
}

static void
look_at_part(struct maildir *m, const char *directory, const char *place)
{
	char name[NAME_MAX + 5];
	struct usage_part *part;
	struct stat st;
	struct stamp now;
	int fd;

	if ((size_t)snprintf(name, sizeof name, "%s/%s", directory, place) >= sizeof name ||
	    fstatat(m->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISDIR(st.st_mode) ||
	    (part = find_part(m, name)) == NULL)
		return;
	part->found = true;
	now = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
	if (stamp_equal(&now, &part->stamp))
		return;
	fd = directory_open(m->dir, name);
	part->bytes = 0;
	if (count_folder(fd, &part->bytes) == 0)
		part->stamp = now;
}

static bool
look_at_parts(struct maildir *m)
{
	DIR *d = directory_read(m->dir, "");
	const struct dirent *e;

	if (d == NULL)
		return false;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] == '.' && e->d_name[1] != '\0' && e->d_name[1] != '.' &&
		    (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)) {
			look_at_part(m, e->d_name, "new");
			look_at_part(m, e->d_name, "cur");
		}
	closedir(d);
	return true;
}

static uint64_t
now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* What is in them comes by hand of their owner: it is enough to look now and then. */
static uint64_t
count_parts(struct maildir *m)
{
	uint64_t now = now_ms();

	if (m->parts_ms != 0 && now - m->parts_ms < PARTS_PAUSE_MS)
		return m->parts_usage;
	for (size_t i = 0; i < m->n_parts; i++)
		m->parts[i].found = false;
	if (!look_at_parts(m))
		return m->parts_usage;
	m->parts_ms = now;
	m->parts_usage = 0;
	for (size_t i = m->n_parts; i-- > 0;)
		if (m->parts[i].found)
			m->parts_usage += m->parts[i].bytes;
		else
			m->parts[i] = m->parts[--m->n_parts];
	return m->parts_usage;
}

/* ---- what the index says ---- */

void
maildir_usage_set(struct maildir *m, uint64_t bytes)
{
	m->usage = bytes;
	m->usage_known = m->usage_by_box = true;
}

void
maildir_usage_unset(struct maildir *m)
{
	if (m->usage_by_box)
		m->usage_known = m->usage_by_box = false;
	m->parts_ms = 0;
}

/* ---- the room that is left ---- */

int
maildir_room(struct maildir *m, uint64_t shared, uint64_t *room)
{
	uint64_t limit = maildir_limit(m, shared), usage;

	*room = STORE_NO_LIMIT;
	if (limit == STORE_NO_LIMIT)
		return 0;
	if (count_usage(m) == -1)
		return -1;
	usage = m->usage + (m->usage_by_box ? 0 : count_parts(m));
	*room = limit > usage ? limit - usage : 0;
	return 0;
}
