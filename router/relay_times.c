/*
 * The times of Relay Delivery. An alarm on the wall clock, which is set anew when the clock is.
 */
#include "router/relay_times.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "common/wall_clock.h"

enum { HOUR_S = 3600 };

struct relay_times {
	struct wall_clock *clock;
	char delivery[16];
	uint64_t next_s; /* 0: never */
	void (*cb)(void *arg);
	void *arg;
};

bool
relay_times_is_scheduled(const char *delivery)
{
	return strcmp(delivery, "hourly") == 0 || strcmp(delivery, "daily") == 0;
}

uint64_t
relay_times_after(const char *delivery, uint64_t now_s)
{
	time_t now = now_s, next;
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL)
		return now_s + HOUR_S;
	/* Not by mktime(): in autumn an hour comes twice. */
	if (strcmp(delivery, "hourly") == 0)
		return now_s + HOUR_S - (tm.tm_min * 60 + tm.tm_sec);
	if (strcmp(delivery, "daily") != 0)
		return 0;
	tm = (struct tm){
	    .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday + 1, .tm_isdst = -1};
	next = mktime(&tm);
	return next > now ? (uint64_t)next : now_s + HOUR_S;
}

static void
set_alarm(struct relay_times *t)
{
	t->next_s = relay_times_after(t->delivery, wall_clock_now() / 1000000);
	if (t->next_s != 0)
		wall_clock_set(t->clock, t->next_s * 1000000);
}

/* A clock that was set forward over a time is that time. */
static void
on_clock(void *arg, bool jumped)
{
	struct relay_times *t = arg;
	bool is_time = t->next_s != 0 && wall_clock_now() / 1000000 >= t->next_s;

	(void)jumped;
	set_alarm(t);
	if (is_time)
		t->cb(t->arg);
}

struct relay_times *
relay_times_new(struct event_base *base, void (*cb)(void *arg), void *arg)
{
	struct relay_times *t = xcalloc(1, sizeof *t);

	t->cb = cb;
	t->arg = arg;
	t->clock = wall_clock_new(base, on_clock, t);
	return t;
}

void
relay_times_free(struct relay_times **tp)
{
	if (*tp == NULL)
		return;
	wall_clock_free(&(*tp)->clock);
	free(*tp);
	*tp = NULL;
}

void
relay_times_set(struct relay_times *t, const char *delivery)
{
	if (strcmp(t->delivery, delivery) == 0)
		return;
	strlcpy(t->delivery, delivery, sizeof t->delivery);
	set_alarm(t);
}
