/*
 * The side that asks: a connection that comes back, and calls that are repeated until they are
 * answered.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/tree.h>

#include "common/ipc_private.h"
#include "common/log.h"
#include "common/memory.h"

enum { RECONNECT_FIRST_MS = 10, RECONNECT_MAX_MS = 1000 };

struct ipc_call {
	RB_ENTRY(ipc_call) entry;
	uint64_t tag;
	struct ipc_client *client;
	ipc_answer_cb cb; /* NULL: cancelled */
	void *arg;
	void *memory;
	int fd;
	size_t len;
	unsigned char message[];
};

static int
compare(const struct ipc_call *a, const struct ipc_call *b)
{
	return a->tag < b->tag ? -1 : a->tag > b->tag;
}

RB_HEAD(calls, ipc_call);
RB_GENERATE_INTERNAL(calls, ipc_call, entry, compare, static __attribute__((unused)))

struct ipc_client {
	struct event_base *base;
	struct event reconnect;
	char *path;
	const struct ipc_client_ops *ops;
	void *arg;
	struct ipc_channel *channel;
	struct calls calls;
	uint64_t last_tag;
	unsigned delay_ms;
};

static void connect_now(struct ipc_client *c);

static void
end_call(struct ipc_call *call)
{
	RB_REMOVE(calls, &call->client->calls, call);
	closefd(&call->fd);
	explicit_bzero(call->message, call->len); /* there may be a password in it */
	free(call->memory);
	free(call);
}

static void
answer_call(struct ipc_client *c, uint32_t type, uint64_t tag, struct reader *r)
{
	struct ipc_call key = {.tag = tag}, *call = RB_FIND(calls, &c->calls, &key);
	ipc_answer_cb cb;
	void *arg, *memory;

	if (call == NULL) {
		log_warn("an answer to nothing that was asked: message %u", type);
		return;
	}
	cb = call->cb;
	arg = call->arg;
	memory = call->memory;
	call->memory = NULL;
	end_call(call);
	if (cb != NULL)
		cb(arg, type, r);
	free(memory);
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct ipc_client *c = arg;

	c->delay_ms = 0; /* the other side lives */
	if (tag != 0)
		answer_call(c, type, tag, r);
	else if (c->ops->on_notice != NULL)
		c->ops->on_notice(c->arg, type, r);
}

static void
connect_later(struct ipc_client *c)
{
	struct timeval wait = {c->delay_ms / 1000, c->delay_ms % 1000 * 1000};

	event_add(&c->reconnect, &wait);
	c->delay_ms = c->delay_ms ? c->delay_ms * 2 : RECONNECT_FIRST_MS;
	if (c->delay_ms > RECONNECT_MAX_MS)
		c->delay_ms = RECONNECT_MAX_MS;
}

static void
on_close(void *arg)
{
	struct ipc_client *c = arg;

	ipc_channel_free(&c->channel);
	connect_later(c);
	if (c->ops->on_close != NULL)
		c->ops->on_close(c->arg);
}

static void
on_reconnect(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	connect_now(arg);
}

static void
send_call(struct ipc_call *call)
{
	ipc_channel_send_bytes(call->client->channel, call->message, call->len, call->fd, false);
}

static void
connect_now(struct ipc_client *c)
{
	int fd = ipc_connect_nonblocking(c->path);
	struct ipc_call *call, *next;
	struct writer w;

	if (fd == -1) {
		connect_later(c);
		return;
	}
	c->channel = ipc_channel_new(c->base, fd, on_message, on_close, c);
	ipc_write(&w, IPC_GREETING, 0);
	put_text(&w, c->ops->own_role);
	ipc_channel_send(c->channel, &w, -1);
	RB_FOREACH_SAFE(call, calls, &c->calls, next)
	{
		if (call->cb == NULL)
			end_call(call);
		else
			send_call(call);
	}
	if (c->ops->on_open != NULL)
		c->ops->on_open(c->arg);
}

struct ipc_client *
ipc_client_new(
    struct event_base *base, const char *path, const struct ipc_client_ops *ops, void *arg)
{
	struct ipc_client *c = xcalloc(1, sizeof *c);

	c->base = base;
	c->path = xstrdup(path);
	c->ops = ops;
	c->arg = arg;
	RB_INIT(&c->calls);
	event_assign(&c->reconnect, base, -1, EV_TIMEOUT, on_reconnect, c);
	/* From the loop, so that on_open never runs inside of this function. */
	connect_later(c);
	return c;
}

void
ipc_client_free(struct ipc_client **cp)
{
	struct ipc_client *c = *cp;
	struct ipc_call *call;

	if (c == NULL)
		return;
	*cp = NULL;
	event_del(&c->reconnect);
	ipc_channel_free(&c->channel);
	while ((call = RB_MIN(calls, &c->calls)) != NULL)
		end_call(call);
	free(c->path);
	free(c);
}

bool
ipc_client_is_open(const struct ipc_client *c)
{
	return c->channel != NULL;
}

struct ipc_call *
ipc_call(struct ipc_client *c, struct writer *w, int pass_fd, ipc_answer_cb cb, void *arg)
{
	struct ipc_call *call;

	if (w->full)
		fatalx("a request is longer than %d bytes", IPC_MESSAGE_MAX_BYTES);
	call = xmalloc(sizeof *call + w->len);
	call->tag = ++c->last_tag;
	call->client = c;
	call->cb = cb;
	call->arg = arg;
	call->memory = NULL;
	call->fd = pass_fd;
	call->len = w->len;
	memcpy(call->message, w->at, w->len);
	ipc_set_tag(call->message, call->tag);
	RB_INSERT(calls, &c->calls, call);
	if (c->channel != NULL)
		send_call(call);
	return call;
}

/* The call itself stays until its answer comes: its descriptor may still wait to be sent. */
void
ipc_call_cancel(struct ipc_call **call)
{
	if (*call != NULL)
		(*call)->cb = NULL;
	*call = NULL;
}

void
ipc_call_own(struct ipc_call *call, void *memory)
{
	call->memory = memory;
}

void
ipc_client_send(struct ipc_client *c, struct writer *w, int pass_fd)
{
	if (c->channel != NULL)
		ipc_channel_send(c->channel, w, pass_fd);
	else
		closefd(&pass_fd);
}
