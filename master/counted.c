/* Differences of counters, by process. */
#include "master/counted.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/memory.h"

/* The start as the uptime tells it jumps by a second, and when somebody sets the clock. */
enum { SAME_START_S = 60 };

/* A process, which its number and start tell from another with this number. */
struct counted_process {
	json_int_t pid, started;
	json_t *counters; /* when it was asked last; NULL: never */
	bool is_there;	  /* in the document at hand */
};

static struct counted_process *
find_process(struct counted *c, const json_t *program, int64_t now)
{
	json_int_t pid = json_integer_value(json_object_get(program, "pid"));
	json_int_t started = now - json_integer_value(json_object_get(program, "uptime_s"));

	for (size_t i = 0; i < c->n; i++)
		if (c->processes[i].pid == pid &&
		    llabs(c->processes[i].started - started) <= SAME_START_S)
			return &c->processes[i];
	c->processes = xrealloc(c->processes, (c->n + 1) * sizeof *c->processes);
	c->processes[c->n] = (struct counted_process){.pid = pid, .started = started};
	return &c->processes[c->n++];
}

void
counted_add_one(struct counted *c, const json_t *program, int64_t now, counted_cb cb, void *arg)
{
	const char *name = json_string_value(json_object_get(program, "name")), *counter;
	json_t *counters = json_object_get(program, "counters"), *value;
	struct counted_process *p;

	if (name == NULL || !json_is_integer(json_object_get(program, "pid")))
		return;
	p = find_process(c, program, now);
	p->is_there = true;
	if (!json_is_object(counters))
		return;
	json_object_foreach(counters, counter, value)
	{
		json_int_t before = json_integer_value(json_object_get(p->counters, counter));
		json_int_t n = json_integer_value(value);

		if (json_is_integer(value) && n >= 0)
			cb(arg, name, counter, n > before ? n - before : 0, p->started);
	}
	json_decref(p->counters);
	p->counters = json_incref(counters);
}

static void
forget_ended(struct counted *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->processes[i].is_there) {
			json_decref(c->processes[i].counters);
			continue;
		}
		c->processes[n] = c->processes[i];
		c->processes[n++].is_there = false;
	}
	c->n = n;
}

void
counted_add(struct counted *c, const json_t *running, int64_t now, counted_cb cb, void *arg)
{
	const json_t *program;
	size_t i;

	json_array_foreach(running, i, program) counted_add_one(c, program, now, cb, arg);
	forget_ended(c);
}

void
counted_clear(struct counted *c)
{
	for (size_t i = 0; i < c->n; i++)
		json_decref(c->processes[i].counters);
	free(c->processes);
	*c = (struct counted){.processes = NULL};
}
