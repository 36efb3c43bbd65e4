/*
 * Who is logged in. Touches memory only; the sessions with store and master came from auth.
 */
#include "webd/sessions.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "webd/events.h"
#include "webd/uploads.h"
#include "webd/webd.h"

enum { BUCKETS = 1024, LOOK_S = 30 };

TAILQ_HEAD(session_queue, web_session);

struct web_sessions {
	struct webd *web;
	struct session_queue queue;
	LIST_HEAD(, web_session) buckets[BUCKETS];
	struct event look;
	size_t n;
};

/* ---- the cookie ---- */

static void
make_secret(char out[SESSION_TEXT_SIZE])
{
	unsigned char secret[SESSION_SECRET_BYTES];

	arc4random_buf(secret, sizeof secret);
	for (size_t i = 0; i < sizeof secret; i++)
		snprintf(out + 2 * i, 3, "%02x", secret[i]);
	explicit_bzero(secret, sizeof secret);
}

static unsigned
bucket_of(const unsigned char hash[32])
{
	return (hash[0] << 8 | hash[1]) % BUCKETS;
}

struct web_session *
sessions_find(struct web_sessions *ws, struct span id)
{
	unsigned char hash[32];
	struct web_session *s;

	if (id.len != SESSION_TEXT_SIZE - 1)
		return NULL;
	SHA256((const unsigned char *)id.at, id.len, hash);
	LIST_FOREACH (s, &ws->buckets[bucket_of(hash)], bucket)
		if (CRYPTO_memcmp(s->hash, hash, sizeof hash) == 0)
			break;
	if (s == NULL)
		return NULL;
	s->used_ms = monotonic_ms();
	TAILQ_REMOVE(&ws->queue, s, entry);
	TAILQ_INSERT_TAIL(&ws->queue, s, entry);
	return s;
}

bool
session_token_is_right(const struct web_session *s, struct span token)
{
	return token.len == SESSION_TEXT_SIZE - 1 &&
	       CRYPTO_memcmp(s->csrf, token.at, token.len) == 0;
}

/* ---- requests ---- */

void
sessions_join(struct request *q, struct web_session *s)
{
	q->session = s;
	LIST_INSERT_HEAD(&s->requests, q, entry);
}

void
sessions_leave(struct request *q)
{
	if (q->session == NULL)
		return;
	LIST_REMOVE(q, entry);
	q->session = NULL;
}

static void
dismiss(struct request *q)
{
	sessions_leave(q);
	if (q->gone != NULL)
		q->gone(q);
	q->gone = NULL;
	if (q->begun) {
		reply_cut(q);
		return;
	}
	if (q->abort != NULL)
		q->abort(q);
	q->abort = NULL;
	reply_error(q, 401, "login", "The session has ended; log in again.");
}

/* ---- the end ---- */

void
session_end(struct web_session **sp, const char *why)
{
	struct web_session *s = *sp;
	struct web_sessions *ws = s->web->sessions;
	struct request *q;

	*sp = NULL;
	log_info("- logged-out user=%s client=%s reason=%s", s->user, s->client, why);
	LIST_REMOVE(s, bucket);
	TAILQ_REMOVE(&ws->queue, s, entry);
	ws->n--;
	/* No answer of the mailbox comes any more. Other calls are cancelled as their requests are
	 * dismissed, so master's session goes after them. */
	folders_free(&s->folders);
	events_free(s);
	events_say_goodbye(s, why);
	while ((q = LIST_FIRST(&s->requests)) != NULL)
		dismiss(q);
	control_free(&s->control);
	uploads_free(s);
	json_decref(s->identities);
	explicit_bzero(s, sizeof *s);
	free(s);
}

struct web_session *
sessions_of_user(const struct web_sessions *ws, const char *user, struct web_session *after)
{
	struct web_session *s = after != NULL ? TAILQ_NEXT(after, entry) : TAILQ_FIRST(&ws->queue);

	while (s != NULL && strcmp(s->user, user) != 0)
		s = TAILQ_NEXT(s, entry);
	return s;
}

