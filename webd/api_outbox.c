/*
 * The outbox is the queue: one's own messages that wait there, and taking one back, which makes its
 * copy in Sent a draft again. The copy is looked for first: queue gives up no text that nobody else
 * has, unless the user says that it may be thrown away.
 */
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/json_text.h"
#include "common/memory.h"
#include "common/mime.h"
#include "common/queue_id.h"
#include "queue/queue.h"
#include "webd/api.h"
#include "webd/events.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum { SUBJECT_MAX_BYTES = 400, PAGES_MAX = 20 };

/* ---- listing ---- */

struct outbox {
	struct ipc_call *call;
	json_t *messages;
	unsigned pages;
};

static void
abort_outbox(struct request *q)
{
	struct outbox *b = q->work;

	ipc_call_cancel(&b->call);
	json_decref(b->messages);
	free(b);
	q->work = NULL;
	q->abort = NULL;
}

static const char *
state_of(const json_t *m)
{
	const char *state = json_string_value(json_object_get(m, "state"));

	if (state != NULL && (strcmp(state, "in hand") == 0 || strcmp(state, "concluding") == 0))
		return "sending";
	return json_integer_value(json_object_get(m, "attempts")) > 0 ? "deferred" : "waiting";
}

static json_t *
describe(json_t *m)
{
	static const char *const same[] = {
	    "id", "arrival", "release", "held", "next", "attempts", "size", "recipients"};
	const char *raw = json_string_value(json_object_get(m, "subject"));
	char *subject = mime_decode(span_of(raw != NULL ? raw : ""), SUBJECT_MAX_BYTES);
	json_t *doc = json_object();

	for (size_t i = 0; i < nitems(same); i++)
		json_object_set(doc, same[i], json_object_get(m, same[i]));
	json_object_set_new(doc, "subject", json_text(span_of(subject)));
	json_object_set_new(doc, "state", json_string(state_of(m)));
	free(subject);
	return doc;
}

static void
on_owned(void *arg, struct span text, uint64_t next)
{
	struct request *q = arg;
	struct outbox *b = q->work;
	json_t *doc = json_loadb(text.at, text.len, 0, NULL), *m;
	size_t i;

	b->call = NULL;
	if (doc == NULL) {
		reply_error(q, 503, "later", "The outbox cannot be read now.");
		return;
	}
	json_array_foreach(json_object_get(doc, "messages"), i, m)
	    json_array_append_new(b->messages, describe(m));
	json_decref(doc);
	if (next != 0 && ++b->pages < PAGES_MAX)
		b->call = queue_own(q->web->queue, span_of(q->session->user), next, on_owned, q);
	else
		reply_json(q, json_pack("{s:O}", "messages", b->messages));
}

void
api_outbox(struct request *q)
{
	struct outbox *b = xcalloc(1, sizeof *b);

	b->messages = json_array();
	q->work = b;
	q->abort = abort_outbox;
	b->call = queue_own(q->web->queue, span_of(q->session->user), 0, on_owned, q);
}

/* ---- taking back ---- */

struct taking_back {
	struct ipc_call *call;
	uint64_t id;
	char *message_id;
	uint64_t sent, drafts, uid; /* uid 0: the text is thrown away */
};

static void
abort_taking_back(struct request *q)
{
	struct taking_back *t = q->work;

	ipc_call_cancel(&t->call);
	free(t->message_id);
	free(t);
	q->work = NULL;
	q->abort = NULL;
}

static void
has_left(struct request *q)
{
	reply_error(q, 409, "conflict", "The message has left already.");
}

/* uid 0: there is no draft. */
static void
answer(struct request *q, uint64_t uid)
{
	const struct taking_back *t = q->work;
	json_t *draft = uid == 0 ? json_null()
				 : json_pack("{s:I, s:I}", "folder", (json_int_t)t->drafts, "uid",
				       (json_int_t)uid);

	events_outbox(q->session);
	reply_json(q, json_pack("{s:o}", "draft", draft));
}

/* ---- the copy becomes a draft ---- */

static void
on_moved(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;

	if (a->refusal == FOLDERS_GRANTED && a->n_uids == 1 && a->uids[0] != 0) {
		answer(q, a->uids[0]);
		return;
	}
	events_outbox(q->session);
	reply_error(q, 503, "later",
	    "The message will not be sent, but it could not be made a draft: its text is in Sent.");
}

