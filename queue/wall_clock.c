/*
 * An alarm on the wall clock: a timerfd in the event loop.
 */
#include "queue/wall_clock.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

struct wall_clock {
	int fd;
	struct event event;
	uint64_t armed_us; /* 0: not */
	wall_clock_cb cb;
	void *arg;
};

uint64_t
wall_clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	struct wall_clock *c = arg;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof count);

	(void)what;
	if (n == -1 && errno != ECANCELED)
		return; /* EAGAIN: set again meanwhile */
	c->armed_us = 0;
	c->cb(c->arg, n == -1);
}

struct wall_clock *
wall_clock_new(struct event_base *base, wall_clock_cb cb, void *arg)
{
	struct wall_clock *c = xcalloc(1, sizeof *c);

	c->cb = cb;
	c->arg = arg;
	if ((c->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) == -1)
		fatal("cannot make a timer");
	event_assign(&c->event, base, c->fd, EV_READ | EV_PERSIST, on_alarm, c);
	if (event_add(&c->event, NULL) == -1)
		fatalx("cannot watch a timer");
	return c;
}

void
wall_clock_free(struct wall_clock **c)
{
	if (*c == NULL)
		return;
	event_del(&(*c)->event);
	closefd(&(*c)->fd);
	free(*c);
	*c = NULL;
}

void
wall_clock_set(struct wall_clock *c, uint64_t at_us)
{
	struct itimerspec when = {
	    .it_value = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000}};

	if (at_us == c->armed_us || at_us == 0)
		return;
	if (timerfd_settime(c->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) ==
		-1 &&
	    errno != ECANCELED) {
		log_warn("cannot set a timer: %s", strerror(errno));
		return;
	}
	c->armed_us = at_us;
}
