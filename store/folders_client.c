/*
 * The holder's side of a session with folders: requests, their answers, notices. Used by webd.
 * Knows the messages of folders.h and bounds what it keeps of an answer.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "store/folders.h"

enum {
	ROWS_AT_ONCE = 500, /* of one request by UIDs */
	ROWS_MAX = 200000,
	FOLDERS_MAX = 5000,
	UIDS_MAX = 2000000,
	KEYWORDS_TEXT_MAX_BYTES = FOLDERS_KEYWORDS_MAX * (FOLDERS_KEYWORD_MAX_BYTES + 1)
};

struct folders_call {
	TAILQ_ENTRY(folders_call) entry;
	struct folders *folders;
	uint64_t first_tag, last_tag; /* of its requests */
	uint64_t answered;
	folders_answer_cb cb; /* NULL: forgotten */
	void *arg;
	bool is_local;		 /* refused here, without a question */
	size_t to_fill, at_once; /* COPY, MOVE: so many UIDs are to come, these of each request */
	struct folders_answer answer;
	struct folder_info *infos;
	struct folder_label *labels;
	struct folder_row *rows;
	uint64_t *uids, *uid_folders;
	size_t infos_room, labels_room, rows_room, uids_room;
	void **texts; /* of infos, labels and rows */
	size_t n_texts, texts_room;
};
TAILQ_HEAD(calls, folders_call);

struct folders {
	struct ipc_channel *channel;
	const struct folders_ops *ops;
	void *arg;
	struct calls calls;
	uint64_t last_tag;
	struct event local;
	unsigned depth; /* callbacks on the stack */
	bool freed;
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

static void
call_free(struct folders_call *c)
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

/* The answer is the callee's to look at until it returns; it may free all. */
static void
call_finish(struct folders_call *c)
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
	call_free(c);
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
		call_finish(c);
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

static bool
take_changed(struct folders *f, struct reader *r)
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

/* ---- the socket ---- */

static struct folders_call *
call_of(struct folders *f, uint64_t tag)
{
	struct folders_call *c;

	TAILQ_FOREACH (c, &f->calls, entry)
		if (!c->is_local && tag >= c->first_tag && tag <= c->last_tag)
			return c;
	return NULL;
}

static bool
take(struct folders *f, uint32_t type, uint64_t tag, struct reader *r)
{
	struct folders_call *c;

	if (type == FOLDERS_CHANGED)
		return take_changed(f, r);
	if ((c = call_of(f, tag)) == NULL)
		return false;
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
	}
	return false;
}

static void
destroy(struct folders *f)
{
	while (!TAILQ_EMPTY(&f->calls))
		call_free(TAILQ_FIRST(&f->calls));
	free(f);
}

static void
leave(struct folders *f)
{
	if (--f->depth == 0 && f->freed)
		destroy(f);
}

static void
on_channel_close(void *arg)
{
	struct folders *f = arg;

	f->depth++;
	while (!f->freed && !TAILQ_EMPTY(&f->calls)) {
		struct folders_call *c = TAILQ_FIRST(&f->calls);

		closefd(&c->answer.fd);
		c->answer = (struct folders_answer){.refusal = FOLDERS_TROUBLE, .fd = -1};
		call_finish(c);
	}
	if (!f->freed)
		f->ops->on_close(f->arg);
	leave(f);
}

static void
on_channel_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct folders *f = arg;
	bool sound;

	f->depth++;
	sound = take(f, type, tag, r);
	if (!sound && !f->freed) {
		log_warn("store sent a malformed message %u on a session of folders", type);
		on_channel_close(f);
	}
	leave(f);
}

/* ---- life ---- */

static void
on_local(evutil_socket_t fd, short what, void *arg)
{
	struct folders *f = arg;
	struct folders_call *c, *next;

	(void)fd, (void)what;
	f->depth++;
	for (c = TAILQ_FIRST(&f->calls); c != NULL && !f->freed; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->is_local)
			continue;
		call_finish(c);
		next = TAILQ_FIRST(&f->calls); /* the callee may have changed anything */
	}
	leave(f);
}

struct folders *
folders_new(struct event_base *base, int session_fd, const struct folders_ops *ops, void *arg)
{
	struct folders *f = xcalloc(1, sizeof *f);

	f->ops = ops;
	f->arg = arg;
	TAILQ_INIT(&f->calls);
	event_assign(&f->local, base, -1, 0, on_local, f);
	f->channel = ipc_channel_new(base, session_fd, on_channel_message, on_channel_close, f);
	return f;
}

void
folders_free(struct folders **fp)
{
	struct folders *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	ipc_channel_free(&f->channel);
	event_del(&f->local);
	f->freed = true;
	if (f->depth == 0)
		destroy(f);
}

