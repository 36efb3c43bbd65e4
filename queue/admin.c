/*
 * Answers sambarctl: lists, and orders about messages. A request goes through the messages in the
 * order of their ids, as many as fit into one answer; sambarctl asks for the rest with a cursor.
 * Envelopes are read in a helper thread, some at a time, so that a long list disturbs nobody, and
 * the files of the messages that an order changes are written before the next ones are looked at.
 */
#include "queue/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/next_hop.h"
#include "common/queue_id.h"
#include "queue/admin_doc.h"
#include "queue/admin_filter.h"
#include "queue/conclude.h"
#include "queue/feed.h"
#include "queue/order.h"

enum {
	LIST_DEFAULT = 100,
	LIST_MAX = 1000,	     /* messages in one answer */
	LIST_RECIPIENTS_MAX = 20000, /* of all of them; each shows one at least */
	EXAMINE_MAX = 10000,	     /* messages that one answer is about */
	EXAMINE_BOUNCES_MAX = 500,   /* each may need a sync */
	SLICE = 64,
	ROUNDS_MAX = 4,
	WHY_MAX_BYTES = 500
};

enum look { NO_MATCH, MATCH, MISSED };

struct sweep {
	struct job job;
	struct queue *queue;
	uint64_t tag;
	bool is_list, full; /* full: one message, with all that is known */
	struct admin_filter filter;
	struct order *order; /* NULL for a list */
	uint64_t after, limit, now_us;
	uint64_t *ids; /* in no order (or a heap, the largest first) until they are sorted */
	size_t n_ids, at, most;
	bool sorted;
	size_t room, unknown;
	size_t held;		    /* of those that the order did not concern */
	int error;		    /* an errno: what was changed may not survive */
	struct message some[SLICE]; /* copies */
	enum look looks[SLICE];
	size_t n_some;
	unsigned rounds; /* in which some were missed */
	uint64_t last;	 /* examined */
	json_t *messages;
	uint64_t arrivals[LIST_MAX]; /* of the messages, in microseconds */
};

/* ---- which messages ---- */

static void
sift_down(uint64_t *heap, size_t n, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		uint64_t id = heap[i];

		child += child + 1 < n && heap[child + 1] > heap[child];
		if (heap[child] <= id)
			return;
		heap[i] = heap[child];
		heap[child] = id;
	}
}

/* The `most` smallest ids stay. */
static void
keep_id(struct sweep *w, uint64_t id)
{
	if (w->n_ids < w->most) {
		w->ids[w->n_ids++] = id;
		if (w->n_ids == w->most)
			for (size_t i = w->most / 2 + 1; i-- > 0;)
				sift_down(w->ids, w->n_ids, i);
	} else if (id < w->ids[0]) {
		w->ids[0] = id;
		sift_down(w->ids, w->n_ids, 0);
	}
}

static void
choose(struct sweep *w)
{
	const struct id_map *all = &w->queue->messages;
	bool sparse = admin_filter_needs_envelope(&w->filter) || !w->is_list;
	struct id_node *node = NULL;

	/* One more than is shown tells whether there are more. */
	w->most = sparse ? EXAMINE_MAX : w->limit + 1;
	if (w->order != NULL && w->order->kind == ORDER_BOUNCE)
		w->most = EXAMINE_BOUNCES_MAX;
	w->ids = xmalloc(w->most * sizeof *w->ids);
	while ((node = id_map_next(all, node)) != NULL)
		if (node->id > w->after &&
		    admin_filter_may_match(&w->filter, (struct message *)node, w->now_us))
			keep_id(w, node->id);
}

/* All that were named, even when they are not there. */
static void
choose_named(struct sweep *w)
{
	w->most = SIZE_MAX;
	w->ids = xmalloc((w->filter.n_ids + 1) * sizeof *w->ids);
	for (size_t i = 0; i < w->filter.n_ids; i++)
		if (w->filter.ids[i] > w->after)
			w->ids[w->n_ids++] = w->filter.ids[i];
}

