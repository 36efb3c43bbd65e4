/*
 * The folders of a mailbox: the directories of its Maildir++ and their rows in index.db, and what
 * sessions are told of them.
 */
#include "store/index_folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/directory.h"
#include "common/memory.h"

/* ---- directories ---- */

int
index_open_folder(struct index *x, const struct folder *f, int flags)
{
	return openat(x->directory, f->directory[0] != '\0' ? f->directory : ".",
	    flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
index_open_place(struct index *x, const struct folder *f, enum maildir_folder place, int flags)
{
	const char *name = maildir_folder_name(place);
	int at = index_open_folder(x, f, O_PATH), fd;

	if (at == -1)
		return -1;
	flags |= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	fd = openat(at, name, flags);
	if (fd == -1 && errno == ENOENT && mkdirat(at, name, DIRECTORY_MODE) == 0)
		fd = openat(at, name, flags);
	closefd(&at);
	return fd;
}

static void
stamp_directory(struct index *x, struct stamp *stamp)
{
	struct stat st;

	*stamp = (struct stamp){0};
	if (fstat(x->directory, &st) == 0)
		*stamp = (struct stamp){st.st_ino, st.st_ctim, st.st_mtim};
}

/* ---- in memory ---- */

struct folder *
index_folder(struct index *x, uint64_t id)
{
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->id == id)
			return x->folders[i];
	return NULL;
}

struct folder *
index_folder_named(struct index *x, const char *name)
{
	for (size_t i = 0; i < x->n_folders; i++)
		if (strcmp(x->folders[i]->name, name) == 0)
			return x->folders[i];
	return NULL;
}

bool
index_is_shown(const struct folder *f)
{
	return f->role != FOLDER_TRASH && f->role != FOLDER_JUNK;
}

static struct folder *
add_to_memory(struct index *x)
{
	if (x->n_folders == x->folders_room) {
		x->folders_room = x->folders_room ? x->folders_room * 2 : 16;
		x->folders = xrealloc(x->folders, x->folders_room * sizeof *x->folders);
	}
	return x->folders[x->n_folders++] = xcalloc(1, sizeof **x->folders);
}

/* Whoever was told of it is to hear that it is gone, unless it comes back under its id. */
static void
note_gone(struct index *x, const struct folder *f)
{
	if (!f->told.is_told)
		return;
	x->gone = xrealloc(x->gone, (x->n_gone + 1) * sizeof *x->gone);
	x->gone[x->n_gone++] = f->id;
}

static void
drop_from_memory(struct index *x, size_t i)
{
	note_gone(x, x->folders[i]);
	free(x->folders[i]);
	memmove(&x->folders[i], &x->folders[i + 1], (x->n_folders - i - 1) * sizeof *x->folders);
	x->n_folders--;
}

void
index_forget_folders(struct index *x)
{
	while (x->n_folders > 0)
		drop_from_memory(x, x->n_folders - 1);
	x->list_stale = true;
}

/* ---- rows ---- */

static void
read_row(sqlite3_stmt *st, struct folder *f)
{
	struct span directory = {sqlite3_column_blob(st, 1), sqlite3_column_bytes(st, 1)};

	f->id = sqlite3_column_int64(st, 0);
	if (directory.len > 0)
		(void)span_copy(directory, f->directory, sizeof f->directory);
	f->uid_validity = sqlite3_column_int64(st, 2);
	f->uid_next = sqlite3_column_int64(st, 3);
	f->modseq = sqlite3_column_int64(st, 4);
	f->forgotten = sqlite3_column_int64(st, 5);
	f->total = sqlite3_column_int64(st, 6);
	f->unread = sqlite3_column_int64(st, 7);
	if (sqlite3_column_bytes(st, 8) == sizeof f->stamps)
		memcpy(f->stamps, sqlite3_column_blob(st, 8), sizeof f->stamps);
	f->settled = sqlite3_column_int(st, 9);
	f->bytes = sqlite3_column_int64(st, 10);
	if (sqlite3_column_bytes(st, 11) == sizeof f->labels)
		memcpy(f->labels, sqlite3_column_blob(st, 11), sizeof f->labels);
	f->stale = true;
}

bool
index_load_folders(struct index *x)
{
	sqlite3_stmt *st = index_sql(x, SQL_FOLDERS);

	index_forget_folders(x);
	while (index_step(x, st)) {
		struct folder *f = add_to_memory(x);

		read_row(st, f);
		if (!folder_name_of(f->directory, f->name))
			return index_failed(x, SQLITE_CORRUPT);
		f->role = folder_name_role(f->name);
	}
	return x->error == SQLITE_OK;
}

static bool
save_folder(struct index *x, struct folder *f)
{
	sqlite3_stmt *st = index_sql(x, SQL_SAVE_FOLDER);

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_blob(st, 2, f->directory, strlen(f->directory), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, f->uid_validity);
	sqlite3_bind_int64(st, 4, f->uid_next);
	sqlite3_bind_int64(st, 5, f->modseq);
	sqlite3_bind_int64(st, 6, f->forgotten);
	sqlite3_bind_int64(st, 7, f->total);
	sqlite3_bind_int64(st, 8, f->unread);
	sqlite3_bind_blob(st, 9, f->stamps, sizeof f->stamps, SQLITE_STATIC);
	sqlite3_bind_int(st, 10, f->settled);
	sqlite3_bind_int64(st, 11, f->bytes);
	if (labels_are_counted(f)) /* few folders have any */
		sqlite3_bind_blob(st, 12, f->labels, sizeof f->labels, SQLITE_STATIC);
	f->changed = false;
	return index_run(x, st);
}

bool
index_save_folders(struct index *x)
{
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->changed && !save_folder(x, x->folders[i]))
			return false;
	return x->error == SQLITE_OK;
}

