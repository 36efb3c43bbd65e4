/*
 * Rows of messages: pages of a folder, searches, changes and threads. Asks the mailbox's session
 * with store.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/search_words.h"
#include "webd/sessions.h"

enum { PAGE_ROWS = 50, LABEL_SIZE = FOLDERS_KEYWORD_MAX_BYTES + 1 };

/* ---- what is looked for: q, filter and label ---- */

static const char filters[] = "all unread flagged attachment";

static bool
require_filter(struct search *s, unsigned filter)
{
	switch (filter) {
	case 1:
		return search_require(
		    s, (struct folders_find){.op = FIND_NOT, .number = FLAG_SEEN});
	case 2:
		return search_require(
		    s, (struct folders_find){.op = FIND_FLAG, .number = FLAG_FLAGGED});
	case 3:
		return search_require(s, (struct folders_find){.op = FIND_ATTACHMENT});
	default:
		return true;
	}
}

/* label must live as long as the search. */
static bool
read_search(struct request *q, struct search *s, char label[LABEL_SIZE])
{
	char words[SEARCH_MAX_BYTES + 1];
	unsigned filter;

	if (!query_text(q, "q", words, sizeof words) ||
	    !query_word(q, "filter", filters, 0, &filter) ||
	    !query_text(q, "label", label, LABEL_SIZE))
		return false;
	if (search_parse(s, words) && require_filter(s, filter) &&
	    (label[0] == '\0' || search_require(s, (struct folders_find){.op = FIND_KEYWORD,
						       .text = span_of(label)})))
		return true;
	reply_error(q, 400, "bad", "The search is too long.");
	return false;
}

/* ---- a page ---- */

struct page {
	char understood[4 * SEARCH_MAX_BYTES], problem[200];
};

static void
abort_page(struct request *q)
{
	free(q->work);
	q->work = NULL;
	q->abort = NULL;
}

static void
on_page(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct page *p = q->work;
	json_t *doc;

	if (a->refusal != FOLDERS_GRANTED) {
		abort_page(q);
		reply_refusal(q, a->refusal);
		return;
	}
	doc = json_pack("{s:I, s:I, s:o, s:o, s:o}", "total", (json_int_t)a->number, "modseq",
	    (json_int_t)a->modseq, "messages", json_rows(a), "query",
	    json_text(span_of(p->understood)), "problem",
	    p->problem[0] != '\0' ? json_text(span_of(p->problem)) : json_null());
	abort_page(q);
	reply_json(q, doc);
}

static const enum folders_order orders[] = {
    ORDER_DATE, ORDER_ARRIVAL, ORDER_FROM, ORDER_SUBJECT, ORDER_SIZE};

void
api_messages(struct request *q)
{
	struct folders_view v = {0};
	struct search *s = xmalloc(sizeof *s);
	struct page *p;
	char label[LABEL_SIZE];
	unsigned sort, ascending, threads;

	if (!query_u64(q, "folder", 0, &v.folder) ||
	    !query_word(q, "sort", "date arrival from subject size", 0, &sort) ||
	    !query_word(q, "order", "desc asc", 0, &ascending) ||
	    !query_word(q, "threads", "0 1", 1, &threads) ||
	    !query_u64(q, "offset", 0, &v.offset) || !query_u64(q, "limit", PAGE_ROWS, &v.limit) ||
	    !read_search(q, s, label)) {
		free(s);
		return;
	}
	v.order = orders[sort];
	v.descending = !ascending;
	v.threads = threads;
	if (v.limit > FOLDERS_VIEW_MAX)
		v.limit = FOLDERS_VIEW_MAX;
	v.find = s->nodes;
	v.n_find = s->n;
	p = xmalloc(sizeof *p);
	strlcpy(p->understood, s->understood, sizeof p->understood);
	strlcpy(p->problem, s->problem, sizeof p->problem);
	q->work = p;
	q->abort = abort_page;
	folders_view(q->session->folders, &v, on_page, q);
	free(s);
}

/* ---- all numbers of a search ---- */

struct finding {
	struct search search;
	char label[LABEL_SIZE];
	uint64_t *folders;
	size_t n, at;
	json_t *list;
};

