/*
 * RENAME: a folder and those below it get other directories, each by one rename; what a killed
 * store has begun is finished.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/index_folders.h"

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
		q->refusal = index_refusal_of(error);
	else if (subscriptions_save(x) == -1)
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
