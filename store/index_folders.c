/*
 * The folders of a mailbox: the directories of its Maildir++ and their rows in index.db. Makes,
 * renames and removes those directories, and keeps the file subscriptions.
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
#include "common/pread_all.h"
#include "common/write_all.h"
#include "store/index.h"

enum {
	DIRECTORY_MODE = 0700,
	FILE_MODE = 0600,
	FOLDERS_MAX = 2000,
	SUBSCRIPTIONS_MAX_BYTES = 512 * 1024,
	REMOVE_AT_ONCE = 500,
	REMOVE_DEPTH_MAX = 8
};

static const char subscriptions_name[] = "subscriptions", subscriptions_new[] = "subscriptions.new",
		  subscriptions_head[] = "V\t2\n\n", removing_prefix[] = "removing-";

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

static int
make_file(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

	if (fd == -1)
		return -1;
	closefd(&fd);
	return 0;
}

/* One with maildirfolder in it is complete; a half made one is completed when it is read. */
static int
make_directory(struct index *x, const char *directory)
{
	int at, rv = 0;

	if (mkdirat(x->directory, directory, DIRECTORY_MODE) == -1)
		return -1;
	at = openat(x->directory, directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at == -1)
		return -1;
	for (size_t i = 0; i < MAILDIR_FOLDERS && rv == 0; i++)
		rv = mkdirat(at, maildir_folder_name(i), DIRECTORY_MODE);
	if (rv == 0)
		rv = make_file(at, "maildirfolder");
	closefd(&at);
	return rv;
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

static void
add_folder(struct index *x, const char *directory, const char *name)
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
static void
drop_folder(struct index *x, size_t i)
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
		add_folder(x, directory, name);
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

/* ---- subscriptions ---- */

/* The file's bytes, the caller's; none without a file. -1 with errno when it cannot be read: it
 * must not be taken for empty, and written over. */
static int
read_subscriptions(struct index *x, char **text, size_t *len)
{
	int fd = openat(
	    x->directory, subscriptions_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rv = -1;

	*text = NULL;
	*len = 0;
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0) {
		errno = EFBIG;
		if (S_ISREG(st.st_mode) && st.st_size <= SUBSCRIPTIONS_MAX_BYTES) {
			*text = xmalloc(st.st_size + 1);
			*len = st.st_size;
			rv = pread_all(fd, *text, *len, 0);
		}
	}
	closefd(&fd);
	if (rv == -1) {
		free(*text);
		*text = NULL;
	}
	return rv;
}

/* A line with its levels apart by tabs, or, in older files, dots. */
static bool
line_names(struct span line, const char *directory)
{
	if (directory[0] == '\0')
		return span_is_nocase(line, "INBOX");
	if (line.len != strlen(directory + 1))
		return false;
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] != directory[1 + i] &&
		    !(directory[1 + i] == '.' && line.at[i] == '\t'))
			return false;
	return true;
}

static void
load_subscriptions(struct index *x)
{
	struct span rest, line;
	size_t len;
	char *text;

	x->subscriptions_known = read_subscriptions(x, &text, &len) == 0;
	if (!x->subscriptions_known)
		return;
	rest = (struct span){text, len};
	for (size_t i = 0; i < x->n_folders; i++)
		x->folders[i]->subscribed = false;
	while (rest.len > 0) {
		(void)span_take(&rest, '\n', &line);
		for (size_t i = 0; i < x->n_folders; i++)
			if (line_names(line, x->folders[i]->directory))
				x->folders[i]->subscribed = true;
	}
	free(text);
}

static void
print_subscription(FILE *out, const char *directory)
{
	if (directory[0] == '\0')
		fputs("INBOX", out);
	for (const char *at = directory + (directory[0] == '.'); *at != '\0'; at++)
		fputc(*at == '.' ? '\t' : *at, out);
	fputc('\n', out);
}

/* What is there of folders that there are not stays: their owner may make them again. */
static void
print_others(struct index *x, FILE *out, struct span rest)
{
	struct span line;

	while (rest.len > 0) {
		bool ours = false;

		(void)span_take(&rest, '\n', &line);
		for (size_t i = 0; i < x->n_folders && !ours; i++)
			ours = line_names(line, x->folders[i]->directory);
		if (ours || line.len == 0 || span_is(line, "V\t2"))
			continue;
		for (size_t i = 0; i < line.len; i++)
			fputc(line.at[i] == '.' ? '\t' : line.at[i], out);
		fputc('\n', out);
	}
}

