/*
 * Requests that wait until all programs have started, or have taken new settings.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "master/control_private.h"
#include "master/programs.h"

enum { SETTLE_S = 5, LIMITS_OF_START = 12 };

/* The programs that die again and again, "queue store"; "" without any. The slots of a program
 * follow one another. */
static void
list_dying(const struct supervisor *s, char *out, size_t size)
{
	const struct program *last = NULL;

	out[0] = '\0';
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct program *program = s->slots[i].program;

		if (s->slots[i].state != SLOT_BACKOFF || program == last)
			continue;
		if (last != NULL)
			strlcat(out, " ", size);
		strlcat(out, program->name, size);
		last = program;
	}
}

/* What the others do. */
static const char *
rest_of_it(const struct request *q)
{
	return q->is_reload ? "; the other programs have the new settings" : "";
}

static void
answer_settled(struct request *q)
{
	char dying[160], text[320];
	json_t *doc = q->doc;

	q->doc = NULL;
	list_dying(request_supervisor(q), dying, sizeof dying);
	if (dying[0] == '\0') {
		if (q->is_reload)
			supervisor_tell_left(
			    request_supervisor(q), json_object_get(doc, "notices"));
		request_answer(q, 0, doc);
		return;
	}
	snprintf(text, sizeof text, "%s does not run: it does not stay up, see its log%s", dying,
	    rest_of_it(q));
	json_decref(doc);
	request_fail(q, EX_SOFTWARE, "%s", text);
}

void
control_server_on_change(struct control_server *c)
{
	if (c == NULL || !supervisor_is_settled(c->supervisor))
		return;
	while (c->waiting != NULL) {
		struct request *q = c->waiting;

		c->waiting = q->next;
		answer_settled(q);
	}
}

/* One that starts or ends has a reason to be slow, and a limit of its own; one that was only told
 * new settings has not. */
static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval more = {SETTLE_S, 0};
	struct request *q = arg, **at = &q->client->server->waiting;
	const struct process *p = supervisor_unsettled(request_supervisor(q));
	bool starting = p != NULL && p->protections[0] == '\0';
	char text[320];

	(void)fd, (void)what;
	if (p == NULL || p->draining || (starting && ++q->limits < LIMITS_OF_START)) {
		evtimer_add(q->limit, &more);
		return;
	}
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	snprintf(text, sizeof text, "%s[%d] %s%s", p->program->name, (int)p->pid,
	    starting ? "is not ready yet" : "does not answer", rest_of_it(q));
	request_fail(q, EX_SOFTWARE, "%s", text);
}

void
request_answer_settled(struct request *q, json_t *doc)
{
	struct control_server *c = q->client->server;
	const struct timeval limit = {SETTLE_S, 0};

	q->doc = doc;
	q->next = c->waiting;
	c->waiting = q;
	q->limit = evtimer_new(c->supervisor->base, on_limit, q);
	evtimer_add(q->limit, &limit);
	control_server_on_change(c);
}
