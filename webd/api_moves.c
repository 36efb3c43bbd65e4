/*
 * Changes of many messages at once, folder by folder: flags and labels, moving, copying, removing.
 * One that fails in the middle says what was done. Asks the mailbox's session with store.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/text_buffer.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/sessions.h"

enum { LABELS_MAX = FOLDERS_KEYWORDS_MAX, MOVED_MAX_BYTES = 150 * ITEMS_UIDS_MAX };

struct moving {
	struct request *q;
	struct items items;
	size_t at; /* the folder that is worked on */
	uint64_t to, n;
	const char *done; /* moved, copied...: what to say of those that were; NULL: flags */
	bool tells;
	struct text_buffer
	    moved; /* the answer: as JSON of jansson's it would be ten times as long */
	struct folders_flags flags;
	struct span add[LABELS_MAX], remove[LABELS_MAX];
	struct folders_call *(*ask)(struct moving *m, const struct item *item);
};

static void
moving_free(struct request *q)
{
	struct moving *m = q->work;

	items_free(&m->items);
	text_buffer_free(&m->moved);
	free(m);
	q->work = NULL;
	q->abort = NULL;
}

static void
finish(struct moving *m)
{
	struct request *q = m->q;

	if (m->tells) {
		text_put_text(&m->moved, "]}");
		reply_bytes(q, 200, "application/json", (struct span){m->moved.at, m->moved.len});
	} else {
		reply_json(q, json_pack("{s:I}", "n", (json_int_t)m->n));
	}
}

static void
note_moved(struct moving *m, const struct folders_answer *a)
{
	const struct item *item = &m->items.at[m->at];

	for (size_t i = 0; i < a->n_uids && i < item->n; i++)
		if (a->uids[i] != 0) {
			m->n++;
			text_printf(&m->moved,
			    "%s{\"from\":{\"folder\":%" PRIu64 ",\"uid\":%" PRIu64
			    "},\"to\":{\"folder\":%" PRIu64 ",\"uid\":%" PRIu64 "}}",
			    m->moved.at[m->moved.len - 1] == '[' ? "" : ",", item->folder,
			    item->uids[i], m->to, a->uids[i]);
		}
}

static size_t
count_all(const struct items *items)
{
	size_t n = 0;

	for (size_t i = 0; i < items->n; i++)
		n += items->at[i].n;
	return n;
}

/* {"moved": [...], "error": ...}, or with n. */
static void
fail(struct moving *m, enum folders_refusal refusal)
{
	const struct refusal_words *words = refusal_words(refusal);
	struct request *q = m->q;
	json_t *why;
	char *text;

	if (m->n == 0 || m->done == NULL) {
		moving_free(q);
		reply_refusal(q, refusal);
		return;
	}
	why = json_pack("{s:o, s:s, s:I}", "error",
	    json_sprintf("%llu of %zu messages were %s. %s", (unsigned long long)m->n,
		count_all(&m->items), m->done, words->sentence),
	    "code", words->code, "n", (json_int_t)m->n);
	if (!m->tells) {
		reply_json_status(q, words->status, why);
		return;
	}
	text = json_dumps(why, JSON_COMPACT);
	json_decref(why);
	text_put_text(&m->moved, "],");
	text_put_text(&m->moved, text != NULL ? text + 1 : "\"code\":\"later\"}");
	free(text);
	reply_bytes(q, words->status, "application/json", (struct span){m->moved.at, m->moved.len});
}

static void
on_done(void *arg, const struct folders_answer *a)
{
	struct moving *m = arg;

	if (m->tells)
		note_moved(m, a);
	else
		m->n += a->number;
	if (a->refusal != FOLDERS_GRANTED)
		fail(m, a->refusal);
	else if (++m->at < m->items.n)
		m->ask(m, &m->items.at[m->at]);
	else
		finish(m);
}

static struct folders_call *
ask_flag(struct moving *m, const struct item *item)
{
	return folders_flag(
	    m->q->session->folders, item->folder, &m->flags, item->uids, item->n, on_done, m);
}

static struct folders_call *
ask_move(struct moving *m, const struct item *item)
{
	return folders_move(
	    m->q->session->folders, item->folder, m->to, item->uids, item->n, on_done, m);
}

static struct folders_call *
ask_copy(struct moving *m, const struct item *item)
{
	return folders_copy(
	    m->q->session->folders, item->folder, m->to, item->uids, item->n, on_done, m);
}

static struct folders_call *
ask_expunge(struct moving *m, const struct item *item)
{
	return folders_expunge(
	    m->q->session->folders, item->folder, item->uids, item->n, on_done, m);
}

/* NULL: it was answered. */
static struct moving *
moving_new(
    struct request *q, struct folders_call *(*ask)(struct moving *m, const struct item *item))
{
	struct moving *m = xcalloc(1, sizeof *m);

	if (!body_items(q, &m->items)) {
		free(m);
		return NULL;
	}
	text_buffer_init(&m->moved, MOVED_MAX_BYTES);
	m->q = q;
	m->ask = ask;
	q->work = m;
	q->abort = moving_free;
	return m;
}

static void
move_or_copy(struct request *q, const char *done,
    struct folders_call *(*ask)(struct moving *, const struct item *))
{
	struct moving *m;
	uint64_t to;

	if (!body_u64(q, "to", &to) || (m = moving_new(q, ask)) == NULL)
		return;
	m->to = to;
	m->done = done;
	m->tells = true;
	text_put_text(&m->moved, "{\"moved\":[");
	m->ask(m, &m->items.at[0]);
}

void
api_move(struct request *q)
{
	move_or_copy(q, "moved", ask_move);
}

void
api_copy(struct request *q)
{
	move_or_copy(q, "copied", ask_copy);
}

void
api_remove(struct request *q)
{
	struct moving *m = moving_new(q, ask_expunge);

	if (m == NULL)
		return;
	m->done = "deleted";
	m->ask(m, &m->items.at[0]);
}

/* ---- flags ---- */

/* "seen", "label:work". The labels point into the request's body. */
static bool
read_flags(const json_t *list, unsigned *flags, struct span *labels, size_t *n_labels)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name != NULL && flag_of_name(name) != 0) {
			*flags |= flag_of_name(name);
		} else if (name != NULL && strncmp(name, "label:", 6) == 0 && name[6] != '\0' &&
			   strlen(name + 6) <= FOLDERS_KEYWORD_MAX_BYTES &&
			   *n_labels < LABELS_MAX) {
			labels[(*n_labels)++] = span_of(name + 6);
		} else {
			return false;
		}
	}
	return list == NULL || json_is_array(list);
}

void
api_flags(struct request *q)
{
	struct moving *m = moving_new(q, ask_flag);

	if (m == NULL)
		return;
	m->flags.add_keywords = m->add;
	m->flags.remove_keywords = m->remove;
	if (read_flags(json_object_get(q->json, "add"), &m->flags.add, m->add, &m->flags.n_add) &&
	    read_flags(json_object_get(q->json, "remove"), &m->flags.remove, m->remove,
		&m->flags.n_remove)) {
		m->ask(m, &m->items.at[0]);
		return;
	}
	moving_free(q);
	reply_error(q, 400, "bad",
	    "This is no flag: seen, answered, flagged, draft, forwarded or label:NAME.");
}
