/*
 * Views: which messages, in which order, and their rows. Reads index.db only. A view without an
 * expression walks the index of its order and looks at the rows that it shows and at no other.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "store/index.h"

enum {
	ROW_MAX_BYTES = 6000, /* of one row in a message */
	CHANGES_MAX = 1000,
	GONE_MAX = 5000,
	THREAD_MAX = 1000,
	FOUND_MAX = 1000000
};

const char *
index_order_column(enum folders_order order)
{
	static const char *const columns[] = {
	    [ORDER_ARRIVAL] = "arrival",
	    [ORDER_DATE] = "date",
	    [ORDER_FROM] = "from_key",
	    [ORDER_SUBJECT] = "subject_key",
	    [ORDER_SIZE] = "size",
	};

	return columns[order];
}

/* ---- rows ---- */

struct rows {
	struct reply *reply;
	struct writer w;
	bool open;
};

static void
end_rows(struct rows *rows)
{
	if (rows->open)
		(void)reply_add(rows->reply, &rows->w, -1);
	rows->open = false;
}

static void
put_column(struct writer *w, sqlite3_stmt *st, int column, size_t max)
{
	const void *text = sqlite3_column_blob(st, column);
	size_t len = text != NULL ? sqlite3_column_bytes(st, column) : 0;

	put_str(w, (struct span){text, len < max ? len : max});
}

static void
put_keywords(struct index *x, struct writer *w, uint64_t folder, uint32_t bits)
{
	struct folder *f = index_folder(x, folder);
	char text[FOLDERS_KEYWORDS_MAX * (FOLDERS_KEYWORD_MAX_BYTES + 1) + 1] = "";

	if (f == NULL || bits == 0 || !keywords_load(x, f))
		f = NULL;
	for (int i = 0; f != NULL && i < FOLDERS_KEYWORDS_MAX; i++)
		if ((bits & 1u << i) && f->keywords.names[i][0] != '\0') {
			if (text[0] != '\0')
				strlcat(text, " ", sizeof text);
			strlcat(text, f->keywords.names[i], sizeof text);
		}
	put_text(w, text);
}

static void
count_thread(struct index *x, int64_t thread, uint64_t folder, uint64_t *total, uint64_t *unread)
{
	sqlite3_stmt *st = index_sql(x, SQL_COUNT_THREAD);

	*total = *unread = 0;
	sqlite3_bind_int64(st, 1, thread);
	sqlite3_bind_int64(st, 2, folder);
	if (!index_step(x, st))
		return;
	*total = sqlite3_column_int64(st, 0);
	*unread = sqlite3_column_int64(st, 1);
	(void)sqlite3_reset(st);
}

/* st has SQL_ROW_COLUMNS. */
static void
put_row(struct index *x, struct rows *rows, sqlite3_stmt *st, bool threads)
{
	struct writer *w = &rows->w;
	uint64_t total = 0, unread = 0;

	if (rows->open && put_room(w) < ROW_MAX_BYTES)
		end_rows(rows);
	if (!rows->open)
		reply_begin(w, FOLDERS_ROW);
	rows->open = true;
	if (threads)
		count_thread(
		    x, sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 0), &total, &unread);
	for (int i = 0; i < 5; i++) /* folder, uid, thread, modseq, flags */
		put_u64(w, sqlite3_column_int64(st, i));
	put_u64(w, sqlite3_column_int(st, 5) != 0);
	put_u64(w, sqlite3_column_int64(st, 6) != 0);
	for (int i = 7; i < 10; i++) /* size, arrival, date */
		put_u64(w, sqlite3_column_int64(st, i));
	put_column(w, st, 10, FOLDERS_FROM_MAX_BYTES);
	put_column(w, st, 11, FOLDERS_TO_MAX_BYTES);
	put_column(w, st, 12, FOLDERS_SUBJECT_MAX_BYTES);
	put_column(w, st, 13, FOLDERS_PREVIEW_MAX_BYTES);
	put_column(w, st, 14, FOLDERS_MESSAGE_ID_MAX_BYTES);
	put_keywords(x, w, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 15));
	put_u64(w, total);
	put_u64(w, unread);
}

static void
put_all_rows(struct index *x, struct index_request *q, sqlite3_stmt *st, bool threads)
{
	struct rows rows = {.reply = &q->reply};

	while (index_step(x, st))
		put_row(x, &rows, st, threads);
	end_rows(&rows);
}

/* ---- VIEW without an expression ---- */

