/*
 * A user's own messages. Envelopes are read in a helper thread; a message that is being taken back
 * is in nobody's list meanwhile, so it is either taken back or handed out, never both.
 */
#include "queue/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/admin_doc.h"
#include "queue/conclude.h"
#include "queue/feed.h"
#include "queue/queue.h"

enum {
	EXAMINE_MAX = 500, /* files that one answer reads */
	RECIPIENTS_SHOWN_MAX = 10,
	HEAD_MAX_BYTES = 32 * 1024, /* of a message, in which its subject is looked for */
	FIELD_MAX_BYTES = 1000
};

/* Who asked, while he is there. */
struct asker {
	LIST_ENTRY(asker) entry;
	struct ipc_peer *peer; /* NULL: gone */
	uint64_t tag;
};
static LIST_HEAD(, asker) askers = LIST_HEAD_INITIALIZER(askers);

struct listing {
	struct job job;
	struct asker asker;
	struct queue *queue;
	char submitter[QUEUE_SUBMITTER_MAX_BYTES + 1];
	struct message some[EXAMINE_MAX]; /* copies, by id */
	uint32_t marks[EXAMINE_MAX];
	size_t n_some;
	char *text; /* the answer */
	uint64_t next;
};

struct cancelling {
	struct job job;
	struct asker asker;
	struct queue *queue;
	char submitter[QUEUE_SUBMITTER_MAX_BYTES + 1];
	uint64_t id, due_us;
	struct message *message, copy;
	bool is_his, partly;
	char message_id[FIELD_MAX_BYTES];
	int error;
};

uint32_t
own_mark(struct span submitter)
{
	uint32_t mark = crc32(1, (const unsigned char *)submitter.at, submitter.len);

	return mark != 0 ? mark : 1;
}

static void
begin(struct asker *a, struct ipc_peer *p, uint64_t tag)
{
	a->peer = p;
	a->tag = tag;
	LIST_INSERT_HEAD(&askers, a, entry);
}

void
own_lost(struct queue *q, struct ipc_peer *p)
{
	struct asker *a;

	(void)q;
	LIST_FOREACH (a, &askers, entry)
		if (a->peer == p)
			a->peer = NULL;
}

/* ---- the header, in the helper thread ---- */

/* The value of a field, unfolded. out is empty without one. */
static void
find_field(struct span head, const char *name, char *out, size_t size)
{
	size_t n = strlen(name), len = 0;
	struct span line;
	bool in = false;

	out[0] = '\0';
	while (span_take(&head, '\n', &line) && line.len > 1) {
		if (line.at[line.len - 1] == '\r')
			line.len--;
		if (in && line.len > 0 && line.at[0] != ' ' && line.at[0] != '\t')
			return;
		if (!in && line.len > n && strncasecmp(line.at, name, n) == 0 &&
		    line.at[n] == ':') {
			in = true;
			line = span_trim((struct span){line.at + n + 1, line.len - n - 1});
		}
		for (size_t i = 0; in && i < line.len && len + 1 < size; i++)
			if (line.at[i] != '\0')
				out[len++] = line.at[i];
		out[len] = '\0';
	}
}

static struct span
read_head(int fd, const struct envelope *e, char *buf)
{
	size_t want = e->message_size < HEAD_MAX_BYTES ? e->message_size : HEAD_MAX_BYTES;
	ssize_t n = pread(fd, buf, want, e->message_offset);

	return (struct span){buf, n > 0 ? n : 0};
}

/* ---- listing ---- */

static void
add_fields(json_t *doc, int fd, const struct envelope *e)
{
	static const char *const names[] = {"Subject", "Message-ID"};
	static const char *const keys[] = {"subject", "message_id"};
	char *buf = xmalloc(HEAD_MAX_BYTES), value[FIELD_MAX_BYTES];
	struct span head = read_head(fd, e, buf);

	for (size_t i = 0; i < nitems(names); i++) {
		find_field(head, names[i], value, sizeof value);
		json_object_set_new(doc, keys[i], json_text(span_of(value)));
	}
	free(buf);
}

