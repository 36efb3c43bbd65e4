/*
 * Brings index.db to what lies in new/ and cur/ of the folders. Reads names, moves what is in new/
 * to cur/ as each program does that shows messages to their owner, and opens no message. Large
 * folders are taken in by portions.
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
#include "store/index.h"
#include "store/maildir_name.h"
#include "store/message_flags.h"

enum {
	QUIET_MS = 30,	     /* see scan.c */
	PORTION = 10000,     /* messages, or */
	PORTION_MS = 150,    /* what comes first */
	LOOK_AT_CLOCK = 500, /* messages */
	FOLDER_MESSAGES_MAX = 1000000
};

struct entry {
	size_t name; /* offset in names */
	uint64_t seconds;
	uint16_t len, base_len;
	uint8_t place;
	bool known; /* as it is in index.db */
};

struct scan_names {
	struct folder *folder;
	struct stamp stamps[2];
	bool settled;
	char *names;
	size_t names_len, names_room;
	struct entry *entries;
	size_t n, room;
	size_t at;	/* those before are taken in */
	size_t done;	/* new ones among them */
	bool disturbed; /* others have changed something since */
};

/* ---- stamps ---- */

void
index_stamp(struct index *x, const struct folder *f, struct stamp stamps[2])
{
	struct stat st;

	for (int i = 0; i < 2; i++) {
		int fd = index_open_place(x, f, i, O_PATH);

		stamps[i] = (struct stamp){0};
		if (fd != -1 && fstat(fd, &st) == 0)
			stamps[i] = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
		closefd(&fd);
	}
}

static int64_t
milliseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t
index_now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return milliseconds(now);
}

bool
index_is_quiet(const struct stamp stamps[2], uint64_t now_ms)
{
	for (int i = 0; i < 2; i++)
		if (milliseconds(stamps[i].changed) + QUIET_MS >= (int64_t)now_ms ||
		    milliseconds(stamps[i].modified) + QUIET_MS >= (int64_t)now_ms)
			return false;
	return true;
}

/* ---- reading names ---- */

static const char *
name_of(const struct scan_names *s, const struct entry *e)
{
	return s->names + e->name;
}

static int
compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int
by_base(const void *a, const void *b, void *arg)
{
	const struct scan_names *s = arg;
	const struct entry *p = a, *q = b;
	int order = compare_bytes(name_of(s, p), p->base_len, name_of(s, q), q->base_len);

	/* Of two with one base that in cur/, then the one whose name sorts last: more flags. */
	if (order == 0)
		order = q->place - p->place;
	return order != 0 ? order : strcmp(name_of(s, q), name_of(s, p));
}

static int
by_arrival(const void *a, const void *b, void *arg)
{
	const struct scan_names *s = arg;
	const struct entry *p = a, *q = b;

	if (p->known != q->known)
		return p->known ? -1 : 1;
	if (p->seconds != q->seconds)
		return p->seconds < q->seconds ? -1 : 1;
	return strcmp(name_of(s, p), name_of(s, q));
}

static void
add_name(struct scan_names *s, const char *name, enum maildir_folder place)
{
	size_t len = strlen(name);
	struct maildir_name parsed;

	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 256;
		s->entries = xrealloc(s->entries, s->room * sizeof *s->entries);
	}
	if (len + 1 > s->names_room - s->names_len) {
		s->names_room = s->names_room ? s->names_room * 2 : 16384;
		s->names = xrealloc(s->names, s->names_room);
	}
	maildir_name_parse((struct span){name, len}, &parsed);
	if (parsed.base.len == 0)
		return;
	memcpy(s->names + s->names_len, name, len + 1);
	s->entries[s->n++] = (struct entry){.name = s->names_len,
	    .seconds = parsed.seconds,
	    .len = len,
	    .base_len = parsed.base.len,
	    .place = place};
	s->names_len += len + 1;
}

