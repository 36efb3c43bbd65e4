/*
 * What is in messages: which ones are to be looked into next, and their texts and words when they
 * were. Rows of texts, words and messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "store/index.h"
#include "store/subject.h"

enum {
	FROM_KEY_SIZE = 41,
	SUBJECT_KEY_SIZE = 61,
	DEAD_MIN = 5000, /* rows of words without a text, before words are made anew */
	FUTURE_S = 86400
};

/* ---- texts ---- */

static void
count_texts(struct index *x, int alive, int dead)
{
	x->texts_alive += alive;
	x->texts_dead += dead;
	index_set_meta(x, "alive", x->texts_alive);
	index_set_meta(x, "dead", x->texts_dead);
}

/* Half of what is in the words leads nowhere: they are made anew, message by message. */
static void
begin_words_anew(struct index *x)
{
	if (!index_run(x, index_sql(x, SQL_CLEAR_WORDS)) ||
	    !index_run(x, index_sql(x, SQL_WANT_WORDS)))
		return;
	count_texts(x, 0, -(int)x->texts_dead);
}

void
text_release(struct index *x, int64_t text)
{
	sqlite3_stmt *st;
	bool used;

	if (text == 0)
		return;
	st = index_sql(x, SQL_TEXT_IS_USED);
	sqlite3_bind_int64(st, 1, text);
	used = index_step(x, st);
	if (st != NULL)
		(void)sqlite3_reset(st);
	if (used)
		return;
	st = index_sql(x, SQL_DROP_TEXT);
	sqlite3_bind_int64(st, 1, text);
	(void)index_run(x, st);
	texts_dropped(x, 1);
}

void
texts_dropped(struct index *x, int n)
{
	if (n == 0)
		return;
	count_texts(x, -n, n);
	if (x->texts_dead > DEAD_MIN && x->texts_dead > x->texts_alive)
		begin_words_anew(x);
}

static void
bind_span(sqlite3_stmt *st, int at, struct span text)
{
	sqlite3_bind_text(st, at, text.len > 0 ? text.at : "", text.len, SQLITE_STATIC);
}

static int64_t
add_text(struct index *x, const struct indexer_result *r)
{
	sqlite3_stmt *st = index_sql(x, SQL_ADD_TEXT);

	bind_span(st, 1, r->from);
	bind_span(st, 2, r->to);
	bind_span(st, 3, r->subject);
	bind_span(st, 4, r->preview);
	bind_span(st, 5, r->message_id);
	(void)index_run(x, st);
	count_texts(x, 1, 0);
	return sqlite3_last_insert_rowid(x->db);
}

static void
add_words(struct index *x, int64_t text, const struct indexer_result *r)
{
	sqlite3_stmt *st = index_sql(x, SQL_ADD_WORDS);

	sqlite3_bind_int64(st, 1, text);
	bind_span(st, 2, r->from);
	bind_span(st, 3, r->recipients);
	bind_span(st, 4, r->subject);
	bind_span(st, 5, r->text);
	(void)index_run(x, st);
}

/* ---- what was found ---- */

/* A date far in the future would stay on top for ever. */
static int64_t
date_of(const struct message *m, const struct indexer_result *r)
{
	if (!r->has_date || r->date < 0 || r->date > (int64_t)m->arrival + FUTURE_S)
		return m->arrival;
	return r->date;
}

static void
fill_message(struct index *x, struct folder *f, struct message *m, const struct indexer_result *r)
{
	char from[FROM_KEY_SIZE], base[INDEXER_SUBJECT_MAX_BYTES + 1], subject[SUBJECT_KEY_SIZE];
	sqlite3_stmt *st;

	m->text = add_text(x, r);
	add_words(x, m->text, r);
	sort_key(r->from, from, sizeof from);
	(void)subject_base(r->subject, base, sizeof base);
	sort_key(span_of(base), subject, sizeof subject);
	m->date = date_of(m, r);
	m->modseq = ++f->modseq;
	f->changed = true;
	st = index_sql(x, SQL_SET_TEXT);
	sqlite3_bind_int64(st, 1, m->id);
	sqlite3_bind_int64(st, 2, m->text);
	sqlite3_bind_int64(st, 3, m->date);
	sqlite3_bind_int(st, 4, r->has_attachment);
	bind_span(st, 5, span_of(from));
	bind_span(st, 6, span_of(subject));
	sqlite3_bind_int64(st, 7, m->modseq);
	(void)index_run(x, st);
	thread_join(x, m, r);
}

static void
refill_words(struct index *x, const struct message *m, const struct indexer_result *r)
{
	sqlite3_stmt *st = index_sql(x, SQL_SET_IN_WORDS);

	sqlite3_bind_int64(st, 1, m->text);
	if (index_run(x, st) && sqlite3_changes(x->db) == 1)
		add_words(x, m->text, r);
}

static void
take_found(struct index *x, const struct index_fill *found, bool refill)
{
	struct message m;
	struct folder *f;

	if (!row_by_id(x, found->message, &m) || (f = index_folder(x, m.folder)) == NULL)
		return;
	if (m.text == 0)
		fill_message(x, f, &m, &found->result);
	else if (refill)
		refill_words(x, &m, &found->result);
}

void
index_filled(struct index *x, struct index_request *q)
{
	for (size_t i = 0; i < q->n_filled; i++)
		if (q->filled[i].memory != NULL && q->filled[i].made == x->made)
			take_found(x, &q->filled[i], q->filled[i].refill);
}

/* ---- what is to be looked into ---- */

static void
choose(struct index *x, struct index_request *q, struct message *m, bool refill)
{
	struct folder *f = index_folder(x, m->folder);
	struct index_fill *fill;

	if (q->fill == NULL)
		q->fill = xcalloc(INDEX_FILL, sizeof *q->fill);
	fill = &q->fill[q->n_fill];
	*fill = (struct index_fill){.message = m->id, .made = x->made, .fd = -1, .refill = refill};
	if (f != NULL)
		fill->fd = index_open_message(x, f, m);
	/* Out of descriptors: later. What is not there is soon seen not to be. */
	if (fill->fd != -1)
		q->n_fill++;
	else if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOENT)
		q->n_fill++;
}

static bool
is_in_hand(const struct index_request *q, int64_t message)
{
	for (size_t i = 0; i < q->n_in_hand; i++)
		if (q->in_hand[i] == message)
			return true;
	return false;
}

/* The ids that a statement gives, without those in hand. At most INDEX_FILL. */
static size_t
read_ids(struct index *x, struct index_request *q, enum index_sql which, int64_t *ids)
{
	sqlite3_stmt *st = index_sql(x, which);
	size_t n = 0;

	sqlite3_bind_int64(st, 1, INDEX_FILL + q->n_in_hand);
	while (n < INDEX_FILL && index_step(x, st)) {
		ids[n] = sqlite3_column_int64(st, 0);
		if (!is_in_hand(q, ids[n]))
			n++;
	}
	if (st != NULL)
		(void)sqlite3_reset(st);
	return n;
}

void
index_choose_fill(struct index *x, struct index_request *q)
{
	int64_t ids[INDEX_FILL];
	struct message m;
	size_t n = read_ids(x, q, SQL_TO_FILL, ids);
	bool refill = n == 0 && q->n_in_hand == 0;

	if (refill)
		n = read_ids(x, q, SQL_TO_FILL_WORDS, ids);
	for (size_t i = 0; i < n; i++)
		if (row_by_id(x, ids[i], &m))
			choose(x, q, &m, refill);
}
