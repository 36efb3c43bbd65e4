/*
 * Traffic of a day by five minutes. Pure.
 */
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

void
traffic_count(struct traffic *t, const char *program, const char *counter, uint64_t n, int64_t now)
{
	for (size_t i = 0; i < nitems(sources); i++)
		if (n > 0 && strcmp(sources[i].program, program) == 0 &&
		    strcmp(sources[i].counter, counter) == 0)
			slot_now(t, now)->n[sources[i].kind] += n;
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
