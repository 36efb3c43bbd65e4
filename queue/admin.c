/*
 * Answers sambarctl: queue list, queue show ID. Envelopes are read in a helper thread, some at a
 * time, so that a long list disturbs nobody. Reads spool files.
 */
#include "queue/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/conclude.h"

/* The oldest so many are listed; "total" says how many there are. */
/* LIST_ALL_RECIPIENTS_MAX: of all messages of a list together; each shows one at least. */
enum {
	LIST_MAX = 10000,
	LIST_RECIPIENTS_MAX = 100,
	LIST_ALL_RECIPIENTS_MAX = 20000,
	LIST_EACH = 64
};

struct listing {
	struct job job;
	struct queue *queue;
	uint64_t tag;
	size_t room; /* recipients that may still be shown */
	uint64_t *ids;
	size_t n_ids, total, at;
	bool sorted, full;
	struct message some[LIST_EACH]; /* copies */
	size_t n_some;
	json_t *messages;
};

/* ---- documents ---- */

/* A stranger's text that is no UTF-8 has its 8-bit bytes replaced. */
static json_t *
text(struct span s)
{
	json_t *value = json_stringn(s.at, s.len);
	char *copy;

	if (value != NULL)
		return value;
	if ((copy = malloc(s.len + 1)) == NULL)
		return json_null();
	for (size_t i = 0; i < s.len; i++)
		copy[i] = (unsigned char)s.at[i] < 0x80 ? s.at[i] : '?';
	value = json_stringn(copy, s.len);
	free(copy);
	return value;
}

static const char *
status_word(enum recipient_status status)
{
	switch (status) {
	case RECIPIENT_PENDING:
		return "pending";
	case RECIPIENT_DONE:
		return "done";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_EXPANDED:
		return "expanded";
	}
	return "?";
}

static const char *
state_word(const struct message *m)
{
	switch ((enum message_state)m->state) {
	case MESSAGE_WAITING:
		return "waiting";
	case MESSAGE_HELD:
		return "held";
	case MESSAGE_PARKED:
		return "parked";
	case MESSAGE_LOADING:
	case MESSAGE_IN_HAND:
		return "in hand";
	case MESSAGE_CONCLUDING:
		return "concluding";
	}
	return "?";
}

static json_t *
recipient_doc(const struct recipient *r, bool full)
{
	json_t *doc = json_object();

	json_object_set_new(doc, "to", text(r->address));
	json_object_set_new(doc, "status", json_string(status_word(r->status)));
	json_object_set_new(doc, "reply", text(r->reply));
	if (!full)
		return doc;
	json_object_set_new(doc, "route", text(r->route));
	json_object_set_new(doc, "original", text(r->original));
	json_object_set_new(doc, "notify", json_integer(r->notify));
	json_object_set_new(doc, "parent", r->parent == -1 ? json_null() : json_integer(r->parent));
	return doc;
}

static json_t *
recipients_doc(const struct envelope *e, bool full, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, recipient_doc(&e->recipients[i], full));
	return list;
}

static void
add_all_fields(json_t *doc, const struct message *m, const struct envelope *e)
{
	json_object_set_new(doc, "state", json_string(state_word(m)));
	json_object_set_new(doc, "release", json_integer(m->name.release_s));
	json_object_set_new(doc, "submitter", text(e->submitter));
	json_object_set_new(doc, "program", text(e->program));
	json_object_set_new(doc, "client_address", text(e->client_address));
	json_object_set_new(doc, "client_name", text(e->client_name));
	json_object_set_new(doc, "protocol", text(e->protocol));
	json_object_set_new(doc, "envid", text(e->envid));
	json_object_set_new(doc, "ret", json_integer(e->ret));
	json_object_set_new(doc, "8bitmime", json_boolean(e->flags & ENVELOPE_8BITMIME));
	json_object_set_new(doc, "smtputf8", json_boolean(e->flags & ENVELOPE_SMTPUTF8));
	json_object_set_new(doc, "tls", json_boolean(e->flags & ENVELOPE_TLS));
	json_object_set_new(doc, "authenticated", json_boolean(e->flags & ENVELOPE_AUTHENTICATED));
	json_object_set_new(doc, "hold", text(e->hold));
	json_object_set_new(doc, "last_reply", text(e->last_reply));
}