/* The document of a message of this submitter, or NULL. */
static json_t *
look(struct listing *l, size_t i)
{
	size_t room = RECIPIENTS_SHOWN_MAX;
	const struct message *m = &l->some[i];
	unsigned char *storage;
	struct envelope e;
	const char *why;
	json_t *doc = NULL;
	int fd = conclude_open(&l->queue->spool, m, O_RDONLY, &e, &storage, &why);

	if (fd == -1)
		return NULL; /* gone, or not sound, which its next attempt finds */
	l->marks[i] = own_mark(e.submitter);
	if (span_is(e.submitter, l->submitter)) {
		doc = admin_message_doc(m, &e, false, &room);
		add_fields(doc, fd, &e);
	}
	envelope_clear(&e);
	free(storage);
	closefd(&fd);
	return doc;
}

/* Appends to a text that stays within one answer. False: it does not fit. */
static bool
append(struct listing *l, size_t *len, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	size_t n = text != NULL ? strlen(text) : 0;
	bool fits = *len + n + 3 < QUEUE_OWNED_MAX_BYTES;

	json_decref(doc);
	if (fits && n > 0) {
		if (l->text[*len - 1] != '[')
			l->text[(*len)++] = ',';
		memcpy(l->text + *len, text, n);
		*len += n;
	}
	free(text);
	return fits;
}

static void
list_work(struct job *job)
{
	struct listing *l = (struct listing *)job;
	static const char start[] = "{\"messages\": [";
	size_t len = sizeof start - 1, i;
	json_t *doc;

	l->text = xmalloc(QUEUE_OWNED_MAX_BYTES + 1);
	memcpy(l->text, start, len);
	for (i = 0; i < l->n_some; i++)
		if ((doc = look(l, i)) != NULL && !append(l, &len, doc))
			break;
	if (i < l->n_some)
		l->next = i > 0 ? l->some[i - 1].node.id : 0;
	memcpy(l->text + len, "]}", 3);
}

static void
list_done(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct message *m;
	struct writer w;

	LIST_REMOVE(&l->asker, entry);
	for (size_t i = 0; i < l->n_some; i++)
		if (l->marks[i] != 0 && (m = server_message(l->queue, l->some[i].node.id)) != NULL)
			m->mark = l->marks[i];
	if (l->asker.peer != NULL) {
		ipc_write(&w, QUEUE_OWNED, l->asker.tag);
		put_u64(&w, l->next);
		put_text(&w, l->text);
		ipc_peer_send(l->asker.peer, &w, -1);
	}
	free(l->text);
	free(l);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct message *const *x = a, *const *y = b;

	return (*x)->node.id < (*y)->node.id ? -1 : (*x)->node.id > (*y)->node.id;
}

static size_t
keep_first(const struct message **may, size_t n)
{
	qsort(may, n, sizeof *may, compare_ids);
	return n < EXAMINE_MAX ? n : EXAMINE_MAX;
}

/* Those that may be his, by id, the first of them. After a start that is everybody's, so only as
 * many as are wanted are sorted, now and then. */
static void
choose(struct listing *l, uint64_t after)
{
	const struct message *may[2 * EXAMINE_MAX];
	uint32_t mark = own_mark(span_of(l->submitter));
	struct id_node *node = NULL;
	uint64_t below = UINT64_MAX;
	size_t n = 0, n_all = 0;

	while ((node = id_map_next(&l->queue->messages, node)) != NULL) {
		const struct message *m = (const struct message *)node;

		if (node->id <= after || (m->mark != mark && m->mark != 0))
			continue;
		n_all++;
		if (node->id > below)
			continue;
		may[n++] = m;
		if (n == nitems(may)) {
			n = keep_first(may, n);
			below = may[n - 1]->node.id;
		}
	}
	n = keep_first(may, n);
	for (; l->n_some < n; l->n_some++)
		l->some[l->n_some] = *may[l->n_some];
	if (n < n_all)
		l->next = may[n - 1]->node.id;
}

void
own_on_list(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct listing *l = xcalloc(1, sizeof *l);
	struct queue *q = p->arg;
	uint64_t after;

	get_text(r, l->submitter, sizeof l->submitter);
	after = get_u64(r);
	if (get_end(r) == -1 || l->submitter[0] == '\0') {
		ipc_peer_refuse(p, "OWN");
		free(l);
		return;
	}
	l->queue = q;
	begin(&l->asker, p, tag);
	choose(l, after);
	l->job = (struct job){.work = list_work, .done = list_done};
	worker_push(chores_worker(q->chores), &l->job, false);
}

/* ---- taking back ---- */

