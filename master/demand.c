/*
 * Programs that are started on demand. Touches nothing but the listening socket, of which it only
 * asks whether a connection waits.
 */
#include "master/demand.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "master/supervisor.h"

struct demand {
	struct supervisor *supervisor;
	const struct program *program;
	struct event *waiting; /* a connection */
	struct event *pause;
	unsigned deaths; /* in a row */
};

/* Those that were replaced and finish their work count too. */
static size_t
count_processes(const struct demand *d)
{
	size_t n = 0;

	for (const struct process *p = d->supervisor->processes; p != NULL; p = p->next)
		n += p->program == d->program;
	return n;
}

/* NULL: no more of them may run. */
static struct slot *
free_slot(const struct demand *d)
{
	struct supervisor *s = d->supervisor;
	struct slot *found = NULL;
	size_t wanted = 0;

	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->program != d->program || !slot->wanted)
			continue;
		wanted++;
		if (found == NULL && slot->state == SLOT_OFF)
			found = slot;
	}
	return count_processes(d) < wanted ? found : NULL;
}

/* Until it is ready it may not have accepted its connection, which then is not another one's. */
static bool
is_one_starting(const struct demand *d)
{
	const struct supervisor *s = d->supervisor;

	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].program == d->program && s->slots[i].state == SLOT_STARTING)
			return true;
	return false;
}

static void
on_waiting(evutil_socket_t fd, short what, void *arg)
{
	struct demand *d = arg;
	struct slot *slot = free_slot(d);

	(void)fd, (void)what;
	if (slot != NULL)
		supervisor_start_slot(slot);
	demand_look(d);
}

static void
on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	demand_look(arg);
}

struct demand *
demand_new(struct supervisor *s, const struct program *program, int listen_fd)
{
	struct demand *d = xcalloc(1, sizeof *d);

	d->supervisor = s;
	d->program = program;
	d->waiting = event_new(s->base, listen_fd, EV_READ, on_waiting, d);
	d->pause = evtimer_new(s->base, on_pause_over, d);
	if (d->waiting == NULL || d->pause == NULL)
		fatalx("cannot watch for connections to %s", program->name);
	return d;
}

void
demand_free(struct demand **dp)
{
	struct demand *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	event_free(d->waiting);
	event_free(d->pause);
	free(d);
}

bool
demand_is_paused(const struct demand *d)
{
	return evtimer_pending(d->pause, NULL);
}

void
demand_look(struct demand *d)
{
	if (d->supervisor->stopping || demand_is_paused(d) || is_one_starting(d) ||
	    free_slot(d) == NULL)
		event_del(d->waiting);
	else if (event_add(d->waiting, NULL) == -1)
		fatalx("cannot watch for connections to %s", d->program->name);
}

void
demand_on_death(struct demand *d, bool lived_long)
{
	struct timeval wait = {0};

	if (lived_long)
		d->deaths = 0;
	wait.tv_sec = supervisor_backoff_s(d->program, d->deaths++);
	if (wait.tv_sec > 0)
		evtimer_add(d->pause, &wait);
	demand_look(d);
}

void
demand_on_end(struct demand *d)
{
	if (!demand_is_paused(d))
		d->deaths = 0;
	demand_look(d);
}

void
demand_forgive(struct demand *d)
{
	d->deaths = 0;
	evtimer_del(d->pause);
	demand_look(d);
}