static bool
read_place(struct index *x, struct scan_names *s, enum maildir_folder place)
{
	int fd = index_open_place(x, s->folder, place, O_RDONLY);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	int error;

	if (d == NULL) {
		closefd(&fd);
		return false;
	}
	errno = 0;
	while (s->n < FOLDER_MESSAGES_MAX && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' && directory_entry_is_file(fd, e))
			add_name(s, e->d_name, place);
		errno = 0;
	}
	error = errno;
	closedir(d);
	return error == 0;
}

static void
drop_doubles(struct scan_names *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i], *last = &s->entries[kept ? kept - 1 : 0];

		if (kept > 0 && compare_bytes(name_of(s, e), e->base_len, name_of(s, last),
				    last->base_len) == 0)
			continue;
		s->entries[kept++] = *e;
	}
	s->n = kept;
}

void
index_drop_scan(struct index *x)
{
	if (x->scan == NULL)
		return;
	x->scan->folder->stale = true;
	x->scan->folder->settled = false;
	free(x->scan->names);
	free(x->scan->entries);
	free(x->scan);
	x->scan = NULL;
}

static bool
start_scan(struct index *x, struct folder *f)
{
	struct scan_names *s = xcalloc(1, sizeof *s);

	s->folder = f;
	x->scan = s;
	index_stamp(x, f, s->stamps);
	s->settled = index_is_quiet(s->stamps, index_now_ms());
	if (!read_place(x, s, MAILDIR_NEW) || !read_place(x, s, MAILDIR_CUR)) {
		index_drop_scan(x);
		return false;
	}
	if (s->n > 1)
		qsort_r(s->entries, s->n, sizeof *s->entries, by_base, s);
	drop_doubles(s);
	return true;
}

/* ---- what has changed ---- */

static void
set_tail(struct message *m, struct span tail, enum maildir_folder place)
{
	(void)span_copy(tail, m->tail, sizeof m->tail);
	m->place = place;
	message_flags_parse(tail, &m->flags, &m->keywords);
}

static struct span
tail_of(const struct scan_names *s, const struct entry *e)
{
	return (struct span){name_of(s, e) + e->base_len, e->len - e->base_len};
}

/* A list of bases whose rows are to go. */
struct lost {
	struct span *bases;
	size_t n, room;
};

static void
add_lost(struct lost *l, struct span base)
{
	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->bases = xrealloc(l->bases, l->room * sizeof *l->bases);
	}
	l->bases[l->n++] = span_dup(base);
}

static void
drop_lost(struct index *x, struct folder *f, struct lost *l)
{
	struct message m;

	for (size_t i = 0; i < l->n; i++) {
		if (row_by_base(x, f, l->bases[i], &m))
			row_delete(x, f, &m);
		free((void *)(uintptr_t)l->bases[i].at);
	}
	free(l->bases);
}

static struct span
column_span(sqlite3_stmt *st, int column)
{
	const void *bytes = sqlite3_column_blob(st, column);

	return (struct span){bytes != NULL ? bytes : "", sqlite3_column_bytes(st, column)};
}

/* Rows and names side by side, both in the order of bases: marks what is as it was, changed is set
 * for what has other flags, and lost for what is no longer there. */
static void
compare_rows(struct index *x, struct scan_names *s, struct lost *lost, bool *changed)
{
	sqlite3_stmt *st = index_sql(x, SQL_NAMES);
	size_t at = 0;

	sqlite3_bind_int64(st, 1, s->folder->id);
	while (index_step(x, st)) {
		struct span base = column_span(st, 0), tail = column_span(st, 1);
		enum maildir_folder place = sqlite3_column_int(st, 2);
		int order = -1;

		while (at < s->n && (order = compare_bytes(name_of(s, &s->entries[at]),
					 s->entries[at].base_len, base.at, base.len)) < 0)
			at++;
		if (at == s->n || order > 0) {
			add_lost(lost, base);
			continue;
		}
		s->entries[at].known = true;
		changed[at] =
		    place != s->entries[at].place || !span_equal(tail, tail_of(s, &s->entries[at]));
	}
}

