/*
 * sambarctl status: what runs, since when, how it is confined, and what it counts.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_table.h"

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
add_number_or_dash(struct ctl_table *t, const json_t *doc, const char *key)
{
	const json_t *value = json_object_get(doc, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		ctl_table_add(t, "%lld", (long long)json_integer_value(value));
	else
		ctl_table_add(t, "-");
}

static void
print_master(const json_t *master)
{
	printf("Sambar Mail %s, %s\n", ctl_text(master, "version"), ctl_text(master, "root"));
	printf("supervisor: pid %lld, up %s\n\n", (long long)ctl_number(master, "pid"),
	    ctl_duration(ctl_number(master, "uptime_s")));
}

static void
print_programs(const json_t *programs)
{
	static const char *const headings[] = {
	    "PROGRAM", "WORKER", "PID", "STATE", "UP", "RESTARTS", "MEMORY", "PROTECTIONS"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *p;
	size_t i;

	json_array_foreach(programs, i, p)
	{
		ctl_table_add(t, "%s", ctl_text(p, "name"));
		add_number_or_dash(t, p, "worker");
		add_number_or_dash(t, p, "pid");
		ctl_table_add(t, "%s%s", ctl_text(p, "state"),
		    json_is_false(json_object_get(p, "answers")) ? ", NO ANSWER" : "");
		ctl_table_add(t, "%s", ctl_duration(ctl_number(p, "uptime_s")));
		add_number_or_dash(t, p, "restarts");
		ctl_table_add(t, "%s", ctl_size(ctl_number(p, "memory_kb") * 1024));
		ctl_table_add(t, "%s", or_dash(ctl_text(p, "protections")));
	}
	ctl_table_print(&t);
}

static void
print_listeners(const json_t *listeners)
{
	static const char *const headings[] = {"SERVICE", "PROGRAM", "ADDRESS", "SERVED"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *l;
	size_t i;

	json_array_foreach(listeners, i, l)
	{
		ctl_table_add(t, "%s", ctl_text(l, "name"));
		ctl_table_add(t, "%s", or_dash(ctl_text(l, "program")));
		ctl_table_add(t, "%s", ctl_text(l, "address"));
		if (json_is_false(json_object_get(l, "served")))
			ctl_table_add(t, "NO: %s", ctl_text(l, "why"));
		else
			ctl_table_add(t, "yes");
	}
	putchar('\n');
	ctl_table_print(&t);
}

/* Only what is to be mended. */
static void
print_certificates(const json_t *certificates)
{
	const json_t *one;
	size_t i;

	json_array_foreach(certificates, i, one)
	{
		if (json_is_null(json_object_get(one, "problem")))
			continue;
		printf("\n[%s] %s: %s%s\n", ctl_text(one, "section"), ctl_text(one, "key"),
		    ctl_text(one, "problem"),
		    json_is_true(json_object_get(one, "unusable")) ? "; it is not used" : "");
	}
}

static void
print_counters_of(const json_t *program)
{
	const char *name;
	json_t *value;

	printf("%s[%lld]", ctl_text(program, "name"), (long long)ctl_number(program, "pid"));
	json_object_foreach(json_object_get(program, "counters"), name,
	    value) if (json_is_number(value)) printf(" %s=%.15g", name, json_number_value(value));
	putchar('\n');
}

static void
print_counters(const json_t *programs)
{
	const json_t *p;
	size_t i;

	putchar('\n');
	json_array_foreach(programs, i, p) if (json_object_size(json_object_get(p, "counters")) > 0)
	    print_counters_of(p);
}

int
ctl_status(struct ctl *ctl, char **args, size_t n)
{
	static const char *const words[] = {"status"};
	const json_t *programs;
	json_t *doc;
	int code;

	if (n > 0)
		return ctl_misuse(ctl, args, n, 0);
	if ((code = ctl_ask(ctl, false, words, 1, &doc)) != 0)
		return code;
	if (ctl->json)
		return ctl_print_json(doc);
	programs = json_object_get(doc, "programs");
	print_master(json_object_get(doc, "master"));
	print_programs(programs);
	print_listeners(json_object_get(doc, "listeners"));
	print_certificates(json_object_get(doc, "certificates"));
	print_counters(programs);
	json_decref(doc);
	return 0;
}
