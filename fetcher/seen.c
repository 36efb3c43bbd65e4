/* The seen-list's SQL. The only file that knows it. */
#include "fetcher/seen.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/sqlite_files.h"

enum { DAY_S = 86400, WHY_SIZE = 200 };
enum row_state { ROW_TAKEN, ROW_LARGE, ROW_LEFT }; /* as numbers in the SQL */

static const char schema[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -2000;"

    "CREATE TABLE IF NOT EXISTS seen ("
    " row INTEGER PRIMARY KEY, section TEXT NOT NULL, folder TEXT NOT NULL,"
    " validity INTEGER NOT NULL, id TEXT NOT NULL, size INTEGER NOT NULL, digest BLOB,"
    " state INTEGER NOT NULL, acted INTEGER NOT NULL, taken INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, real INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS seen_by_id ON seen (section, folder, validity, id);"
    "CREATE TABLE IF NOT EXISTS tokens ("
    " section TEXT PRIMARY KEY, configured TEXT NOT NULL, token TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS states ("
    " section TEXT PRIMARY KEY, settings BLOB NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS seen_by_digest ON seen (section, digest);";

enum statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_BY_ID,
	SQL_BY_DIGEST,
	SQL_INSERT,
	SQL_RENAME,
	SQL_ACTED,
	SQL_LISTED,
	SQL_PRUNE,
	SQL_FORGET,
	SQL_TOKEN,
	SQL_KEEP_TOKEN,
	SQL_STATE,
	SQL_KEEP_STATE,
	SQL_FORGET_STATE,
	STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_BY_ID] = "SELECT row, size, state, acted, taken, listed, real FROM seen"
		  " WHERE section = ?1 AND folder = ?2 AND validity = ?3 AND id = ?4"
		  " ORDER BY size = ?5 DESC, state = 1, real DESC, row",
    [SQL_BY_DIGEST] = "SELECT row, validity, id, size, state, acted, taken, listed FROM seen"
		      " WHERE section = ?1 AND digest = ?2 AND folder = ?3"
		      " ORDER BY validity = ?4 AND id = ?5 DESC, row",
    [SQL_INSERT] =
	"INSERT INTO seen"
	" (section, folder, validity, id, size, digest, state, acted, taken, listed, real)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?11)",
    [SQL_RENAME] = "UPDATE seen SET validity = ?3, id = ?4, size = ?5, listed = ?9"
		   " WHERE row = ?10 AND section = ?1",
    [SQL_ACTED] = "UPDATE seen SET acted = 1 WHERE row = ?10 AND section = ?1",
    [SQL_LISTED] = "UPDATE seen SET listed = ?9 WHERE row = ?10",
    [SQL_PRUNE] = "DELETE FROM seen WHERE section = ?1 AND listed < ?9",
    [SQL_FORGET] = "DELETE FROM seen WHERE section = ?1",
    [SQL_TOKEN] = "SELECT token FROM tokens WHERE section = ?1 AND configured = ?2",
    [SQL_KEEP_TOKEN] = "INSERT OR REPLACE INTO tokens (section, configured, token)"
		       " VALUES (?1, ?2, ?3)",
    [SQL_STATE] = "SELECT text, settings = ?2 FROM states WHERE section = ?1",
    [SQL_KEEP_STATE] = "INSERT OR REPLACE INTO states (section, settings, text)"
		       " VALUES (?1, ?2, ?3)",
    [SQL_FORGET_STATE] = "DELETE FROM states WHERE section = ?1",
};

struct seen {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	char why[WHY_SIZE];
};

/* ---- what is accounted for: a set of rows ---- */

struct seen_pass {
	int64_t *rows;	/* a hash table, 0: free */
	size_t size, n; /* size: a power of 2, or 0 */
};

struct seen_pass *
seen_pass_new(void)
{
	return xcalloc(1, sizeof(struct seen_pass));
}

