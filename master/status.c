/*
 * sambarctl status: one document about all processes.
 */
#include "master/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/span.h"
#include "master/demand.h"
#include "master/programs.h"

struct gathering {
	json_t *document;
	size_t waiting;
	status_cb cb;
	void *arg;
};

struct one {
	struct gathering *gathering;
	json_t *program; /* borrowed from the document */
};

/* Resident memory from /proc, which is there for any process of ours. */
static long
memory_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmRSS: %ld kB", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static json_t *
describe(const struct process *p)
{
	const struct slot *slot = p->slot;

	return json_pack("{s:s, s:i, s:i, s:I, s:i, s:s, s:I, s:s}", "name", p->program->name,
	    "worker", slot != NULL ? (int)slot->worker : -1, "pid", (int)p->pid, "uptime_s",
	    (json_int_t)((monotonic_us() - p->started_us) / 1000000), "restarts",
	    slot != NULL ? (int)slot->restarts : 0, "state",
	    slot != NULL ? slot_state_name(slot) : "retiring", "memory_kb",
	    (json_int_t)memory_kb(p->pid), "protections", p->protections);
}

static json_t *
describe_waiting(const struct slot *slot, const char *state)
{
	return json_pack("{s:s, s:i, s:n, s:i, s:i, s:s, s:i, s:s}", "name", slot->program->name,
	    "worker", (int)slot->worker, "pid", "uptime_s", 0, "restarts", (int)slot->restarts,
	    "state", state, "memory_kb", 0, "protections", "");
}

static bool
has_process(const struct supervisor *s, const struct program *program)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->slots[i].program == program && s->slots[i].process != NULL)
			return true;
	return false;
}

static const char *
state_on_demand(const struct slot *slot)
{
	const struct demand *d = slot->supervisor->demands[slot->program - programs];

	return demand_is_paused(d) ? "backoff" : "on demand";
}

static void
one_less(struct gathering *g)
{
	if (--g->waiting > 0)
		return;
	g->cb(g->arg, g->document);
	free(g);
}

static void
on_counters(void *arg, int code, bool more, struct span text)
{
	struct one *one = arg;
	json_t *counters;

	if (more)
		return; /* counters are short */
	counters = code == 0 ? json_loadb(text.at, text.len, 0, NULL) : NULL;
	json_object_set_new(one->program, "answers", json_boolean(code == 0));
	json_object_set_new(one->program, "counters", counters ? counters : json_null());
	one_less(one->gathering);
	free(one);
}

static void
add_process(struct supervisor *s, struct gathering *g, json_t *list, struct process *p)
{
	static const char *const words[] = {"status"};
	json_t *program = describe(p);
	struct one *one;

	json_array_append_new(list, program);
	/* One that is busy hears nobody. */
	if (p->program->on_demand) {
		json_object_set_new(program, "counters", json_null());
		return;
	}
	one = xmalloc(sizeof *one);
	one->gathering = g;
	one->program = program;
	g->waiting++;
	supervisor_ask(s, p, words, 1, on_counters, one);
}

/* A program on its way is served: connections wait for it. */
static bool
stays_down(const struct supervisor *s, const char *program)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (strcmp(s->slots[i].program->name, program) == 0 &&
		    s->slots[i].state != SLOT_OFF && s->slots[i].state != SLOT_BACKOFF)
			return false;
	return true;
}

/* Why nobody is served on a port that is open, to be freed; NULL: they are. */
static char *
why_not_served(const struct supervisor *s, const struct listening *l)
{
	if (stays_down(s, l->program))
		return xasprintf("%s does not stay up, see its log", l->program);
	if (l->tls && s->tls_problem[0] != '\0')
		return xasprintf("no TLS: %s", s->tls_problem);
	return NULL;
}

static json_t *
describe_listener(const struct supervisor *s, const struct listening *l)
{
	const char *name = strchr(l->name, ':') + 1;
	const char *address = strchr(name, ':') + 1;
	char *why = why_not_served(s, l);
	json_t *doc = json_pack("{s:s%, s:s, s:s, s:b}", "name", name, (size_t)(address - 1 - name),
	    "address", address, "program", l->program, "served", why == NULL);

	if (why != NULL)
		json_object_set_new(doc, "why", json_string(log_printable(span_of(why))));
	free(why);
	return doc;
}

static json_t *
describe_listeners(const struct supervisor *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->tcp.n; i++)
		json_array_append_new(list, describe_listener(s, &s->tcp.items[i]));
	return list;
}

static void
add_slots(struct supervisor *s, struct gathering *g, json_t *list)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->process != NULL)
			add_process(s, g, list, slot->process);
		else if (slot->wanted && !slot->program->on_demand)
			json_array_append_new(list, describe_waiting(slot, slot_state_name(slot)));
		else if (slot->worker == 0 && slot->wanted && !has_process(s, slot->program))
			json_array_append_new(list, describe_waiting(slot, state_on_demand(slot)));
	}
	for (struct process *p = s->processes; p != NULL; p = p->next)
		if (p->slot == NULL)
			add_process(s, g, list, p);
}

void
status_collect(struct supervisor *s, status_cb cb, void *arg)
{
	struct gathering *g = xmalloc(sizeof *g);
	json_t *list = json_array();

	g->cb = cb;
	g->arg = arg;
	g->waiting = 1; /* ourselves, so that cb is not called before all were asked */
	g->document = json_pack("{s:{s:i, s:I, s:s, s:s}, s:o, s:o}", "master", "pid",
	    (int)getpid(), "uptime_s", (json_int_t)((monotonic_us() - s->started_us) / 1000000),
	    "version", VERSION, "root", s->instance->root, "programs", list, "listeners",
	    describe_listeners(s));
	add_slots(s, g, list);
	one_less(g);
}