/* ---- asking ---- */

static struct folders_call *
call_new(struct folders *f, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = xcalloc(1, sizeof *c);

	c->folders = f;
	c->cb = cb;
	c->arg = arg;
	c->answer.fd = -1;
	c->first_tag = f->last_tag + 1;
	c->last_tag = f->last_tag;
	TAILQ_INSERT_TAIL(&f->calls, c, entry);
	return c;
}

/* One of its requests. fd (or -1) is taken. */
static void
begin(struct folders_call *c, struct writer *w, enum folders_message type)
{
	c->last_tag = ++c->folders->last_tag;
	ipc_write(w, type, c->last_tag);
}

static void
ask(struct folders_call *c, struct writer *w, int fd)
{
	if (!w->full) {
		ipc_channel_send(c->folders->channel, w, fd);
		return;
	}
	/* Longer than anything that could be granted. */
	closefd(&fd);
	c->is_local = true;
	c->answer.refusal = FOLDERS_BAD_REQUEST;
	event_active(&c->folders->local, EV_TIMEOUT, 0);
}

void
folders_watch(struct folders *f, bool on)
{
	struct folders_call *c = call_new(f, NULL, NULL);
	struct writer w;

	begin(c, &w, FOLDERS_WATCH);
	put_u64(&w, on);
	ask(c, &w, -1);
}

static struct folders_call *
ask_plainly(struct folders *f, enum folders_message type, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, type);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_list(struct folders *f, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f, FOLDERS_LIST, cb, arg);
}

struct folders_call *
folders_labels(struct folders *f, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f, FOLDERS_LABELS, cb, arg);
}

struct folders_call *
folders_create(struct folders *f, struct span name, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_CREATE);
	put_str(&w, name);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_rename(
    struct folders *f, uint64_t folder, struct span name, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_RENAME);
	put_u64(&w, folder);
	put_str(&w, name);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_remove(struct folders *f, uint64_t folder, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_REMOVE);
	put_u64(&w, folder);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_subscribe(struct folders *f, uint64_t folder, bool on, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_SUBSCRIBE);
	put_u64(&w, folder);
	put_u64(&w, on);
	ask(c, &w, -1);
	return c;
}

static void
put_find(struct writer *w, const struct folders_find *find, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_u64(w, find[i].op);
		put_u64(w, find[i].children);
		put_u64(w, find[i].number);
		put_u64(w, find[i].number2);
		put_str(w, find[i].text);
	}
}

struct folders_call *
folders_view(struct folders *f, const struct folders_view *v, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_VIEW);
	put_u64(&w, v->folder);
	put_u64(&w, v->order);
	put_u64(&w, v->descending);
	put_u64(&w, v->threads);
	put_u64(&w, v->offset);
	put_u64(&w, v->limit);
	put_find(&w, v->find, v->n_find);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_find(struct folders *f, uint64_t folder, const struct folders_find *find, size_t n,
    folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_FIND);
	put_u64(&w, folder);
	put_find(&w, find, n);
	ask(c, &w, -1);
	return c;
}

/* ---- lists of UIDs, in as many requests as they need ---- */

typedef void (*put_head)(struct writer *w, const void *head);

static struct folders_call *
ask_uids(struct folders_call *c, enum folders_message type, size_t at_once, put_head put,
    const void *head, const uint64_t *uids, size_t n)
{
	struct writer w;
	size_t at = 0;

	if (type == FOLDERS_COPY || type == FOLDERS_MOVE) {
		c->to_fill = n;
		c->at_once = at_once;
	}
	do {
		size_t part = n - at < at_once ? n - at : at_once;

		begin(c, &w, type);
		put(&w, head);
		for (size_t i = 0; i < part; i++)
			put_u64(&w, uids[at + i]);
		ask(c, &w, -1);
		at += part;
	} while (at < n && !c->is_local);
	return c;
}

struct pair {
	uint64_t folder, to;
};

static void
put_folder(struct writer *w, const void *head)
{
	put_u64(w, ((const struct pair *)head)->folder);
}

static void
put_pair(struct writer *w, const void *head)
{
	put_u64(w, ((const struct pair *)head)->folder);
	put_u64(w, ((const struct pair *)head)->to);
}

struct folders_call *
folders_rows(struct folders *f, uint64_t folder, const uint64_t *uids, size_t n,
    folders_answer_cb cb, void *arg)
{
	struct pair head = {.folder = folder};

	return ask_uids(
	    call_new(f, cb, arg), FOLDERS_ROWS, ROWS_AT_ONCE, put_folder, &head, uids, n);
}

