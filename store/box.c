/*
 * Mailboxes with open sessions of folders.h: one request after the other of each goes to its index,
 * in one of some threads. Touches the mail directory through those only.
 */
#include "store/box_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/sqlite_files.h"
#include "store/vacation.h"

enum {
	SESSIONS_OF_ONE_MAX = 100,
	IDLE_S = 60,	/* then the database is closed */
	PUT_OFF_MAX = 4 /* requests that come before what was found in messages */
};

void
boxes_say_idle(struct boxes *bs)
{
	if (bs->on_idle != NULL && boxes_are_idle(bs))
		bs->on_idle(bs->idle_arg);
}

/* ---- one request after the other ---- */

static void
work(struct job *job)
{
	struct box *b = (struct box *)job;

	if (b->directory != -1) {
		index_free(&b->index);
		b->index = index_new(b->directory, b->host);
		b->directory = -1;
	}
	index_serve(b->index, &b->request);
	if (b->closing && !b->request.again)
		index_free(&b->index);
	else if (b->sleeping && !b->request.again)
		index_close(b->index);
}

static void
box_free(struct box *b)
{
	struct boxes *bs = b->all;

	box_stop_filling(b);
	box_drop_events(b);
	box_unwatch(b);
	event_del(&b->pause);
	event_del(&b->idle);
	index_free(&b->index);
	closefd(&b->directory);
	free(b->watched);
	free(b->told_watched);
	free(b->in_hand);
	TAILQ_REMOVE(&bs->every, b, entry);
	b->m->box = NULL;
	maildir_usage_unset(b->m);
	mailboxes_release(b->m);
	free(b);
}

static void
broadcast(struct box *b, struct reply *notices)
{
	struct visitor *v;

	TAILQ_FOREACH (v, &b->visitors, entry)
		if (v->watches)
			reply_send_copy(notices, v->channel);
	reply_clear(notices);
}

static void
finish_current(struct box *b, struct index_request *q)
{
	struct waiting *w = b->current;
	struct visitor *v = w != NULL ? w->visitor : NULL;
	uint64_t tag = w != NULL ? w->tag : 0;

	if (w == NULL) {
		reply_clear(&q->reply);
		return;
	}
	if (w->type == FOLDERS_KEEP)
		vacation_forget(b->m);
	if (q->malformed && v != NULL) {
		log_warn("malformed request %u on a session: it is closed mailbox=%s", w->type,
		    b->m->name);
		waiting_free(&b->current);
		reply_clear(&q->reply);
		visitor_free(v);
		return;
	}
	box_finish_reply(q);
	waiting_free(&b->current);
	box_answer(b, v, tag, &q->reply, q->sync);
}

/* At the end: what the thread has done stays done. */
static void
discard(struct box *b, struct index_request *q)
{
	for (size_t i = 0; i < q->n_fill; i++)
		closefd(&q->fill[i].fd);
	free(q->fill);
	q->fill = NULL;
	q->n_fill = 0;
	box_free_filled(q);
	reply_clear(&q->reply);
	reply_clear(&q->notices);
	reply_clear(&q->unwatched);
	waiting_free(&b->current);
}

static void
done(struct job *job)
{
	struct box *b = (struct box *)job;
	struct index_request *q = &b->request;
	struct boxes *bs = b->all;

	b->busy = false;
	box_free_events(&b->taken_events);
	if (b->all->ending) {
		discard(b, q);
		return;
	}
	broadcast(b, &q->notices);
	box_watch_folders(b, &q->unwatched);
	if (q->again) {
		b->busy = true;
		worker_push(b->all->threads[b->thread], &b->job, false);
		return;
	}
	box_free_filled(q);
	if (q->has_usage && b->m->dir != -1) {
		maildir_usage_set(b->m, q->usage);
		mailboxes_room_changed(b->all->mailboxes, b->m);
	}
	if (q->more_to_remove)
		b->look = true;
	finish_current(b, q);
	box_fill(b, q);
	box_run(b); /* b may be gone */
	boxes_say_idle(bs);
}

