/* Differences of counters, by process. */
#include "master/counted.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/memory.h"

/* A process that is asked while another answer is on its way may seem younger than before. */
enum { YOUNGER_S = 60 };

/* A process. Another with this number is younger than it was; the start by the wall clock would
 * change when somebody sets that. */
struct counted_process {
	json_int_t pid, uptime_s;
	json_t *counters; /* when it was asked last; NULL: never */
	bool is_there;	  /* in the document at hand */
};

static struct counted_process *
find_process(struct counted *c, const json_t *program)
{
	json_int_t pid = json_integer_value(json_object_get(program, "pid"));
	json_int_t uptime_s = json_integer_value(json_object_get(program, "uptime_s"));

	for (size_t i = 0; i < c->n; i++)
		if (c->processes[i].pid == pid &&
		    uptime_s >= c->processes[i].uptime_s - YOUNGER_S) {
			c->processes[i].uptime_s = uptime_s;
			return &c->processes[i];
		}
	c->processes = xrealloc(c->processes, (c->n + 1) * sizeof *c->processes);
	c->processes[c->n] = (struct counted_process){.pid = pid, .uptime_s = uptime_s};
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
	p = find_process(c, program);
	p->is_there = true;
	if (!json_is_object(counters))
		return;
	json_object_foreach(counters, counter, value)
	{
		json_int_t before = json_integer_value(json_object_get(p->counters, counter));
		json_int_t n = json_integer_value(value);

		if (json_is_integer(value) && n >= 0)
			cb(arg, name, counter, n > before ? n - before : 0, now - p->uptime_s);
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