/* The ids of a page, from the index of the order alone, then their rows. */
char *
index_view_sql(bool all, bool threads, enum folders_order order, bool descending)
{
	const char *column = index_order_column(order), *way = descending ? "DESC" : "ASC";
	char *inner = all ? sqlite3_mprintf("SELECT id AS i FROM messages WHERE shown = 1"
					    " ORDER BY %s %s, id %s LIMIT ?2 OFFSET ?3",
				column, way, way)
			  : sqlite3_mprintf("SELECT id AS i FROM messages WHERE folder = ?1%s"
					    " ORDER BY %s %s, uid %s LIMIT ?2 OFFSET ?3",
				threads ? " AND top = 1" : "", column, way, way);
	char *sql = inner == NULL ? NULL
				  : sqlite3_mprintf("SELECT " SQL_ROW_COLUMNS " FROM (%s)"
						    " CROSS JOIN messages m ON m.id = i"
						    " LEFT JOIN texts t ON t.id = m.text"
						    " ORDER BY m.%s %s, m.uid %s",
					inner, column, way, way);

	sqlite3_free(inner);
	return sql;
}

static uint64_t
count_tops(struct index *x, const struct folder *f)
{
	sqlite3_stmt *st = index_sql(x, SQL_COUNT_TOPS);
	uint64_t n = 0;

	sqlite3_bind_int64(st, 1, f->id);
	if (index_step(x, st)) {
		n = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return n;
}

static uint64_t
count_all(const struct index *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->n_folders; i++)
		n += index_is_shown(x->folders[i]) ? x->folders[i]->total : 0;
	return n;
}

static void
view_all(struct index *x, struct index_request *q, const struct view *v)
{
	char *sql = index_view_sql(v->folder == NULL, v->threads, v->order, v->descending);
	sqlite3_stmt *st = index_prepare(x, sql);

	sqlite3_free(sql);
	if (v->folder == NULL)
		q->number = count_all(x);
	else
		q->number = v->threads ? count_tops(x, v->folder) : v->folder->total;
	if (st == NULL)
		return;
	if (v->folder != NULL)
		sqlite3_bind_int64(st, 1, v->folder->id);
	sqlite3_bind_int64(st, 2, v->limit);
	sqlite3_bind_int64(st, 3, v->offset);
	put_all_rows(x, q, st, v->threads);
	(void)sqlite3_finalize(st);
}

/* ---- VIEW with one ---- */

struct page {
	struct index *index;
	struct rows rows;
	bool threads;
};

static void
put_match(void *arg, int64_t id)
{
	struct page *p = arg;
	sqlite3_stmt *st = index_sql(p->index, SQL_ROW_BY_ID);

	sqlite3_bind_int64(st, 1, id);
	if (!index_step(p->index, st))
		return;
	put_row(p->index, &p->rows, st, p->threads);
	(void)sqlite3_reset(st);
}

static void
view_matches(struct index *x, struct index_request *q, const struct view *v, struct find_sql *find)
{
	struct page page = {x, {.reply = &q->reply}, v->threads};

	q->number = matches_view(x, v, find, put_match, &page);
	end_rows(&page.rows);
}

/* The folder of a request that may be about all: false when there is none with this id. */
static bool
folder_or_all(struct index *x, struct index_request *q, uint64_t id, struct folder **f)
{
	*f = id != 0 ? index_folder(x, id) : NULL;
	if (id == 0 || *f != NULL)
		return true;
	q->refusal = FOLDERS_NO_FOLDER;
	return false;
}

void
index_view(struct index *x, struct index_request *q)
{
	struct reader *r = &q->fields;
	uint64_t id = get_u64(r);
	struct view v = {.order = get_u64(r)};
	struct find_sql find;

	v.descending = get_u64(r);
	v.threads = get_u64(r);
	v.offset = get_u64(r);
	v.limit = get_u64(r);
	if (find_compile(x, r, &find) == -1) {
		q->malformed = r->bad;
		q->refusal = FOLDERS_BAD_REQUEST;
	} else if (v.order > ORDER_SIZE || v.limit > FOLDERS_VIEW_MAX || v.offset > INT64_MAX) {
		q->refusal = FOLDERS_BAD_REQUEST;
	} else if (folder_or_all(x, q, id, &v.folder)) {
		/* No index has the newest ones of threads in all folders. */
		if (find.is_all && (v.folder != NULL || !v.threads))
			view_all(x, q, &v);
		else
			view_matches(x, q, &v, &find);
		q->modseq = v.folder != NULL ? v.folder->modseq : 0;
	}
	find_free(&find);
}

/* ---- FIND ---- */

