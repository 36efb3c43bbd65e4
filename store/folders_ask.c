/*
 * The holder's side of a session with folders: writes the requests of folders.h.
 */
#include <fcntl.h>

#include "common/memory.h"
#include "store/folders_client_private.h"

enum { ROWS_AT_ONCE = 500 }; /* of one request by UIDs */

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

/* Answered from the loop, as all are. */
static void
refuse_here(struct folders_call *c, enum folders_refusal why)
{
	c->is_local = true;
	c->answer.refusal = why;
	event_active(&c->folders->local, EV_TIMEOUT, 0);
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
	refuse_here(c, FOLDERS_BAD_REQUEST);
}

/* A request of numbers, and of a name when there is one. */
struct plain {
	enum folders_message type;
	uint64_t numbers[2];
	size_t n;
	const struct span *name;
};

static struct folders_call *
ask_plainly(struct folders *f, struct plain p, folders_answer_cb cb, void *arg)
{
	struct folders_call *c = call_new(f, cb, arg);
	struct writer w;

	begin(c, &w, p.type);
	for (size_t i = 0; i < p.n; i++)
		put_u64(&w, p.numbers[i]);
	if (p.name != NULL)
		put_str(&w, *p.name);
	ask(c, &w, -1);
	return c;
}

void
folders_watch(struct folders *f, bool on)
{
	ask_plainly(f, (struct plain){.type = FOLDERS_WATCH, .numbers = {on}, .n = 1}, NULL, NULL);
}

struct folders_call *
folders_list(struct folders *f, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f, (struct plain){.type = FOLDERS_LIST}, cb, arg);
}

struct folders_call *
folders_labels(struct folders *f, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f, (struct plain){.type = FOLDERS_LABELS}, cb, arg);
}

struct folders_call *
folders_create(struct folders *f, struct span name, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f, (struct plain){.type = FOLDERS_CREATE, .name = &name}, cb, arg);
}

struct folders_call *
folders_rename(
    struct folders *f, uint64_t folder, struct span name, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f,
	    (struct plain){.type = FOLDERS_RENAME, .numbers = {folder}, .n = 1, .name = &name}, cb,
	    arg);
}

struct folders_call *
folders_remove(struct folders *f, uint64_t folder, folders_answer_cb cb, void *arg)
{
	return ask_plainly(
	    f, (struct plain){.type = FOLDERS_REMOVE, .numbers = {folder}, .n = 1}, cb, arg);
}

struct folders_call *
folders_subscribe(struct folders *f, uint64_t folder, bool on, folders_answer_cb cb, void *arg)
{
	return ask_plainly(
	    f, (struct plain){.type = FOLDERS_SUBSCRIBE, .numbers = {folder, on}, .n = 2}, cb, arg);
}

struct folders_call *
folders_changes(
    struct folders *f, uint64_t folder, uint64_t modseq, folders_answer_cb cb, void *arg)
{
	return ask_plainly(f,
	    (struct plain){.type = FOLDERS_CHANGES, .numbers = {folder, modseq}, .n = 2}, cb, arg);
}

struct folders_call *
folders_thread(struct folders *f, uint64_t thread, folders_answer_cb cb, void *arg)
{
	return ask_plainly(
	    f, (struct plain){.type = FOLDERS_THREAD, .numbers = {thread}, .n = 1}, cb, arg);
}

struct folders_call *
folders_get(struct folders *f, uint64_t folder, uint64_t uid, folders_answer_cb cb, void *arg)
{
	return ask_plainly(
	    f, (struct plain){.type = FOLDERS_GET, .numbers = {folder, uid}, .n = 2}, cb, arg);
}

struct folders_call *
folders_document(struct folders *f, const char *name, folders_answer_cb cb, void *arg)
{
	struct span text = span_of(name);

	return ask_plainly(f, (struct plain){.type = FOLDERS_DOCUMENT, .name = &text}, cb, arg);
}

/* ---- views and searches ---- */

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

/* ---- files that are handed over ---- */

/* Without a descriptor left the request is refused here. */
static void
ask_with_file(struct folders_call *c, struct writer *w, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy != -1) {
		ask(c, w, copy);
		return;
	}
	refuse_here(c, FOLDERS_TROUBLE);
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
