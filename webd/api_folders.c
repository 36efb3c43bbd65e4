/*
 * Folders and labels: what there are, and changing folders. Asks the mailbox's session with store.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/sessions.h"

static void
on_list(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	json_t *list;

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < a->n_folders; i++)
		json_array_append_new(list, json_folder(&a->folders[i]));
	reply_json(q,
	    json_pack("{s:o, s:I, s:o}", "folders", list, "usage", (json_int_t)a->number, "limit",
		a->modseq > INT64_MAX ? json_null() : json_integer((json_int_t)a->modseq)));
}

void
api_folders(struct request *q)
{
	folders_list(q->session->folders, on_list, q);
}

static void
on_labels(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	json_t *list;

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < a->n_labels; i++)
		json_array_append_new(list,
		    json_pack("{s:o, s:I, s:I}", "name", json_text(span_of(a->labels[i].name)),
			"total", (json_int_t)a->labels[i].total, "unread",
			(json_int_t)a->labels[i].unread));
	reply_json(q, json_pack("{s:o}", "labels", list));
}

void
api_labels(struct request *q)
{
	folders_labels(q->session->folders, on_labels, q);
}

static void
on_created(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;

	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(q, a->refusal);
	else
		reply_json(q, json_pack("{s:I}", "id", (json_int_t)a->number));
}

static void
on_changed(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;

	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(q, a->refusal);
	else
		reply_json(q, NULL);
}

void
api_folder_create(struct request *q)
{
	const char *name = body_text(q, "name", FOLDERS_NAME_MAX_BYTES);

	if (name != NULL)
		folders_create(q->session->folders, span_of(name), on_created, q);
}

void
api_folder_rename(struct request *q)
{
	const char *name;
	uint64_t id;

	if (body_u64(q, "id", &id) && (name = body_text(q, "name", FOLDERS_NAME_MAX_BYTES)) != NULL)
		folders_rename(q->session->folders, id, span_of(name), on_changed, q);
}

void
api_folder_remove(struct request *q)
{
	uint64_t id;

	if (body_u64(q, "id", &id))
		folders_remove(q->session->folders, id, on_changed, q);
}

void
api_folder_subscribe(struct request *q)
{
	uint64_t id;
	bool on;

	if (body_u64(q, "id", &id) && body_bool(q, "on", &on))
		folders_subscribe(q->session->folders, id, on, on_changed, q);
}

/* ---- emptying Trash and Junk: list, find, expunge ---- */

static void
on_expunged(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;

	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(q, a->refusal);
	else
		reply_json(q, json_pack("{s:I}", "n", (json_int_t)a->number));
}

static void
on_found(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	uint64_t id = json_integer_value(json_object_get(q->json, "id"));

	if (a->refusal != FOLDERS_GRANTED)
		reply_refusal(q, a->refusal);
	else if (a->n_uids == 0)
		reply_json(q, json_pack("{s:i}", "n", 0));
	else
		folders_expunge(q->session->folders, id, a->uids, a->n_uids, on_expunged, q);
}

static void
on_list_to_empty(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	uint64_t id = json_integer_value(json_object_get(q->json, "id"));

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	for (size_t i = 0; i < a->n_folders; i++)
		if (a->folders[i].id == id &&
		    (a->folders[i].role == FOLDER_TRASH || a->folders[i].role == FOLDER_JUNK)) {
			folders_find(q->session->folders, id, NULL, 0, on_found, q);
			return;
		}
	reply_error(q, 400, "bad", "Only Trash and Junk can be emptied.");
}

void
api_folder_empty(struct request *q)
{
	uint64_t id;

	if (body_u64(q, "id", &id))
		folders_list(q->session->folders, on_list_to_empty, q);
}
