/*
 * An alarm on the wall clock: a timerfd in the event loop.
 */
#include "common/wall_clock.h"

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
	bool jumped;	   /* heard of while setting the timer, to be told from the loop */
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
	bool jumped;

	(void)what;
	jumped = c->jumped || (n == -1 && errno == ECANCELED);
	if (n == -1 && !jumped)
		return; /* EAGAIN: set again meanwhile */
	c->jumped = false;
	c->armed_us = 0;
	c->cb(c->arg, jumped);
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
	if (timerfd_settime(c->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) == 0) {
		c->armed_us = at_us;
	} else if (errno == ECANCELED) {
		/* It is set; and the clock was, which read() will not say again. */
		c->armed_us = at_us;
		c->jumped = true;
		event_active(&c->event, EV_READ, 0);
	} else {
		log_warn("cannot set a timer: %s", strerror(errno));
	}
}