/* ---- in the helper thread ---- */

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
look(struct sweep *w, size_t i)
{
	const struct message *m = &w->some[i];
	unsigned char *storage;
	struct envelope e;
	const char *why;
	int fd = conclude_open(&w->queue->spool, m, O_RDONLY, &e, &storage, &why);

	w->looks[i] = MISSED;
	if (fd == -1)
		return; /* gone, or elsewhere now; or not sound, which its next attempt finds */
	w->looks[i] = admin_filter_matches(&w->filter, &e, w->now_us) ? MATCH : NO_MATCH;
	if (w->looks[i] == MATCH && w->is_list && json_array_size(w->messages) < w->limit) {
		w->arrivals[json_array_size(w->messages)] = e.arrival_us;
		json_array_append_new(w->messages, admin_message_doc(m, &e, w->full, &w->room));
	}
	envelope_clear(&e);
	free(storage);
	closefd(&fd);
}

/* missed: so many may still come into the list. */
static bool
is_full(const struct sweep *w, size_t missed)
{
	return w->is_list && json_array_size(w->messages) + missed >= w->limit;
}

/* What was chosen behind this one is not looked at now. */
static void
cut_some(struct sweep *w, size_t n)
{
	w->n_some = n;
	while (w->at > 0 && w->ids[w->at - 1] > w->last)
		w->at--;
}

static void
work(struct job *job)
{
	struct sweep *w = (struct sweep *)job;
	size_t missed = 0;

	if (!w->sorted && w->n_ids > 0)
		qsort(w->ids, w->n_ids, sizeof *w->ids, compare_ids);
	w->sorted = true;
	for (size_t i = 0; i < w->n_some; i++) {
		w->looks[i] = MATCH;
		if (w->is_list || admin_filter_needs_envelope(&w->filter))
			look(w, i);
		missed += w->looks[i] == MISSED;
		if (w->some[i].node.id > w->last) /* else it was missed before */
			w->last = w->some[i].node.id;
		if (is_full(w, missed))
			cut_some(w, i + 1);
	}
}

/* What an order has changed survives a power cut when it is answered. */
static void
sync_work(struct job *job)
{
	struct sweep *w = (struct sweep *)job;

	w->error = spool_sync_changes(&w->queue->spool) == -1 ? errno : 0;
}

/* ---- answers ---- */

static void
free_sweep(struct sweep *w)
{
	json_decref(w->messages);
	admin_filter_clear(&w->filter);
	order_release(&w->order);
	free(w->ids);
	free(w);
}

static json_t *
id_doc(uint64_t id)
{
	char text[QUEUE_ID_TEXT_SIZE];

	queue_id_print(id, text);
	return json_string(text);
}

/* Where the next answer begins, or null. */
static json_t *
next_doc(const struct sweep *w)
{
	bool more = w->at < w->n_ids || w->n_ids == w->most;

	return more && w->last != 0 ? id_doc(w->last) : json_null();
}

struct listed {
	uint64_t arrival;
	size_t at; /* by id */
	json_t *message;
};

static int
compare_arrivals(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->arrival != y->arrival)
		return x->arrival < y->arrival ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* An id is given before its message arrives: those of a page may have come in another order. */
static json_t *
sort_by_arrival(const struct sweep *w)
{
	size_t n = json_array_size(w->messages);
	struct listed *list = xcalloc(n + 1, sizeof *list);
	json_t *sorted = json_array();

	for (size_t i = 0; i < n; i++)
		list[i] = (struct listed){w->arrivals[i], i, json_array_get(w->messages, i)};
	if (n > 1)
		qsort(list, n, sizeof *list, compare_arrivals);
	for (size_t i = 0; i < n; i++)
		json_array_append(sorted, list[i].message);
	free(list);
	return sorted;
}

static json_t *
list_doc(const struct sweep *w)
{
	return json_pack("{s:o, s:I, s:o}", "messages", sort_by_arrival(w), "total",
	    (json_int_t)w->queue->messages.n, "next", next_doc(w));
}

static json_t *
order_doc(const struct sweep *w)
{
	const struct order *o = w->order;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "done", (json_int_t)o->done,
	    "waiting", (json_int_t)o->waiting, "skipped", (json_int_t)o->skipped, "held",
	    (json_int_t)w->held, "failed", (json_int_t)o->failed, "unknown", (json_int_t)w->unknown,
	    "next", next_doc(w));
}

