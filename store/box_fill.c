/*
 * What is in the messages of mailboxes with open sessions: asks indexer for those that the index
 * has chosen, and keeps what it found until a request takes it in.
 */
#include "store/box_private.h"

#include <stdlib.h>

#include "common/memory.h"

enum {
	HUNGRY_LOAD = 256,		  /* messages in indexer's hands; others wait */
	FOUND_MAX_BYTES = 8 * 1024 * 1024 /* texts that wait to be taken in */
};

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
	k->from = span_put(&at, r->from);
	k->to = span_put(&at, r->to);
	k->recipients = span_put(&at, r->recipients);
	k->subject = span_put(&at, r->subject);
	k->message_id = span_put(&at, r->message_id);
	k->references = span_put(&at, r->references);
	k->preview = span_put(&at, r->preview);
	k->text = span_put(&at, r->text);
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

void
box_fill(struct box *b, struct index_request *q)
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
bool
box_has_found(const struct box *b)
{
	return b->n_found >= INDEX_FILL || b->found_bytes >= FOUND_MAX_BYTES ||
	       (b->n_found > 0 && b->n_asked == 0);
}

void
box_take_found(struct box *b, struct index_request *q)
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

void
box_free_filled(struct index_request *q)
{
	for (size_t i = 0; q->filled != NULL && i < INDEX_FILL; i++)
		free(q->filled[i].memory);
	free(q->filled);
	q->filled = NULL;
	q->n_filled = 0;
}

void
box_stop_filling(struct box *b)
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

void
box_choose_fill(struct box *b, struct index_request *q)
{
	free(b->in_hand);
	b->in_hand = NULL;
	if ((q->choose_fill = may_fill(b)))
		note_in_hand(b, q);
}
