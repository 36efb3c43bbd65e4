/*
 * Waiting for news in IMAP folders: IDLE (RFC 2177) in one of them; of the others the server tells
 * by NOTIFY (RFC 5465), and is asked by STATUS: it may have no NOTIFY, and it may hear of no mail
 * but what it has delivered itself. Touches the network only.
 *
 * What a folder was like when it was selected last is what it is compared with: so nothing falls
 * between a listing and the wait for news.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/monotonic.h"
#include "fetcher/imap_private.h"

/*
 * A router between may forget a connection that is silent for longer than IDLE_S; a server may
 * after 30 minutes (RFC 2177). STATUS_S: how often it is asked.
 */
enum { IDLE_S = 9 * 60, STATUS_S = 2 * 60 };

/* Folders that are watched. */
struct watch {
	const char *const *names;
	size_t n;
	const char *idle; /* one of names: selected, and watched by IDLE */
};

/* ---- what folders were like ---- */

/* Every server spells this one as it likes. */
static bool
is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (strcasecmp(a, "INBOX") == 0 && strcasecmp(b, "INBOX") == 0);
}

static struct imap_watched *
find(const struct imap *i, const char *name)
{
	for (size_t k = 0; k < i->n_watched; k++)
		if (is_same(i->watched[k].name, name))
			return &i->watched[k];
	return NULL;
}

/* UIDs only grow; without UIDNEXT there are as many messages, or not. */
static bool
has_changed(const struct imap_watched *old, const struct imap_watched *new)
{
	if (old->uidvalidity != 0 && new->uidvalidity != 0 && old->uidvalidity != new->uidvalidity)
		return true;
	if (old->uidnext != 0 && new->uidnext != 0)
		return old->uidnext != new->uidnext;
	return old->exists != new->exists;
}

void
imap_note_selected(struct remote *r, const char *name)
{
	struct imap *i = r->p;
	struct imap_watched *w = find(i, name);

	if (w == NULL && i->n_watched == REMOTE_FOLDERS_MAX)
		return;
	if (w == NULL) {
		i->watched = xrealloc(i->watched, (i->n_watched + 1) * sizeof *i->watched);
		w = &i->watched[i->n_watched++];
		w->name = xstrdup(name);
	}
	w->uidvalidity = i->uidvalidity;
	w->uidnext = i->uidnext;
	w->exists = i->exists;
}

/* MESSAGES 17 UIDNEXT 44 UIDVALIDITY 7), from behind the parenthesis. */
static int
read_items(struct imap *i, struct imap_watched *now)
{
	const struct {
		const char *name;
		uint32_t *at;
	} items[] = {{"MESSAGES", &now->exists}, {"UIDNEXT", &now->uidnext},
	    {"UIDVALIDITY", &now->uidvalidity}};
	struct imap_token t;
	uint64_t number;

	for (;;) {
		uint32_t *at = NULL;

		if (imap_next(&i->in, &t) == -1 || t.kind == IMAP_END)
			return -1;
		if (t.kind == IMAP_CLOSE)
			return 0;
		for (size_t k = 0; k < nitems(items); k++)
			if (imap_is(&t, items[k].name))
				at = items[k].at;
		if (imap_skip_value(&i->in, &t) == -1 || imap_next(&i->in, &t) == -1)
			return -1;
		if (at != NULL && imap_number(&t, UINT32_MAX, &number))
			*at = number;
		if (t.kind == IMAP_CLOSE || t.kind == IMAP_END || imap_skip_value(&i->in, &t) == -1)
			return -1;
	}
}

int
imap_on_status(struct remote *r)
{
	struct imap *i = r->p;
	struct imap_watched now;
	const struct imap_watched *old;
	struct imap_token t;
	char name[REMOTE_FOLDER_SIZE];

	if (imap_next(&i->in, &t) == -1 || t.kind == IMAP_END || t.kind == IMAP_CLOSE ||
	    imap_name(&i->in, &t, name) == -1)
		return -1;
	old = find(i, name);
	now = old != NULL ? *old : (struct imap_watched){0}; /* what is not said is as it was */
	if (imap_next(&i->in, &t) == -1 || t.kind != IMAP_OPEN || read_items(i, &now) == -1 ||
	    imap_skip(&i->in) == -1)
		return -1;
	i->news |= i->watching && old != NULL && has_changed(old, &now);
	return 0;
}

