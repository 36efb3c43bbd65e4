/*
 * The supervisor's side of control.sock and of sessions: who is connected, and how answers leave.
 */
#include "master/control_server.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "common/stream.h"
#include "master/ask.h"
#include "master/control.h"
#include "master/control_private.h"
#include "master/describe.h"
#include "master/programs.h"
#include "master/stats.h"

enum {
	OWNERS_MAX = 256,
	SESSIONS_MAX = 10000, /* one for each of webd's */
	SESSIONS_OF_USER_MAX = 100,
	REQUESTS_MAX = 32, /* of a session, at one time */
	TEXT_CHUNK_BYTES = 60000,
	SENTENCE_SIZE = 1000,
	ENDING_US = 100 * 1000
};

/* ---- connections ---- */

static size_t *
counter(const struct client *cl)
{
	struct control_server *c = cl->server;

	return cl->scope == SCOPE_OWNER ? &c->n_owners : &c->n_sessions;
}

static void
release_client(struct client *cl)
{
	struct client **at = &cl->server->clients;

	if (cl->channel != NULL || cl->requests > 0)
		return;
	while (*at != cl)
		at = &(*at)->next;
	*at = cl->next;
	--*counter(cl);
	if (cl->ending != NULL)
		event_free(cl->ending);
	free(cl);
}

/* May free it. */
static void
close_client(struct client *cl)
{
	struct request *q;

	ipc_channel_free(&cl->channel);
	cl->requests++; /* ourselves */
	while ((q = cl->lasting) != NULL) {
		cl->lasting = q->next_lasting;
		q->on_gone(q);
	}
	cl->requests--;
	release_client(cl);
}

static void
on_close(void *arg)
{
	close_client(arg);
}

/* ---- answers ---- */

static void
forget_lasting(struct request *q)
{
	struct request **at = &q->client->lasting;

	while (*at != NULL && *at != q)
		at = &(*at)->next_lasting;
	if (*at == q)
		*at = q->next_lasting;
}

void
request_lasts(struct request *q, void (*on_gone)(struct request *q), void *state)
{
	q->on_gone = on_gone;
	q->state = state;
	q->next_lasting = q->client->lasting;
	q->client->lasting = q;
}

void
request_end(struct request *q)
{
	struct client *cl = q->client;

	forget_lasting(q);
	json_decref(q->doc);
	if (q->limit != NULL)
		event_free(q->limit);
	free(q);
	cl->requests--;
	release_client(cl);
}

void
request_send(struct request *q, int code, bool more, struct span text)
{
	struct writer w;

	if (q->client->channel != NULL) {
		ipc_write(&w, CONTROL_REPLY, q->tag);
		put_u64(&w, code);
		put_u64(&w, more);
		put_str(&w, text);
		ipc_channel_send(q->client->channel, &w, -1);
	}
	if (!more)
		request_end(q);
}

static void
send_document(struct request *q, int code, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	struct span rest = span_of(text != NULL ? text : "{}");

	json_decref(doc);
	while (rest.len > TEXT_CHUNK_BYTES) {
		request_send(q, code, true, (struct span){rest.at, TEXT_CHUNK_BYTES});
		rest = (struct span){rest.at + TEXT_CHUNK_BYTES, rest.len - TEXT_CHUNK_BYTES};
	}
	request_send(q, code, false, rest);
	free(text);
}

/* That it was done, or that it was not. */
static json_t *
answer_for_user(const struct request *q, int code, json_t *doc)
{
	const char *why = json_string_value(json_object_get(doc, "error"));

	if (code != 0)
		log_warn("- not-changed user=%s reason=%s", q->client->name,
		    log_safe(span_of(why != NULL ? why : "")));
	json_decref(doc);
	if (code == 0)
		return json_object();
	return json_pack("{s:s}", "error",
	    "this cannot be changed now: log/master.log tells the administrator why");
}

void
request_answer(struct request *q, int code, json_t *doc)
{
	if (q->is_users)
		doc = answer_for_user(q, code, doc);
	send_document(q, code, doc);
}

void
request_fail(struct request *q, int code, const char *format, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(sentence, sizeof sentence, format, ap);
	va_end(ap);
	request_answer(q, code, json_pack("{s:s}", "error", sentence));
}

/* ---- what is asked ---- */

static void
refuse_busy(struct client *cl, uint64_t tag)
{
	static const char text[] = "{\"error\": \"too many requests at one time\"}";
	struct writer w;

	ipc_write(&w, CONTROL_REPLY, tag);
	put_u64(&w, EX_TEMPFAIL);
	put_u64(&w, false);
	put_text(&w, text);
	ipc_channel_send(cl->channel, &w, -1);
}