static void
apply_changes(struct index *x, struct scan_names *s)
{
	bool *changed = xcalloc(s->n + 1, sizeof *changed);
	struct lost lost = {0};
	struct message old, m;

	compare_rows(x, s, &lost, changed);
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];

		if (!changed[i] ||
		    !row_by_base(x, s->folder, (struct span){name_of(s, e), e->base_len}, &old))
			continue;
		m = old;
		set_tail(&m, tail_of(s, e), e->place);
		row_change(x, s->folder, &old, &m);
	}
	drop_lost(x, s->folder, &lost);
	free(changed);
}

/* ---- what is new ---- */

/* From new/ to cur/, with the flags it may have. -1: it is gone, or has a double there. */
static int
move_to_cur(struct index *x, const struct folder *f, const char *name, struct message *m)
{
	int from = index_open_place(x, f, MAILDIR_NEW, O_PATH);
	int to = index_open_place(x, f, MAILDIR_CUR, O_PATH), rv = -1;
	char target[NAME_MAX + 1];

	if (m->tail[0] == '\0')
		message_flags_print(0, 0, m->tail);
	if (from != -1 && to != -1 &&
	    (size_t)snprintf(target, sizeof target, "%s%s", m->base, m->tail) < sizeof target)
		rv = renameat2(from, name, to, target, RENAME_NOREPLACE);
	closefd(&from);
	closefd(&to);
	if (rv == 0)
		m->place = MAILDIR_CUR;
	return rv;
}

/* Takes in one file. */
static void
take_in(struct index *x, struct folder *f, enum maildir_folder place, struct span name)
{
	struct message m = {0};
	struct maildir_name parsed;
	struct stat st;
	int at;

	maildir_name_parse(name, &parsed);
	if (parsed.base.len == 0 || !span_copy(parsed.base, m.base, sizeof m.base))
		return;
	set_tail(&m, (struct span){name.at + parsed.base.len, name.len - parsed.base.len}, place);
	if (place == MAILDIR_NEW && move_to_cur(x, f, name.at, &m) == -1 && errno == ENOENT)
		return;
	m.size = parsed.size;
	m.arrival = parsed.seconds;
	if (!parsed.has_size || parsed.seconds == 0) {
		char now[NAME_MAX + 1];

		if ((size_t)snprintf(now, sizeof now, "%s%s", m.base, m.tail) >= sizeof now)
			return;
		at = index_open_place(x, f, m.place, O_PATH);
		if (at == -1 || fstatat(at, m.place == MAILDIR_NEW ? name.at : now, &st,
				    AT_SYMLINK_NOFOLLOW) == -1) {
			closefd(&at);
			return;
		}
		closefd(&at);
		m.size = parsed.has_size ? parsed.size : (uint64_t)st.st_size;
		m.arrival = parsed.seconds ? parsed.seconds : (uint64_t)st.st_mtim.tv_sec;
	}
	row_insert(x, f, &m);
}

static void
finish_scan(struct index *x)
{
	struct scan_names *s = x->scan;
	struct folder *f = s->folder;
	struct stamp now[2];

	index_drop_scan(x);
	index_stamp(x, f, now);
	f->stale = false;
	f->settled = false;
	f->changed = true;
	memcpy(f->stamps, now, sizeof now);
}

/* It was not taken in by an event, and is there. */
static bool
is_still_new(struct index *x, const struct scan_names *s, const struct entry *e)
{
	int at = index_open_place(x, s->folder, e->place, O_PATH);
	struct message other;
	struct stat st;
	bool there = at != -1 && fstatat(at, name_of(s, e), &st, AT_SYMLINK_NOFOLLOW) == 0;

	closefd(&at);
	return there &&
	       !row_by_base(x, s->folder, (struct span){name_of(s, e), e->base_len}, &other);
}

