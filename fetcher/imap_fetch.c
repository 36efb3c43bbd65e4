/*
 * Messages by IMAP: SEARCH and FETCH. Touches the network only.
 */
#include <stdio.h>
#include <string.h>

#include "fetcher/imap_private.h"

/* ---- SEARCH ---- */

enum remote_end
imap_search(struct remote *r, struct imap_uids *found, const char *keys)
{
	struct imap *i = r->p;

	found->n = 0;
	i->found = found;
	(void)imap_do(r, "at SEARCH", "UID SEARCH %s", keys);
	i->found = NULL;
	if (r->end == REMOTE_OK && i->status != IMAP_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "does not search: %s", i->text);
	imap_uids_sort(found);
	return r->end;
}

/* ---- a FETCH response ---- */

/* Reads (NAME value NAME value); on_item its value. */
static int
read_items(
    struct remote *r, void *arg, int (*on_item)(struct remote *r, void *arg, struct span name))
{
	struct imap *i = r->p;
	struct imap_token t;
	char name[64];

	if (imap_next(&i->in, &t) == -1 || t.kind != IMAP_OPEN)
		return -1;
	for (;;) {
		if (imap_next(&i->in, &t) == -1)
			return -1;
		if (t.kind == IMAP_CLOSE)
			return imap_skip(&i->in);
		if (t.kind != IMAP_ATOM || !span_copy(t.text, name, sizeof name) ||
		    on_item(r, arg, span_of(name)) == -1)
			return -1;
	}
}

static int
read_number(struct remote *r, uint64_t max, uint64_t *value)
{
	struct imap *i = r->p;
	struct imap_token t;

	if (imap_next(&i->in, &t) == -1 || !imap_number(&t, max, value))
		return -1;
	return 0;
}

static int
skip_item(struct remote *r)
{
	struct imap *i = r->p;
	struct imap_token t;

	if (imap_next(&i->in, &t) == -1 || t.kind == IMAP_CLOSE || t.kind == IMAP_END)
		return -1;
	return imap_skip_value(&i->in, &t);
}

/* ---- the list ---- */

/* A window of it. */
struct window {
	const uint32_t *uids;
	struct remote_message *out; /* handle 0: nothing was said of it */
	size_t n;
	struct remote_message one; /* of the response in hand */
};

static int
read_flags(struct remote *r, struct remote_message *m)
{
	struct imap *i = r->p;
	struct imap_token t;

	if (imap_next(&i->in, &t) == -1 || t.kind != IMAP_OPEN)
		return -1;
	for (;;) {
		if (imap_next(&i->in, &t) == -1)
			return -1;
		if (t.kind == IMAP_CLOSE)
			return 0;
		if (t.kind != IMAP_ATOM)
			return -1;
		m->seen |= imap_is(&t, "\\Seen");
		m->deleted |= imap_is(&t, "\\Deleted");
	}
}

static int
on_list_item(struct remote *r, void *arg, struct span name)
{
	struct window *w = arg;
	uint64_t uid = 0;

	if (span_is_nocase(name, "FLAGS"))
		return read_flags(r, &w->one);
	if (span_is_nocase(name, "RFC822.SIZE"))
		return read_number(r, UINT64_MAX, &w->one.size);
	if (!span_is_nocase(name, "UID"))
		return skip_item(r);
	if (read_number(r, UINT32_MAX, &uid) == -1)
		return -1;
	w->one.handle = uid;
	return 0;
}

static int
on_list_fetch(struct remote *r, void *arg)
{
	struct window *w = arg;
	size_t k;

	w->one = (struct remote_message){0};
	if (read_items(r, w, on_list_item) == -1)
		return -1;
	if (imap_uids_has(w->uids, w->n, w->one.handle, &k))
		w->out[k] = w->one;
	return 0;
}

/* Those of w that are there, packed. */
static size_t
pack(const struct imap *i, struct window *w)
{
	size_t n = 0;

	for (size_t k = 0; k < w->n; k++) {
		struct remote_message *m = &w->out[k];

		if (m->handle == 0)
			continue;
		/* Without them a UID may be another message's tomorrow. */
		if (i->sticky && i->uidvalidity != 0)
			snprintf(m->id, sizeof m->id, "%u", m->handle);
		w->out[n++] = *m;
	}
	return n;
}

