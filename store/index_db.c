/*
 * The database of an index: opening, making anew what is of no use, and the one way to run a
 * statement. Touches index.db and its companions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/sqlite_files.h"
#include "store/index.h"

enum {
	BUSY_MS = 3000,	 /* an earlier store may be about to end */
	PATIENCE_S = 20, /* for one statement: then it is too much */
	BOOT_SLACK_S = 60,
	SKIPPED_UIDS = 100000,
	SKIPPED_MODSEQS = 10000000,
	OPERATIONS_PER_LOOK = 1000000
};

static const char db_name[] = "index.db";
static const char *const all_names[] = {
    "index.db", "index.db-wal", "index.db-shm", "index.db-journal"};

/* ---- statements ---- */

/* A file that cannot be opened for want of descriptors or memory is as good as before. */
static bool
is_want(struct index *x)
{
	int error = x->db != NULL ? sqlite3_system_errno(x->db) : 0;

	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

bool
index_failed(struct index *x, int error)
{
	if (x->error != SQLITE_OK)
		return false;
	x->error = error & 0xff;
	if ((x->error == SQLITE_CANTOPEN || x->error == SQLITE_IOERR) && is_want(x))
		x->error = SQLITE_NOMEM;
	return false;
}

sqlite3_stmt *
index_sql(struct index *x, enum index_sql which)
{
	sqlite3_stmt **st = &x->statements[which];

	if (*st == NULL && x->db != NULL) {
		int rv = sqlite3_prepare_v3(
		    x->db, index_sql_texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);

		if (rv != SQLITE_OK)
			(void)index_failed(x, rv);
	}
	if (*st != NULL) {
		(void)sqlite3_reset(*st);
		(void)sqlite3_clear_bindings(*st);
	}
	return *st;
}

sqlite3_stmt *
index_prepare(struct index *x, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int rv = sql != NULL ? sqlite3_prepare_v2(x->db, sql, -1, &st, NULL) : SQLITE_NOMEM;

	if (rv != SQLITE_OK)
		(void)index_failed(x, rv);
	return st;
}

bool
index_step(struct index *x, sqlite3_stmt *st)
{
	int rv = x->error != SQLITE_OK || st == NULL ? SQLITE_DONE : sqlite3_step(st);

	if (rv == SQLITE_ROW)
		return true;
	if (st != NULL)
		(void)sqlite3_reset(st);
	if (rv != SQLITE_DONE)
		(void)index_failed(x, rv);
	return false;
}

bool
index_run(struct index *x, sqlite3_stmt *st)
{
	while (index_step(x, st))
		;
	return x->error == SQLITE_OK;
}

bool
index_begin(struct index *x)
{
	sqlite3_stmt *st;

	x->error = SQLITE_OK;
	if (!index_run(x, index_sql(x, SQL_BEGIN)))
		return false;
	st = index_sql(x, SQL_LAST_MESSAGE);
	x->last_message = 0;
	if (index_step(x, st)) {
		x->last_message = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return x->error == SQLITE_OK;
}

bool
index_commit(struct index *x)
{
	return index_save_folders(x) && index_run(x, index_sql(x, SQL_COMMIT));
}

/* What is kept in memory is read again. */
void
index_rollback(struct index *x)
{
	int error = x->error;

	x->error = SQLITE_OK;
	if (x->db != NULL && !sqlite3_get_autocommit(x->db))
		(void)index_run(x, index_sql(x, SQL_ROLLBACK));
	x->error = error;
}

uint64_t
index_meta(struct index *x, const char *key, uint64_t missing)
{
	sqlite3_stmt *st = index_sql(x, SQL_META);

	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (index_step(x, st)) {
		missing = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return missing;
}

void
index_set_meta(struct index *x, const char *key, uint64_t value)
{
	sqlite3_stmt *st = index_sql(x, SQL_SET_META);

	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, value);
	(void)index_run(x, st);
}

/* ---- opening ---- */

static time_t
seconds_of(clockid_t clock)
{
	struct timespec now;

	return clock_gettime(clock, &now) == 0 ? now.tv_sec : 0;
}

/* Gives up what takes longer than anything sensible, so that others get their turn. */
static int
look_at_clock(void *arg)
{
	const time_t *until = arg;

	return seconds_of(CLOCK_MONOTONIC) > *until;
}

void
index_be_patient(struct index *x)
{
	static _Thread_local time_t until;

	until = seconds_of(CLOCK_MONOTONIC) + PATIENCE_S;
	sqlite3_progress_handler(x->db, OPERATIONS_PER_LOOK, look_at_clock, &until);
}

static uint64_t
stored_version(struct index *x)
{
	sqlite3_stmt *st = NULL;
	uint64_t version = 0;
	int rv = sqlite3_prepare_v2(x->db, "PRAGMA user_version", -1, &st, NULL);

	if (rv != SQLITE_OK)
		(void)index_failed(x, rv);
	else if (index_step(x, st))
		version = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return version;
}

static bool
execute(struct index *x, const char *sql)
{
	int rv = sqlite3_exec(x->db, sql, NULL, NULL, NULL);

	return rv == SQLITE_OK || index_failed(x, rv);
}

/* The ids of folders start at the clock, so that nobody takes a folder of an earlier database for
 * another of this one. */
static bool
make_tables(struct index *x)
{
	char text[128];

	snprintf(text, sizeof text,
	    "INSERT INTO sqlite_sequence (name, seq) VALUES ('folders', %lld)",
	    (long long)index_now_ms() * 100);
	if (!execute(x, "BEGIN") || !execute(x, index_sql_schema) || !execute(x, text))
		return false;
	snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", INDEX_VERSION);
	return execute(x, text);
}

/*
 * After a power cut the last transactions may be missing: numbers that were given away in them are
 * skipped. That the machine was restarted is seen by the time at which it was.
 */
static void
skip_lost_numbers(struct index *x)
{
	uint64_t boot = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME);
	uint64_t before = index_meta(x, "boot", 0);
	uint64_t distance = before > boot ? before - boot : boot - before;

	if (distance <= BOOT_SLACK_S)
		return;
	index_set_meta(x, "boot", boot);
	for (size_t i = 0; before != 0 && i < x->n_folders; i++) {
		struct folder *f = x->folders[i];

		f->uid_next += SKIPPED_UIDS;
		f->modseq += SKIPPED_MODSEQS;
		f->forgotten = f->modseq; /* what was told of later ones is lost */
		f->settled = false;
		f->changed = true;
	}
}

static bool
try_open(struct index *x)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	char path[SQLITE_FILES_PATH_SIZE];
	uint64_t version;
	int rv;

	x->error = SQLITE_OK;
	x->prepared = false;
	arc4random_buf(&x->made, sizeof x->made);
	sqlite_files_path(x->directory, db_name, path);
	rv = sqlite3_open_v2(path, &x->db, flags, "unix");
	if (rv != SQLITE_OK)
		return index_failed(x, rv);
	sqlite3_busy_timeout(x->db, BUSY_MS);
	(void)sqlite3_db_config(x->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if ((rv = matches_prepare(x)) != SQLITE_OK)
		return index_failed(x, rv);
	if (!execute(x, index_sql_settings))
		return false;
	version = stored_version(x);
	if (x->error != SQLITE_OK)
		return false;
	if (version == 0 && !make_tables(x))
		return false;
	if (version != 0 && version != INDEX_VERSION)
		return index_failed(x, SQLITE_CORRUPT);
	if (!index_begin(x) || !index_load_folders(x))
		return false;
	skip_lost_numbers(x);
	x->last_validity = index_meta(x, "validity", 0);
	x->texts_dead = index_meta(x, "dead", 0);
	x->texts_alive = index_meta(x, "alive", 0);
	return index_commit(x);
}

/* Others' locks, a full disk or memory are no reason to throw it away. */
static bool
is_of_no_use(int error)
{
	return error == SQLITE_CORRUPT || error == SQLITE_NOTADB || error == SQLITE_ERROR ||
	       error == SQLITE_SCHEMA || error == SQLITE_CONSTRAINT || error == SQLITE_MISMATCH ||
	       error == SQLITE_CANTOPEN || error == SQLITE_IOERR;
}

static void
remove_database(struct index *x)
{
	for (size_t i = 0; i < nitems(all_names); i++)
		if (unlinkat(x->directory, all_names[i], 0) == -1 && errno == EISDIR)
			(void)unlinkat(x->directory, all_names[i], AT_REMOVEDIR);
}

static void
close_database(struct index *x)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++) {
		(void)sqlite3_finalize(x->statements[i]);
		x->statements[i] = NULL;
	}
	(void)sqlite3_close_v2(x->db);
	x->db = NULL;
}

int
index_open(struct index *x)
{
	if (x->db != NULL && is_of_no_use(x->error)) {
		/* It was found to be so by the last request. */
		index_close(x);
		remove_database(x);
	}
	if (x->db != NULL)
		return 0;
	if (try_open(x))
		return 0;
	index_close(x);
	if (!is_of_no_use(x->error))
		return -1;
	remove_database(x);
	if (try_open(x))
		return 0;
	index_close(x);
	return -1;
}

void
index_close(struct index *x)
{
	int error = x->error;

	index_rollback(x);
	close_database(x);
	index_drop_scan(x);
	index_forget_folders(x);
	x->error = error;
}

/* ---- life ---- */

struct index *
index_new(int directory, const char *host)
{
	struct index *x = xcalloc(1, sizeof *x);

	x->directory = directory;
	strlcpy(x->host, host, sizeof x->host);
	return x;
}

void
index_free(struct index **xp)
{
	struct index *x = *xp;

	if (x == NULL)
		return;
	*xp = NULL;
	index_close(x);
	closefd(&x->directory);
	free(x->folders);
	free(x->gone);
	free(x);
}
