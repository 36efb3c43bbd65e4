/*
 * Which messages an expression fits. Reads index.db only.
 *
 * The words are asked first: each question's answer is a set of texts. When the last question has
 * few, they lead to the messages, which are then sorted. Else the messages are walked from the
 * newest to the oldest in an index that has all that is asked of them, so that the first one of a
 * thread is its newest; for another order they become a set, and that order's index is walked until
 * the page is full.
 */
#include <stdlib.h>

#include "common/memory.h"
#include "store/index.h"

/* Texts are few when there are so many times more messages. */
enum { FEW = 10 };

/* ---- sets ---- */

static void
in_set(sqlite3_context *context, int n, sqlite3_value **values)
{
	const struct index *x = sqlite3_user_data(context);
	int64_t number = sqlite3_value_int64(values[0]);

	(void)n;
	sqlite3_result_int(
	    context, number >= 0 && (size_t)number < x->n_sets &&
			 id_set_has(&x->sets[number], sqlite3_value_int64(values[1])));
}

int
matches_prepare(struct index *x)
{
	return sqlite3_create_function_v2(
	    x->db, "in_set", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, x, in_set, NULL, NULL, NULL);
}

/* False, and x->error set, on an error. */
static bool
ask_words(struct index *x, struct find_sql *find)
{
	for (size_t i = 0; i < find->n_matches; i++) {
		sqlite3_stmt *st = index_sql(x, SQL_MATCH);

		if (find->matches[i] == NULL)
			return index_failed(x, SQLITE_NOMEM);
		sqlite3_bind_text(st, 1, find->matches[i], -1, SQLITE_STATIC);
		while (index_step(x, st))
			(void)id_set_add(&find->sets[i], sqlite3_column_int64(st, 0));
	}
	x->sets = find->sets;
	x->n_sets = find->n_matches + 1;
	return x->error == SQLITE_OK;
}

static uint64_t
count_messages(const struct index *x, const struct folder *f)
{
	uint64_t n = 0;

	for (size_t i = 0; f == NULL && i < x->n_folders; i++)
		n += index_is_shown(x->folders[i]) ? x->folders[i]->total : 0;
	return f != NULL ? f->total : n;
}

static bool
are_few(const struct index *x, const struct folder *f, const struct find_sql *find)
{
	uint64_t n;

	if (find->by_id)
		return true;
	if (!find->by_last)
		return false;
	n = find->sets[find->n_matches - 1].n;
	return n * FEW < count_messages(x, f);
}

/* ---- statements ---- */

static void
put_scope(sqlite3_str *sql, const struct folder *f, const char *prefix)
{
	if (f != NULL)
		sqlite3_str_appendf(sql, "%sm.folder = %lld", prefix, (long long)f->id);
	else
		sqlite3_str_appendf(sql, "%sm.shown = 1", prefix);
}

static sqlite3_stmt *
finish(struct index *x, sqlite3_str *sql, const struct find_sql *find)
{
	char *text = sqlite3_str_finish(sql);
	sqlite3_stmt *st = index_prepare(x, text);

	sqlite3_free(text);
	if (st != NULL)
		find_bind(find, st, 1);
	return st;
}

/* The words lead, not an index of the folder. */
static sqlite3_stmt *
prepare_few(struct index *x, const char *columns, const struct folder *f,
    const struct find_sql *find, const char *tail)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);
	sqlite3_stmt *st;

	sqlite3_str_appendf(sql, "SELECT %s FROM messages m WHERE ", columns);
	put_scope(sql, f, "+");
	sqlite3_str_appendf(sql, " AND %s", sqlite3_str_value(find->text));
	if (find->by_last)
		sqlite3_str_appendall(
		    sql, " AND m.text IN (SELECT rowid FROM words WHERE words MATCH ?)");
	sqlite3_str_appendf(sql, " %s", tail);
	st = finish(x, sql, find);
	if (st != NULL && find->by_last)
		sqlite3_bind_text(
		    st, find->n_params + 1, find->matches[find->n_matches - 1], -1, SQLITE_STATIC);
	return st;
}

static const char *
walked_index(const struct folder *f, const struct find_sql *find)
{
	if (f == NULL)
		return "INDEXED BY shown_date";
	return find->by_flag ? "" : "INDEXED BY by_date"; /* a partial one may be better */
}

static sqlite3_stmt *
prepare_walk(struct index *x, const char *columns, const struct folder *f,
    const struct find_sql *find, const char *tail)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);

	sqlite3_str_appendf(
	    sql, "SELECT %s FROM messages m %s WHERE ", columns, walked_index(f, find));
	put_scope(sql, f, "");
	sqlite3_str_appendf(sql, " AND %s %s", sqlite3_str_value(find->text), tail);
	return finish(x, sql, find);
}