static void
refuse_malformed(struct client *cl)
{
	if (cl->scope == SCOPE_OWNER) {
		log_warn("malformed request on control.sock");
		return;
	}
	log_warn("- malformed request user=%s client=%s: the session ends", cl->name,
	    log_safe(span_of(cl->address)));
	close_client(cl);
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	static char text[IPC_MESSAGE_MAX_BYTES + CONTROL_WORDS_MAX];
	struct client *cl = arg;
	const char *words[CONTROL_WORDS_MAX];
	size_t n = 0, used = 0;

	while (get_more(r) && n < CONTROL_WORDS_MAX) {
		struct span word = get_str(r, r->left);

		span_copy(word, text + used, word.len + 1);
		words[n++] = text + used;
		used += word.len + 1;
	}
	if (type != CONTROL_REQUEST || get_end(r) == -1 || n == 0)
		refuse_malformed(cl);
	else if (cl->ending != NULL)
		; /* nobody's any more */
	else if (cl->scope != SCOPE_OWNER && cl->requests >= REQUESTS_MAX)
		refuse_busy(cl, tag);
	else
		control_dispatch(cl, tag, words, n);
	explicit_bzero(text, used);
}

static struct client *
add_client(struct control_server *c, int sock, enum control_scope scope)
{
	struct client *cl = xcalloc(1, sizeof *cl);

	cl->server = c;
	cl->scope = scope;
	cl->next = c->clients;
	c->clients = cl;
	++*counter(cl);
	cl->channel = ipc_channel_new(c->supervisor->base, sock, on_message, on_close, cl);
	return cl;
}

static void
on_accept(void *arg, int sock, const struct sockaddr *address, socklen_t length, int kind)
{
	struct control_server *c = arg;
	struct client *cl;
	uid_t uid;

	(void)address, (void)length, (void)kind;
	if (c->n_owners >= OWNERS_MAX) {
		closefd(&sock);
		return;
	}
	cl = add_client(c, sock, SCOPE_OWNER);
	uid = ipc_channel_peer_uid(cl->channel);
	if (uid != 0 && uid != geteuid()) {
		log_warn("control.sock: user %u was refused", uid);
		close_client(cl);
		return;
	}
	strlcpy(cl->name, describe_user(uid), sizeof cl->name);
}

/* ---- sessions ---- */

static size_t
sessions_of(const struct control_server *c, const char *user)
{
	size_t n = 0;

	for (const struct client *cl = c->clients; cl != NULL; cl = cl->next)
		n += cl->scope != SCOPE_OWNER && strcmp(cl->name, user) == 0;
	return n;
}

int
control_server_open(struct control_server *c, const char *user, bool admin, const char *address)
{
	struct client *cl;
	int ends[2];

	if (c->n_sessions >= SESSIONS_MAX || sessions_of(c, user) >= SESSIONS_OF_USER_MAX) {
		log_warn("- session-refused user=%s client=%s reason=too-many", user,
		    log_safe(span_of(address)));
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == -1) {
		log_warn("cannot make a session: %s", strerror(errno));
		return -1;
	}
	cl = add_client(c, ends[0], admin ? SCOPE_ADMIN : SCOPE_USER);
	strlcpy(cl->name, user, sizeof cl->name);
	strlcpy(cl->address, address, sizeof cl->address);
	log_info("- session user=%s client=%s admin=%s", user, log_safe(span_of(address)),
	    admin ? "yes" : "no");
	return ends[1];
}

static void
on_ending(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	close_client(arg);
}

static void
revoke_client(struct control_server *c, struct client *cl)
{
	const struct timeval soon = {0, ENDING_US};

	log_info("- session-revoked user=%s client=%s", cl->name, log_safe(span_of(cl->address)));
	if (cl->requests == 0) {
		close_client(cl);
		return;
	}
	/* The answer to what ends it may still be on its way. */
	cl->ending = evtimer_new(c->supervisor->base, on_ending, cl);
	evtimer_add(cl->ending, &soon);
}

void
control_server_revoke(struct control_server *c, const char *user)
{
	struct client *next;

	for (struct client *cl = c->clients; cl != NULL; cl = next) {
		next = cl->next;
		if (cl->scope != SCOPE_OWNER && cl->ending == NULL && strcmp(cl->name, user) == 0)
			revoke_client(c, cl);
	}
}

/* ---- life ---- */

static void
control_path(const struct supervisor *s, char *out, size_t size)
{
	snprintf(out, size, "%s/control.sock", s->instance->run);
}

struct control_server *
control_server_new(struct supervisor *s)
{
	struct control_server *c;
	char path[PATH_MAX + 32];
	int fd;

	control_path(s, path, sizeof path);
	if ((fd = sockets_bind_unix(path, 0600, (gid_t)-1)) == -1)
		return NULL;
	c = xcalloc(1, sizeof *c);
	c->supervisor = s;
	c->stats = stats_new(s);
	c->listener = listener_new(s->base, fd, 0, on_accept, c);
	return c;
}

void
control_server_free(struct control_server **cp)
{
	struct control_server *c = *cp;
	char path[PATH_MAX + 32];

	if (c == NULL)
		return;
	*cp = NULL;
	control_path(c->supervisor, path, sizeof path);
	(void)unlink(path);
	ask_free(c->supervisor); /* those who wait for a program */
	stats_free(&c->stats);
	while (c->waiting != NULL) {
		struct request *q = c->waiting;

		c->waiting = q->next;
		request_end(q);
	}
	while (c->clients != NULL) {
		c->clients->requests = 0;
		close_client(c->clients);
	}
	listener_free(&c->listener);
	free(c);
}
