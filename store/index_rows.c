/*
 * One message of index.db comes, goes or changes: counts of its folder, its thread and the
 * modification sequences follow here and nowhere else.
 */
#include <string.h>

#include "common/memory.h"
#include "store/index.h"

enum { VANISHED_KEPT = 20000, VANISHED_LOOK_EVERY = 1000 };

/* ---- reading ---- */

static void
copy_blob(sqlite3_stmt *st, int column, char *out, size_t size)
{
	const void *bytes = sqlite3_column_blob(st, column);
	size_t len = sqlite3_column_bytes(st, column);

	if (!span_copy((struct span){bytes != NULL ? bytes : "", len}, out, size))
		out[0] = '\0';
}

void
row_read(sqlite3_stmt *st, struct message *m)
{
	m->id = sqlite3_column_int64(st, 0);
	m->text = sqlite3_column_int64(st, 1);
	m->folder = sqlite3_column_int64(st, 2);
	m->uid = sqlite3_column_int64(st, 3);
	m->size = sqlite3_column_int64(st, 4);
	m->arrival = sqlite3_column_int64(st, 5);
	m->modseq = sqlite3_column_int64(st, 6);
	m->date = sqlite3_column_int64(st, 7);
	m->thread = sqlite3_column_int64(st, 8);
	m->flags = sqlite3_column_int(st, 9);
	m->keywords = sqlite3_column_int64(st, 10);
	m->place = sqlite3_column_int(st, 11) == MAILDIR_NEW ? MAILDIR_NEW : MAILDIR_CUR;
	m->top = sqlite3_column_int(st, 12);
	copy_blob(st, 13, m->base, sizeof m->base);
	copy_blob(st, 14, m->tail, sizeof m->tail);
}

static bool
read_one(struct index *x, sqlite3_stmt *st, struct message *m)
{
	if (!index_step(x, st))
		return false;
	row_read(st, m);
	(void)sqlite3_reset(st);
	return true;
}

bool
row_by_uid(struct index *x, const struct folder *f, uint64_t uid, struct message *m)
{
	sqlite3_stmt *st = index_sql(x, SQL_BY_UID);

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, uid);
	return read_one(x, st, m);
}

bool
row_by_base(struct index *x, const struct folder *f, struct span base, struct message *m)
{
	sqlite3_stmt *st = index_sql(x, SQL_BY_BASE);

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_blob(st, 2, base.at, base.len, SQLITE_STATIC);
	return read_one(x, st, m);
}

bool
row_by_id(struct index *x, int64_t id, struct message *m)
{
	sqlite3_stmt *st = index_sql(x, SQL_BY_ID);

	sqlite3_bind_int64(st, 1, id);
	return read_one(x, st, m);
}

/* ---- counts ---- */

static bool
is_unread(const struct message *m)
{
	return (m->flags & FLAG_SEEN) == 0;
}

static void
count(struct folder *f, const struct message *m, int sign)
{
	f->total += sign;
	f->bytes += sign * (int64_t)m->size;
	f->unread += is_unread(m) ? sign : 0;
	f->changed = true;
	labels_count(f, m, sign);
}

static uint64_t
next_modseq(struct folder *f)
{
	f->changed = true;
	return ++f->modseq;
}

/* The oldest are forgotten: who asks for changes since then views anew. */
static void
forget_vanished(struct index *x, struct folder *f)
{
	sqlite3_stmt *st = index_sql(x, SQL_OLDEST_VANISHED);
	uint64_t modseq;

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, VANISHED_KEPT);
	if (!index_step(x, st))
		return;
	modseq = sqlite3_column_int64(st, 0);
	st = index_sql(x, SQL_FORGET_VANISHED);
	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, modseq);
	(void)index_run(x, st);
	f->forgotten = modseq;
}

static void
vanish(struct index *x, struct folder *f, uint64_t uid)
{
	uint64_t modseq = next_modseq(f);
	sqlite3_stmt *st = index_sql(x, SQL_VANISH);

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, modseq);
	sqlite3_bind_int64(st, 3, uid);
	(void)index_run(x, st);
	if (modseq % VANISHED_LOOK_EVERY == 0)
		forget_vanished(x, f);
}

/* ---- coming ---- */

