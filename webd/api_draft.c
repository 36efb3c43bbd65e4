/*
 * Drafts: letters that are kept in the mailbox while they are written. A later one replaces the
 * earlier one, once it is safe.
 */
#include <stdlib.h>
#include <time.h>

#include "common/memory.h"
#include "webd/api.h"
#include "webd/letters.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"

static void
answer(struct request *q, uint64_t uid)
{
	struct outgoing *o = q->work;

	reply_json(q, json_pack("{s:I, s:s, s:I}", "uid", (json_int_t)uid, "message_id",
			  o->message_id, "folder", (json_int_t)o->drafts));
}

static void
on_replaced(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct outgoing *o = q->work;

	(void)a; /* that it was gone already is as good */
	answer(q, o->sent_uid);
}

static void
on_kept(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct outgoing *o = q->work;
	const json_t *old = json_object_get(q->json, "draft");
	uint64_t uid;

	if (a->refusal != FOLDERS_GRANTED) {
		reply_refusal(q, a->refusal);
		return;
	}
	o->sent_uid = a->number;
	uid = json_integer_value(old);
	if (json_is_integer(old) && uid != a->number)
		folders_expunge(q->session->folders, o->drafts, &uid, 1, on_replaced, q);
	else
		answer(q, a->number);
}

static void
keep(struct outgoing *o)
{
	int fd = letter_write_copy(o);

	if (fd == -1)
		return;
	folders_append(o->q->session->folders, o->drafts, FLAG_DRAFT | FLAG_SEEN, time(NULL), NULL,
	    0, fd, on_kept, o->q);
	closefd(&fd);
}

void
api_draft_keep(struct request *q)
{
	letter_begin(q, true, keep);
}

/* ---- going on with one ---- */

static void
read_letter(struct reading *r)
{
	r->doc = letter_from_draft(r->mime);
}

static void
show(struct reading *r)
{
	struct request *q = r->q;
	json_t *letter = r->doc, *one;
	size_t i;

	if (letter == NULL) {
		reply_error(q, 503, "later", "The draft cannot be read now.");
		return;
	}
	json_array_foreach(json_object_get(letter, "attachments"), i, one)
	{
		json_object_set_new(one, "folder", json_integer(r->folder));
		json_object_set_new(one, "uid", json_integer(r->uid));
	}
	json_object_set_new(letter, "draft", json_integer(r->uid));
	reply_json(q, json_incref(letter));
}

void
api_draft(struct request *q)
{
	struct reading *r = reading_begin(q, show);

	if (r != NULL)
		reading_parses(r, read_letter);
}
