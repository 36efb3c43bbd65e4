/*
 * Removes files, or makes them ready to serve again, in a helper thread, a handful a job, so that
 * more urgent jobs need not wait long. Touches the spool through spool.h.
 */
#include "queue/chores.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "common/memory.h"

enum { REMOVALS_EACH = 32 };

/* Either a message or a slot. */
struct removal {
	struct message *message;
	struct slot *slot; /* to be discarded, or kept with the message; then what its file has
			      become */
	bool recycle, was_kept;
	int error;
};

struct removals {
	struct job job;
	struct chores *owner;
	size_t n;
	struct removal items[REMOVALS_EACH];
};

struct chores {
	struct spool *spool;
	struct worker *worker;
	chores_removed_cb removed;
	void *arg;
	struct event turn;
	struct removals *gathered;
};

static void
discard(struct spool *sp, struct slot *slot)
{
	(void)spool_discard(sp, slot->name.file); /* a start removes the rest */
	slot_free(&slot);
}

static void
remove_message(struct spool *sp, struct removal *item)
{
	uint64_t id = item->message->node.id;
	const struct spool_name *name = &item->message->name;

	if (item->recycle && !name->in_cur)
		item->slot = spool_recycle(sp, name, item->slot);
	else
		slot_free(&item->slot);
	if (item->slot == NULL && spool_message_remove(sp, id, name) == -1 && errno != ENOENT)
		item->error = errno;
}

static void
work(struct job *job)
{
	struct removals *r = (struct removals *)job;
	struct spool *sp = r->owner->spool;

	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].message != NULL)
			remove_message(sp, &r->items[i]);
		else
			discard(sp, r->items[i].slot);
}

static void
done(struct job *job)
{
	struct removals *r = (struct removals *)job;
	struct chores *c = r->owner;

	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].message != NULL)
			c->removed(c->arg, r->items[i].message, r->items[i].error, r->items[i].slot,
			    r->items[i].was_kept);
	free(r);
}

void
chores_push(struct chores *c)
{
	struct removals *r = c->gathered;

	c->gathered = NULL;
	if (r != NULL)
		worker_push(c->worker, &r->job, false);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	chores_push(arg);
}

static struct removal *
next_item(struct chores *c)
{
	if (c->gathered == NULL) {
		c->gathered = xmalloc(sizeof *c->gathered);
		c->gathered->job = (struct job){.work = work, .done = done};
		c->gathered->owner = c;
		c->gathered->n = 0;
		event_active(&c->turn, EV_TIMEOUT, 0);
	}
	return &c->gathered->items[c->gathered->n++];
}

static void
add(struct chores *c, struct removal item)
{
	*next_item(c) = item;
	if (c->gathered->n == REMOVALS_EACH)
		chores_push(c);
}

void
chores_remove(struct chores *c, struct message *m, struct slot *kept, bool recycle)
{
	add(c, (struct removal){
		   .message = m, .slot = kept, .recycle = recycle, .was_kept = kept != NULL});
}

void
chores_discard(struct chores *c, struct slot *s)
{
	add(c, (struct removal){.slot = s});
}

struct worker *
chores_worker(struct chores *c)
{
	return c->worker;
}

bool
chores_is_idle(const struct chores *c)
{
	return c->gathered == NULL && worker_load(c->worker) == 0;
}

struct chores *
chores_new(struct event_base *base, struct spool *sp, chores_removed_cb removed,
    void (*idle)(void *arg), void *arg)
{
	struct chores *c = xcalloc(1, sizeof *c);

	c->spool = sp;
	c->removed = removed;
	c->arg = arg;
	event_assign(&c->turn, base, -1, 0, on_turn, c);
	c->worker = worker_new(base);
	worker_on_idle(c->worker, idle, arg);
	return c;
}

void
chores_free(struct chores **cp)
{
	struct chores *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	chores_push(c);
	worker_free(&c->worker);
	event_del(&c->turn);
	free(c);
}
