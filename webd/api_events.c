/*
 * Event streams (HTML, "Server-sent events"). A stream that its reader does not take ends: the page
 * opens it again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/events.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum { BACKLOG_MAX_BYTES = 256 * 1024, SIGN_OF_LIFE_S = 25 };

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

void
events_on_folder(void *arg, const struct folder_info *f, bool gone)
{
	struct web_session *s = arg;
	json_t *doc =
	    gone ? json_pack("{s:I, s:b}", "id", (json_int_t)f->id, "gone", 1) : json_folder(f);

	write_to_all(s, "folder", doc);
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
		folders_watch(s->folders, true);
	}
}