static int
save_subscriptions(struct index *x)
{
	char *old, *text = NULL;
	size_t old_len, len = 0;
	FILE *out = NULL;
	int fd, rv = -1;

	if (read_subscriptions(x, &old, &old_len) == -1 ||
	    (out = open_memstream(&text, &len)) == NULL)
		goto out;
	fputs(subscriptions_head, out);
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->subscribed)
			print_subscription(out, x->folders[i]->directory);
	print_others(x, out, (struct span){old, old_len});
	if (fclose(out) != 0)
		goto out;
	(void)unlinkat(x->directory, subscriptions_new, 0);
	fd = openat(x->directory, subscriptions_new,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd == -1)
		goto out;
	if (write_all(fd, text, len) == 0 && fdatasync(fd) == 0)
		rv = renameat(x->directory, subscriptions_new, x->directory, subscriptions_name);
	closefd(&fd);
out:
	free(old);
	free(text);
	return rv;
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
			drop_folder(x, i);
	load_subscriptions(x);
	x->stamp = stamps[0];
	x->settled = index_is_quiet(stamps, index_now_ms());
	x->list_stale = !x->subscriptions_known;
}

/* ---- what each mailbox has ---- */

int
index_make_roles(struct index *x)
{
	struct stat st;
	bool made = fstatat(x->directory, subscriptions_name, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
		    errno == ENOENT;

	for (size_t i = 0; made && i < x->n_folders; i++)
		x->folders[i]->subscribed = true;
	for (int role = FOLDER_INBOX; role <= FOLDER_ARCHIVE; role++) {
		struct folder *f = index_folder_named(x, folder_role_name(role));
		char directory[FOLDER_DIRECTORY_SIZE];

		if (f == NULL) {
			(void)folder_name_directory(span_of(folder_role_name(role)), directory);
			if (make_directory(x, directory) == -1)
				return -1;
			add_folder(x, directory, folder_role_name(role));
			f = x->folders[x->n_folders - 1];
			made = f->subscribed = true;
		}
	}
	return made && x->subscriptions_known ? save_subscriptions(x) : 0;
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

/* ---- LIST, SUBSCRIBE, CREATE ---- */

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

static enum folders_refusal
refusal_of(int error)
{
	switch (error) {
	case EEXIST:
	case ENOTEMPTY:
		return FOLDERS_EXISTS;
	case ENOENT:
		return FOLDERS_NO_FOLDER;
	case ENOSPC:
	case EDQUOT:
	case EMLINK:
		return FOLDERS_FULL;
	case ENAMETOOLONG:
		return FOLDERS_BAD_NAME;
	}
	return FOLDERS_TROUBLE;
}

void
index_create(struct index *x, struct index_request *q)
{
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
	char directory[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1];

	if (get_end(&q->fields) == -1)
		q->malformed = true;
	else if (!folder_name_directory(text, directory) || !folder_name_of(directory, name))
		q->refusal = FOLDERS_BAD_NAME;
	else if (index_folder_named(x, name) != NULL)
		q->refusal = FOLDERS_EXISTS;
	else if (x->n_folders >= FOLDERS_MAX)
		q->refusal = FOLDERS_FULL;
	else if (make_directory(x, directory) == -1)
		q->refusal = refusal_of(errno);
	if (q->malformed || q->refusal != FOLDERS_GRANTED)
		return;
	add_folder(x, directory, name);
	x->folders[x->n_folders - 1]->subscribed = true;
	if (save_subscriptions(x) == -1)
		x->folders[x->n_folders - 1]->subscribed = false;
	q->number = x->folders[x->n_folders - 1]->id;
}

void
index_subscribe(struct index *x, struct index_request *q)
{
	struct folder *f = index_folder(x, get_u64(&q->fields));
	uint64_t on = get_u64(&q->fields);

	if (get_end(&q->fields) == -1 || on > 1) {
		q->malformed = true;
		return;
	}
	if (f == NULL) {
		q->refusal = FOLDERS_NO_FOLDER;
		return;
	}
	if (f->subscribed == on)
		return;
	f->subscribed = on;
	if (save_subscriptions(x) == 0)
		return;
	q->refusal = refusal_of(errno);
	f->subscribed = !on;
}

/* ---- RENAME: with the folders below ---- */

/* The directory that f has when from is called to. False: too long. */
static bool
renamed_directory(
    const char *directory, const char *from, const char *to, char out[FOLDER_DIRECTORY_SIZE])
{
	return (size_t)snprintf(out, FOLDER_DIRECTORY_SIZE, "%s%s", to, directory + strlen(from)) <
	       FOLDER_DIRECTORY_SIZE;
}

static bool
directory_within(const char *directory, const char *outer)
{
	size_t n = strlen(outer);

	return strncmp(directory, outer, n) == 0 && (directory[n] == '\0' || directory[n] == '.');
}

static bool
can_rename(struct index *x, const char *from, const char *to)
{
	char directory[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1];

	for (size_t i = 0; i < x->n_folders; i++)
		if (directory_within(x->folders[i]->directory, from) &&
		    (!renamed_directory(x->folders[i]->directory, from, to, directory) ||
			!folder_name_of(directory, name) || index_folder_named(x, name) != NULL))
			return false;
	return true;
}

/* By an earlier store that was killed then. */
static bool
was_renamed(struct index *x, const char *directory)
{
	int error = errno;
	struct stat st;
	bool done = error == ENOENT &&
		    fstatat(x->directory, directory, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode);

	errno = error;
	return done;
}

/* Each by one rename. The first that fails ends it: what was renamed is so. */
static int
rename_all(struct index *x, const char *from, const char *to)
{
	char directory[FOLDER_DIRECTORY_SIZE];

	for (size_t i = 0; i < x->n_folders; i++) {
		struct folder *f = x->folders[i];
		bool shown = index_is_shown(f);

		if (!directory_within(f->directory, from) ||
		    !renamed_directory(f->directory, from, to, directory))
			continue;
		if (renameat2(x->directory, f->directory, x->directory, directory,
			RENAME_NOREPLACE) == -1 &&
		    !was_renamed(x, directory))
			return -1;
		strlcpy(f->directory, directory, sizeof f->directory);
		(void)folder_name_of(directory, f->name);
		f->role = folder_name_role(f->name);
		f->changed = true;
		f->watched = false;
		if (shown != index_is_shown(f)) {
			sqlite3_stmt *st = index_sql(x, SQL_SHOW_FOLDER);

			sqlite3_bind_int64(st, 1, f->id);
			sqlite3_bind_int(st, 2, !shown);
			(void)index_run(x, st);
		}
	}
	return 0;
}

static void
note_rename(struct index *x, const char *from, const char *to)
{
	char text[2 * FOLDER_DIRECTORY_SIZE];
	sqlite3_stmt *st = index_sql(x, SQL_SET_META_TEXT);

	snprintf(text, sizeof text, "%s%s%s", from, from[0] != '\0' ? "/" : "", to);
	sqlite3_bind_text(st, 1, "rename", -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, text, -1, SQLITE_TRANSIENT);
	(void)index_run(x, st);
}

void
index_finish_renames(struct index *x)
{
	char from[FOLDER_DIRECTORY_SIZE] = "", to[FOLDER_DIRECTORY_SIZE] = "";
	sqlite3_stmt *st = index_sql(x, SQL_META_TEXT);
	struct span text, first;

	sqlite3_bind_text(st, 1, "rename", -1, SQLITE_STATIC);
	if (!index_step(x, st))
		return;
	text = (struct span){(const char *)sqlite3_column_text(st, 0), sqlite3_column_bytes(st, 0)};
	if (span_take(&text, '/', &first) && span_copy(first, from, sizeof from))
		(void)span_copy(text, to, sizeof to);
	(void)sqlite3_reset(st);
	if (from[0] == '.' && to[0] == '.')
		(void)rename_all(x, from, to);
	note_rename(x, "", "");
}

static void
rename_folder(struct index *x, struct index_request *q, struct folder *f, const char *to)
{
	char from[FOLDER_DIRECTORY_SIZE];
	int error = 0;

	strlcpy(from, f->directory, sizeof from);
	/* Written down before the first is renamed, so that a start can rename the others. */
	note_rename(x, from, to);
	if (!index_commit(x) || !index_begin(x)) {
		q->refusal = FOLDERS_TROUBLE;
		return;
	}
	if (rename_all(x, from, to) == -1)
		error = errno;
	note_rename(x, "", "");
	x->list_stale = true;
	if (error != 0)
		q->refusal = refusal_of(error);
	else if (save_subscriptions(x) == -1)
		x->settled = false; /* they are read again: some are no longer subscribed */
}

void
index_rename(struct index *x, struct index_request *q)
{
	struct folder *f = index_folder(x, get_u64(&q->fields));
	struct span text = get_str(&q->fields, IPC_MESSAGE_MAX_BYTES);
	char to[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1];

	if (get_end(&q->fields) == -1)
		q->malformed = true;
	else if (f == NULL)
		q->refusal = FOLDERS_NO_FOLDER;
	else if (!folder_name_directory(text, to) || !folder_name_of(to, name))
		q->refusal = FOLDERS_BAD_NAME;
	else if (strcmp(name, f->name) == 0)
		return;
	else if (f->role != FOLDER_PLAIN || folder_name_within(name, f->name))
		q->refusal = FOLDERS_BAD_REQUEST;
	else if (index_folder_named(x, name) != NULL)
		q->refusal = FOLDERS_EXISTS;
	else if (!can_rename(x, f->directory, to))
		q->refusal = FOLDERS_BAD_NAME;
	else
		rename_folder(x, q, f, to);
}

/* ---- REMOVE: in one moment, and its files later ---- */

static int
take_away(struct index *x, const struct folder *f)
{
	struct folder *inbox = index_folder_named(x, folder_role_name(FOLDER_INBOX));
	int tmp = inbox != NULL ? index_open_place(x, inbox, MAILDIR_TMP, O_PATH) : -1, rv = -1;
	struct timespec now;
	char name[64];

	if (tmp == -1)
		return -1;
	if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
		snprintf(name, sizeof name, "%s%lld.%09ld", removing_prefix, (long long)now.tv_sec,
		    now.tv_nsec);
		rv = renameat2(x->directory, f->directory, tmp, name, RENAME_NOREPLACE);
	}
	closefd(&tmp);
	return rv;
}

void
index_remove(struct index *x, struct index_request *q)
{
	uint64_t id = get_u64(&q->fields);
	struct folder *f = index_folder(x, id);

	if (get_end(&q->fields) == -1)
		q->malformed = true;
	else if (f == NULL)
		q->refusal = FOLDERS_NO_FOLDER;
	else if (f->role != FOLDER_PLAIN)
		q->refusal = FOLDERS_BAD_REQUEST;
	else if (take_away(x, f) == -1)
		q->refusal = refusal_of(errno);
	if (q->malformed || q->refusal != FOLDERS_GRANTED)
		return;
	x->has_removed = true;
	if (f->subscribed) {
		f->subscribed = false;
		(void)save_subscriptions(x);
	}
	for (size_t i = 0; i < x->n_folders; i++)
		if (x->folders[i]->id == id) {
			drop_folder(x, i);
			return;
		}
}

/* Removes what is below at, about max entries in this call. True: it is empty. */
static bool
empty_directory(int at, int depth, int *max)
{
	DIR *d = directory_read(at, "");
	const struct dirent *e;
	bool empty = true;

	if (d == NULL)
		return false;
	while (empty && (e = readdir(d)) != NULL) {
		int below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (--*max < 0) {
			empty = false;
			break;
		}
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		below = depth < REMOVE_DEPTH_MAX ? directory_open(dirfd(d), e->d_name) : -1;
		empty = below != -1 && empty_directory(below, depth + 1, max) &&
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == 0;
		closefd(&below);
	}
	closedir(d);
	return empty;
}

/* A portion of what was removed. True: there is more of it. */
bool
index_remove_files(struct index *x)
{
	struct folder *inbox = index_folder_named(x, folder_role_name(FOLDER_INBOX));
	int tmp = inbox != NULL ? index_open_place(x, inbox, MAILDIR_TMP, O_RDONLY) : -1;
	DIR *d = tmp != -1 ? fdopendir(tmp) : NULL;
	int max = REMOVE_AT_ONCE;
	const struct dirent *e;

	if (d == NULL) {
		closefd(&tmp);
		return x->has_removed = false;
	}
	while (max > 0 && (e = readdir(d)) != NULL) {
		int fd;

		if (strncmp(e->d_name, removing_prefix, sizeof removing_prefix - 1) != 0)
			continue;
		fd = directory_open(tmp, e->d_name);
		if (fd != -1 && empty_directory(fd, 0, &max))
			(void)unlinkat(tmp, e->d_name, AT_REMOVEDIR);
		closefd(&fd);
	}
	closedir(d);
	return x->has_removed = max <= 0;
}