static json_t *
message_doc(const struct message *m, const struct envelope *e, bool full, size_t *room)
{
	size_t n = e->n_recipients;
	json_t *doc = json_object();
	char id[QUEUE_ID_TEXT_SIZE];

	queue_id_print(m->node.id, id);
	json_object_set_new(doc, "id", json_string(id));
	json_object_set_new(doc, "size", json_integer(e->message_size));
	json_object_set_new(doc, "arrival", json_integer(e->arrival_us / 1000000));
	json_object_set_new(doc, "from", text(e->reverse_path));
	json_object_set_new(doc, "attempts", json_integer(m->name.attempts));
	json_object_set_new(doc, "next", json_integer(m->name.next_s));
	json_object_set_new(doc, "held", json_boolean(m->name.held));
	if (full)
		add_all_fields(doc, m, e);
	if (!full && n > LIST_RECIPIENTS_MAX)
		n = LIST_RECIPIENTS_MAX;
	if (n > *room)
		n = *room > 0 ? *room : 1;
	*room -= n < *room ? n : *room;
	json_object_set_new(doc, "recipients", recipients_doc(e, full, n));
	if (n < e->n_recipients)
		json_object_set_new(doc, "recipients_total", json_integer(e->n_recipients));
	return doc;
}

/* ---- in the helper thread ---- */

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
add_document(struct listing *l, const struct message *m)
{
	unsigned char *storage;
	struct envelope e;
	const char *why;
	int fd = conclude_open(&l->queue->spool, m, O_RDONLY, &e, &storage, &why);

	if (fd == -1)
		return; /* gone meanwhile; or not sound, which its next attempt finds out */
	json_array_append_new(l->messages, message_doc(m, &e, l->full, &l->room));
	envelope_clear(&e);
	free(storage);
	closefd(&fd);
}

static void
work(struct job *job)
{
	struct listing *l = (struct listing *)job;

	if (!l->sorted && l->n_ids > 0) {
		qsort(l->ids, l->n_ids, sizeof *l->ids, compare_ids);
		if (l->n_ids > LIST_MAX)
			l->n_ids = LIST_MAX;
	}
	l->sorted = true;
	for (size_t i = 0; i < l->n_some; i++)
		add_document(l, &l->some[i]);
}

/* ---- in the loop ---- */

static void
reply(struct listing *l)
{
	struct role *role = l->queue->role;

	if (!l->full)
		role_admin_reply(role, l->tag, EX_OK,
		    json_pack(
			"{s:O, s:I}", "messages", l->messages, "total", (json_int_t)l->total));
	else if (json_array_size(l->messages) == 1)
		role_admin_reply(role, l->tag, EX_OK, json_incref(json_array_get(l->messages, 0)));
	else
		role_admin_error(role, l->tag, EX_NOINPUT, "the message cannot be read");
	json_decref(l->messages);
	free(l->ids);
	free(l);
}

static void
on_done(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct queue *q = l->queue;
	struct message *m;

	l->n_some = 0;
	for (; l->at < l->n_ids && l->n_some < LIST_EACH; l->at++)
		if ((m = server_message(q, l->ids[l->at])) != NULL)
			l->some[l->n_some++] = *m;
	if (l->n_some > 0)
		worker_push(chores_worker(q->chores), &l->job, false);
	else
		reply(l);
}

static void
start(struct queue *q, uint64_t tag, uint64_t *ids, size_t n, bool full)
{
	struct listing *l = xmalloc(sizeof *l);

	*l = (struct listing){.room = LIST_ALL_RECIPIENTS_MAX,
	    .job = {.work = work, .done = on_done},
	    .queue = q,
	    .tag = tag,
	    .ids = ids,
	    .n_ids = n,
	    .total = n,
	    .full = full,
	    .messages = json_array()};
	worker_push(chores_worker(q->chores), &l->job, false);
}

static void
list(struct queue *q, uint64_t tag)
{
	uint64_t *ids = xmalloc(q->messages.n * sizeof *ids);
	size_t n = 0;

	for (struct id_node *node = NULL; (node = id_map_next(&q->messages, node)) != NULL;)
		ids[n++] = node->id;
	start(q, tag, ids, n, false);
}

static void
show(struct queue *q, uint64_t tag, const char *word)
{
	uint64_t id, *ids;

	if (!queue_id_parse(span_of(word), &id)) {
		role_admin_error(q->role, tag, EX_DATAERR, "a queue id has 9 letters and digits");
		return;
	}
	if (server_message(q, id) == NULL) {
		role_admin_error(
		    q->role, tag, EX_NOINPUT, "no message %s is in the queue", queue_id_text(id));
		return;
	}
	ids = xmalloc(sizeof *ids);
	*ids = id;
	start(q, tag, ids, 1, true);
}

void
admin_request(struct queue *q, uint64_t tag, char **words, size_t n)
{
	if (n == 2 && strcmp(words[0], "queue") == 0 && strcmp(words[1], "list") == 0)
		list(q, tag);
	else if (n == 3 && strcmp(words[0], "queue") == 0 && strcmp(words[1], "show") == 0)
		show(q, tag, words[2]);
	else
		role_admin_error(q->role, tag, EX_USAGE, "queue knows list and show ID");
}