static void
reply(struct sweep *w)
{
	struct role *role = w->queue->role;

	if (w->order != NULL)
		role_admin_reply(role, w->tag, EX_OK, order_doc(w));
	else if (!w->full)
		role_admin_reply(role, w->tag, EX_OK, list_doc(w));
	else if (json_array_size(w->messages) == 1)
		role_admin_reply(role, w->tag, EX_OK, json_incref(json_array_get(w->messages, 0)));
	else
		role_admin_error(role, w->tag, EX_NOINPUT, "the message cannot be read");
	free_sweep(w);
}

/* ---- in the loop ---- */

static void
on_synced(struct job *job)
{
	struct sweep *w = (struct sweep *)job;

	if (w->error == 0) {
		reply(w);
		return;
	}
	log_warn("orders could not be synced messages=%zu: %s", w->order->done, strerror(w->error));
	role_admin_error(w->queue->role, w->tag, EX_IOERR,
	    "it was done to %zu message(s), but the spool cannot be synced: %s", w->order->done,
	    strerror(w->error));
	free_sweep(w);
}

static void
finish(struct sweep *w)
{
	if (w->order == NULL || w->order->kind == ORDER_FLUSH) {
		reply(w);
		return;
	}
	/* Behind the changes and removals, so that they are counted, and synced. */
	chores_push(w->queue->chores);
	w->job = (struct job){.work = sync_work, .done = on_synced};
	worker_push(chores_worker(w->queue->chores), &w->job, false);
}

/* A message that is passed over stays as it is. */
static void
give_order(struct sweep *w, struct message *m)
{
	size_t skipped = w->order->skipped;

	order_give(w->queue, m, w->order);
	if (w->order->skipped > skipped)
		w->held += m->name.held;
}

static void
give_orders(struct sweep *w)
{
	struct message *m;

	for (size_t i = 0; i < w->n_some; i++)
		if (w->looks[i] == MATCH &&
		    (m = server_message(w->queue, w->some[i].node.id)) != NULL)
			give_order(w, m);
}

/* Those whose files were being renamed are looked at once more. */
static void
choose_missed(struct sweep *w)
{
	size_t n = 0;
	struct message *m;

	for (size_t i = 0; i < w->n_some && w->rounds < ROUNDS_MAX; i++)
		if (w->looks[i] == MISSED &&
		    (m = server_message(w->queue, w->some[i].node.id)) != NULL)
			w->some[n++] = *m;
	w->n_some = n;
	w->rounds = n > 0 ? w->rounds + 1 : 0;
}

static void
choose_next(struct sweep *w)
{
	struct message *m;

	for (; w->at < w->n_ids && w->n_some < SLICE && !is_full(w, 0); w->at++) {
		m = server_message(w->queue, w->ids[w->at]);
		w->unknown += m == NULL && w->filter.ids != NULL;
		if (m != NULL && admin_filter_may_match(&w->filter, m, w->now_us))
			w->some[w->n_some++] = *m;
		else if (w->n_some == 0)
			w->last = w->ids[w->at];
	}
}

static void
on_done(struct job *job)
{
	struct sweep *w = (struct sweep *)job;
	struct queue *q = w->queue;

	if (w->order != NULL)
		give_orders(w);
	choose_missed(w);
	if (w->n_some == 0)
		choose_next(w);
	if (w->n_some > 0)
		worker_push(chores_worker(q->chores), &w->job, false);
	else
		finish(w);
}

static void
start(struct sweep *w)
{
	w->now_us = wall_clock_now();
	w->room = LIST_RECIPIENTS_MAX;
	w->messages = json_array();
	w->job = (struct job){.work = work, .done = on_done};
	if (w->filter.ids != NULL)
		choose_named(w);
	else
		choose(w);
	worker_push(chores_worker(w->queue->chores), &w->job, false);
}

/* ---- requests ---- */

static const struct admin_verb {
	const char *word;
	int order; /* enum order_kind; -1: none */
} verbs[] = {{"list", -1}, {"show", -1}, {"hold", ORDER_HOLD}, {"release", ORDER_RELEASE},
    {"retry", ORDER_RETRY}, {"flush", ORDER_FLUSH}, {"remove", ORDER_REMOVE},
    {"bounce", ORDER_BOUNCE}, {"reroute", ORDER_REROUTE}};

/* The words that are no filter. */
struct options {
	const char *who, *why, *to;
};