/* like: a message with the same contents, or 0. */
static void
insert(struct index *x, struct folder *f, struct message *m, int64_t like)
{
	sqlite3_stmt *st = index_sql(x, SQL_INSERT);

	m->id = ++x->last_message;
	m->folder = f->id;
	m->uid = f->uid_next++;
	m->modseq = next_modseq(f);
	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, m->uid);
	sqlite3_bind_int64(st, 3, m->modseq);
	sqlite3_bind_int64(st, 4, m->arrival);
	sqlite3_bind_int64(st, 5, m->size);
	sqlite3_bind_int(st, 6, m->flags);
	sqlite3_bind_int64(st, 7, m->keywords);
	sqlite3_bind_int(st, 8, like == 0);
	sqlite3_bind_int(st, 9, index_is_shown(f));
	sqlite3_bind_int(st, 10, m->place);
	sqlite3_bind_blob(st, 11, m->base, strlen(m->base), SQLITE_STATIC);
	sqlite3_bind_blob(st, 12, m->tail, strlen(m->tail), SQLITE_STATIC);
	sqlite3_bind_int64(st, 13, like);
	sqlite3_bind_int64(st, 14, m->id);
	(void)index_run(x, st);
	count(f, m, 1);
}

/* Alone in its thread until it is known what it answers. The thread's number is the message's. */
void
row_insert(struct index *x, struct folder *f, struct message *m)
{
	insert(x, f, m, 0);
	m->date = m->arrival;
	m->thread = m->id;
	m->text = 0;
	m->top = true;
}

void
row_copy(struct index *x, struct folder *to, const struct message *old, struct message *m)
{
	insert(x, to, m, old->id);
	m->date = old->date;
	m->text = old->text;
	m->thread = old->text != 0 ? old->thread : m->id;
	m->top = false;
	thread_enter(x, m);
}

/* ---- going and changing ---- */

void
row_delete(struct index *x, struct folder *f, const struct message *m)
{
	sqlite3_stmt *st = index_sql(x, SQL_DELETE);

	sqlite3_bind_int64(st, 1, m->id);
	(void)index_run(x, st);
	count(f, m, -1);
	vanish(x, f, m->uid);
	if (m->top)
		thread_leave(x, m);
	thread_forget_if_empty(x, m->thread);
	text_release(x, m->text);
}

void
row_change(struct index *x, struct folder *f, const struct message *old, struct message *m)
{
	bool silent = m->flags == old->flags && m->keywords == old->keywords;
	sqlite3_stmt *st = index_sql(x, SQL_CHANGE);

	/* A file that is called otherwise is no change to those who look at it. */
	if (!silent)
		m->modseq = next_modseq(f);
	sqlite3_bind_int64(st, 1, m->id);
	sqlite3_bind_int64(st, 2, m->modseq);
	sqlite3_bind_int(st, 3, m->flags);
	sqlite3_bind_int64(st, 4, m->keywords);
	sqlite3_bind_int(st, 5, m->place);
	sqlite3_bind_blob(st, 6, m->tail, strlen(m->tail), SQLITE_STATIC);
	(void)index_run(x, st);
	if (silent)
		return;
	f->unread += is_unread(m) - is_unread(old);
	labels_count(f, old, -1);
	labels_count(f, m, 1);
}

void
row_move(struct index *x, struct folder *from, struct folder *to, const struct message *old,
    struct message *m)
{
	sqlite3_stmt *st = index_sql(x, SQL_MOVE);

	m->folder = to->id;
	m->uid = to->uid_next++;
	m->modseq = next_modseq(to);
	sqlite3_bind_int64(st, 1, m->id);
	sqlite3_bind_int64(st, 2, to->id);
	sqlite3_bind_int64(st, 3, m->uid);
	sqlite3_bind_int64(st, 4, m->modseq);
	sqlite3_bind_int64(st, 5, m->keywords);
	sqlite3_bind_int(st, 6, m->place);
	sqlite3_bind_blob(st, 7, m->base, strlen(m->base), SQLITE_STATIC);
	sqlite3_bind_blob(st, 8, m->tail, strlen(m->tail), SQLITE_STATIC);
	sqlite3_bind_int(st, 9, index_is_shown(to));
	sqlite3_bind_int(st, 10, m->flags);
	(void)index_run(x, st);
	count(from, old, -1);
	count(to, m, 1);
	vanish(x, from, old->uid);
	if (old->top)
		thread_leave(x, old);
	m->top = false;
	thread_enter(x, m);
}
