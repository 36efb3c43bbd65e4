/*
 * The holder's side of a session with folders: reads answers and notices, and bounds what it keeps
 * of an answer.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "store/folders_client_private.h"

enum {
	ROWS_MAX = 200000,
	FOLDERS_MAX = 5000,
	UIDS_MAX = 2000000,
	KEYWORDS_TEXT_MAX_BYTES = FOLDERS_KEYWORDS_MAX * (FOLDERS_KEYWORD_MAX_BYTES + 1)
};

/* ---- memory of an answer ---- */

static void *
grow(void *items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return items;
	*room = *room ? *room * 2 : 16;
	return xrealloc(items, *room * size);
}

/* One block with copies of all texts, each with a NUL. */
static const char *
keep_texts(struct folders_call *c, const struct span *texts, size_t n)
{
	size_t len = 0;
	char *block, *at;

	for (size_t i = 0; i < n; i++)
		len += texts[i].len + 1;
	block = at = xmalloc(len);
	for (size_t i = 0; i < n; i++) {
		if (texts[i].len > 0)
			memcpy(at, texts[i].at, texts[i].len);
		at[texts[i].len] = '\0';
		at += texts[i].len + 1;
	}
	c->texts = grow(c->texts, c->n_texts, &c->texts_room, sizeof *c->texts);
	c->texts[c->n_texts++] = block;
	return block;
}

void
folders_call_free(struct folders_call *c)
{
	TAILQ_REMOVE(&c->folders->calls, c, entry);
	for (size_t i = 0; i < c->n_texts; i++)
		free(c->texts[i]);
	free(c->texts);
	free(c->infos);
	free(c->labels);
	free(c->rows);
	free(c->uids);
	free(c->uid_folders);
	closefd(&c->answer.fd);
	free(c);
}

/* The answer is the callee's to look at until it returns. */
void
folders_call_finish(struct folders_call *c)
{
	struct folders_answer *a = &c->answer;
	folders_answer_cb cb = c->cb;

	a->folders = c->infos;
	a->labels = c->labels;
	a->rows = c->rows;
	a->uids = c->uids;
	a->uid_folders = c->uid_folders;
	if (cb != NULL) {
		c->cb = NULL; /* it cannot be forgotten any more */
		cb(c->arg, a);
		a->fd = -1;
	}
	folders_call_free(c);
}

/* ---- reading ---- */

static bool
read_info(struct folders_call *c, struct reader *r, struct folder_info *f)
{
	struct span name;
	uint64_t role, subscribed;

	f->id = get_u64(r);
	name = get_str(r, FOLDERS_NAME_MAX_BYTES);
	role = get_u64(r);
	subscribed = get_u64(r);
	f->total = get_u64(r);
	f->unread = get_u64(r);
	f->uid_validity = get_u64(r);
	f->uid_next = get_u64(r);
	f->modseq = get_u64(r);
	if (get_end(r) == -1 || role > FOLDER_ARCHIVE || subscribed > 1)
		return false;
	f->role = role;
	f->subscribed = subscribed;
	f->name = c != NULL ? keep_texts(c, &name, 1) : NULL;
	return true;
}

static bool
take_folder(struct folders_call *c, struct reader *r)
{
	size_t n = c->answer.n_folders;

	if (n >= FOLDERS_MAX)
		return false;
	c->infos = grow(c->infos, n, &c->infos_room, sizeof *c->infos);
	if (!read_info(c, r, &c->infos[n]))
		return false;
	c->answer.n_folders++;
	return true;
}

static bool
take_labels(struct folders_call *c, struct reader *r)
{
	while (get_more(r)) {
		size_t n = c->answer.n_labels;
		struct span name = get_str(r, FOLDERS_KEYWORD_MAX_BYTES);
		struct folder_label label = {.total = get_u64(r)};

		label.unread = get_u64(r);
		if (r->bad || n >= FOLDERS_LABELS_MAX)
			return false;
		label.name = keep_texts(c, &name, 1);
		c->labels = grow(c->labels, n, &c->labels_room, sizeof *c->labels);
		c->labels[n] = label;
		c->answer.n_labels++;
	}
	return get_end(r) == 0;
}