/* Of the UIDs from *at on, which is behind them then. */
static enum remote_end
list_window(struct remote *r, size_t *at, struct remote_message *out, size_t max, size_t *n)
{
	struct imap *i = r->p;
	struct window w = {.uids = i->uids.at + *at, .out = out};
	size_t left = i->uids.n - *at;
	char set[IMAP_SET_SIZE];

	imap_set(w.uids, left < max ? left : max, &w.n, set);
	*at += w.n;
	memset(out, 0, w.n * sizeof *out);
	i->on_fetch = on_list_fetch;
	i->arg = &w;
	(void)imap_do(r, "at FETCH", "UID FETCH %s (UID RFC822.SIZE FLAGS)", set);
	i->on_fetch = NULL;
	if (r->end != REMOTE_OK)
		return r->end;
	/* With NO something is wrong with some of them (RFC 3501 6.4.5): the others are there. */
	*n = pack(i, &w);
	if (*n == 0 && i->status != IMAP_OK)
		return remote_fail(r, REMOTE_TEMPORARY, "does not list its messages: %s", i->text);
	return REMOTE_OK;
}

enum remote_end
imap_list(struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n)
{
	struct imap *i = r->p;
	char keys[40];
	size_t at;

	if (!i->selected)
		return remote_fail(r, REMOTE_TEMPORARY, "has no folder open");
	if (after == UINT32_MAX || i->exists == 0)
		return REMOTE_OK;
	if (!i->listed || after < i->listed_after) {
		snprintf(keys, sizeof keys, "UID %u:*", after + 1);
		if (imap_search(r, &i->uids, keys) != REMOTE_OK)
			return r->end;
		i->listed = true;
		i->listed_after = after;
	}
	/* n:* has the last one in any case, also below n (RFC 3501 6.4.8). */
	(void)imap_uids_has(i->uids.at, i->uids.n, after + 1, &at);
	while (at < i->uids.n && *n == 0)
		if (list_window(r, &at, out, max, n) != REMOTE_OK)
			return r->end;
	return REMOTE_OK;
}

/* ---- messages ---- */

struct fetching {
	struct remote_delivery d;
	const char *section; /* "BODY[]" */
	const uint32_t *handles;
	size_t n;
	bool done[REMOTE_BATCH_MAX];
	uint32_t only; /* the one that was asked for; 0: many were */
	/* A message came before its UID, and was dropped: all that are left are asked for alone. */
	bool late;
	uint32_t uid; /* of the response in hand */
	uint32_t taken;
};

static bool
is_wanted(const struct fetching *f, uint32_t uid, size_t *k)
{
	return imap_uids_has(f->handles, f->n, uid, k) && !f->done[*k] &&
	       (f->only == 0 || f->only == uid);
}

static int
deliver(struct remote *r, struct fetching *f, const struct imap_token *t)
{
	struct imap *i = r->p;
	struct span piece;

	if (remote_delivery_begin(&f->d, f->uid, f->d.max_size) != REMOTE_OK)
		return -1;
	if (t->kind == IMAP_QUOTED && remote_delivery_bytes(&f->d, t->text) != REMOTE_OK)
		return -1;
	while (t->kind == IMAP_LITERAL) {
		remote_delivery_deadline(&f->d);
		if (imap_literal(&i->in, &piece) == -1)
			return -1;
		if (piece.len == 0)
			break;
		if (remote_delivery_bytes(&f->d, piece) != REMOTE_OK)
			return -1;
	}
	return 0;
}

/* NIL is a message that is not there any more. */
static int
read_message(struct remote *r, struct fetching *f)
{
	struct imap *i = r->p;
	struct imap_token t;
	bool alone = f->uid == 0 && f->only != 0;
	size_t k;

	if (imap_next(&i->in, &t) == -1 || t.kind == IMAP_CLOSE || t.kind == IMAP_END)
		return -1;
	if (t.kind != IMAP_LITERAL && t.kind != IMAP_QUOTED)
		return imap_skip_value(&i->in, &t);
	if (alone)
		f->uid = f->only;
	f->late |= f->uid == 0;
	if (f->taken != 0 || !is_wanted(f, f->uid, &k))
		return imap_skip_value(&i->in, &t);
	if (deliver(r, f, &t) == -1)
		return -1;
	f->taken = f->uid;
	return 0;
}