/* Greater than any before, also after index.db was lost: then the clock says so. */
static uint64_t
next_validity(struct index *x)
{
	struct timespec now;
	uint64_t validity = 0;

	if (clock_gettime(CLOCK_REALTIME, &now) == 0)
		validity = now.tv_sec;
	if (validity <= x->last_validity)
		validity = x->last_validity + 1;
	x->last_validity = validity;
	index_set_meta(x, "validity", validity);
	return validity;
}

void
index_add_folder(struct index *x, const char *directory, const char *name)
{
	struct folder *f = add_to_memory(x);
	sqlite3_stmt *st;

	strlcpy(f->directory, directory, sizeof f->directory);
	strlcpy(f->name, name, sizeof f->name);
	f->role = folder_name_role(name);
	f->uid_validity = next_validity(x);
	f->uid_next = f->modseq = 1;
	f->stale = f->found = true;
	st = index_sql(x, SQL_ADD_FOLDER);
	sqlite3_bind_blob(st, 2, f->directory, strlen(f->directory), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, f->uid_validity);
	(void)index_run(x, st);
	f->id = sqlite3_last_insert_rowid(x->db);
}

/* All of its rows at once; of texts and threads what no other folder has. */
void
index_drop_folder(struct index *x, size_t i)
{
	static const enum index_sql steps[] = {SQL_DROP_FOLDER_TEXTS, SQL_DROP_FOLDER_THREADS,
	    SQL_DROP_FOLDER_MESSAGES, SQL_DROP_FOLDER_VANISHED, SQL_DROP_FOLDER};

	index_drop_scan(x);
	/* Given up halfway it would be begun, and given up, at each request from now on. */
	sqlite3_progress_handler(x->db, 0, NULL, NULL);
	for (size_t n = 0; n < nitems(steps); n++) {
		sqlite3_stmt *st = index_sql(x, steps[n]);

		sqlite3_bind_int64(st, 1, x->folders[i]->id);
		(void)index_run(x, st);
		if (steps[n] == SQL_DROP_FOLDER_TEXTS)
			texts_dropped(x, sqlite3_changes(x->db));
	}
	index_be_patient(x);
	drop_from_memory(x, i);
}

/* ---- which directories there are ---- */

