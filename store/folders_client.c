/*
 * The holder's side of a session with folders: its socket, to which call an answer belongs, and
 * its end. Used by webd.
 */
#include <stdlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "store/folders_client_private.h"

/* ---- the socket ---- */

static struct folders_call *
call_of(struct folders *f, uint64_t tag)
{
	struct folders_call *c;

	TAILQ_FOREACH (c, &f->calls, entry)
		if (!c->is_local && tag >= c->first_tag && tag <= c->last_tag)
			return c;
	return NULL;
}

static bool
take(struct folders *f, uint32_t type, uint64_t tag, struct reader *r)
{
	struct folders_call *c;

	if (type == FOLDERS_CHANGED)
		return folders_take_changed(f, r);
	c = call_of(f, tag);
	return c != NULL && folders_take_answer(c, type, r);
}

static void
destroy(struct folders *f)
{
	while (!TAILQ_EMPTY(&f->calls))
		folders_call_free(TAILQ_FIRST(&f->calls));
	free(f);
}

static void
leave(struct folders *f)
{
	if (--f->depth == 0 && f->freed)
		destroy(f);
}

static void
on_channel_close(void *arg)
{
	struct folders *f = arg;

	f->depth++;
	while (!f->freed && !TAILQ_EMPTY(&f->calls)) {
		struct folders_call *c = TAILQ_FIRST(&f->calls);

		closefd(&c->answer.fd);
		c->answer = (struct folders_answer){.refusal = FOLDERS_TROUBLE, .fd = -1};
		folders_call_finish(c);
	}
	if (!f->freed)
		f->ops->on_close(f->arg);
	leave(f);
}

static void
on_channel_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct folders *f = arg;
	bool sound;

	f->depth++;
	sound = take(f, type, tag, r);
	if (!sound && !f->freed) {
		log_warn("store sent a malformed message %u on a session of folders", type);
		on_channel_close(f);
	}
	leave(f);
}

/* ---- life ---- */

static void
on_local(evutil_socket_t fd, short what, void *arg)
{
	struct folders *f = arg;
	struct folders_call *c, *next;

	(void)fd, (void)what;
	f->depth++;
	for (c = TAILQ_FIRST(&f->calls); c != NULL && !f->freed; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->is_local)
			continue;
		folders_call_finish(c);
		next = TAILQ_FIRST(&f->calls); /* the callee may have changed anything */
	}
	leave(f);
}

struct folders *
folders_new(struct event_base *base, int session_fd, const struct folders_ops *ops, void *arg)
{
	struct folders *f = xcalloc(1, sizeof *f);

	f->ops = ops;
	f->arg = arg;
	TAILQ_INIT(&f->calls);
	event_assign(&f->local, base, -1, 0, on_local, f);
	f->channel = ipc_channel_new(base, session_fd, on_channel_message, on_channel_close, f);
	return f;
}

void
folders_free(struct folders **fp)
{
	struct folders *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	ipc_channel_free(&f->channel);
	event_del(&f->local);
	f->freed = true;
	if (f->depth == 0)
		destroy(f);
}

void
folders_call_cancel(struct folders_call **call)
{
	if (*call != NULL)
		(*call)->cb = NULL;
	*call = NULL;
}