/* ---- VIEW ---- */

struct paging {
	const struct view *view;
	match_cb cb;
	void *arg;
	uint64_t n; /* matches so far */
};

static void
take(struct paging *p, int64_t id)
{
	if (p->n >= p->view->offset && p->n - p->view->offset < p->view->limit)
		p->cb(p->arg, id);
	p->n++;
}

static const char *
way_of(const struct view *v)
{
	return v->descending ? "DESC" : "ASC";
}

static void
sort_few(struct index *x, struct paging *p, const struct find_sql *find)
{
	const struct view *v = p->view;
	char *tail =
	    sqlite3_mprintf("%s ORDER BY m.%s %s, m.uid %s", v->threads ? "GROUP BY m.thread" : "",
		index_order_column(v->order), way_of(v), way_of(v));
	sqlite3_stmt *st = prepare_few(
	    x, v->threads ? "m.id, max(m.date)" : "m.id", v->folder, find, tail ? tail : "");

	sqlite3_free(tail);
	while (index_step(x, st))
		take(p, sqlite3_column_int64(st, 0));
	(void)sqlite3_finalize(st);
}

/* The matches, or the newest ones of their threads: to the page when they come in its order, else
 * to a set. */
static void
walk(struct index *x, struct paging *p, struct find_sql *find, bool in_order)
{
	const struct view *v = p->view;
	const char *way = in_order ? way_of(v) : "DESC", *last = v->folder != NULL ? "uid" : "id";
	char *tail = sqlite3_mprintf("ORDER BY m.date %s, m.%s %s", way, last, way);
	sqlite3_stmt *st = prepare_walk(x, "m.id, m.thread", v->folder, find, tail ? tail : "");
	struct id_set threads = {0}, *ids = &find->sets[find->n_matches];

	sqlite3_free(tail);
	while (index_step(x, st)) {
		int64_t id = sqlite3_column_int64(st, 0);

		if (v->threads && !id_set_add(&threads, sqlite3_column_int64(st, 1)))
			continue;
		if (in_order)
			take(p, id);
		else
			(void)id_set_add(ids, id);
	}
	(void)sqlite3_finalize(st);
	id_set_clear(&threads);
}

/* Those of the set, in the view's order. */
static void
put_page(struct index *x, const struct paging *p, const struct find_sql *find)
{
	const struct view *v = p->view;
	sqlite3_str *sql = sqlite3_str_new(NULL);
	sqlite3_stmt *st;
	char *text;

	sqlite3_str_appendall(sql, "SELECT m.id FROM messages m WHERE ");
	put_scope(sql, v->folder, "");
	sqlite3_str_appendf(sql,
	    " AND in_set(%d, m.id) ORDER BY m.%s %s, m.%s %s LIMIT ?1 OFFSET ?2",
	    (int)find->n_matches, index_order_column(v->order), way_of(v),
	    v->folder != NULL ? "uid" : "id", way_of(v));
	text = sqlite3_str_finish(sql);
	st = index_prepare(x, text);
	sqlite3_free(text);
	if (st == NULL)
		return;
	sqlite3_bind_int64(st, 1, v->limit);
	sqlite3_bind_int64(st, 2, v->offset);
	while (index_step(x, st))
		p->cb(p->arg, sqlite3_column_int64(st, 0));
	(void)sqlite3_finalize(st);
}

uint64_t
matches_view(struct index *x, const struct view *v, struct find_sql *find, match_cb cb, void *arg)
{
	struct paging p = {.view = v, .cb = cb, .arg = arg};
	bool in_order = v->order == ORDER_DATE && (v->descending || !v->threads);

	if (!ask_words(x, find))
		return 0;
	if (are_few(x, v->folder, find)) {
		sort_few(x, &p, find);
	} else {
		walk(x, &p, find, in_order);
		if (!in_order) {
			p.n = find->sets[find->n_matches].n;
			put_page(x, &p, find);
		}
	}
	x->n_sets = 0;
	return p.n;
}

/* ---- FIND ---- */

sqlite3_stmt *
matches_find(struct index *x, const struct folder *f, struct find_sql *find)
{
	static const char columns[] = "m.folder, m.uid", tail[] = "ORDER BY m.folder, m.uid";

	if (!ask_words(x, find))
		return NULL;
	return are_few(x, f, find) ? prepare_few(x, columns, f, find, tail)
				   : prepare_walk(x, columns, f, find, tail);
}

void
matches_end(struct index *x, sqlite3_stmt *st)
{
	(void)sqlite3_finalize(st);
	x->n_sets = 0;
}