static bool
read_row(struct folders_call *c, struct reader *r, struct folder_row *row)
{
	struct span texts[6];
	const char *at;

	*row = (struct folder_row){.folder = get_u64(r)};
	row->uid = get_u64(r);
	row->thread = get_u64(r);
	row->modseq = get_u64(r);
	row->flags = get_u64(r) & FLAGS_ALL;
	row->attachments = get_u64(r);
	row->is_read = get_u64(r);
	row->size = get_u64(r);
	row->arrival = get_u64(r);
	row->date = get_u64(r);
	texts[0] = get_str(r, FOLDERS_FROM_MAX_BYTES);
	texts[1] = get_str(r, FOLDERS_TO_MAX_BYTES);
	texts[2] = get_str(r, FOLDERS_SUBJECT_MAX_BYTES);
	texts[3] = get_str(r, FOLDERS_PREVIEW_MAX_BYTES);
	texts[4] = get_str(r, FOLDERS_MESSAGE_ID_MAX_BYTES);
	texts[5] = get_str(r, KEYWORDS_TEXT_MAX_BYTES);
	row->thread_total = get_u64(r);
	row->thread_unread = get_u64(r);
	if (r->bad)
		return false;
	at = keep_texts(c, texts, nitems(texts));
	row->from = at;
	row->to = at += texts[0].len + 1;
	row->subject = at += texts[1].len + 1;
	row->preview = at += texts[2].len + 1;
	row->message_id = at += texts[3].len + 1;
	row->keywords = at + texts[4].len + 1;
	return true;
}

static bool
take_rows(struct folders_call *c, struct reader *r)
{
	while (get_more(r)) {
		size_t n = c->answer.n_rows;

		if (n >= ROWS_MAX)
			return false;
		c->rows = grow(c->rows, n, &c->rows_room, sizeof *c->rows);
		if (!read_row(c, r, &c->rows[n]))
			return false;
		c->answer.n_rows++;
	}
	return get_end(r) == 0;
}

static void
add_uid(struct folders_call *c, uint64_t folder, uint64_t uid)
{
	size_t n = c->answer.n_uids, room = c->uids_room;

	c->uids = grow(c->uids, n, &c->uids_room, sizeof *c->uids);
	if (c->uids_room != room)
		c->uid_folders = xrealloc(c->uid_folders, c->uids_room * sizeof *c->uid_folders);
	c->uid_folders[n] = folder;
	c->uids[n] = uid;
	c->answer.n_uids++;
}

static bool
take_uids(struct folders_call *c, struct reader *r, bool with_folder)
{
	uint64_t folder = with_folder ? get_u64(r) : 0;

	while (get_more(r)) {
		if (c->answer.n_uids >= UIDS_MAX)
			return false;
		add_uid(c, folder, get_u64(r));
	}
	return get_end(r) == 0;
}

/* ---- the end of an answer ---- */

/* The UIDs stay in the order asked when a request was refused without any. */
static void
fill_up(struct folders_call *c)
{
	size_t want = (c->answered + 1) * c->at_once;

	want = want < c->to_fill ? want : c->to_fill;
	while (c->answer.n_uids < want)
		add_uid(c, 0, 0);
}

/* c may be gone afterwards. */
static bool
one_answered(struct folders_call *c)
{
	fill_up(c);
	if (++c->answered == c->last_tag - c->first_tag + 1)
		folders_call_finish(c);
	return true;
}

static bool
take_done(struct folders_call *c, struct reader *r)
{
	c->answer.number += get_u64(r);
	c->answer.modseq = get_u64(r);
	return get_end(r) == 0 && one_answered(c);
}

static bool
take_refused(struct folders_call *c, struct reader *r)
{
	uint64_t refusal = get_u64(r);

	c->answer.number += get_u64(r);
	if (get_end(r) == -1 || refusal == FOLDERS_GRANTED || refusal > FOLDERS_REFUSAL_LAST)
		return false;
	if (c->answer.refusal == FOLDERS_GRANTED)
		c->answer.refusal = refusal;
	return one_answered(c);
}

static bool
take_message(struct folders_call *c, struct reader *r)
{
	closefd(&c->answer.fd);
	c->answer.fd = get_fd(r);
	return get_end(r) == 0;
}

bool
folders_take_changed(struct folders *f, struct reader *r)
{
	uint64_t gone = get_u64(r);
	struct folder_info info = {.name = ""};
	struct folders_call texts = {.n_texts = 0};
	bool sound;

	if (gone) {
		info.id = get_u64(r);
		sound = get_end(r) == 0;
	} else {
		sound = read_info(&texts, r, &info);
	}
	if (sound && f->ops->on_changed != NULL)
		f->ops->on_changed(f->arg, &info, gone != 0);
	for (size_t i = 0; i < texts.n_texts; i++)
		free(texts.texts[i]);
	free(texts.texts);
	return sound;
}

bool
folders_take_answer(struct folders_call *c, enum folders_message type, struct reader *r)
{
	switch (type) {
	case FOLDERS_FOLDER:
		return take_folder(c, r);
	case FOLDERS_LABEL:
		return take_labels(c, r);
	case FOLDERS_ROW:
		return take_rows(c, r);
	case FOLDERS_UIDS:
		return take_uids(c, r, true);
	case FOLDERS_GONE:
		return take_uids(c, r, false);
	case FOLDERS_MESSAGE:
		return take_message(c, r);
	case FOLDERS_DONE:
		return take_done(c, r);
	case FOLDERS_REFUSED:
		return take_refused(c, r);
	default:
		return false;
	}
}
