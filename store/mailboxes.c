/*
 * The mailboxes that are in use. Opens directories of the mail directory, and anew those
 * of which watch.c says that something changed.
 */
#include "store/mailboxes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "store/listing.h"
#include "store/vacation.h"
#include "store/watch.h"

enum { KEPT_LISTINGS_MAX_BYTES = 64 * 1024 * 1024 };

static int
compare_names(const struct maildir *a, const struct maildir *b)
{
	return strcmp(a->name, b->name);
}

static int
compare_watches(const struct maildir *a, const struct maildir *b)
{
	return a->watch < b->watch ? -1 : a->watch > b->watch;
}

RB_HEAD(by_name, maildir);
RB_GENERATE_INTERNAL(by_name, maildir, by_name, compare_names, static __attribute__((unused)))
RB_HEAD(by_watch, maildir);
RB_GENERATE_INTERNAL(by_watch, maildir, by_watch, compare_watches, static __attribute__((unused)))
TAILQ_HEAD(by_use, maildir);

struct mailboxes {
	int mail;
	size_t n, max, kept_bytes;
	uint64_t limit;
	bool would_notice;
	struct by_name names;
	struct by_watch watches;
	struct by_use used; /* the longest unused first */
	struct watch *watch;
	mailboxes_forget_cb on_forget;
	void *arg;
	mailboxes_change_cb on_change; /* or NULL */
	void *change_arg;
};

/* ---- one record ---- */

static void
unwatch(struct mailboxes *ms, struct maildir *m)
{
	if (m->watch == -1)
		return;
	RB_REMOVE(by_watch, &ms->watches, m);
	watch_remove(ms->watch, m->watch);
	m->watch = -1;
}

static void
forget(struct mailboxes *ms, struct maildir *m)
{
	m->told = false;
	ms->on_forget(ms->arg, m->name);
}

static void
say_changed(struct mailboxes *ms, struct maildir *m, bool all)
{
	if (ms->on_change != NULL && m->box != NULL)
		ms->on_change(ms->change_arg, m, all);
}

void
mailboxes_on_change(struct mailboxes *ms, mailboxes_change_cb cb, void *arg)
{
	ms->on_change = cb;
	ms->change_arg = arg;
}

void
mailboxes_drop_listing(struct mailboxes *ms, struct maildir *m)
{
	if (m->listing == NULL)
		return;
	ms->kept_bytes -= listing_bytes(m->listing);
	listing_release(&m->listing);
}

void
mailboxes_reset(struct mailboxes *ms, struct maildir *m)
{
	unwatch(ms, m);
	maildir_close(m);
	mailboxes_drop_listing(ms, m);
	m->scan = NULL;
	forget(ms, m);
	say_changed(ms, m, true);
}

static void
remove_record(struct mailboxes *ms, struct maildir *m)
{
	/* What router knows of it is watched no longer. */
	if (m->told || m->watch != -1)
		forget(ms, m);
	unwatch(ms, m);
	maildir_close(m);
	mailboxes_drop_listing(ms, m);
	RB_REMOVE(by_name, &ms->names, m);
	TAILQ_REMOVE(&ms->used, m, used);
	ms->n--;
	free(m);
}

static void
make_room(struct mailboxes *ms)
{
	struct maildir *m = TAILQ_FIRST(&ms->used), *next;

	for (; m != NULL && ms->n >= ms->max; m = next) {
		next = TAILQ_NEXT(m, used);
		if (m->refs == 0)
			remove_record(ms, m);
	}
}

static struct maildir *
add_record(struct mailboxes *ms, const struct maildir *key)
{
	struct maildir *m = xcalloc(1, sizeof *m);

	make_room(ms);
	memcpy(m->name, key->name, sizeof m->name);
	m->dir = m->watch = -1;
	for (size_t i = 0; i < MAILDIR_FOLDERS; i++)
		m->folders[i] = -1;
	TAILQ_INIT(&m->sessions);
	RB_INSERT(by_name, &ms->names, m);
	TAILQ_INSERT_TAIL(&ms->used, m, used);
	ms->n++;
	return m;
}

/* ---- what others do by hand ---- */

static void
on_mailbox(void *arg, const char *name)
{
	struct mailboxes *ms = arg;
	struct maildir key, *m;

	if (!address_is_user_name(span_of(name)) ||
	    !span_copy(span_of(name), key.name, sizeof key.name))
		return;
	if ((m = RB_FIND(by_name, &ms->names, &key)) != NULL)
		mailboxes_reset(ms, m);
	else
		ms->on_forget(ms->arg, name);
}

static void
on_entry(void *arg, int number, const char *name, bool away)
{
	static const char *const names[] = {"", "inbox.fld", "quota", "new", "cur", "tmp"};
	struct mailboxes *ms = arg;
	struct maildir key = {.watch = number}, *m = RB_FIND(by_watch, &ms->watches, &key);

	(void)away;
	if (m != NULL && (name[0] == '.' || strcmp(name, "subscriptions") == 0))
		say_changed(ms, m, false);
	if (m != NULL && strcmp(name, "documents") == 0)
		vacation_forget(m);
	for (size_t i = 0; m != NULL && i < nitems(names); i++)
		if (strcmp(names[i], name) == 0) {
			mailboxes_reset(ms, m);
			return;
		}
}