void
sessions_end_others(const struct web_session *s, const char *why)
{
	struct web_session *other, *next;

	TAILQ_FOREACH_SAFE (other, &s->web->sessions->queue, entry, next)
		if (other != s && strcmp(other->user, s->user) == 0)
			session_end(&other, why);
}

void
sessions_expire(struct web_sessions *ws)
{
	uint64_t now = monotonic_ms(), wait = ws->web->settings.session_s * 1000ULL;
	struct web_session *s;

	while ((s = TAILQ_FIRST(&ws->queue)) != NULL && now - s->used_ms >= wait)
		session_end(&s, "idle");
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	sessions_expire(arg);
}

/* ---- the beginning ---- */

static void
on_folders_closed(void *arg)
{
	struct web_session *s = arg;

	session_end(&s, "mailbox-closed");
}

static void
on_control_closed(void *arg)
{
	struct web_session *s = arg;

	session_end(&s, "rights-changed");
}

static const struct folders_ops folders_ops = {
    .on_changed = events_on_folder, .on_close = on_folders_closed};

static void
make_room_for(struct web_sessions *ws, const char *user)
{
	struct web_session *s, *oldest = NULL;
	size_t n = 0;

	TAILQ_FOREACH (s, &ws->queue, entry) {
		if (strcmp(s->user, user) != 0)
			continue;
		if (n++ == 0)
			oldest = s;
	}
	if (n >= SESSIONS_USER_MAX)
		session_end(&oldest, "too-many");
}

struct web_session *
sessions_open(struct web_sessions *ws, const char *user, bool admin, int folders_fd, int control_fd,
    const char *client, char id_out[SESSION_TEXT_SIZE])
{
	struct web_session *s;

	make_room_for(ws, user);
	if (ws->n >= SESSIONS_MAX) {
		closefd(&folders_fd);
		closefd(&control_fd);
		return NULL;
	}
	s = xcalloc(1, sizeof *s);
	s->web = ws->web;
	make_secret(id_out);
	SHA256((const unsigned char *)id_out, SESSION_TEXT_SIZE - 1, s->hash);
	make_secret(s->csrf);
	strlcpy(s->user, user, sizeof s->user);
	strlcpy(s->client, client, sizeof s->client);
	s->admin = admin;
	s->used_ms = monotonic_ms();
	LIST_INIT(&s->requests);
	LIST_INIT(&s->uploads);
	LIST_INIT(&s->watched);
	if (folders_fd != -1)
		s->folders = folders_new(ws->web->base, folders_fd, &folders_ops, s);
	s->control = control_new(ws->web->base, control_fd, on_control_closed, s);
	LIST_INSERT_HEAD(&ws->buckets[bucket_of(s->hash)], s, bucket);
	TAILQ_INSERT_TAIL(&ws->queue, s, entry);
	ws->n++;
	log_info("- logged-in user=%s client=%s admin=%d", s->user, s->client, s->admin);
	return s;
}

size_t
sessions_count(const struct web_sessions *ws)
{
	return ws->n;
}

struct web_sessions *
sessions_new(struct webd *w)
{
	struct web_sessions *ws = xcalloc(1, sizeof *ws);
	const struct timeval look = {LOOK_S, 0};

	ws->web = w;
	TAILQ_INIT(&ws->queue);
	event_assign(&ws->look, w->base, -1, EV_PERSIST, on_look, ws);
	event_add(&ws->look, &look);
	return ws;
}

void
sessions_free(struct web_sessions **wsp)
{
	struct web_sessions *ws = *wsp;
	struct web_session *s;

	if (ws == NULL)
		return;
	while ((s = TAILQ_FIRST(&ws->queue)) != NULL)
		session_end(&s, "stop");
	event_del(&ws->look);
	free(ws);
	*wsp = NULL;
}