static void
make_request(struct box *b, struct waiting *w)
{
	uint64_t shared = mailboxes_limit(b->all->mailboxes);
	struct index_request *q = &b->request;

	*q = (struct index_request){.fd = -1, .room = STORE_NO_LIMIT};
	b->current = w;
	if (w != NULL) {
		q->type = w->type;
		q->fields = (struct reader){.at = w->bytes, .left = w->len, .fd = -1};
		q->fd = w->fd;
		q->limit = maildir_limit(b->m, shared);
		if (maildir_room(b->m, shared, &q->room) == -1)
			q->room = 0;
	}
	/* Only what is in a pause's time: the other half of a rename comes with it. */
	if (b->look) {
		q->events = b->taken_events = b->events;
		b->events = NULL;
		b->events_end = &b->events;
		b->n_events = 0;
		q->overflow = b->overflow;
		b->overflow = false;
	}
	b->look = false;
	free(b->told_watched);
	q->watched = b->told_watched = b->watched;
	q->n_watched = b->n_watched;
	b->watched = NULL;
	b->n_watched = 0;
	/* Who waits comes first, but not for ever. */
	if (box_has_found(b) && (w == NULL || ++b->put_off > PUT_OFF_MAX)) {
		box_take_found(b, q);
		b->put_off = 0;
	}
	box_choose_fill(b, q);
}

static void
push(struct box *b)
{
	b->busy = true;
	worker_push(b->all->threads[b->thread], &b->job, false);
}

/* The mailbox's directory is the one that the index has. False: it is gone. */
static bool
enter(struct box *b)
{
	struct maildir *m = mailboxes_get(b->all->mailboxes, span_of(b->m->name));
	struct stat st;

	if (m == NULL || m != b->m || fstat(m->dir, &st) == -1)
		return false;
	if ((b->index != NULL || b->directory != -1) && st.st_ino == b->directory_ino)
		return true;
	closefd(&b->directory);
	b->directory = fcntl(m->dir, F_DUPFD_CLOEXEC, 3);
	b->directory_ino = st.st_ino;
	strlcpy(b->host, b->all->host, sizeof b->host);
	return b->directory != -1;
}

/* Everybody has gone. */
static void
end_box(struct box *b)
{
	if (b->syncing > 0)
		return;
	if (b->index == NULL || b->all->ending) {
		box_free(b);
		return;
	}
	box_stop_filling(b);
	watch_read(b->all->watch);
	b->look = true;
	make_request(b, NULL);
	b->request.settle_ms = index_now_ms();
	b->closing = true;
	push(b);
}

static void
set_idle(struct box *b)
{
	const struct timeval after = {IDLE_S, 0};

	b->sleeping = false;
	if (evtimer_add(&b->idle, &after) == -1)
		fatalx("cannot set a timer");
}

void
box_run(struct box *b)
{
	struct waiting *w = STAILQ_FIRST(&b->waiting);

	if (b->busy || b->all->ending)
		return;
	b->closing = false;
	if (w == NULL && !b->look && !box_has_found(b) && !TAILQ_EMPTY(&b->visitors))
		return;
	if (w == NULL && TAILQ_EMPTY(&b->visitors)) {
		end_box(b);
		return;
	}
	if (!enter(b)) {
		log_info("session closed: the mailbox is gone or cannot be opened mailbox=%s",
		    b->m->name);
		box_close_visitors(b);
		box_drop_waiting(b);
		end_box(b);
		return;
	}
	if (w != NULL)
		STAILQ_REMOVE_HEAD(&b->waiting, entry);
	make_request(b, w);
	set_idle(b);
	push(b);
}

/* ---- life ---- */

static void
on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct box *b = arg;

	(void)fd, (void)what;
	if (b->busy || b->n_asked > 0 || b->n_found > 0 || !STAILQ_EMPTY(&b->waiting) ||
	    b->index == NULL) {
		set_idle(b);
		return;
	}
	watch_read(b->all->watch);
	b->look = true;
	make_request(b, NULL);
	b->request.settle_ms = index_now_ms();
	b->sleeping = true;
	push(b);
}