void
seen_pass_free(struct seen_pass **p)
{
	if (*p != NULL)
		free((*p)->rows);
	free(*p);
	*p = NULL;
}

static int64_t *
place_of(const struct seen_pass *p, int64_t row)
{
	size_t at = (uint64_t)row * 0x9e3779b97f4a7c15u >> 20;

	for (;; at++) {
		int64_t *here = &p->rows[at & (p->size - 1)];

		if (*here == row || *here == 0)
			return here;
	}
}

static bool
is_accounted(const struct seen_pass *p, int64_t row)
{
	return p->size > 0 && *place_of(p, row) == row;
}

static void
account(struct seen_pass *p, int64_t row)
{
	struct seen_pass larger = {.size = p->size ? p->size * 2 : 64};

	if (p->n * 2 >= p->size) {
		larger.rows = xcalloc(larger.size, sizeof *larger.rows);
		for (size_t i = 0; i < p->size; i++)
			if (p->rows[i] != 0)
				*place_of(&larger, p->rows[i]) = p->rows[i];
		free(p->rows);
		p->rows = larger.rows;
		p->size = larger.size;
	}
	if (!is_accounted(p, row)) {
		*place_of(p, row) = row;
		p->n++;
	}
}

/* ---- statements ---- */

static int
fail(struct seen *s)
{
	snprintf(s->why, sizeof s->why, "%s", sqlite3_errmsg(s->db));
	return -1;
}

const char *
seen_why(const struct seen *s)
{
	return s->why;
}

/* 1: there is a row, 0: there is none (any more), -1. */
static int
step(struct seen *s, enum statement which)
{
	int rv = sqlite3_step(s->statements[which]);

	if (rv == SQLITE_ROW)
		return 1;
	if (rv != SQLITE_DONE)
		(void)fail(s);
	(void)sqlite3_reset(s->statements[which]);
	return rv == SQLITE_DONE ? 0 : -1;
}

static void
bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static sqlite3_stmt *
with_place(struct seen *s, enum statement which, const struct seen_place *at)
{
	sqlite3_stmt *st = s->statements[which];

	bind_text(st, 1, at->section);
	bind_text(st, 2, at->folder);
	sqlite3_bind_int64(st, 3, at->validity);
	return st;
}

/* ---- opening ---- */

