/*
 * Event streams (HTML, "Server-sent events"). A stream that its reader does not take ends: the page
 * opens it again.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/events.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum {
	BACKLOG_MAX_BYTES = 256 * 1024,
	SIGN_OF_LIFE_S = 25,
	ARRIVED_MAX = 20, /* are told of at one time: the newest */
	ARRIVED_WITHIN_S = 10 * 60
};

struct event_stream {
	struct event alive;
	struct request *q;
};

static void
free_stream(struct request *q)
{
	struct event_stream *e = q->work;

	if (e == NULL)
		return;
	q->work = NULL;
	event_del(&e->alive);
	free(e);
}

static bool
is_stream(const struct request *q)
{
	return q->gone == free_stream;
}

/* Owns doc. */
static void
write_event(struct request *q, const char *name, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT), *event;

	json_decref(doc);
	if (text == NULL)
		return;
	event = xasprintf("event: %s\ndata: %s\n\n", name, text);
	reply_write(q, span_of(event));
	free(event);
	free(text);
}

/* Owns doc. */
static void
write_to_all(struct web_session *s, const char *name, json_t *doc)
{
	struct request *q, *next;

	LIST_FOREACH_SAFE(q, &s->requests, entry, next)
	{
		if (!is_stream(q))
			continue;
		write_event(q, name, json_incref(doc));
		if (reply_pending(q) > BACKLOG_MAX_BYTES) {
			free_stream(q);
			q->gone = NULL;
			reply_cut(q);
		}
	}
	json_decref(doc);
}

/* ---- what has arrived ---- */

/* A folder whose new messages are told of. */
struct watched {
	LIST_ENTRY(watched) entry;
	struct web_session *session;
	uint64_t id, uid_next;
	uint64_t next; /* the first one that was not told of */
	struct folders_call *call;
	uint64_t asked; /* the last one that call is about, and one */
	bool again;	/* more has changed meanwhile */
};

static struct watched *
find_watched(const struct web_session *s, uint64_t id)
{
	struct watched *w;

	LIST_FOREACH (w, &s->watched, entry)
		if (w->id == id)
			return w;
	return NULL;
}

static void
watch_from_now(struct web_session *s, const struct folder_info *f)
{
	struct watched *w = xcalloc(1, sizeof *w);

	w->session = s;
	w->id = f->id;
	w->uid_next = w->next = f->uid_next;
	LIST_INSERT_HEAD(&s->watched, w, entry);
}

static void
tell_arrived(struct web_session *s, const struct folder_row *row)
{
	/* What is moved or copied has not arrived. */
	if (row->flags & FLAG_SEEN || row->arrival + ARRIVED_WITHIN_S < (uint64_t)time(NULL))
		return;
	write_to_all(s, "arrived",
	    json_pack("{s:I, s:I, s:o, s:o, s:o}", "folder", (json_int_t)row->folder, "uid",
		(json_int_t)row->uid, "from", json_mailbox(span_of(row->from)), "subject",
		json_text(span_of(row->subject)), "preview", json_text(span_of(row->preview))));
}

static void ask_what_is_new(struct watched *w);

/* Those whose summary is not made yet have their turn when the folder changes by it. */
static void
on_new(void *arg, const struct folders_answer *a)
{
	struct watched *w = arg;
	uint64_t next = w->asked;

	w->call = NULL;
	for (size_t i = 0; i < a->n_rows; i++)
		if (!a->rows[i].is_read && a->rows[i].uid < next)
			next = a->rows[i].uid;
	for (size_t i = 0; i < a->n_rows; i++)
		if (a->rows[i].uid < next)
			tell_arrived(w->session, &a->rows[i]);
	w->next = next;
	if (w->again)
		ask_what_is_new(w);
}

static void
ask_what_is_new(struct watched *w)
{
	uint64_t uids[ARRIVED_MAX];
	size_t n = 0;

	w->again = w->call != NULL;
	if (w->again || w->next >= w->uid_next)
		return;
	if (w->uid_next - w->next > ARRIVED_MAX)
		w->next = w->uid_next - ARRIVED_MAX;
	while (w->next + n < w->uid_next) {
		uids[n] = w->next + n;
		n++;
	}
	w->asked = w->uid_next;
	w->call = folders_rows(w->session->folders, w->id, uids, n, on_new, w);
}

static void
look_for_new(struct web_session *s, const struct folder_info *f)
{
	struct watched *w = find_watched(s, f->id);

	if (w == NULL) {
		watch_from_now(s, f);
		return;
	}
	w->uid_next = f->uid_next;
	if (w->next > w->uid_next)
		w->next = w->uid_next;
	ask_what_is_new(w);
}

static void
forget_watched(struct watched *w)
{
	LIST_REMOVE(w, entry);
	free(w);
}

/* From here on; store answers before it gives notice. */
static void
on_folders(void *arg, const struct folders_answer *a)
{
	struct web_session *s = arg;

	for (size_t i = 0; i < a->n_folders; i++)
		if (find_watched(s, a->folders[i].id) == NULL)
			watch_from_now(s, &a->folders[i]);
}

void
events_free(struct web_session *s)
{
	while (!LIST_EMPTY(&s->watched))
		forget_watched(LIST_FIRST(&s->watched));
}

/* ---- what a session is told ---- */

void
events_on_folder(void *arg, const struct folder_info *f, bool gone)
{
	struct web_session *s = arg;
	struct watched *w;

	if (!gone) {
		write_to_all(s, "folder", json_folder(f));
		look_for_new(s, f);
		return;
	}
	write_to_all(s, "folder", json_pack("{s:I, s:b}", "id", (json_int_t)f->id, "gone", 1));
	if ((w = find_watched(s, f->id)) != NULL) {
		folders_call_cancel(&w->call);
		forget_watched(w);
	}
}

void
events_outbox(struct web_session *s)
{
	write_to_all(s, "outbox", json_object());
}

void
events_say_goodbye(struct web_session *s, const char *why)
{
	struct request *q, *next;

	LIST_FOREACH_SAFE(q, &s->requests, entry, next)
	{
		if (!is_stream(q))
			continue;
		write_event(q, "bye", json_pack("{s:s}", "why", why));
		free_stream(q);
		q->gone = NULL;
		reply_end(q);
	}
}

/* A proxy closes what is silent; and who has gone without a word is noticed. */
static void
on_alive(evutil_socket_t fd, short what, void *arg)
{
	struct event_stream *e = arg;

	(void)fd, (void)what;
	reply_write(e->q, span_of(": \n\n"));
}

void
api_events(struct request *q)
{
	const struct timeval wait = {SIGN_OF_LIFE_S, 0};
	struct web_session *s = q->session;
	struct event_stream *e;
	struct request *other;
	size_t n = 0;

	LIST_FOREACH (other, &s->requests, entry)
		n += is_stream(other);
	if (n >= SESSION_STREAMS_MAX) {
		reply_error(q, 429, "slow-down", "There are too many open pages of this session.");
		return;
	}
	e = xcalloc(1, sizeof *e);
	e->q = q;
	q->work = e;
	event_assign(&e->alive, q->web->base, -1, EV_PERSIST, on_alive, e);
	event_add(&e->alive, &wait);
	reply_field(q, "X-Accel-Buffering", "no");
	reply_endless(q, "text/event-stream", free_stream);
	reply_write(q, span_of("retry: 3000\n\n"));
	if (!s->watches && s->folders != NULL) {
		s->watches = true;
		folders_list(s->folders, on_folders, s);
		folders_watch(s->folders, true);
	}
}
