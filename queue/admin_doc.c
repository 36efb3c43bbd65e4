/* A message of the spool as a JSON document. Pure. */
#include "queue/admin_doc.h"

#include "common/json_text.h"
#include "common/queue_id.h"

enum { LIST_RECIPIENTS_MAX = 100 };

static const char *
status_word(enum recipient_status status)
{
	switch (status) {
	case RECIPIENT_PENDING:
		return "pending";
	case RECIPIENT_DONE:
		return "done";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_EXPANDED:
		return "expanded";
	}
	return "?";
}

static const char *
state_word(const struct message *m)
{
	switch ((enum message_state)m->state) {
	case MESSAGE_WAITING:
		return "waiting";
	case MESSAGE_HELD:
		return "held";
	case MESSAGE_PARKED:
		return "parked";
	case MESSAGE_LOADING:
	case MESSAGE_IN_HAND:
		return "in hand";
	case MESSAGE_CONCLUDING:
		return "concluding";
	}
	return "?";
}

static json_t *
recipient_doc(const struct recipient *r, bool full)
{
	json_t *doc = json_object();

	json_object_set_new(doc, "to", json_text(r->address));
	json_object_set_new(doc, "status", json_string(status_word(r->status)));
	json_object_set_new(doc, "reply", json_text(r->reply));
	if (!full)
		return doc;
	json_object_set_new(doc, "route", json_text(r->route));
	json_object_set_new(doc, "original", json_text(r->original));
	json_object_set_new(doc, "notify", json_integer(r->notify));
	json_object_set_new(doc, "told", json_boolean(r->told));
	json_object_set_new(doc, "parent", r->parent == -1 ? json_null() : json_integer(r->parent));
	return doc;
}

static json_t *
recipients_doc(const struct envelope *e, bool full, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, recipient_doc(&e->recipients[i], full));
	return list;
}

static void
add_all_fields(json_t *doc, const struct envelope *e)
{
	json_object_set_new(doc, "submitter", json_text(e->submitter));
	json_object_set_new(doc, "program", json_text(e->program));
	json_object_set_new(doc, "client_address", json_text(e->client_address));
	json_object_set_new(doc, "client_name", json_text(e->client_name));
	json_object_set_new(doc, "protocol", json_text(e->protocol));
	json_object_set_new(doc, "envid", json_text(e->envid));
	json_object_set_new(doc, "ret", json_integer(e->ret));
	json_object_set_new(doc, "8bitmime", json_boolean(e->flags & ENVELOPE_8BITMIME));
	json_object_set_new(doc, "smtputf8", json_boolean(e->flags & ENVELOPE_SMTPUTF8));
	json_object_set_new(doc, "tls", json_boolean(e->flags & ENVELOPE_TLS));
	json_object_set_new(doc, "authenticated", json_boolean(e->flags & ENVELOPE_AUTHENTICATED));
	json_object_set_new(doc, "delay_told", json_boolean(e->delay_told));
	json_object_set_new(doc, "last_reply", json_text(e->last_reply));
}

json_t *
admin_message_doc(const struct message *m, const struct envelope *e, bool full, size_t *room)
{
	size_t n = e->n_recipients;
	json_t *doc = json_object();
	char id[QUEUE_ID_TEXT_SIZE];

	queue_id_print(m->node.id, id);
	json_object_set_new(doc, "id", json_string(id));
	json_object_set_new(doc, "size", json_integer(e->message_size));
	json_object_set_new(doc, "arrival", json_integer(e->arrival_us / 1000000));
	json_object_set_new(doc, "from", json_text(e->reverse_path));
	json_object_set_new(doc, "attempts", json_integer(m->name.attempts));
	json_object_set_new(doc, "next", json_integer(m->name.next_s));
	json_object_set_new(doc, "held", json_boolean(m->name.held));
	json_object_set_new(doc, "hold", json_text(e->hold));
	json_object_set_new(doc, "release", json_integer(m->name.release_s));
	json_object_set_new(doc, "state", json_string(state_word(m)));
	json_object_set_new(doc, "reroute", json_text(e->route_override));
	if (full)
		add_all_fields(doc, e);
	if (!full && n > LIST_RECIPIENTS_MAX)
		n = LIST_RECIPIENTS_MAX;
	if (n > *room)
		n = *room > 0 ? *room : 1;
	*room -= n < *room ? n : *room;
	json_object_set_new(doc, "recipients", recipients_doc(e, full, n));
	if (n < e->n_recipients)
		json_object_set_new(doc, "recipients_total", json_integer(e->n_recipients));
	return doc;
}
