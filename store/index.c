/*
 * One request to an index: which function serves it, what comes before and after. Runs in a helper
 * thread.
 */
#include "store/index.h"

#include <stdlib.h>

#include "common/memory.h"

static const struct {
	enum folders_message type;
	void (*serve)(struct index *x, struct index_request *q);
} handlers[] = {
    {FOLDERS_LIST, index_list},
    {FOLDERS_CREATE, index_create},
    {FOLDERS_RENAME, index_rename},
    {FOLDERS_REMOVE, index_remove},
    {FOLDERS_SUBSCRIBE, index_subscribe},
    {FOLDERS_VIEW, index_view},
    {FOLDERS_FIND, index_find},
    {FOLDERS_ROWS, index_rows},
    {FOLDERS_CHANGES, index_changes},
    {FOLDERS_THREAD, index_thread},
    {FOLDERS_GET, index_get},
    {FOLDERS_FLAG, index_flag},
    {FOLDERS_COPY, index_copy},
    {FOLDERS_MOVE, index_move},
    {FOLDERS_EXPUNGE, index_expunge},
    {FOLDERS_APPEND, index_append},
    {FOLDERS_KEEP, document_keep},
    {FOLDERS_DOCUMENT, document_get},
    {FOLDERS_LABELS, index_labels},
};

/* ---- what comes before ---- */

static void
take_watched(struct index *x, struct index_request *q)
{
	for (size_t i = 0; i < q->n_watched; i++) {
		struct folder *f = index_folder(x, q->watched[i]);

		/* What was done before it was watched. */
		if (f != NULL && !f->watched)
			f->watched = f->stale = true;
	}
	q->n_watched = 0;
}

/* Names that came before names that went: a file that is called otherwise is no loss. */
static void
take_events(struct index *x, struct index_request *q)
{
	for (int away = 0; away < 2; away++)
		for (struct index_event *e = q->events; e != NULL; e = e->next)
			if (e->away == (away == 1))
				index_take_event(x, e);
	q->events = NULL;
	for (size_t i = 0; q->overflow && i < x->n_folders; i++) {
		x->folders[i]->stale = true;
		x->folders[i]->settled = false;
		x->list_stale = true;
	}
	q->overflow = false;
}

static void
settle(struct index *x, uint64_t ms)
{
	for (size_t i = 0; i < x->n_folders; i++) {
		struct folder *f = x->folders[i];
		struct stamp now[2];

		if (!f->watched || f->stale || f->settled)
			continue;
		index_stamp(x, f, now);
		f->settled = index_is_quiet(now, ms);
		f->changed = true;
		f->stamps[0] = now[0];
		f->stamps[1] = now[1];
	}
}

/* The first request finds all folders; those that each mailbox has are made. */
static bool
prepare(struct index *x, struct index_request *q)
{
	if (!x->prepared) {
		index_finish_renames(x);
		x->list_stale = true;
		index_list_directories(x);
		if (index_make_roles(x) == -1)
			x->list_stale = true; /* a full disk: what is there can be read */
		x->has_removed = true;
		x->prepared = x->error == SQLITE_OK;
	}
	take_watched(x, q);
	take_events(x, q);
	q->again = index_sync(x);
	return x->error == SQLITE_OK;
}

/* ---- what comes after ---- */

static void
note_unwatched(struct index *x, struct index_request *q)
{
	struct writer w;

	for (size_t i = 0; i < x->n_folders; i++) {
		if (x->folders[i]->watched)
			continue;
		reply_begin(&w, 0);
		put_u64(&w, x->folders[i]->id);
		put_text(&w, x->folders[i]->directory);
		(void)reply_add(&q->unwatched, &w, -1);
	}
}

static void
count_usage(struct index *x, struct index_request *q)
{
	q->has_usage = !q->again;
	q->usage = 0;
	for (size_t i = 0; i < x->n_folders; i++)
		q->usage += x->folders[i]->bytes;
}

static void
refuse_all(struct index_request *q, enum folders_refusal refusal)
{
	reply_clear(&q->reply);
	q->refusal = refusal;
	q->again = q->sync = false;
}

static void
serve(struct index *x, struct index_request *q)
{
	for (size_t i = 0; i < nitems(handlers); i++)
		if (handlers[i].type == q->type) {
			handlers[i].serve(x, q);
			return;
		}
	q->malformed = q->type != 0;
}

void
index_serve(struct index *x, struct index_request *q)
{
	if (index_open(x) == -1 || !index_begin(x)) {
		index_close(x); /* what q has of events is lost: all is read again */
		refuse_all(q, FOLDERS_TROUBLE);
		return;
	}
	index_be_patient(x);
	if (prepare(x, q) && !q->again) {
		index_filled(x, q);
		q->n_filled = 0;
		serve(x, q);
	}
	if (q->settle_ms != 0 && !q->again)
		settle(x, q->settle_ms);
	if (x->error == SQLITE_OK && index_commit(x)) {
		index_say_changes(x, q);
		note_unwatched(x, q);
		count_usage(x, q);
		if (q->choose_fill && !q->again)
			index_choose_fill(x, q);
		if (!q->again && x->has_removed)
			q->more_to_remove = index_remove_files(x);
		return;
	}
	/* What was done to files is found when the names are read again. */
	index_rollback(x);
	index_close(x);
	refuse_all(q, FOLDERS_TROUBLE);
}