static void
abort_finding(struct request *q)
{
	struct finding *f = q->work;

	free(f->folders);
	json_decref(f->list);
	free(f);
	q->work = NULL;
	q->abort = NULL;
}

static void find_next(struct request *q);

static void
on_uids(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct finding *f = q->work;

	/* A folder that has just gone has nothing to be found. */
	if (a->refusal != FOLDERS_GRANTED && a->refusal != FOLDERS_NO_FOLDER) {
		abort_finding(q);
		reply_refusal(q, a->refusal);
		return;
	}
	if (a->n_uids > 0)
		json_array_append_new(
		    f->list, json_pack("{s:I, s:o}", "folder", (json_int_t)f->folders[f->at],
				 "uids", json_uids(a->uids, a->n_uids)));
	f->at++;
	find_next(q);
}

static void
find_next(struct request *q)
{
	struct finding *f = q->work;
	json_t *list;

	if (f->at < f->n) {
		folders_find(q->session->folders, f->folders[f->at], f->search.nodes, f->search.n,
		    on_uids, q);
		return;
	}
	list = json_incref(f->list);
	abort_finding(q);
	reply_json(q, json_pack("{s:o}", "uids", list));
}

static void
on_folders(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct finding *f = q->work;

	if (a->refusal != FOLDERS_GRANTED) {
		abort_finding(q);
		reply_refusal(q, a->refusal);
		return;
	}
	f->folders = xcalloc(a->n_folders + 1, sizeof *f->folders);
	for (size_t i = 0; i < a->n_folders; i++)
		if (a->folders[i].role != FOLDER_TRASH && a->folders[i].role != FOLDER_JUNK)
			f->folders[f->n++] = a->folders[i].id;
	find_next(q);
}

void
api_uids(struct request *q)
{
	struct finding *f = xcalloc(1, sizeof *f);
	uint64_t folder;

	if (!query_u64(q, "folder", 0, &folder) || !read_search(q, &f->search, f->label)) {
		free(f);
		return;
	}
	f->list = json_array();
	q->work = f;
	q->abort = abort_finding;
	if (folder == 0) {
		folders_list(q->session->folders, on_folders, q);
		return;
	}
	f->folders = xcalloc(1, sizeof *f->folders);
	f->folders[f->n++] = folder;
	find_next(q);
}

/* ---- changes ---- */

struct changes {
	uint64_t folder, since, total, unread;
};

static void
abort_changes(struct request *q)
{
	free(q->work);
	q->work = NULL;
	q->abort = NULL;
}

static void
on_changes(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct changes c = *(struct changes *)q->work;

	abort_changes(q);
	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	reply_json(q, json_pack("{s:I, s:I, s:I, s:o, s:o}", "modseq", (json_int_t)a->modseq,
			  "total", (json_int_t)c.total, "unread", (json_int_t)c.unread, "changed",
			  json_rows(a), "gone", json_uids(a->uids, a->n_uids)));
}

static void
on_folder_of_changes(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct changes *c = q->work;

	for (size_t i = 0; i < a->n_folders; i++)
		if (a->folders[i].id == c->folder) {
			c->total = a->folders[i].total;
			c->unread = a->folders[i].unread;
			folders_changes(q->session->folders, c->folder, c->since, on_changes, q);
			return;
		}
	abort_changes(q);
	reply_refusal(q, a->refusal != FOLDERS_GRANTED ? a->refusal : FOLDERS_NO_FOLDER);
}

void
api_changes(struct request *q)
{
	struct changes *c = xcalloc(1, sizeof *c);

	if (!query_u64(q, "folder", 0, &c->folder) || !query_u64(q, "since", 0, &c->since)) {
		free(c);
		return;
	}
	q->work = c;
	q->abort = abort_changes;
	folders_list(q->session->folders, on_folder_of_changes, q);
}

/* ---- threads ---- */

static void
on_thread(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;

	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(q, a->refusal);
	else
		reply_json(q, json_pack("{s:o}", "messages", json_rows(a)));
}

void
api_thread(struct request *q)
{
	uint64_t thread;

	if (query_u64(q, "thread", 0, &thread))
		folders_thread(q->session->folders, thread, on_thread, q);
}