static void
answer(struct cancelling *c, enum queue_cancelled end)
{
	struct writer w;

	LIST_REMOVE(&c->asker, entry);
	if (c->asker.peer != NULL) {
		ipc_write(&w, QUEUE_CANCELLED, c->asker.tag);
		put_u64(&w, end);
		put_text(&w, end == CANCEL_DONE || end == CANCEL_PARTLY ? c->message_id : "");
		ipc_peer_send(c->asker.peer, &w, -1);
	}
	free(c);
}

static void
check_work(struct job *job)
{
	struct cancelling *c = (struct cancelling *)job;
	unsigned char *storage;
	struct envelope e;
	const char *why;
	char *buf;
	int fd = conclude_open(&c->queue->spool, &c->copy, O_RDONLY, &e, &storage, &why);

	if (fd == -1) {
		c->error = errno;
		return;
	}
	c->is_his = span_is(e.submitter, c->submitter);
	for (size_t i = 0; i < e.n_recipients; i++)
		c->partly |= e.recipients[i].status == RECIPIENT_DONE;
	buf = xmalloc(HEAD_MAX_BYTES);
	find_field(read_head(fd, &e, buf), "Message-ID", c->message_id, sizeof c->message_id);
	free(buf);
	envelope_clear(&e);
	free(storage);
	closefd(&fd);
}

static void
sync_work(struct job *job)
{
	struct cancelling *c = (struct cancelling *)job;

	c->error = spool_sync_changes(&c->queue->spool) == -1 ? errno : 0;
}

static void
on_synced(struct job *job)
{
	struct cancelling *c = (struct cancelling *)job;

	if (c->error != 0)
		log_warn("%s was taken back, but the spool cannot be synced: %s",
		    queue_id_text(c->id), strerror(c->error));
	answer(c, c->error != 0 ? CANCEL_TROUBLE : c->partly ? CANCEL_PARTLY : CANCEL_DONE);
}

/* It is in nobody's list: what is removed now is handed to nobody. */
static void
check_done(struct job *job)
{
	struct cancelling *c = (struct cancelling *)job;
	struct queue *q = c->queue;
	struct message *m = c->message;

	if (c->error != 0 || !c->is_his) {
		server_wait(q, m, c->due_us);
		answer(c, c->error != 0 ? CANCEL_TROUBLE : CANCEL_UNKNOWN);
		return;
	}
	log_info("%s cancelled by=%s", queue_id_text(c->id), log_safe(span_of(c->submitter)));
	server_unkeep(q, m);
	server_remove(q, m);
	/* Behind the removal, so that it is synced. */
	chores_push(q->chores);
	c->job = (struct job){.work = sync_work, .done = on_synced};
	worker_push(chores_worker(q->chores), &c->job, false);
}

/* False: it is being tried, or is already being removed. */
static bool
take_out(struct cancelling *c)
{
	struct message *m = c->message;

	c->due_us = wall_clock_now();
	switch ((enum message_state)m->state) {
	case MESSAGE_WAITING:
		if (m->finished)
			return false;
		c->due_us = m->due_us;
		schedule_remove(&c->queue->schedule, m);
		return true;
	case MESSAGE_PARKED:
		feed_unpark(c->queue->feed, m);
		return true;
	case MESSAGE_HELD:
		return !m->finished;
	default:
		return false;
	}
}

void
own_on_cancel(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct cancelling *c = xcalloc(1, sizeof *c);
	struct queue *q = p->arg;
	uint32_t mark;

	get_text(r, c->submitter, sizeof c->submitter);
	c->id = get_u64(r);
	if (get_end(r) == -1 || c->submitter[0] == '\0') {
		ipc_peer_refuse(p, "CANCEL");
		free(c);
		return;
	}
	c->queue = q;
	begin(&c->asker, p, tag);
	mark = own_mark(span_of(c->submitter));
	c->message = server_message(q, c->id);
	if (c->message == NULL || (c->message->mark != 0 && c->message->mark != mark)) {
		answer(c, CANCEL_UNKNOWN);
		return;
	}
	if (!take_out(c)) {
		answer(c, CANCEL_IN_HAND);
		return;
	}
	c->message->state = MESSAGE_CONCLUDING;
	c->copy = *c->message;
	c->job = (struct job){.work = check_work, .done = check_done};
	worker_push(chores_worker(q->chores), &c->job, true);
}