static const char *
value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool
take_number(struct sweep *w, const char *word, const char **why)
{
	const char *value;

	if ((value = value_of(word, "limit")) != NULL) {
		if (!span_u64(span_of(value), LIST_MAX, &w->limit) || w->limit == 0)
			*why = "a page has 1 to 1000 messages";
		return true;
	}
	if ((value = value_of(word, "after")) != NULL) {
		if (!queue_id_parse(span_of(value), &w->after))
			*why = "a queue id has 9 letters and digits";
		return true;
	}
	return false;
}

/* NULL, or what is wrong with it. */
static const char *
take_word(struct sweep *w, struct options *o, const char *word)
{
	const struct {
		const char *key;
		const char **out;
	} texts[] = {{"who", &o->who}, {"why", &o->why}, {"to", &o->to}};
	const char *why = NULL, *value;

	for (size_t i = 0; i < nitems(texts); i++)
		if ((value = value_of(word, texts[i].key)) != NULL) {
			*texts[i].out = value;
			return strlen(value) > WHY_MAX_BYTES ? "a text is too long" : NULL;
		}
	if (take_number(w, word, &why))
		return why;
	switch (admin_filter_take(&w->filter, word, &why)) {
	case 0:
		return "queue does not know such an option";
	case 1:
		return NULL;
	}
	return why;
}

/* What router will heed as a message's way (router/route.h); empty for none. */
static bool
is_route(const char *text)
{
	struct next_hop hop;
	struct span bad;
	const char *why;

	return text[0] == '\0' ||
	       (next_hop_parse(span_of(text), &hop, &bad, &why) && hop.kind == NEXT_HOP_HOST);
}

static char *
copy_of(const char *text)
{
	return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

static const char *
prepare_order(struct sweep *w, const struct options *o, int kind)
{
	if (!admin_filter_is_set(&w->filter) && kind != ORDER_FLUSH)
		return "it must be said which messages: ids, filters, or all";
	if (kind == ORDER_REROUTE && (o->to == NULL || !is_route(o->to)))
		return "a route is host or host:port, as in [routes]";
	w->order = order_new((enum order_kind)kind, copy_of(o->who), copy_of(o->why),
	    kind == ORDER_REROUTE ? xstrdup(o->to) : NULL);
	return NULL;
}

static const char *
prepare_show(struct sweep *w)
{
	w->full = true;
	w->limit = 1;
	if (w->filter.n_ids != 1)
		return "one message can be shown";
	return NULL;
}

static const char *
prepare(struct sweep *w, const struct admin_verb *verb, char **words, size_t n)
{
	struct options o = {0};
	const char *why = NULL;

	for (size_t i = 0; i < n && why == NULL; i++)
		why = take_word(w, &o, words[i]);
	if (why == NULL && verb->order != -1)
		why = prepare_order(w, &o, verb->order);
	if (why == NULL && strcmp(verb->word, "show") == 0)
		why = prepare_show(w);
	return why;
}

static void
run(struct queue *q, uint64_t tag, const struct admin_verb *verb, char **words, size_t n)
{
	struct sweep *w = xcalloc(1, sizeof *w);
	const char *why;

	w->queue = q;
	w->tag = tag;
	w->is_list = verb->order == -1;
	w->limit = LIST_DEFAULT;
	why = prepare(w, verb, words, n);
	if (why != NULL) {
		role_admin_error(q->role, tag, EX_DATAERR, "%s", why);
		free_sweep(w);
		return;
	}
	if (w->full && server_message(q, w->filter.ids[0]) == NULL) {
		role_admin_error(q->role, tag, EX_NOINPUT, "no message %s is in the queue",
		    queue_id_text(w->filter.ids[0]));
		free_sweep(w);
		return;
	}
	if (verb->order == ORDER_FLUSH && w->after == 0)
		feed_flush(q->feed, span_of(w->filter.domain != NULL ? w->filter.domain : ""));
	start(w);
}

void
admin_request(struct queue *q, uint64_t tag, char **words, size_t n)
{
	for (size_t i = 0; i < nitems(verbs) && n >= 2; i++)
		if (strcmp(words[0], "queue") == 0 && strcmp(words[1], verbs[i].word) == 0) {
			run(q, tag, &verbs[i], words + 2, n - 2);
			return;
		}
	role_admin_error(q->role, tag, EX_USAGE, "queue does not know this request");
}
