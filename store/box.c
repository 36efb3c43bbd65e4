/*
 * Mailboxes with open sessions of folders.h. Talks to the holders of sessions, to indexer by its
 * door, and to the indexes in their threads; touches the mail directory through those only.
 */
#include "store/box.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/sqlite_files.h"
#include "common/worker.h"
#include "store/folders.h"
#include "store/index.h"
#include "store/vacation.h"
#include "store/watch.h"

enum {
	THREADS = 2,
	SESSIONS_OF_ONE_MAX = 100,
	WAITING_MAX = 2000,		      /* requests of one session */
	WAITING_MAX_BYTES = 16 * 1024 * 1024, /* and their bytes */
	EVENTS_MAX = 5000,
	EVENTS_PAUSE_MS = 15,		   /* so that both halves of a rename are there */
	IDLE_S = 60,			   /* then the database is closed */
	HUNGRY_LOAD = 256,		   /* messages in indexer's hands; others wait */
	FOUND_MAX_BYTES = 8 * 1024 * 1024, /* texts that wait to be taken in */
	PUT_OFF_MAX = 4 /* requests that come before what was found in messages */
};

/* An answer that waits for the disk, or for one that does. */
struct outgoing {
	STAILQ_ENTRY(outgoing) entry;
	struct visitor *visitor; /* NULL: gone */
	struct box *box;
	uint64_t tag;
	bool ready;
	struct reply reply;
};

/* Whoever holds a session. */
struct visitor {
	TAILQ_ENTRY(visitor) entry;
	struct box *box;
	struct ipc_channel *channel;
	bool watches;
	size_t n_waiting, waiting_bytes;
	STAILQ_HEAD(, outgoing) outgoing;
};

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	struct visitor *visitor; /* NULL: gone; it is done all the same */
	uint32_t type;
	uint64_t tag;
	int fd;
	size_t len;
	unsigned char bytes[];
};

struct folder_watch {
	RB_ENTRY(folder_watch) by_number;
	TAILQ_ENTRY(folder_watch) entry;
	struct box *box;
	int number;
	uint64_t folder;
	enum maildir_folder place;
};

struct filling {
	TAILQ_ENTRY(filling) entry;
	struct box *box;
	size_t bytes; /* of what was found */
	struct indexer_call *call;
	struct index_fill found;
};

struct box {
	struct job job; /* must be first */
	TAILQ_ENTRY(box) entry;
	struct boxes *all;
	struct maildir *m;
	unsigned thread;
	TAILQ_HEAD(, visitor) visitors;
	size_t n_visitors;
	STAILQ_HEAD(, waiting) waiting;

	bool busy;	     /* the thread has index, request and directory */
	struct index *index; /* NULL: not made yet */
	int directory;	     /* a new one for the index, or -1 */
	char host[INDEX_HOST_SIZE];
	ino_t directory_ino;
	struct index_request request;
	struct waiting *current; /* what request was made of, or NULL */
	bool closing;		 /* the index is to be freed */
	bool sleeping;		 /* its database is closed */

	TAILQ_HEAD(, folder_watch) watches;
	struct index_event *events, **events_end;
	size_t n_events;
	struct index_event *taken_events; /* the request's */
	bool overflow, look;
	struct event pause; /* events are gathered */
	struct event idle;

	uint64_t *watched, *told_watched; /* to be told to the index; told with the request */
	size_t n_watched;

	TAILQ_HEAD(fillings, filling) asked, found; /* of indexer; to be taken in */
	size_t n_asked, n_found, found_bytes;
	int64_t *in_hand; /* the request's list of both */
	unsigned put_off;
	bool hungry; /* indexer has too much to do */
	unsigned syncing;
};

