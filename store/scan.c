/*
 * Reads new/ and cur/ into a listing. Opens files of those two directories for reading, never
 * through a symbolic link, and never waits for a FIFO.
 */
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/directory.h"
#include "common/memory.h"
#include "store/maildir_name.h"

/* Kernels stamp directories with the time of their last tick, 4 to 10 ms ago: a change in the tick
 * of another one leaves no trace. */
enum { QUIET_MS = 30, READ_BYTES = 65536 };

static const uint64_t size_unknown = UINT64_MAX;

struct scan {
	DIR *folders[2];
	size_t at; /* the folder that is read now */
	struct stamp stamps[2];
	bool settled, cut;
	int error;
	struct listing *prior;
	struct listing_file *files;
	size_t n, n_room, n_unknown;
	char *names; /* files[].name is an offset until the end: it moves while it grows */
	size_t names_len, names_room;
};

/* ---- start and end ---- */

static int64_t
milliseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
was_quiet(const struct stamp *stamp, int64_t now_ms)
{
	return milliseconds(stamp->changed) + QUIET_MS < now_ms &&
	       milliseconds(stamp->modified) + QUIET_MS < now_ms;
}

static int
open_folder(struct scan *s, struct maildir *m, enum maildir_folder folder)
{
	int fd = maildir_folder_open(m, folder);

	if (fd == -1)
		return -1;
	if ((s->folders[folder] = fdopendir(fd)) != NULL)
		return 0;
	closefd(&fd);
	return -1;
}

struct scan *
scan_new(struct maildir *m, struct listing *prior)
{
	struct scan *s = xcalloc(1, sizeof *s);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (open_folder(s, m, MAILDIR_NEW) == -1 || open_folder(s, m, MAILDIR_CUR) == -1) {
		int error = errno;

		scan_free(&s);
		errno = error;
		return NULL;
	}
	s->settled = true;
	for (size_t i = 0; i < 2; i++) {
		maildir_stamp(m, i, &s->stamps[i]);
		s->settled &= was_quiet(&s->stamps[i], milliseconds(now));
	}
	if (prior != NULL)
		s->prior = listing_hold(prior);
	return s;
}

void
scan_free(struct scan **sp)
{
	struct scan *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	for (size_t i = 0; i < 2; i++)
		if (s->folders[i] != NULL)
			closedir(s->folders[i]);
	listing_release(&s->prior);
	free(s->files);
	free(s->names);
	free(s);
}

/* ---- names ---- */

static bool
grow(struct scan *s, size_t name_bytes)
{
	if (s->n == s->n_room) {
		size_t room = s->n_room ? s->n_room * 2 : 64;
		void *files = realloc(s->files, room * sizeof *s->files);

		if (files == NULL)
			return false;
		s->files = files;
		s->n_room = room;
	}
	if (name_bytes > s->names_room - s->names_len) {
		size_t room = s->names_room ? s->names_room * 2 : 4096;
		char *names = realloc(s->names, room);

		if (names == NULL)
			return false;
		s->names = names;
		s->names_room = room;
	}
	return true;
}

static uint64_t
prior_size(const struct scan *s, const char *name, const struct maildir_name *n)
{
	const struct listing_file *f =
	    s->prior ? listing_find(s->prior, name, n->seconds, n->base.len) : NULL;

	return f ? f->wire_size : size_unknown;
}

static bool
add_name(struct scan *s, const char *text)
{
	size_t bytes = strlen(text) + 1;
	struct maildir_name name;
	struct listing_file *f;

	if (!grow(s, bytes))
		return false;
	maildir_name_parse((struct span){text, bytes - 1}, &name);
	memcpy(s->names + s->names_len, text, bytes);
	f = &s->files[s->n++];
	*f = (struct listing_file){.name = (const char *)(uintptr_t)s->names_len,
	    .seconds = name.seconds,
	    .base_len = name.base.len,
	    .folder = s->at,
	    .wire_size = name.has_wire_size ? name.wire_size : prior_size(s, text, &name)};
	s->n_unknown += f->wire_size == size_unknown;
	s->names_len += bytes;
	return true;
}

/* False at the folder's end or on an error. */
static bool
take_entry(struct scan *s)
{
	const struct dirent *e;

	errno = 0;
	if ((e = readdir(s->folders[s->at])) == NULL) {
		s->error = errno;
		return false;
	}
	if (e->d_name[0] == '.' || !directory_entry_is_file(dirfd(s->folders[s->at]), e))
		return true;
	if (s->n == SCAN_MESSAGES_MAX) {
		s->cut = true;
		return false;
	}
	if (add_name(s, e->d_name))
		return true;
	s->error = ENOMEM;
	return false;
}

bool
scan_names(struct scan *s, size_t max)
{
	for (size_t i = 0; s->at < 2 && s->error == 0; i++) {
		if (i == max)
			return false;
		if (!take_entry(s))
			s->at++;
	}
	return true;
}

bool
scan_is_slow(const struct scan *s)
{
	return s->n_unknown > 0;
}

/* ---- sizes ---- */

/* CR LF for each line end, and one at the end: what POP3 sends (RFC 1939 3, 5). */
static uint64_t
count_wire_bytes(int fd, uint64_t left)
{
	static _Thread_local char buf[READ_BYTES];
	uint64_t bytes = 0;
	char last = '\n';

	while (left > 0) {
		ssize_t n = read(fd, buf, left < sizeof buf ? left : sizeof buf);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			bytes += 1 + (buf[i] == '\n' && last != '\r');
			last = buf[i];
		}
		left -= n;
	}
	return bytes + (last != '\n' ? 2 : 0);
}

/* What cannot be opened is listed with its size on disk: it can still be deleted. */
static uint64_t
read_size(const struct scan *s, const struct listing_file *f)
{
	int folder = dirfd(s->folders[f->folder]);
	const char *name = s->names + (uintptr_t)f->name;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	uint64_t bytes = 0;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		bytes = count_wire_bytes(fd, st.st_size);
	else if (fd == -1 && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		bytes = st.st_size;
	closefd(&fd);
	return bytes;
}

struct listing *
scan_finish(struct scan *s)
{
	struct listing *l;

	if (s->error != 0) {
		errno = s->error;
		return NULL;
	}
	for (size_t i = 0; i < s->n && s->n_unknown > 0; i++)
		if (s->files[i].wire_size == size_unknown) {
			s->files[i].wire_size = read_size(s, &s->files[i]);
			s->n_unknown--;
		}
	for (size_t i = 0; i < s->n; i++)
		s->files[i].name = s->names + (uintptr_t)s->files[i].name;
	l = listing_new(s->files, s->n, s->names, s->names_len);
	s->files = NULL;
	s->names = NULL;
	if (l == NULL)
		return NULL;
	memcpy(l->stamps, s->stamps, sizeof l->stamps);
	l->settled = s->settled && !s->cut;
	return l;
}

/* ---- is it still true? ---- */

static bool
is_current(const struct stamp stamps[2], struct maildir *m)
{
	struct stamp now;

	for (size_t i = 0; i < 2; i++) {
		maildir_stamp(m, i, &now);
		if (!stamp_equal(&stamps[i], &now))
			return false;
	}
	return true;
}

bool
scan_is_current(const struct scan *s, struct maildir *m)
{
	return s->settled && is_current(s->stamps, m);
}

bool
scan_was_cut(const struct scan *s)
{
	return s->cut;
}

bool
listing_is_current(const struct listing *l, struct maildir *m)
{
	return l->settled && is_current(l->stamps, m);
}
