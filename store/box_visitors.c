/*
 * The holders of sessions of a mailbox: takes their requests, and sends answers in their order,
 * those that wait for the disk too. Touches no files but the directory that is made durable.
 */
#include "store/box_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

enum {
	WAITING_MAX = 2000,		     /* requests of one session */
	WAITING_MAX_BYTES = 16 * 1024 * 1024 /* and their bytes */
};

/* ---- answers ---- */

static void
send_ready(struct visitor *v)
{
	struct outgoing *o;

	while ((o = STAILQ_FIRST(&v->outgoing)) != NULL && o->ready) {
		STAILQ_REMOVE_HEAD(&v->outgoing, entry);
		reply_send(&o->reply, v->channel, o->tag);
		free(o);
	}
}

static void
box_forget_sync(struct box *b)
{
	struct boxes *bs = b->all;

	b->syncing--;
	box_run(b); /* b may be gone */
	boxes_say_idle(bs);
}

static void
on_durable(void *arg, int error)
{
	struct outgoing *o = arg;
	struct box *b = o->box;
	struct writer w;

	if (error != 0) {
		log_warn("cannot make a mailbox durable: %s", strerror(error));
		reply_clear(&o->reply);
		reply_begin(&w, FOLDERS_REFUSED);
		put_u64(&w, FOLDERS_TROUBLE);
		put_u64(&w, 0);
		(void)reply_add(&o->reply, &w, -1);
	}
	o->ready = true;
	if (o->visitor != NULL) {
		send_ready(o->visitor);
	} else {
		reply_clear(&o->reply);
		free(o);
	}
	box_forget_sync(b);
}

static void
sync_then_send(struct box *b, struct outgoing *o)
{
	int fd = b->index != NULL
		     ? openat(b->index->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		     : -1;

	b->syncing++;
	durable_wait(b->all->durable, fd, on_durable, o);
}

/* In the order of the requests. */
void
box_answer(struct box *b, struct visitor *v, uint64_t tag, struct reply *reply, bool sync)
{
	struct outgoing *o;

	if (v == NULL && !sync) {
		reply_clear(reply);
		return;
	}
	if (v != NULL && !sync && STAILQ_EMPTY(&v->outgoing)) {
		reply_send(reply, v->channel, tag);
		return;
	}
	o = xcalloc(1, sizeof *o);
	*o = (struct outgoing){.visitor = v, .box = b, .tag = tag, .ready = !sync, .reply = *reply};
	*reply = (struct reply){0};
	if (v != NULL)
		STAILQ_INSERT_TAIL(&v->outgoing, o, entry);
	if (sync)
		sync_then_send(b, o);
}

void
box_finish_reply(struct index_request *q)
{
	struct writer w;

	if (q->reply.failed) {
		q->refusal = FOLDERS_TROUBLE;
		reply_clear(&q->reply);
	}
	if (q->refusal == FOLDERS_TROUBLE && q->type != FOLDERS_COPY && q->type != FOLDERS_MOVE)
		reply_clear(&q->reply);
	if (q->refusal != FOLDERS_GRANTED) {
		reply_begin(&w, FOLDERS_REFUSED);
		put_u64(&w, q->refusal);
		put_u64(&w, q->type == FOLDERS_EXPUNGE ? q->number : 0);
	} else {
		reply_begin(&w, FOLDERS_DONE);
		put_u64(&w, q->number);
		put_u64(&w, q->modseq);
	}
	(void)reply_add(&q->reply, &w, -1);
}

/* ---- who holds a session ---- */

void
visitor_free(struct visitor *v)
{
	struct box *b = v->box;
	struct waiting *w;
	struct outgoing *o;

	STAILQ_FOREACH (w, &b->waiting, entry)
		if (w->visitor == v)
			w->visitor = NULL;
	if (b->current != NULL && b->current->visitor == v)
		b->current->visitor = NULL;
	while ((o = STAILQ_FIRST(&v->outgoing)) != NULL) {
		STAILQ_REMOVE_HEAD(&v->outgoing, entry);
		if (o->ready) {
			reply_clear(&o->reply);
			free(o);
		} else {
			o->visitor = NULL;
		}
	}
	TAILQ_REMOVE(&b->visitors, v, entry);
	b->n_visitors--;
	b->all->n_visitors--;
	sessions_leave(b->all->sessions, b->m);
	ipc_channel_free(&v->channel);
	free(v);
}

static void
on_visitor_close(void *arg)
{
	struct visitor *v = arg;
	struct box *b = v->box;

	visitor_free(v);
	box_run(b);
}

static void
refuse_visitor(struct visitor *v, const char *what)
{
	log_warn("%s on a session: it is closed mailbox=%s", what, v->box->m->name);
	on_visitor_close(v);
}

void
box_close_visitors(struct box *b)
{
	while (!TAILQ_EMPTY(&b->visitors))
		visitor_free(TAILQ_FIRST(&b->visitors));
}

static void
on_watch(struct visitor *v, struct reader *r, uint64_t tag)
{
	struct reply reply = {0};
	uint64_t on = get_u64(r);
	struct writer w;

	if (get_end(r) == -1 || on > 1) {
		refuse_visitor(v, "malformed WATCH");
		return;
	}
	v->watches = on;
	reply_begin(&w, FOLDERS_DONE);
	put_u64(&w, 0);
	put_u64(&w, 0);
	(void)reply_add(&reply, &w, -1);
	box_answer(v->box, v, tag, &reply, false);
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct visitor *v = arg;
	struct waiting *w;

	if (type == FOLDERS_WATCH) {
		on_watch(v, r, tag);
		return;
	}
	if (type == 0 || type > FOLDERS_REQUEST_LAST || tag == 0) {
		refuse_visitor(v, "malformed message");
		return;
	}
	if (v->n_waiting >= WAITING_MAX || v->waiting_bytes >= WAITING_MAX_BYTES) {
		refuse_visitor(v, "too many requests");
		return;
	}
	w = xcalloc(1, sizeof *w + r->left);
	w->visitor = v;
	w->type = type;
	w->tag = tag;
	w->fd = r->fd;
	r->fd = -1;
	w->len = r->left;
	if (w->len > 0)
		memcpy(w->bytes, r->at, w->len);
	v->n_waiting++;
	v->waiting_bytes += w->len;
	STAILQ_INSERT_TAIL(&v->box->waiting, w, entry);
	box_run(v->box);
}

void
waiting_free(struct waiting **wp)
{
	struct waiting *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	if (w->visitor != NULL) {
		w->visitor->n_waiting--;
		w->visitor->waiting_bytes -= w->len;
	}
	closefd(&w->fd);
	free(w);
}

void
box_welcome(struct box *b, int fd)
{
	struct visitor *v = xcalloc(1, sizeof *v);

	v->box = b;
	STAILQ_INIT(&v->outgoing);
	v->channel = ipc_channel_new(b->all->base, fd, on_message, on_visitor_close, v);
	TAILQ_INSERT_TAIL(&b->visitors, v, entry);
	b->n_visitors++;
	b->all->n_visitors++;
}

void
box_drop_waiting(struct box *b)
{
	struct waiting *w;

	while ((w = STAILQ_FIRST(&b->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->waiting, entry);
		waiting_free(&w);
	}
}
