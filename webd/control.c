/*
 * A session with master: requests in words, answers in JSON. Touches its own socket only.
 */
#include "webd/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sysexits.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/control.h"

/* A whole answer; a list of many users or keys is some 100 KB. */
enum { ANSWER_MAX_BYTES = 32 * 1024 * 1024 };

struct control_call {
	TAILQ_ENTRY(control_call) entry;
	struct control *control;
	uint64_t tag;
	control_cb cb; /* NULL: cancelled */
	void *arg;
	char *text;
	size_t len;
	bool follows;
};

struct control {
	struct ipc_channel *channel;
	TAILQ_HEAD(, control_call) calls;
	uint64_t last_tag;
	control_close_cb on_close;
	void *arg;
	bool in_callback, freed; /* within a callback the memory stays until it returns */
};

static void
call_free(struct control_call *call)
{
	TAILQ_REMOVE(&call->control->calls, call, entry);
	free(call->text);
	free(call);
}

static struct control_call *
find(struct control *c, uint64_t tag)
{
	struct control_call *call;

	TAILQ_FOREACH (call, &c->calls, entry)
		if (call->tag == tag)
			return call;
	return NULL;
}

/* ---- answers ---- */

static json_t *
parse(struct span text)
{
	json_t *doc = json_loadb(text.at, text.len, 0, NULL);

	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	return json_pack("{s:s}", "error", "The answer from within is malformed.");
}

static void
tell(struct control_call *call, int code, struct span text, bool more)
{
	control_cb cb = call->cb;
	void *arg = call->arg;
	json_t *doc;

	if (cb == NULL)
		return;
	doc = parse(text);
	cb(arg, code, doc, more);
	json_decref(doc);
}

/* False: too long. */
static bool
gather(struct control_call *call, struct span text)
{
	char *longer;

	if (call->len + text.len > ANSWER_MAX_BYTES ||
	    (longer = realloc(call->text, call->len + text.len + 1)) == NULL)
		return false;
	memcpy(longer + call->len, text.at, text.len);
	call->text = longer;
	call->len += text.len;
	return true;
}

static void
enter(struct control *c)
{
	c->in_callback = true;
}

/* False when it was freed meanwhile: it is not to be touched any more. */
static bool
leave(struct control *c)
{
	c->in_callback = false;
	if (!c->freed)
		return true;
	free(c);
	return false;
}

static void
on_reply(struct control *c, struct control_call *call, int code, bool more, struct span text)
{
	if (call->cb == NULL) {
		; /* nobody listens any more */
	} else if (call->follows && more) {
		tell(call, code, text, true);
	} else if (!gather(call, text)) {
		log_warn("- an answer of master is too long");
		tell(call, EX_UNAVAILABLE, span_of("{\"error\": \"The answer is too long.\"}"),
		    false);
		if (!c->freed)
			call->cb = NULL;
	} else if (!more) {
		tell(call, code, (struct span){call->text, call->len}, false);
	}
	if (!more && !c->freed)
		call_free(call);
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct control *c = arg;
	uint64_t code = get_u64(r), more = get_u64(r);
	struct span text = get_str(r, IPC_MESSAGE_MAX_BYTES);
	struct control_call *call = find(c, tag);

	if (type != CONTROL_REPLY || get_end(r) == -1 || code > EX__MAX || more > 1) {
		log_warn("- a malformed message from master");
		return;
	}
	if (call == NULL)
		return;
	enter(c);
	on_reply(c, call, code, more, text);
	(void)leave(c);
}

static void
on_closed(void *arg)
{
	struct control *c = arg;
	struct control_call *call;

	enter(c);
	while (!c->freed && (call = TAILQ_FIRST(&c->calls)) != NULL) {
		tell(call, EX_UNAVAILABLE, span_of("{\"error\": \"The session has ended.\"}"),
		    false);
		if (!c->freed)
			call_free(call);
	}
	if (leave(c))
		c->on_close(c->arg);
}

/* ---- requests ---- */

static struct control_call *
ask(struct control *c, const char *const *words, size_t n, bool follows, control_cb cb, void *arg)
{
	struct control_call *call;
	struct writer w;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(words[i]) + 8;
	if (n == 0 || n > CONTROL_WORDS_MAX || bytes > CONTROL_WORDS_MAX_BYTES)
		return NULL;
	call = xcalloc(1, sizeof *call);
	call->control = c;
	call->tag = ++c->last_tag;
	call->cb = cb;
	call->arg = arg;
	call->follows = follows;
	TAILQ_INSERT_TAIL(&c->calls, call, entry);
	ipc_write(&w, CONTROL_REQUEST, call->tag);
	for (size_t i = 0; i < n; i++)
		put_text(&w, words[i]);
	ipc_channel_send(c->channel, &w, -1);
	return call;
}

struct control_call *
control_ask(struct control *c, const char *const *words, size_t n, control_cb cb, void *arg)
{
	return ask(c, words, n, false, cb, arg);
}

struct control_call *
control_follow(struct control *c, const char *const *words, size_t n, control_cb cb, void *arg)
{
	return ask(c, words, n, true, cb, arg);
}

/* Else master would go on for as long as the session lasts. */
static void
unfollow(const struct control_call *call)
{
	char tag[24];
	const char *const words[] = {"log", "unfollow", tag};

	snprintf(tag, sizeof tag, "%llu", (unsigned long long)call->tag);
	(void)ask(call->control, words, nitems(words), false, NULL, NULL);
}

void
control_cancel(struct control_call **callp)
{
	struct control_call *call = *callp;

	*callp = NULL;
	if (call == NULL || call->cb == NULL)
		return;
	call->cb = NULL;
	if (call->follows)
		unfollow(call);
}

struct control *
control_new(struct event_base *base, int fd, control_close_cb on_close, void *arg)
{
	struct control *c = xcalloc(1, sizeof *c);

	TAILQ_INIT(&c->calls);
	c->on_close = on_close;
	c->arg = arg;
	c->channel = ipc_channel_new(base, fd, on_message, on_closed, c);
	return c;
}

void
control_free(struct control **cp)
{
	struct control *c = *cp;
	struct control_call *call;

	if (c == NULL)
		return;
	*cp = NULL;
	while ((call = TAILQ_FIRST(&c->calls)) != NULL)
		call_free(call);
	ipc_channel_free(&c->channel);
	c->freed = true;
	if (!c->in_callback)
		free(c);
}