/* True: there is more. */
static bool
scan_portion(struct index *x, size_t max)
{
	struct scan_names *s = x->scan;
	uint64_t until = index_now_ms() + PORTION_MS;
	size_t n = 0;

	for (; s->at < s->n && n < max; s->at++) {
		const struct entry *e = &s->entries[s->at];

		if (e->known || (s->disturbed && !is_still_new(x, s, e)))
			continue;
		if (max != SIZE_MAX && n % LOOK_AT_CLOCK == LOOK_AT_CLOCK - 1 &&
		    index_now_ms() > until)
			break;
		take_in(x, s->folder, e->place, (struct span){name_of(s, e), e->len});
		n++;
	}
	s->done += n;
	if (s->at < s->n)
		return true;
	if (s->done == 0 && s->settled) {
		/* Nothing was done here: what was read is what is there. */
		struct folder *f = s->folder;

		memcpy(f->stamps, s->stamps, sizeof f->stamps);
		index_drop_scan(x);
		f->stale = false;
		f->settled = f->changed = true;
		return false;
	}
	finish_scan(x);
	return false;
}

static bool
is_current(struct index *x, struct folder *f)
{
	struct stamp now[2];

	if (!f->stale && f->watched)
		return true;
	index_stamp(x, f, now);
	if (!f->settled || !stamp_equal(&now[0], &f->stamps[0]) ||
	    !stamp_equal(&now[1], &f->stamps[1]))
		return false;
	f->stale = false;
	return true;
}

static bool
begin_folder(struct index *x, struct folder *f)
{
	if (is_current(x, f) || !start_scan(x, f))
		return false;
	apply_changes(x, x->scan);
	if (x->scan->n > 1)
		qsort_r(
		    x->scan->entries, x->scan->n, sizeof *x->scan->entries, by_arrival, x->scan);
	return true;
}

bool
index_sync(struct index *x)
{
	if (x->scan != NULL)
		return scan_portion(x, PORTION) || index_sync(x);
	index_list_directories(x);
	for (size_t i = 0; i < x->n_folders; i++)
		if (begin_folder(x, x->folders[i]) && scan_portion(x, PORTION))
			return true;
	return false;
}

bool
index_sync_folder(struct index *x, struct folder *f)
{
	f->settled = false;
	f->stale = true;
	if (x->scan != NULL)
		index_drop_scan(x);
	if (!begin_folder(x, f))
		return false;
	while (scan_portion(x, SIZE_MAX))
		;
	return true;
}

/* ---- what others did just now ---- */

void
index_take_event(struct index *x, const struct index_event *e)
{
	struct folder *f = index_folder(x, e->folder);
	struct span name = span_of(e->name);
	int at = -1;
	struct maildir_name parsed;
	struct message old, m;
	struct stat st;
	bool there, known;

	if (f != NULL && x->scan != NULL && x->scan->folder == f)
		x->scan->disturbed = true;
	if (f != NULL && e->name[0] == '\0') {
		/* The directory itself: it is watched no longer, and may be another one. */
		f->watched = f->settled = false;
		f->stale = true;
	} else if (f != NULL && e->name[0] != '.') {
		at = index_open_place(x, f, e->place, O_PATH);
	}
	if (at == -1)
		return;
	there = fstatat(at, e->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	closefd(&at);
	/* A name that came and is not there has an event of its going. */
	if (there == e->away || (there && !S_ISREG(st.st_mode)))
		return;
	maildir_name_parse(name, &parsed);
	known = row_by_base(x, f, parsed.base, &old);
	if (there && !known) {
		take_in(x, f, e->place, name);
	} else if (there) {
		m = old;
		set_tail(&m, (struct span){name.at + parsed.base.len, name.len - parsed.base.len},
		    e->place);
		if (m.place != old.place || strcmp(m.tail, old.tail) != 0)
			row_change(x, f, &old, &m);
	} else if (known && old.place == e->place &&
		   span_is((struct span){name.at + parsed.base.len, name.len - parsed.base.len},
		       old.tail)) {
		row_delete(x, f, &old);
	}
}