/* ---- IDLE ---- */

static enum remote_end
end_idle(struct remote *r)
{
	struct imap *i = r->p;

	if (remote_put(r, NULL, "DONE") != REMOTE_OK ||
	    imap_answer(r, r->target->timeouts.reply_s, "at DONE") != REMOTE_OK)
		return r->end;
	return i->status == IMAP_OK ? REMOTE_OK : imap_puzzled(r, "at DONE");
}

static enum remote_end
begin_idle(struct remote *r)
{
	struct imap *i = r->p;

	if (imap_put(r, NULL, "IDLE") != REMOTE_OK ||
	    imap_answer(r, r->target->timeouts.reply_s, "at IDLE") != REMOTE_OK)
		return r->end;
	return i->status == IMAP_MORE ? REMOTE_OK : imap_puzzled(r, "at IDLE");
}

/* One IDLE, of so many seconds. */
static enum remote_end
idle(struct remote *r, int fd, uint64_t seconds, enum remote_news *news)
{
	struct imap *i = r->p;
	uint64_t until = monotonic_ms() + seconds * 1000, now;
	bool tagged, watching = true;

	if (begin_idle(r) != REMOTE_OK)
		return r->end;
	/* Also of a server that never stops talking. */
	while (watching && !i->news && !i->overflow && (now = monotonic_ms()) < until) {
		switch (client_wire_wait(r->wire, fd, (until - now + 999) / 1000)) {
		case WIRE_BYTES:
			client_wire_deadline(r->wire, r->target->timeouts.reply_s);
			if (imap_read(r, "at IDLE", &tagged) != REMOTE_OK)
				return r->end;
			if (tagged)
				return imap_puzzled(r, "at IDLE");
			break;
		case WIRE_FD:
			*news = REMOTE_FD;
			watching = false;
			break;
		case WIRE_TIME:
			watching = false;
			break;
		case WIRE_OVER:
			return remote_fail_wire(r, "at IDLE");
		}
	}
	if (end_idle(r) == REMOTE_OK && i->news)
		*news = REMOTE_NEWS;
	return r->end;
}

/* ---- the other folders ---- */

static enum remote_end
ask_status(struct remote *r, const char *name)
{
	char quoted[IMAP_STRING_SIZE];

	if (!imap_quote(name, quoted))
		return REMOTE_OK;
	/* One that is gone is no news: the next collection says so. */
	return imap_do(r, "at STATUS", "STATUS %s (MESSAGES UIDNEXT UIDVALIDITY)", quoted);
}

static enum remote_end
ask_all(struct remote *r, const struct watch *w)
{
	const struct imap *i = r->p;

	for (size_t k = 0; k < w->n && w->n > 1 && !i->news; k++)
		if (!is_same(w->names[k], w->idle) && ask_status(r, w->names[k]) != REMOTE_OK)
			return r->end;
	return r->end;
}

/* The command that has the server tell of them. False: it would be too long. */
static bool
print_notify(const struct watch *w, char out[REMOTE_COMMAND_MAX_BYTES])
{
	static const char events[] = "(MessageNew MessageExpunge)";
	size_t len = snprintf(out, REMOTE_COMMAND_MAX_BYTES,
	    "NOTIFY SET STATUS (selected-delayed %s) (mailboxes (", events);
	const char *between = "";

	for (size_t k = 0; k < w->n; k++) {
		char quoted[IMAP_STRING_SIZE];

		if (is_same(w->names[k], w->idle))
			continue;
		if (!imap_quote(w->names[k], quoted) ||
		    len + strlen(quoted) + sizeof events + 20 > REMOTE_COMMAND_MAX_BYTES)
			return false;
		len += snprintf(out + len, REMOTE_COMMAND_MAX_BYTES - len, "%s%s", between, quoted);
		between = " ";
	}
	snprintf(out + len, REMOTE_COMMAND_MAX_BYTES - len, ") %s)", events);
	return true;
}