static void
find_directory(struct index *x, const char *directory)
{
	char name[FOLDERS_NAME_MAX_BYTES + 1];

	if (!folder_name_of(directory, name))
		return; /* nobody can name it */
	for (size_t i = 0; i < x->n_folders; i++)
		if (strcmp(x->folders[i]->directory, directory) == 0) {
			x->folders[i]->found = true;
			return;
		}
	if (x->n_folders < FOLDERS_MAX)
		index_add_folder(x, directory, name);
}

static bool
read_directories(struct index *x)
{
	DIR *d = directory_read(x->directory, "");
	const struct dirent *e;
	int error;

	if (d == NULL)
		return false;
	for (size_t i = 0; i < x->n_folders; i++)
		x->folders[i]->found = false;
	find_directory(x, "");
	errno = 0;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' && e->d_name[1] != '.' && e->d_name[1] != '\0' &&
		    directory_entry_is_directory(dirfd(d), e))
			find_directory(x, e->d_name);
		errno = 0;
	}
	error = errno;
	closedir(d);
	return error == 0;
}

void
index_list_directories(struct index *x)
{
	struct stamp stamps[2];

	stamp_directory(x, &stamps[0]);
	stamps[1] = stamps[0];
	if (!x->list_stale && x->settled && stamp_equal(&stamps[0], &x->stamp))
		return;
	if (!read_directories(x))
		return;
	for (size_t i = x->n_folders; i-- > 0;)
		if (!x->folders[i]->found)
			index_drop_folder(x, i);
	subscriptions_load(x);
	x->stamp = stamps[0];
	x->settled = index_is_quiet(stamps, index_now_ms());
	x->list_stale = !x->subscriptions_known;
}

/* ---- what sessions are told ---- */

void
put_folder_info(struct writer *w, const struct folder *f)
{
	put_u64(w, f->id);
	put_text(w, f->name);
	put_u64(w, f->role);
	put_u64(w, f->subscribed);
	put_u64(w, f->total);
	put_u64(w, f->unread);
	put_u64(w, f->uid_validity);
	put_u64(w, f->uid_next);
	put_u64(w, f->modseq);
}

static bool
is_news(const struct folder *f)
{
	const struct told *t = &f->told;

	return !t->is_told || t->subscribed != f->subscribed || t->total != f->total ||
	       t->unread != f->unread || t->modseq != f->modseq || t->uid_next != f->uid_next ||
	       t->uid_validity != f->uid_validity || strcmp(t->name, f->name) != 0;
}

static void
set_told(struct folder *f)
{
	struct told *t = &f->told;

	t->is_told = true;
	strlcpy(t->name, f->name, sizeof t->name);
	t->subscribed = f->subscribed;
	t->total = f->total;
	t->unread = f->unread;
	t->modseq = f->modseq;
	t->uid_next = f->uid_next;
	t->uid_validity = f->uid_validity;
}

void
index_say_changes(struct index *x, struct index_request *q)
{
	struct writer w;

	for (size_t i = 0; i < x->n_folders; i++) {
		if (!is_news(x->folders[i]))
			continue;
		set_told(x->folders[i]);
		reply_begin(&w, FOLDERS_CHANGED);
		put_u64(&w, 0);
		put_folder_info(&w, x->folders[i]);
		(void)reply_add(&q->notices, &w, -1);
	}
	for (size_t i = 0; i < x->n_gone; i++) {
		if (index_folder(x, x->gone[i]) != NULL)
			continue;
		reply_begin(&w, FOLDERS_CHANGED);
		put_u64(&w, 1);
		put_u64(&w, x->gone[i]);
		(void)reply_add(&q->notices, &w, -1);
	}
	free(x->gone);
	x->gone = NULL;
	x->n_gone = 0;
}

void
index_list(struct index *x, struct index_request *q)
{
	struct writer w;

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	for (size_t i = 0; i < x->n_folders; i++) {
		reply_begin(&w, FOLDERS_FOLDER);
		put_folder_info(&w, x->folders[i]);
		(void)reply_add(&q->reply, &w, -1);
		q->number += x->folders[i]->bytes;
	}
	q->modseq = q->limit;
}