static int
on_item(struct remote *r, void *arg, struct span name)
{
	struct fetching *f = arg;
	uint64_t uid = 0;

	if (span_is_nocase(name, f->section))
		return read_message(r, f);
	if (!span_is_nocase(name, "UID"))
		return skip_item(r);
	if (read_number(r, UINT32_MAX, &uid) == -1)
		return -1;
	/* It is not the one that we took it for. */
	if (f->taken != 0 && f->taken != uid)
		return -1;
	f->uid = uid;
	return 0;
}

/* A message is whole when its response is. */
static int
on_message(struct remote *r, void *arg)
{
	struct fetching *f = arg;
	size_t k;

	f->uid = f->taken = 0;
	if (read_items(r, f, on_item) == -1)
		return -1;
	if (f->taken == 0)
		return 0;
	remote_note(r, "%llu bytes of message %u", (unsigned long long)f->d.received, f->taken);
	if (imap_uids_has(f->handles, f->n, f->taken, &k))
		f->done[k] = true;
	if (remote_delivery_end(&f->d, f->taken, REMOTE_WHOLE) != REMOTE_OK)
		return -1;
	client_wire_deadline(r->wire, r->target->timeouts.reply_s);
	return 0;
}

/* Asks for those that are not done, from *from on. */
static enum remote_end
ask(struct remote *r, struct fetching *f, size_t *from, bool alone)
{
	struct imap *i = r->p;
	uint32_t left[REMOTE_BATCH_MAX];
	char set[IMAP_SET_SIZE];
	size_t n = 0, sent = 0;
	uint32_t last;
	/* BODY[HEADER] is asked for as BODY.PEEK[HEADER]. */
	const char *peeked = f->section + sizeof "BODY" - 1;

	for (size_t k = *from; k < f->n; k++)
		if (!f->done[k])
			left[n++] = f->handles[k];
	if (n == 0) {
		*from = f->n;
		return REMOTE_OK;
	}
	imap_set(left, alone ? 1 : n, &sent, set);
	last = left[sent > 0 ? sent - 1 : 0];
	f->only = sent == 1 ? last : 0;
	f->late = false;
	i->on_fetch = on_message;
	i->arg = f;
	(void)imap_do(r, "at FETCH", "UID FETCH %s (UID BODY.PEEK%s)", set, peeked);
	i->on_fetch = NULL;
	if (r->end != REMOTE_OK)
		return r->end;
	if (sent > 1 && (f->late || i->status != IMAP_OK))
		return REMOTE_OK; /* again, one by one */
	/* The others of the set have gone. */
	for (size_t k = *from; k < f->n && f->handles[k] <= last; k++, (*from)++) {
		if (f->done[k])
			continue;
		remote_say(r, "does not give message %u out: %s", f->handles[k], i->text);
		f->done[k] = true;
		if (remote_delivery_end(&f->d, f->handles[k], REMOTE_GONE) != REMOTE_OK)
			return r->end;
	}
	return REMOTE_OK;
}

static enum remote_end
fetch(struct remote *r, const char *section, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink)
{
	const struct imap *i = r->p;
	struct fetching f = {.section = section, .handles = handles, .n = n};
	bool alone = false;

	if (!i->selected)
		return remote_fail(r, REMOTE_TEMPORARY, "has no folder open");
	remote_delivery_init(&f.d, r, sink, max_size);
	for (size_t from = 0; from < n;) {
		size_t before = from;

		if (ask(r, &f, &from, alone) != REMOTE_OK)
			return remote_delivery_break(&f.d);
		alone |= from == before;
	}
	return REMOTE_OK;
}

enum remote_end
imap_fetch(struct remote *r, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink)
{
	return fetch(r, "BODY[]", handles, n, max_size, sink);
}

enum remote_end
imap_fetch_header(
    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink)
{
	return fetch(r, "BODY[HEADER]", &handle, 1, max_size, sink);
}