/* *told: it tells. It may refuse, for there are too many, or for it does not know these events. */
static enum remote_end
begin_notify(struct remote *r, const struct watch *w, bool *told)
{
	struct imap *i = r->p;
	char command[REMOTE_COMMAND_MAX_BYTES];

	*told = false;
	if (!i->offer.notify || !print_notify(w, command))
		return r->end;
	if (imap_put(r, NULL, "%s", command) != REMOTE_OK ||
	    imap_answer(r, r->target->timeouts.reply_s, "at NOTIFY") != REMOTE_OK)
		return r->end;
	if (i->status == IMAP_MORE)
		return imap_puzzled(r, "at NOTIFY");
	*told = i->offer.notify = i->status == IMAP_OK;
	return r->end;
}

static enum remote_end
end_notify(struct remote *r)
{
	return imap_do(r, "at NOTIFY", "NOTIFY NONE");
}

/* To a folder that was collected: what has changed there since then is news. */
static enum remote_end
return_to(struct remote *r, const char *name)
{
	struct imap *i = r->p;
	const struct imap_watched *w = find(i, name);
	struct imap_watched before = w != NULL ? *w : (struct imap_watched){0};
	struct remote_folder folder;
	enum remote_end end = imap_select(r, name, false, &folder);

	if (end == REMOTE_OK && w != NULL && (w = find(i, name)) != NULL)
		i->news |= has_changed(&before, w);
	return end;
}

/* ---- all ---- */

static enum remote_end
wait_in_turns(
    struct remote *r, const struct watch *w, int fd, uint64_t seconds, enum remote_news *news)
{
	struct imap *i = r->p;
	uint64_t longest = w->n > 1 ? STATUS_S : IDLE_S;

	while (*news == REMOTE_NO_NEWS && seconds > 0) {
		uint64_t some = seconds < longest ? seconds : longest;

		if (ask_all(r, w) != REMOTE_OK)
			return r->end;
		if (i->news)
			*news = REMOTE_NEWS;
		else if (idle(r, fd, some, news) != REMOTE_OK)
			return r->end;
		if (i->overflow) { /* it has stopped telling: what has come is unknown */
			i->overflow = i->offer.notify = false;
			*news = REMOTE_NEWS;
		}
		seconds -= some;
	}
	return r->end;
}

/* The folder to IDLE in: where most mail comes to. */
static const char *
choose(const struct watch *w)
{
	for (size_t k = 0; k < w->n; k++)
		if (is_same(w->names[k], "INBOX"))
			return w->names[k];
	return w->names[0];
}

static enum remote_end
wait_for_all(struct remote *r, struct watch *w, int fd, uint64_t seconds, enum remote_news *news)
{
	struct imap *i = r->p;
	enum remote_end end;
	bool told;

	w->idle = choose(w);
	if ((end = return_to(r, w->idle)) != REMOTE_OK)
		return end;
	i->watching = true;
	if (begin_notify(r, w, &told) == REMOTE_OK)
		(void)wait_in_turns(r, w, fd, seconds, news);
	i->watching = false;
	return r->end == REMOTE_OK && told ? end_notify(r) : r->end;
}

enum remote_end
imap_wait(struct remote *r, const char *const *names, size_t n, int fd, uint64_t seconds,
    enum remote_news *news)
{
	struct imap *i = r->p;
	struct watch w = {names, n, NULL};

	if (!i->offer.idle || !i->selected)
		return r->end;
	*news = i->news && n < 2 ? REMOTE_NEWS : REMOTE_NO_NEWS;
	if (n > 1)
		return wait_for_all(r, &w, fd, seconds, news);
	return wait_in_turns(r, &w, fd, seconds, news);
}