/* Of a file that was made before there was this column. */
static int
add_column(struct seen *s)
{
	static const char text[] = "ALTER TABLE seen ADD COLUMN real INTEGER NOT NULL DEFAULT 0";

	if (sqlite3_table_column_metadata(
		s->db, NULL, "seen", "real", NULL, NULL, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int
prepare(struct seen *s)
{
	if (sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK || add_column(s) == -1)
		return -1;
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
			&s->statements[i], NULL) != SQLITE_OK)
			return -1;
	return 0;
}

struct seen *
seen_open(int directory, const char *name, const char **why)
{
	static char text[WHY_SIZE];
	char path[SQLITE_FILES_PATH_SIZE];
	struct seen *s = xcalloc(1, sizeof *s);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;

	sqlite_files_use();
	sqlite_files_path(directory, name, path);
	if (sqlite3_open_v2(path, &s->db, flags, "unix") == SQLITE_OK && prepare(s) == 0)
		return s;
	snprintf(text, sizeof text, "%s", s->db != NULL ? sqlite3_errmsg(s->db) : "out of memory");
	*why = text;
	seen_close(&s);
	return NULL;
}

void
seen_close(struct seen **sp)
{
	struct seen *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	for (size_t i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(s->statements[i]);
	(void)sqlite3_close(s->db);
	free(s);
}

/* ---- what is listed ---- */

/* A row as SQL_BY_ID gives it. */
struct row {
	int64_t row;
	uint64_t size, taken, listed;
	uint64_t real; /* LARGE: at least, however much less is listed; else 0 */
	enum row_state state;
	bool acted;
};

static bool
is_due(const struct seen_policy *policy, bool acted, uint64_t taken)
{
	return policy->acts && !acted && taken <= policy->now_s &&
	       policy->now_s - taken >= policy->act_after_s;
}

/* The row knows that it was listed: to the day is near enough. */
static bool
is_fresh(const struct seen_policy *policy, uint64_t listed)
{
	return listed / DAY_S == policy->now_s / DAY_S;
}

/* 1: *out is the first that is not accounted for. */
static int
find_by_id(struct seen *s, const struct seen_pass *p, const struct seen_place *at,
    const struct seen_listed *m, struct row *out)
{
	sqlite3_stmt *st = with_place(s, SQL_BY_ID, at);
	int rv;

	bind_text(st, 4, m->id);
	sqlite3_bind_int64(st, 5, m->size);
	while ((rv = step(s, SQL_BY_ID)) == 1) {
		out->row = sqlite3_column_int64(st, 0);
		out->size = sqlite3_column_int64(st, 1);
		out->state = sqlite3_column_int(st, 2);
		out->acted = sqlite3_column_int(st, 3) != 0;
		out->taken = sqlite3_column_int64(st, 4);
		out->listed = sqlite3_column_int64(st, 5);
		out->real = sqlite3_column_int64(st, 6);
		if (is_accounted(p, out->row))
			continue;
		(void)sqlite3_reset(st);
		return 1;
	}
	return rv;
}

static int
note_listed(struct seen *s, const struct row *row, const struct seen_policy *policy)
{
	sqlite3_stmt *st = s->statements[SQL_LISTED];

	if (policy->look_only || is_fresh(policy, row->listed))
		return 0;
	sqlite3_bind_int64(st, 9, policy->now_s);
	sqlite3_bind_int64(st, 10, row->row);
	return step(s, SQL_LISTED);
}

static int
insert(struct seen *s, const struct seen_place *at, const char *id, uint64_t size, uint64_t real,
    const unsigned char *digest, enum row_state state, uint64_t now_s, int64_t *row)
{
	sqlite3_stmt *st = with_place(s, SQL_INSERT, at);

	bind_text(st, 4, id);
	sqlite3_bind_int64(st, 5, size);
	if (digest != NULL)
		sqlite3_bind_blob(st, 6, digest, FETCH_DIGEST_BYTES, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, 6);
	sqlite3_bind_int(st, 7, state);
	sqlite3_bind_int64(st, 8, now_s);
	sqlite3_bind_int64(st, 9, now_s);
	sqlite3_bind_int64(st, 11, real);
	if (step(s, SQL_INSERT) == -1)
		return -1;
	*row = sqlite3_last_insert_rowid(s->db);
	return 0;
}

/* Larger than what is taken: a row says that this was reported. */
static int
list_large(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, struct seen_listed *m)
{
	struct row row;
	int rv = m->id[0] != '\0' ? find_by_id(s, p, at, m, &row) : 0;

	m->want = FETCH_LARGE;
	if (rv == -1)
		return -1;
	if (policy->look_only)
		return 0;
	m->reported = rv == 0;
	if (rv == 0 && m->id[0] != '\0' &&
	    insert(s, at, m->id, m->size, 0, NULL, ROW_LARGE, policy->now_s, &row.row) == -1)
		return -1;
	if (m->id[0] != '\0')
		account(p, row.row);
	return rv == 1 ? note_listed(s, &row, policy) : 0;
}

static int
list_one(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, struct seen_listed *m)
{
	struct row row;
	int rv;

	m->want = FETCH_GET;
	m->reported = false;
	if (m->size > policy->max_size)
		return list_large(s, p, at, policy, m);
	if (m->id[0] == '\0')
		return 0;
	rv = find_by_id(s, p, at, m, &row);
	if (rv != 1)
		return rv;
	if (row.state == ROW_LARGE && row.size == m->size && row.real > policy->max_size)
		m->want = FETCH_LARGE;
	else if (row.state == ROW_LARGE || row.size != m->size)
		return 0;
	/* What is to be deleted must be shown to be what it was. */
	if (row.state == ROW_TAKEN && is_due(policy, row.acted, row.taken))
		return 0;
	if (m->want != FETCH_LARGE)
		m->want = FETCH_SKIP;
	account(p, row.row);
	return note_listed(s, &row, policy);
}

static int
end_transaction(struct seen *s, int rv)
{
	if (rv == 0)
		rv = step(s, SQL_COMMIT);
	if (rv == -1) {
		char why[WHY_SIZE];

		memcpy(why, s->why, sizeof why);
		(void)step(s, SQL_ROLLBACK);
		memcpy(s->why, why, sizeof why);
	}
	return rv;
}

int
seen_list(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, struct seen_listed *listed, size_t n)
{
	int rv = step(s, SQL_BEGIN);

	if (rv == -1)
		return -1;
	for (size_t i = 0; i < n && rv == 0; i++)
		rv = list_one(s, p, at, policy, &listed[i]);
	return end_transaction(s, rv);
}

/* ---- what was had ---- */

static void
describe_found(struct seen_found *found, sqlite3_stmt *st, const struct seen_place *at,
    const struct seen_policy *policy, const char *id, uint64_t size)
{
	const char *its_id = (const char *)sqlite3_column_text(st, 2);

	found->row = sqlite3_column_int64(st, 0);
	found->same = sqlite3_column_int64(st, 1) == at->validity && its_id != NULL &&
		      strcmp(its_id, id) == 0 && (uint64_t)sqlite3_column_int64(st, 3) == size &&
		      is_fresh(policy, sqlite3_column_int64(st, 7));
	found->refused = sqlite3_column_int(st, 4) == ROW_LEFT;
	found->act = !found->refused &&
		     is_due(policy, sqlite3_column_int(st, 5) != 0, sqlite3_column_int64(st, 6));
}

int
seen_find(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, const char *id, uint64_t size,
    const unsigned char digest[FETCH_DIGEST_BYTES], struct seen_found *found)
{
	sqlite3_stmt *st = s->statements[SQL_BY_DIGEST];
	int rv;

	*found = (struct seen_found){.row = 0};
	bind_text(st, 1, at->section);
	sqlite3_bind_blob(st, 2, digest, FETCH_DIGEST_BYTES, SQLITE_STATIC);
	bind_text(st, 3, at->folder);
	sqlite3_bind_int64(st, 4, at->validity);
	bind_text(st, 5, id);
	while ((rv = step(s, SQL_BY_DIGEST)) == 1) {
		if (is_accounted(p, sqlite3_column_int64(st, 0)))
			continue;
		describe_found(found, st, at, policy, id, size);
		(void)sqlite3_reset(st);
		account(p, found->row);
		return 0;
	}
	return rv;
}

/* ---- changes ---- */

static int
change_row(struct seen *s, enum statement which, const struct seen_change *c, uint64_t now_s)
{
	sqlite3_stmt *st = s->statements[which];

	bind_text(st, 1, c->at.section);
	if (which == SQL_RENAME) {
		sqlite3_bind_int64(st, 3, c->at.validity);
		bind_text(st, 4, c->id);
		sqlite3_bind_int64(st, 5, c->size);
		sqlite3_bind_int64(st, 9, now_s);
	}
	sqlite3_bind_int64(st, 10, c->row);
	return step(s, which);
}

static int
record_one(struct seen *s, struct seen_change *c, uint64_t now_s)
{
	switch (c->what) {
	case SEEN_RENAMED:
		return change_row(s, SQL_RENAME, c, now_s);
	case SEEN_ACTED:
		return change_row(s, SQL_ACTED, c, now_s);
	case SEEN_OVERSIZE:
		return insert(s, &c->at, c->id, c->size, c->real, NULL, ROW_LARGE, now_s, &c->row);
	default:
		return insert(s, &c->at, c->id, c->size, 0, c->digest,
		    c->what == SEEN_TAKEN ? ROW_TAKEN : ROW_LEFT, now_s, &c->row);
	}
}

int
seen_record(struct seen *s, struct seen_change *const *changes, size_t n, uint64_t now_s)
{
	int rv = step(s, SQL_BEGIN);

	if (rv == -1)
		return -1;
	for (size_t i = 0; i < n && rv == 0; i++)
		rv = record_one(s, changes[i], now_s);
	rv = end_transaction(s, rv);
	for (size_t i = 0; i < n && rv == 0; i++)
		if (changes[i]->pass != NULL)
			account(changes[i]->pass, changes[i]->row);
	return rv;
}

int
seen_prune(struct seen *s, const char *section, uint64_t now_s)
{
	if (now_s < SEEN_FORGET_S)
		return 0;
	bind_text(s->statements[SQL_PRUNE], 1, section);
	sqlite3_bind_int64(s->statements[SQL_PRUNE], 9, now_s - SEEN_FORGET_S);
	return step(s, SQL_PRUNE);
}

int
seen_forget(struct seen *s, const char *section, uint64_t *n)
{
	int rv = step(s, SQL_BEGIN);

	if (rv == -1)
		return -1;
	bind_text(s->statements[SQL_FORGET], 1, section);
	bind_text(s->statements[SQL_FORGET_STATE], 1, section);
	rv = step(s, SQL_FORGET);
	*n = sqlite3_changes(s->db);
	if (rv == 0)
		rv = step(s, SQL_FORGET_STATE);
	return end_transaction(s, rv);
}

/* ---- the state of sections ---- */

char *
seen_state(struct seen *s, const char *section, const unsigned char settings[FETCH_DIGEST_BYTES],
    bool *same)
{
	sqlite3_stmt *st = s->statements[SQL_STATE];
	const char *text = NULL;
	char *copy;

	bind_text(st, 1, section);
	sqlite3_bind_blob(st, 2, settings, FETCH_DIGEST_BYTES, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(st, 0);
	copy = text != NULL ? xstrdup(text) : NULL;
	*same = text != NULL && sqlite3_column_int(st, 1) != 0;
	(void)sqlite3_reset(st);
	return copy;
}

int
seen_keep_state(struct seen *s, const char *section,
    const unsigned char settings[FETCH_DIGEST_BYTES], const char *text)
{
	sqlite3_stmt *st = s->statements[SQL_KEEP_STATE];

	bind_text(st, 1, section);
	sqlite3_bind_blob(st, 2, settings, FETCH_DIGEST_BYTES, SQLITE_STATIC);
	bind_text(st, 3, text);
	return step(s, SQL_KEEP_STATE);
}

/* ---- refresh tokens ---- */

void
seen_token(struct seen *s, const char *section, const char *configured,
    char out[FETCH_CREDENTIAL_MAX_BYTES + 1])
{
	sqlite3_stmt *st = s->statements[SQL_TOKEN];
	const char *kept = NULL;

	bind_text(st, 1, section);
	bind_text(st, 2, configured);
	if (sqlite3_step(st) == SQLITE_ROW)
		kept = (const char *)sqlite3_column_text(st, 0);
	strlcpy(out, kept != NULL ? kept : configured, FETCH_CREDENTIAL_MAX_BYTES + 1);
	(void)sqlite3_reset(st);
}

int
seen_keep_token(struct seen *s, const char *section, const char *configured, const char *token)
{
	sqlite3_stmt *st = s->statements[SQL_KEEP_TOKEN];

	bind_text(st, 1, section);
	bind_text(st, 2, configured);
	bind_text(st, 3, token);
	return step(s, SQL_KEEP_TOKEN);
}