static void
on_flagged(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	const struct taking_back *t = q->work;

	(void)a;
	folders_move(q->session->folders, t->sent, t->drafts, &t->uid, 1, on_moved, q);
}

/* ---- queue gives it up ---- */

static void
on_cancelled(void *arg, enum queue_cancelled end, struct span message_id)
{
	struct request *q = arg;
	struct taking_back *t = q->work;
	struct folders_flags change = {.add = FLAG_DRAFT};

	(void)message_id;
	t->call = NULL;
	switch (end) {
	case CANCEL_DONE:
		if (t->uid == 0)
			answer(q, 0);
		else
			folders_flag(
			    q->session->folders, t->sent, &change, &t->uid, 1, on_flagged, q);
		break;
	case CANCEL_PARTLY:
		events_outbox(q->session);
		reply_json(q, json_pack("{s:n, s:b}", "draft", "partly", true));
		break;
	case CANCEL_IN_HAND:
		reply_error(q, 409, "conflict", "The message is just being sent.");
		break;
	case CANCEL_UNKNOWN:
		has_left(q);
		break;
	default:
		reply_error(q, 503, "later", "This is not possible now; look into the outbox.");
	}
}

static void
cancel(struct request *q)
{
	struct taking_back *t = q->work;

	t->call = queue_cancel(q->web->queue, span_of(q->session->user), t->id, on_cancelled, q);
}

/* ---- the copy is looked for ---- */

static void
no_copy(struct request *q)
{
	reply_error(q, 409, "no-copy",
	    "There is no copy of this message in Sent that could be a draft again.");
}

static void
on_found(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct taking_back *t = q->work;

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
	} else if (a->n_uids == 0) {
		no_copy(q);
	} else {
		t->uid = a->uids[a->n_uids - 1];
		cancel(q);
	}
}

static void
on_folders(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct taking_back *t = q->work;

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	for (size_t i = 0; i < a->n_folders; i++) {
		if (a->folders[i].role == FOLDER_SENT)
			t->sent = a->folders[i].id;
		if (a->folders[i].role == FOLDER_DRAFTS)
			t->drafts = a->folders[i].id;
	}
	if (t->sent == 0 || t->drafts == 0) {
		no_copy(q);
		return;
	}
	const struct folders_find find = {.op = FIND_MESSAGE_ID, .text = span_of(t->message_id)};

	folders_find(q->session->folders, t->sent, &find, 1, on_found, q);
}

/* The Message-ID, without < and >, in the listing that begins with the message. NULL: the message
 * is not there. The caller's. */
static char *
message_id_in(struct span text, uint64_t id)
{
	json_t *doc = json_loadb(text.at, text.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(doc, "messages"), 0);
	const char *first_id = json_string_value(json_object_get(first, "id"));
	const char *field = json_string_value(json_object_get(first, "message_id"));
	struct span value = span_of(field != NULL ? field : ""), found = {"", 0};
	char *message_id = NULL;

	if (first_id != NULL && strcmp(first_id, queue_id_text(id)) == 0) {
		(void)mime_next_id(&value, &found);
		message_id = span_text(found);
	}
	json_decref(doc);
	return message_id;
}

static void
on_looked(void *arg, struct span text, uint64_t next)
{
	struct request *q = arg;
	struct taking_back *t = q->work;

	(void)next;
	t->call = NULL;
	if (text.len == 0) {
		reply_error(q, 503, "later", "The outbox cannot be read now.");
		return;
	}
	if ((t->message_id = message_id_in(text, t->id)) == NULL)
		has_left(q);
	else
		folders_list(q->session->folders, on_folders, q);
}

void
api_outbox_cancel(struct request *q)
{
	const char *text = body_text(q, "id", 20);
	struct taking_back *t;
	uint64_t id;

	if (text == NULL)
		return;
	if (!queue_id_parse(span_of(text), &id)) {
		reply_error(q, 400, "bad", "This is no message of the outbox.");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->id = id;
	q->work = t;
	q->abort = abort_taking_back;
	if (json_is_true(json_object_get(q->json, "discard")))
		cancel(q);
	else
		t->call = queue_own(q->web->queue, span_of(q->session->user), id - 1, on_looked, q);
}
