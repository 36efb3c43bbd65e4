/*
 * Slots that are ready to be given, and those who wait for one. Touches the spool through spool.h,
 * from the chores' thread only: it alone gives out ids.
 */
#include "queue/spares.h"

#include <errno.h>
#include <stdlib.h>

#include "common/memory.h"

enum { SPARES_KEEP = 128, SPARES_EACH_MAX = 128 };

struct waiting {
	STAILQ_ENTRY(waiting) link;
	struct ipc_peer *peer;
	uint64_t tag;
};

struct making {
	struct job job;
	struct spares *owner;
	struct slot_list made;
	size_t want, n;
	int error;
};

struct spares {
	struct spool *spool;
	struct chores *chores;
	spares_cb cb;
	void *arg;
	struct slot_list ready;
	size_t n_ready, n_waiting;
	STAILQ_HEAD(, waiting) waiting;
	struct making making;
	bool busy;
};

/* In the helper thread. */
static struct slot *
make_slot(struct spool *sp)
{
	uint64_t id = spool_new_id(sp);
	int fd;

	if (id == 0 || (fd = spool_create(sp, id)) == -1)
		return NULL;
	return slot_new(id, fd);
}

static void
drop(struct making *m)
{
	struct slot *slot;

	while ((slot = STAILQ_FIRST(&m->made)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->made, link);
		(void)spool_discard(
		    m->owner->spool, slot->name.file); /* a start removes the rest */
		slot_free(&slot);
	}
	m->n = 0;
}

static void
work(struct job *job)
{
	struct making *m = (struct making *)job;
	struct slot *slot;

	for (; m->n < m->want; m->n++) {
		if ((slot = make_slot(m->owner->spool)) == NULL) {
			m->error = errno;
			break;
		}
		STAILQ_INSERT_TAIL(&m->made, slot, link);
	}
	/* A commit syncs the file alone. */
	if (m->n > 0 && spool_sync_incoming(m->owner->spool) == -1) {
		m->error = errno;
		drop(m);
	}
}

static void
give(struct spares *s, struct ipc_peer *p, uint64_t tag)
{
	struct slot *slot = STAILQ_FIRST(&s->ready);

	STAILQ_REMOVE_HEAD(&s->ready, link);
	s->n_ready--;
	s->cb(s->arg, p, tag, slot, 0);
}

/* The longest waiting one; error 0: gets a slot. */
static void
answer_first(struct spares *s, int error)
{
	struct waiting w = *STAILQ_FIRST(&s->waiting), *entry = STAILQ_FIRST(&s->waiting);

	STAILQ_REMOVE_HEAD(&s->waiting, link);
	s->n_waiting--;
	free(entry);
	if (error == 0)
		give(s, w.peer, w.tag);
	else
		s->cb(s->arg, w.peer, w.tag, NULL, error);
}

static void make_more(struct spares *s);

static void
done(struct job *job)
{
	struct making *m = (struct making *)job;
	struct spares *s = m->owner;
	int error = m->error;

	s->busy = false;
	s->n_ready += m->n;
	STAILQ_CONCAT(&s->ready, &m->made);
	while (s->n_waiting > 0 && s->n_ready > 0)
		answer_first(s, 0);
	if (error != 0)
		while (s->n_waiting > 0)
			answer_first(s, error);
	if (s->n_waiting > 0)
		make_more(s);
}

static void
make_more(struct spares *s)
{
	size_t want = SPARES_KEEP + s->n_waiting - s->n_ready;

	if (s->busy)
		return;
	s->busy = true;
	s->making = (struct making){.job = {.work = work, .done = done},
	    .owner = s,
	    .want = want < SPARES_EACH_MAX ? want : SPARES_EACH_MAX};
	STAILQ_INIT(&s->making.made);
	worker_push(chores_worker(s->chores), &s->making.job, true);
}

void
spares_ask(struct spares *s, struct ipc_peer *p, uint64_t tag)
{
	struct waiting *w;

	if (s->n_ready > 0) {
		give(s, p, tag);
		if (s->n_ready <= SPARES_KEEP / 2)
			make_more(s);
		return;
	}
	w = xmalloc(sizeof *w);
	*w = (struct waiting){.peer = p, .tag = tag};
	STAILQ_INSERT_TAIL(&s->waiting, w, link);
	s->n_waiting++;
	make_more(s);
}

void
spares_forget(struct spares *s, const struct ipc_peer *p)
{
	struct waiting *w, *next;

	for (w = STAILQ_FIRST(&s->waiting); w != NULL; w = next) {
		next = STAILQ_NEXT(w, link);
		if (w->peer != p)
			continue;
		STAILQ_REMOVE(&s->waiting, w, waiting, link);
		s->n_waiting--;
		free(w);
	}
}

size_t
spares_count(const struct spares *s)
{
	return s->n_ready;
}

struct spares *
spares_new(struct spool *sp, struct chores *chores, spares_cb cb, void *arg)
{
	struct spares *s = xcalloc(1, sizeof *s);

	s->spool = sp;
	s->chores = chores;
	s->cb = cb;
	s->arg = arg;
	STAILQ_INIT(&s->ready);
	STAILQ_INIT(&s->waiting);
	return s;
}

void
spares_free(struct spares **sp)
{
	struct spares *s = *sp;
	struct slot *slot;

	if (s == NULL)
		return;
	*sp = NULL;
	while ((slot = STAILQ_FIRST(&s->ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->ready, link);
		slot_free(&slot);
	}
	while (s->n_waiting > 0) {
		struct waiting *w = STAILQ_FIRST(&s->waiting);

		STAILQ_REMOVE_HEAD(&s->waiting, link);
		s->n_waiting--;
		free(w);
	}
	free(s);
}