static struct box *
box_new(struct boxes *bs, struct maildir *m)
{
	struct box *b = xcalloc(1, sizeof *b);

	b->job.work = work;
	b->job.done = done;
	b->all = bs;
	b->m = m;
	b->directory = -1;
	b->thread = bs->n_made++ % BOX_THREADS;
	b->events_end = &b->events;
	TAILQ_INIT(&b->visitors);
	TAILQ_INIT(&b->watches);
	TAILQ_INIT(&b->asked);
	TAILQ_INIT(&b->found);
	STAILQ_INIT(&b->waiting);
	evtimer_assign(&b->pause, bs->base, box_on_pause_end, b);
	evtimer_assign(&b->idle, bs->base, on_idle, b);
	TAILQ_INSERT_TAIL(&bs->every, b, entry);
	mailboxes_hold(m);
	m->box = b;
	return b;
}

int
boxes_open(struct boxes *bs, struct maildir *m, int *fd)
{
	struct box *b = m->box;
	int pair[2], refusal;

	if (b != NULL && b->n_visitors >= SESSIONS_OF_ONE_MAX)
		return STORE_TOO_MANY_USERS;
	if ((refusal = sessions_enter(bs->sessions, m)) != 0)
		return refusal;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		log_warn("cannot open a session: %s mailbox=%s", strerror(errno), m->name);
		sessions_leave(bs->sessions, m);
		return STORE_TROUBLE;
	}
	if (b == NULL)
		b = box_new(bs, m);
	box_welcome(b, pair[0]);
	/* What is new is looked at before the first question comes. */
	b->look = true;
	box_run(b);
	*fd = pair[1];
	return 0;
}

void
boxes_close(struct maildir *m)
{
	if (m->box == NULL)
		return;
	box_close_visitors(m->box);
	box_run(m->box);
}

struct boxes *
boxes_new(struct event_base *base, struct mailboxes *mailboxes, struct sessions *sessions,
    struct durable *durable, const char *indexer_path)
{
	struct boxes *bs = xcalloc(1, sizeof *bs);

	sqlite_files_use();
	bs->base = base;
	bs->mailboxes = mailboxes;
	bs->sessions = sessions;
	bs->durable = durable;
	RB_INIT(&bs->numbers);
	TAILQ_INIT(&bs->every);
	for (size_t i = 0; i < BOX_THREADS; i++)
		bs->threads[i] = worker_new(base);
	bs->watch = watch_new(base, -1, &box_watch_ops, bs);
	mailboxes_on_change(mailboxes, boxes_on_change, bs);
	if (indexer_path != NULL)
		bs->indexer = indexer_new(base, indexer_path);
	return bs;
}

void
boxes_free(struct boxes **bsp)
{
	struct boxes *bs = *bsp;
	struct box *b, *next;

	if (bs == NULL)
		return;
	*bsp = NULL;
	bs->ending = true;
	TAILQ_FOREACH (b, &bs->every, entry)
		box_close_visitors(b);
	for (size_t i = 0; i < BOX_THREADS; i++)
		worker_free(&bs->threads[i]);
	TAILQ_FOREACH_SAFE (b, &bs->every, entry, next) {
		box_drop_waiting(b);
		box_free(b);
	}
	mailboxes_on_change(bs->mailboxes, NULL, NULL);
	indexer_free(&bs->indexer);
	watch_free(&bs->watch);
	free(bs);
}

void
boxes_set_host(struct boxes *bs, const char *host)
{
	strlcpy(bs->host, host, sizeof bs->host);
}

void
boxes_on_idle(struct boxes *bs, void (*cb)(void *arg), void *arg)
{
	bs->on_idle = cb;
	bs->idle_arg = arg;
}

size_t
boxes_sessions(const struct boxes *bs)
{
	return bs->n_visitors;
}

uint64_t
boxes_indexed(const struct boxes *bs)
{
	return bs->n_indexed;
}

bool
boxes_are_idle(const struct boxes *bs)
{
	const struct box *b;

	TAILQ_FOREACH (b, &bs->every, entry)
		if (b->busy || b->syncing > 0 || !STAILQ_EMPTY(&b->waiting))
			return false;
	return true;
}
