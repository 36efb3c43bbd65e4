/*
 * Traffic of a day by five minutes, from counters that start anew with each process. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "master/stats.h"

static const char *const names[TRAFFIC_KINDS] = {
    "received", "delivered", "sent", "deferred", "bounced", "rejected"};

static const struct source {
	const char *program, *counter;
	enum traffic_kind kind;
} sources[] = {
    {"smtpd", "messages_accepted", TRAFFIC_RECEIVED},
    {"fetcher", "messages_taken", TRAFFIC_RECEIVED},
    {"router", "delivered", TRAFFIC_DELIVERED},
    {"router", "sent", TRAFFIC_SENT},
    {"router", "deferred", TRAFFIC_DEFERRED},
    {"router", "failed", TRAFFIC_BOUNCED},
    {"smtpd", "messages_refused", TRAFFIC_REJECTED},
    {"smtpd", "recipients_refused", TRAFFIC_REJECTED},
};

/* A process, which its number and start tell from another with this number. */
struct traffic_seen {
	json_int_t pid, started;
	uint64_t counted[nitems(sources)];
	bool is_there; /* in the document at hand */
};

static struct traffic_slot *
slot_at(struct traffic *t, int64_t time)
{
	return &t->slots[time / TRAFFIC_SLOT_S % TRAFFIC_SLOTS];
}

static int64_t
slot_start(int64_t now)
{
	return now - now % TRAFFIC_SLOT_S;
}

static struct traffic_slot *
slot_now(struct traffic *t, int64_t now)
{
	struct traffic_slot *slot = slot_at(t, now);

	if (slot->time != slot_start(now))
		*slot = (struct traffic_slot){.time = slot_start(now)};
	return slot;
}

/* Its start as the uptime tells it, which jumps by a second. */
static struct traffic_seen *
find_seen(struct traffic *t, const json_t *program, int64_t now)
{
	json_int_t pid = json_integer_value(json_object_get(program, "pid"));
	json_int_t started = now - json_integer_value(json_object_get(program, "uptime_s"));

	for (size_t i = 0; i < t->n_seen; i++)
		if (t->seen[i].pid == pid && llabs(t->seen[i].started - started) <= 60)
			return &t->seen[i];
	t->seen = xrealloc(t->seen, (t->n_seen + 1) * sizeof *t->seen);
	t->seen[t->n_seen] = (struct traffic_seen){.pid = pid, .started = started};
	return &t->seen[t->n_seen++];
}

static void
add_program(struct traffic *t, const json_t *program, int64_t now)
{
	const char *name = json_string_value(json_object_get(program, "name"));
	const json_t *counters = json_object_get(program, "counters");
	struct traffic_seen *seen;

	if (name == NULL || !json_is_integer(json_object_get(program, "pid")))
		return;
	seen = find_seen(t, program, now);
	seen->is_there = true;
	if (!json_is_object(counters))
		return;
	for (size_t i = 0; i < nitems(sources); i++) {
		json_int_t n = json_integer_value(json_object_get(counters, sources[i].counter));

		if (strcmp(sources[i].program, name) != 0 || n < 0)
			continue;
		if ((uint64_t)n > seen->counted[i])
			slot_now(t, now)->n[sources[i].kind] += n - seen->counted[i];
		seen->counted[i] = n;
	}
}

static void
forget_ended(struct traffic *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_seen; i++) {
		if (!t->seen[i].is_there)
			continue;
		t->seen[n] = t->seen[i];
		t->seen[n++].is_there = false;
	}
	t->n_seen = n;
}

void
traffic_add(struct traffic *t, const json_t *running, int64_t now)
{
	const json_t *program;
	size_t i;

	json_array_foreach (running, i, program)
		add_program(t, program, now);
	forget_ended(t);
}

json_t *
traffic_describe(const struct traffic *t, int64_t now)
{
	static const struct traffic_slot none;
	json_t *list = json_array();

	for (int i = TRAFFIC_SLOTS - 1; i >= 0; i--) {
		int64_t time = slot_start(now) - (int64_t)i * TRAFFIC_SLOT_S;
		const struct traffic_slot *slot = &t->slots[time / TRAFFIC_SLOT_S % TRAFFIC_SLOTS];
		json_t *row = json_pack("{s:I}", "time", (json_int_t)time);

		if (slot->time != time)
			slot = &none;
		for (size_t k = 0; k < TRAFFIC_KINDS; k++)
			json_object_set_new(row, names[k], json_integer(slot->n[k]));
		json_array_append_new(list, row);
	}
	return list;
}

void
traffic_restore(struct traffic *t, const json_t *list, int64_t now)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		int64_t time = json_integer_value(json_object_get(row, "time"));
		struct traffic_slot *slot;

		if (time <= 0 || time % TRAFFIC_SLOT_S != 0 || time > now ||
		    time <= now - 24 * 3600)
			continue;
		slot = slot_at(t, time);
		slot->time = time;
		for (size_t k = 0; k < TRAFFIC_KINDS; k++) {
			json_int_t n = json_integer_value(json_object_get(row, names[k]));

			slot->n[k] = n > 0 ? n : 0;
		}
	}
}

void
traffic_clear(struct traffic *t)
{
	free(t->seen);
	*t = (struct traffic){.seen = NULL};
}