static void
put_found(struct index *x, struct index_request *q, sqlite3_stmt *st)
{
	uint64_t folder = 0;
	struct writer w;

	while (q->number < FOUND_MAX && index_step(x, st)) {
		uint64_t now = sqlite3_column_int64(st, 0);

		if (folder != 0 && (now != folder || put_room(&w) < sizeof(uint64_t)))
			(void)reply_add(&q->reply, &w, -1);
		if (now != folder || put_room(&w) < sizeof(uint64_t)) {
			reply_begin(&w, FOLDERS_UIDS);
			put_u64(&w, folder = now);
		}
		put_u64(&w, sqlite3_column_int64(st, 1));
		q->number++;
	}
	if (folder != 0)
		(void)reply_add(&q->reply, &w, -1);
}

void
index_find(struct index *x, struct index_request *q)
{
	uint64_t id = get_u64(&q->fields);
	struct find_sql find;
	struct folder *f;

	if (find_compile(x, &q->fields, &find) == -1) {
		q->malformed = q->fields.bad;
		q->refusal = FOLDERS_BAD_REQUEST;
	} else if (folder_or_all(x, q, id, &f)) {
		sqlite3_stmt *st = matches_find(x, f, &find);

		put_found(x, q, st);
		matches_end(x, st);
		q->modseq = f != NULL ? f->modseq : 0;
	}
	find_free(&find);
}

/* ---- ROWS, CHANGES, THREAD ---- */

static struct folder *
required_folder(struct index *x, struct index_request *q, uint64_t id)
{
	struct folder *f = index_folder(x, id);

	if (f == NULL)
		q->refusal = FOLDERS_NO_FOLDER;
	return f;
}

void
index_rows(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	struct rows rows = {.reply = &q->reply};

	while (get_more(&q->fields)) {
		uint64_t uid = get_u64(&q->fields);
		sqlite3_stmt *st = f != NULL ? index_sql(x, SQL_ROW) : NULL;

		if (st == NULL)
			continue;
		sqlite3_bind_int64(st, 1, f->id);
		sqlite3_bind_int64(st, 2, uid);
		if (!index_step(x, st))
			continue;
		put_row(x, &rows, st, false);
		(void)sqlite3_reset(st);
	}
	end_rows(&rows);
	q->malformed = get_end(&q->fields) == -1;
}

/* Up to this modseq all of those that are gone are told. */
static uint64_t
put_gone(struct index *x, struct index_request *q, const struct folder *f, uint64_t since)
{
	sqlite3_stmt *st = index_sql(x, SQL_VANISHED);
	uint64_t last = f->modseq;
	struct writer w;
	size_t n = 0;

	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, since);
	sqlite3_bind_int(st, 3, GONE_MAX);
	reply_begin(&w, FOLDERS_GONE);
	for (; index_step(x, st); n++) {
		put_u64(&w, sqlite3_column_int64(st, 0));
		last = sqlite3_column_int64(st, 1);
	}
	if (n > 0)
		(void)reply_add(&q->reply, &w, -1);
	return n == GONE_MAX ? last : f->modseq;
}

/* Each change has a modseq of its own, so a part ends anywhere. */
void
index_changes(struct index *x, struct index_request *q)
{
	struct folder *f = required_folder(x, q, get_u64(&q->fields));
	uint64_t since = get_u64(&q->fields), until;
	struct rows rows = {.reply = &q->reply};
	sqlite3_stmt *st;
	int n = 0;

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	if (f == NULL)
		return;
	if (since < f->forgotten || since > f->modseq) {
		q->refusal = FOLDERS_FORGOTTEN;
		return;
	}
	until = put_gone(x, q, f, since);
	st = index_sql(x, SQL_CHANGED);
	sqlite3_bind_int64(st, 1, f->id);
	sqlite3_bind_int64(st, 2, since);
	sqlite3_bind_int64(st, 3, until);
	sqlite3_bind_int(st, 4, CHANGES_MAX);
	q->modseq = until;
	for (; index_step(x, st); n++) {
		put_row(x, &rows, st, false);
		if (n == CHANGES_MAX - 1)
			q->modseq = sqlite3_column_int64(st, 3);
	}
	end_rows(&rows);
}

void
index_thread(struct index *x, struct index_request *q)
{
	uint64_t thread = get_u64(&q->fields);
	sqlite3_stmt *st;

	if (get_end(&q->fields) == -1) {
		q->malformed = true;
		return;
	}
	st = index_sql(x, SQL_THREAD_ROWS);
	sqlite3_bind_int64(st, 1, thread);
	sqlite3_bind_int(st, 2, THREAD_MAX);
	put_all_rows(x, q, st, false);
}