struct folders_call *
folders_copy(struct folders *f, uint64_t folder, uint64_t to, const uint64_t *uids, size_t n,
    folders_answer_cb cb, void *arg)
{
	struct pair head = {folder, to};

	return ask_uids(
	    call_new(f, cb, arg), FOLDERS_COPY, FOLDERS_UIDS_MAX, put_pair, &head, uids, n);
}

struct folders_call *
folders_move(struct folders *f, uint64_t folder, uint64_t to, const uint64_t *uids, size_t n,
    folders_answer_cb cb, void *arg)
{
	struct pair head = {folder, to};

	return ask_uids(
	    call_new(f, cb, arg), FOLDERS_MOVE, FOLDERS_UIDS_MAX, put_pair, &head, uids, n);
}

struct folders_call *
folders_expunge(struct folders *f, uint64_t folder, const uint64_t *uids, size_t n,
    folders_answer_cb cb, void *arg)
{
	struct pair head = {.folder = folder};

	return ask_uids(
	    call_new(f, cb, arg), FOLDERS_EXPUNGE, FOLDERS_UIDS_MAX, put_folder, &head, uids, n);
}

static void
put_keywords(struct writer *w, const struct span *keywords, size_t n)
{
	put_u64(w, n);
	for (size_t i = 0; i < n; i++)
		put_str(w, keywords[i]);
}

struct flag_head {
	uint64_t folder;
	const struct folders_flags *change;
};

static void
put_flags(struct writer *w, const void *arg)
{
	const struct flag_head *head = arg;

	put_u64(w, head->folder);
	put_u64(w, head->change->add);
	put_u64(w, head->change->remove);
	put_u64(w, head->change->unchanged_since);
	put_keywords(w, head->change->add_keywords, head->change->n_add);
	put_keywords(w, head->change->remove_keywords, head->change->n_remove);
}

struct folders_call *
folders_flag(struct folders *f, uint64_t folder, const struct folders_flags *change,
    const uint64_t *uids, size_t n, folders_answer_cb cb, void *arg)
{
	struct flag_head head = {folder, change};

	return ask_uids(
	    call_new(f, cb, arg), FOLDERS_FLAG, FOLDERS_UIDS_MAX, put_flags, &head, uids, n);
}

/* ---- one message, a thread, changes, documents ---- */

struct folders_call *
folders_changes(
    struct folders *f, uint64_t folder, uint64_t modseq, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_CHANGES);
	put_u64(&w, folder);
	put_u64(&w, modseq);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_thread(struct folders *f, uint64_t thread, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_THREAD);
	put_u64(&w, thread);
	ask(c, &w, -1);
	return c;
}

struct folders_call *
folders_get(struct folders *f, uint64_t folder, uint64_t uid, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_GET);
	put_u64(&w, folder);
	put_u64(&w, uid);
	ask(c, &w, -1);
	return c;
}

/* Without a descriptor left the request is refused here. */
static void
ask_with_file(struct folders_call *c, struct writer *w, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy != -1) {
		ask(c, w, copy);
		return;
	}
	c->is_local = true;
	c->answer.refusal = FOLDERS_TROUBLE;
	event_active(&c->folders->local, EV_TIMEOUT, 0);
}

struct folders_call *
folders_append(struct folders *f, uint64_t folder, unsigned flags, uint64_t arrival,
    const struct span *keywords, size_t n_keywords, int fd, folders_answer_cb cb, void *arg)
{
	return folders_import(
	    f, folder, flags, arrival, keywords, n_keywords, (struct span){0}, fd, cb, arg);
}

struct folders_call *
folders_import(struct folders *f, uint64_t folder, unsigned flags, uint64_t arrival,
    const struct span *keywords, size_t n_keywords, struct span name, int fd, folders_answer_cb cb,
    void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_APPEND);
	put_u64(&w, folder);
	put_u64(&w, flags);
	put_u64(&w, arrival);
	put_keywords(&w, keywords, n_keywords);
	put_str(&w, name);
	ask_with_file(c, &w, fd);
	return c;
}

struct folders_call *
folders_keep(
    struct folders *f, const char *name, uint64_t version, int fd, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_KEEP);
	put_text(&w, name);
	put_u64(&w, version);
	ask_with_file(c, &w, fd);
	return c;
}

struct folders_call *
folders_document(struct folders *f, const char *name, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, FOLDERS_DOCUMENT);
	put_text(&w, name);
	ask(c, &w, -1);
	return c;
}

void
folders_call_cancel(struct folders_call **call)
{
	if (*call != NULL)
		(*call)->cb = NULL;
	*call = NULL;
}