static int
compare_numbers(const struct folder_watch *a, const struct folder_watch *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_HEAD(watch_numbers, folder_watch);
RB_GENERATE_INTERNAL(
    watch_numbers, folder_watch, by_number, compare_numbers, static __attribute__((unused)))

struct boxes {
	struct event_base *base;
	struct mailboxes *mailboxes;
	struct sessions *sessions;
	struct durable *durable;
	struct worker *threads[THREADS];
	struct indexer *indexer;
	struct watch *watch;
	struct watch_numbers numbers;
	TAILQ_HEAD(, box) every;
	char host[INDEX_HOST_SIZE];
	size_t n_visitors;
	uint64_t n_indexed, n_made;
	bool ending;
	void (*on_idle)(void *arg); /* or NULL */
	void *idle_arg;
};

static void box_run(struct box *b);

static void
say_idle(struct boxes *bs)
{
	if (bs->on_idle != NULL && boxes_are_idle(bs))
		bs->on_idle(bs->idle_arg);
}

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
	say_idle(bs);
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
static void
answer(struct box *b, struct visitor *v, uint64_t tag, struct reply *reply, bool sync)
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

static void
finish_reply(struct index_request *q)
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

/* ---- visitors ---- */

static void
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

static void
close_visitors(struct box *b)
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
	answer(v->box, v, tag, &reply, false);
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
	if (type == 0 || type > FOLDERS_WATCH || tag == 0) {
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

static void
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

/* ---- what others do to the files ---- */

static void
free_events(struct index_event **list)
{
	struct index_event *e;

	while ((e = *list) != NULL) {
		*list = e->next;
		free(e);
	}
}

static void
drop_events(struct box *b)
{
	free_events(&b->events);
	b->events_end = &b->events;
	b->n_events = 0;
}

static void
wake_soon(struct box *b)
{
	const struct timeval pause = {0, EVENTS_PAUSE_MS * 1000};

	if (!evtimer_pending(&b->pause, NULL) && evtimer_add(&b->pause, &pause) == -1)
		fatalx("cannot set a timer");
}

static void
on_pause_end(evutil_socket_t fd, short what, void *arg)
{
	struct box *b = arg;

	(void)fd, (void)what;
	/* The other half of a rename may just have come. */
	watch_read(b->all->watch);
	b->look = true;
	box_run(b);
}

/* name "": the directory itself. */
static void
add_event(const struct folder_watch *fw, const char *name, bool away)
{
	struct box *b = fw->box;
	struct index_event *e;

	if (b->n_events >= EVENTS_MAX) {
		drop_events(b);
		b->overflow = true;
	}
	if (!b->overflow) {
		e = xcalloc(1, sizeof *e + strlen(name) + 1);
		e->folder = fw->folder;
		e->place = fw->place;
		e->away = away;
		memcpy(e->name, name, strlen(name) + 1);
		*b->events_end = e;
		b->events_end = &e->next;
		b->n_events++;
	}
	wake_soon(b);
}

static void
on_entry(void *arg, int number, const char *name, bool away)
{
	struct boxes *bs = arg;
	struct folder_watch key = {.number = number},
			    *fw = RB_FIND(watch_numbers, &bs->numbers, &key);

	if (fw != NULL && name[0] != '.')
		add_event(fw, name, away);
}

static void
forget_watch(struct folder_watch *fw)
{
	struct boxes *bs = fw->box->all;

	RB_REMOVE(watch_numbers, &bs->numbers, fw);
	TAILQ_REMOVE(&fw->box->watches, fw, entry);
	free(fw);
}

static void
on_end(void *arg, int number)
{
	struct boxes *bs = arg;
	struct folder_watch key = {.number = number},
			    *fw = RB_FIND(watch_numbers, &bs->numbers, &key);

	if (fw == NULL)
		return;
	add_event(fw, "", true);
	forget_watch(fw);
}

static void
on_overflow(void *arg)
{
	struct boxes *bs = arg;
	struct box *b;

	TAILQ_FOREACH (b, &bs->every, entry) {
		b->overflow = true;
		wake_soon(b);
	}
}

static const struct watch_ops watch_ops = {
    .on_entry = on_entry, .on_end = on_end, .on_overflow = on_overflow};

static bool
watch_place(struct box *b, uint64_t folder, const char *directory, enum maildir_folder place)
{
	char *path = xasprintf("%s/%s%s%s", b->m->name, directory, directory[0] != '\0' ? "/" : "",
	    maildir_folder_name(place));
	int number = watch_add_folder(b->all->watch, path);
	struct folder_watch key = {.number = number}, *fw;

	free(path);
	if (number == -1)
		return false;
	if ((fw = RB_FIND(watch_numbers, &b->all->numbers, &key)) != NULL) {
		/* The same directory under another name. */
		if (fw->box != b)
			return false;
		fw->folder = folder;
		fw->place = place;
		return true;
	}
	fw = xcalloc(1, sizeof *fw);
	*fw = (struct folder_watch){.box = b, .number = number, .folder = folder, .place = place};
	RB_INSERT(watch_numbers, &b->all->numbers, fw);
	TAILQ_INSERT_TAIL(&b->watches, fw, entry);
	return true;
}

/* The index then looks once more: what was done in between is found. */
static void
watch_folders(struct box *b, struct reply *unwatched)
{
	for (size_t i = 0; i < unwatched->n; i++) {
		const struct reply_message *m = &unwatched->messages[i];
		const size_t head = sizeof(uint32_t) + sizeof(uint64_t);
		struct reader r = {
		    .at = unwatched->bytes + m->at + head, .left = m->len - head, .fd = -1};
		char directory[FOLDER_DIRECTORY_SIZE];
		uint64_t folder = get_u64(&r);

		get_text(&r, directory, sizeof directory);
		if (get_end(&r) == -1 || !watch_place(b, folder, directory, MAILDIR_NEW) ||
		    !watch_place(b, folder, directory, MAILDIR_CUR))
			continue;
		b->watched = xrealloc(b->watched, (b->n_watched + 1) * sizeof *b->watched);
		b->watched[b->n_watched++] = folder;
		b->look = true;
	}
	reply_clear(unwatched);
}

static void
on_mailbox_changed(void *arg, struct maildir *m, bool all)
{
	struct box *b = m->box;

	(void)arg;
	if (b == NULL)
		return;
	b->overflow |= all;
	wake_soon(b);
}

void
boxes_delivered(struct maildir *m)
{
	/* Else inotify tells as soon. */
	if (m->box != NULL && TAILQ_EMPTY(&m->box->watches))
		wake_soon(m->box);
}

/* ---- what is in messages ---- */

static struct span
keep(char **at, struct span text)
{
	struct span copy = {*at, text.len};

	if (text.len > 0)
		memcpy(*at, text.at, text.len);
	*at += text.len;
	return copy;
}

static void
keep_result(struct filling *f, const struct indexer_result *r)
{
	struct indexer_result *k = &f->found.result;
	size_t len = r->from.len + r->to.len + r->recipients.len + r->subject.len +
		     r->message_id.len + r->references.len + r->preview.len + r->text.len + 1;
	char *at = xmalloc(len);

	f->found.memory = at;
	f->bytes = len;
	*k = *r;
	k->from = keep(&at, r->from);
	k->to = keep(&at, r->to);
	k->recipients = keep(&at, r->recipients);
	k->subject = keep(&at, r->subject);
	k->message_id = keep(&at, r->message_id);
	k->references = keep(&at, r->references);
	k->preview = keep(&at, r->preview);
	k->text = keep(&at, r->text);
	k->problem = (struct span){"", 0};
}

/* It is no longer asked for. */
static void
take_answer(struct filling *f, const struct indexer_result *result)
{
	struct box *b = f->box;

	f->call = NULL;
	keep_result(f, result);
	TAILQ_REMOVE(&b->asked, f, entry);
	b->n_asked--;
	TAILQ_INSERT_TAIL(&b->found, f, entry);
	b->n_found++;
	b->found_bytes += f->bytes;
}

static void
feed_hungry(struct boxes *bs)
{
	struct box *b;

	if (indexer_load(bs->indexer) >= HUNGRY_LOAD)
		return;
	TAILQ_FOREACH (b, &bs->every, entry)
		if (b->hungry) {
			b->hungry = false;
			b->look = true;
			box_run(b);
			return;
		}
}

static void
on_found(void *arg, const struct indexer_result *result)
{
	struct filling *f = arg;
	struct box *b = f->box;

	take_answer(f, result);
	b->all->n_indexed++;
	feed_hungry(b->all);
	box_run(b);
}

static void
fill(struct box *b, struct index_request *q)
{
	static const struct indexer_result nothing = {.from = {"", 0},
	    .to = {"", 0},
	    .recipients = {"", 0},
	    .subject = {"", 0},
	    .message_id = {"", 0},
	    .references = {"", 0},
	    .preview = {"", 0},
	    .text = {"", 0}};

	for (size_t i = 0; i < q->n_fill; i++) {
		struct filling *f = xcalloc(1, sizeof *f);

		*f = (struct filling){.box = b, .found = q->fill[i]};
		f->found.fd = -1;
		TAILQ_INSERT_TAIL(&b->asked, f, entry);
		b->n_asked++;
		if (q->fill[i].fd != -1)
			f->call = indexer_ask(b->all->indexer, q->fill[i].fd, on_found, f);
		else
			take_answer(f, &nothing);
	}
	free(q->fill);
	q->fill = NULL;
	q->n_fill = 0;
}

/* Enough to be taken in, or all there is. */
static bool
has_found(const struct box *b)
{
	return b->n_found >= INDEX_FILL || b->found_bytes >= FOUND_MAX_BYTES ||
	       (b->n_found > 0 && b->n_asked == 0);
}

static void
take_found(struct box *b, struct index_request *q)
{
	q->filled = xcalloc(INDEX_FILL, sizeof *q->filled);
	while (b->n_found > 0 && q->n_filled < INDEX_FILL) {
		struct filling *f = TAILQ_FIRST(&b->found);

		TAILQ_REMOVE(&b->found, f, entry);
		b->n_found--;
		b->found_bytes -= f->bytes;
		q->filled[q->n_filled++] = f->found;
		free(f);
	}
}

static void
free_filled(struct index_request *q)
{
	for (size_t i = 0; q->filled != NULL && i < INDEX_FILL; i++)
		free(q->filled[i].memory);
	free(q->filled);
	q->filled = NULL;
	q->n_filled = 0;
}

static void
stop_filling(struct box *b)
{
	struct filling *f;

	TAILQ_CONCAT(&b->found, &b->asked, entry);
	while ((f = TAILQ_FIRST(&b->found)) != NULL) {
		TAILQ_REMOVE(&b->found, f, entry);
		indexer_cancel(&f->call);
		free(f->found.memory);
		free(f);
	}
	b->n_asked = b->n_found = b->found_bytes = 0;
}

static void
note_in_hand(struct box *b, struct index_request *q)
{
	const struct filling *f;

	q->in_hand = b->in_hand = xcalloc(b->n_asked + b->n_found + 1, sizeof *b->in_hand);
	TAILQ_FOREACH (f, &b->asked, entry)
		b->in_hand[q->n_in_hand++] = f->found.message;
	TAILQ_FOREACH (f, &b->found, entry)
		b->in_hand[q->n_in_hand++] = f->found.message;
}

/* The next ones are looked into while the last ones are taken in. */
static bool
may_fill(struct box *b)
{
	if (b->all->indexer == NULL || b->n_asked + b->n_found > INDEX_FILL / 2 ||
	    TAILQ_EMPTY(&b->visitors))
		return false;
	b->hungry = indexer_load(b->all->indexer) >= HUNGRY_LOAD;
	return !b->hungry;
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

	stop_filling(b);
	drop_events(b);
	while (!TAILQ_EMPTY(&b->watches)) {
		watch_remove(bs->watch, TAILQ_FIRST(&b->watches)->number);
		forget_watch(TAILQ_FIRST(&b->watches));
	}
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
	finish_reply(q);
	waiting_free(&b->current);
	answer(b, v, tag, &q->reply, q->sync);
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
	free_filled(q);
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
	free_events(&b->taken_events);
	if (b->all->ending) {
		discard(b, q);
		return;
	}
	broadcast(b, &q->notices);
	watch_folders(b, &q->unwatched);
	if (q->again) {
		b->busy = true;
		worker_push(b->all->threads[b->thread], &b->job, false);
		return;
	}
	free_filled(q);
	if (q->has_usage && b->m->dir != -1) {
		maildir_usage_set(b->m, q->usage);
		mailboxes_room_changed(b->all->mailboxes, b->m);
	}
	if (q->more_to_remove)
		b->look = true;
	finish_current(b, q);
	fill(b, q);
	box_run(b); /* b may be gone */
	say_idle(bs);
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
	if (has_found(b) && (w == NULL || ++b->put_off > PUT_OFF_MAX)) {
		take_found(b, q);
		b->put_off = 0;
	}
	free(b->in_hand);
	b->in_hand = NULL;
	if ((q->choose_fill = may_fill(b)))
		note_in_hand(b, q);
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
	stop_filling(b);
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

static void
box_run(struct box *b)
{
	struct waiting *w = STAILQ_FIRST(&b->waiting);

	if (b->busy || b->all->ending)
		return;
	b->closing = false;
	if (w == NULL && !b->look && !has_found(b) && !TAILQ_EMPTY(&b->visitors))
		return;
	if (w == NULL && TAILQ_EMPTY(&b->visitors)) {
		end_box(b);
		return;
	}
	if (!enter(b)) {
		log_info("session closed: the mailbox is gone or cannot be opened mailbox=%s",
		    b->m->name);
		close_visitors(b);
		while ((w = STAILQ_FIRST(&b->waiting)) != NULL) {
			STAILQ_REMOVE_HEAD(&b->waiting, entry);
			waiting_free(&w);
		}
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
	b->thread = bs->n_made++ % THREADS;
	b->events_end = &b->events;
	TAILQ_INIT(&b->visitors);
	TAILQ_INIT(&b->watches);
	TAILQ_INIT(&b->asked);
	TAILQ_INIT(&b->found);
	STAILQ_INIT(&b->waiting);
	evtimer_assign(&b->pause, bs->base, on_pause_end, b);
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
	struct visitor *v;
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
	v = xcalloc(1, sizeof *v);
	v->box = b;
	STAILQ_INIT(&v->outgoing);
	v->channel = ipc_channel_new(bs->base, pair[0], on_message, on_visitor_close, v);
	TAILQ_INSERT_TAIL(&b->visitors, v, entry);
	b->n_visitors++;
	bs->n_visitors++;
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
	close_visitors(m->box);
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
	for (size_t i = 0; i < THREADS; i++)
		bs->threads[i] = worker_new(base);
	bs->watch = watch_new(base, -1, &watch_ops, bs);
	mailboxes_on_change(mailboxes, on_mailbox_changed, bs);
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
		close_visitors(b);
	for (size_t i = 0; i < THREADS; i++)
		worker_free(&bs->threads[i]);
	TAILQ_FOREACH_SAFE (b, &bs->every, entry, next) {
		struct waiting *w;

		while ((w = STAILQ_FIRST(&b->waiting)) != NULL) {
			STAILQ_REMOVE_HEAD(&b->waiting, entry);
			waiting_free(&w);
		}
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