static void
on_end(void *arg, int number)
{
	struct mailboxes *ms = arg;
	struct maildir key = {.watch = number}, *m = RB_FIND(by_watch, &ms->watches, &key);

	if (m == NULL)
		return;
	RB_REMOVE(by_watch, &ms->watches, m);
	m->watch = -1;
	mailboxes_reset(ms, m);
}

static void
on_overflow(void *arg)
{
	struct mailboxes *ms = arg;
	struct maildir *m;

	RB_FOREACH (m, by_name, &ms->names)
		mailboxes_reset(ms, m);
	ms->on_forget(ms->arg, "");
}

static const struct watch_ops watch_ops = {on_mailbox, on_entry, on_end, on_overflow};

/* ---- all of them ---- */

struct mailboxes *
mailboxes_new(
    struct event_base *base, int mail, size_t max, mailboxes_forget_cb on_forget, void *arg)
{
	struct mailboxes *ms = xcalloc(1, sizeof *ms);

	ms->mail = mail;
	ms->max = max;
	ms->limit = STORE_NO_LIMIT;
	ms->on_forget = on_forget;
	ms->arg = arg;
	RB_INIT(&ms->names);
	RB_INIT(&ms->watches);
	TAILQ_INIT(&ms->used);
	ms->watch = watch_new(base, mail, &watch_ops, ms);
	return ms;
}

void
mailboxes_free(struct mailboxes **msp)
{
	struct mailboxes *ms = *msp;

	if (ms == NULL)
		return;
	*msp = NULL;
	while (!TAILQ_EMPTY(&ms->used))
		remove_record(ms, TAILQ_FIRST(&ms->used));
	watch_free(&ms->watch);
	free(ms);
}

void
mailboxes_set_limit(struct mailboxes *ms, uint64_t bytes)
{
	struct maildir *m;

	if (bytes == ms->limit)
		return;
	ms->limit = bytes;
	RB_FOREACH (m, by_name, &ms->names)
		m->told = false;
	ms->on_forget(ms->arg, "");
}

uint64_t
mailboxes_limit(const struct mailboxes *ms)
{
	return ms->limit;
}

size_t
mailboxes_count(const struct mailboxes *ms)
{
	return ms->n;
}

/* Watched before it is looked at, so that no change falls between. */
static int
open_record(struct mailboxes *ms, struct maildir *m)
{
	unwatch(ms, m);
	m->watch = watch_add(ms->watch, m->name);
	/* What is not there yet is seen in the mail directory when it comes. */
	ms->would_notice = m->watch != -1 || (errno == ENOENT && watch_works(ms->watch));
	if (m->watch != -1 && RB_INSERT(by_watch, &ms->watches, m) != NULL) {
		/* One directory under two names: it was just moved. */
		m->watch = -1;
		ms->would_notice = false;
	}
	return maildir_open(m, ms->mail);
}

static struct maildir *
find_or_add(struct mailboxes *ms, struct maildir *key)
{
	struct maildir *m = RB_FIND(by_name, &ms->names, key);

	if (m == NULL)
		return add_record(ms, key);
	if (m != TAILQ_LAST(&ms->used, by_use)) {
		TAILQ_REMOVE(&ms->used, m, used);
		TAILQ_INSERT_TAIL(&ms->used, m, used);
	}
	return m;
}

struct maildir *
mailboxes_get(struct mailboxes *ms, struct span name)
{
	struct maildir key, *m;
	int error;

	errno = ENOENT;
	ms->would_notice = true;
	if (!address_is_user_name(name) || !span_copy(name, key.name, sizeof key.name))
		return NULL;
	m = find_or_add(ms, &key);
	ms->would_notice = m->watch != -1;
	if (m->dir != -1 && maildir_check(m) == 0)
		return m;
	if (open_record(ms, m) == 0)
		return m;
	error = errno;
	if (m->watch == -1 && m->refs == 0)
		remove_record(ms, m);
	errno = error;
	return NULL;
}

bool
mailboxes_would_notice(const struct mailboxes *ms)
{
	return ms->would_notice;
}

void
mailboxes_hold(struct maildir *m)
{
	m->refs++;
}

void
mailboxes_release(struct maildir *m)
{
	m->refs--;
}

/* ---- what router was told ---- */

void
mailboxes_tell(struct maildir *m, uint64_t room)
{
	m->told = true;
	m->told_room = room;
}

/* Router may be wrong by half of the room, and never after room was made. */
void
mailboxes_room_changed(struct mailboxes *ms, struct maildir *m)
{
	uint64_t room;

	if (!m->told || maildir_limit(m, ms->limit) == STORE_NO_LIMIT)
		return;
	if (maildir_room(m, ms->limit, &room) == -1 || room > m->told_room ||
	    room < m->told_room / 2 || (room == 0 && m->told_room > 0))
		forget(ms, m);
}

/* ---- listings worth keeping ---- */

void
mailboxes_keep_listing(struct mailboxes *ms, struct maildir *m, struct listing *l)
{
	struct maildir *old;

	mailboxes_drop_listing(ms, m);
	if (listing_bytes(l) > KEPT_LISTINGS_MAX_BYTES)
		return;
	m->listing = listing_hold(l);
	ms->kept_bytes += listing_bytes(l);
	TAILQ_FOREACH (old, &ms->used, used) {
		if (ms->kept_bytes <= KEPT_LISTINGS_MAX_BYTES)
			return;
		if (old != m)
			mailboxes_drop_listing(ms, old);
	}
}
