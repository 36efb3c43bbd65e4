/*
 * Messages asked of store ahead of the client. Only one request of a session is under way at a
 * time; what comes of one that is no longer wanted is closed.
 */
#include "pop3d/ahead.h"

#include "common/memory.h"
#include "store/store.h"

void
ahead_start(struct ahead *a, struct mailbox *m, unsigned *all)
{
	*a = (struct ahead){.mailbox = m, .all = all, .window = 1};
}

/* ---- what is held ---- */

static int
pop(struct ahead *a)
{
	int fd = a->fds[a->head];

	a->head = (a->head + 1) % AHEAD_MAX;
	a->first++;
	a->n--;
	--*a->all;
	return fd;
}

static void
push(struct ahead *a, int fd)
{
	a->fds[(a->head + a->n) % AHEAD_MAX] = fd;
	a->n++;
}

static void
drop_before(struct ahead *a, uint64_t index)
{
	while (a->n > 0 && a->first < index) {
		int fd = pop(a);

		closefd(&fd);
	}
}

void
ahead_stop(struct ahead *a)
{
	if (a->all == NULL)
		return;
	drop_before(a, UINT64_MAX);
	*a->all -= a->end - a->arriving;
	*a = (struct ahead){0};
}

/* ---- what is asked for ---- */

/* How many messages to ask for; at least the one that is wanted. */
static uint64_t
room_for(const struct ahead *a, bool wanted)
{
	uint64_t left = mailbox_count(a->mailbox) - a->first - a->n, n = a->window - a->n;

	if (n > left)
		n = left;
	if (*a->all >= AHEAD_ALL_MAX)
		return wanted;
	return n < AHEAD_ALL_MAX - *a->all ? n : AHEAD_ALL_MAX - *a->all;
}

static void
ask(struct ahead *a, bool wanted)
{
	uint64_t n = room_for(a, wanted);

	if (n == 0)
		return;
	*a->all += n;
	a->arriving = a->first + a->n;
	a->end = a->arriving + n;
	mailbox_get(a->mailbox, a->arriving, n);
}

static bool
is_asking(const struct ahead *a)
{
	return a->arriving < a->end;
}

void
ahead_want(struct ahead *a, uint64_t index)
{
	/* The window grows with a client that goes on to the next, and is 1 for one that jumps. */
	if (index != a->first)
		a->window = 1;
	else if (a->window < AHEAD_MAX)
		a->window *= 2;
	drop_before(a, index < a->first ? UINT64_MAX : index);
	if (a->n == 0)
		a->first = index;
	if (a->n == 0 && !is_asking(a))
		ask(a, true);
}

bool
ahead_ready(struct ahead *a, int *fd)
{
	if (a->n == 0)
		return false;
	*fd = pop(a);
	/* More are asked for when half of the window is left, so that the client never waits. */
	if (a->window > 1 && a->n <= a->window / 2 && !is_asking(a))
		ask(a, false);
	return true;
}

void
ahead_arrived(struct ahead *a, uint64_t index, int fd)
{
	a->arriving = index + 1;
	if (index == a->first + a->n) {
		push(a, fd);
	} else {
		closefd(&fd);
		--*a->all;
	}
	/* What was under way is not what is wanted now. */
	if (a->n == 0 && !is_asking(a))
		ask(a, true);
}
