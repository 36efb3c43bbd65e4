/*
 * A user's own addresses. Asks master on the user's session.
 */
#include "webd/identities.h"

#include <stdlib.h>

#include "common/memory.h"
#include "webd/sessions.h"
#include "webd/webd.h"

struct needing {
	struct control_call *call;
	void (*then)(struct request *q);
};

static void
stop_needing(struct request *q)
{
	struct needing *n = q->work;

	control_cancel(&n->call);
	free(n);
	q->work = NULL;
	q->abort = NULL;
}

static void
use_name(struct request *q)
{
	struct web_session *s = q->session;
	char *address = xasprintf("%s@%s", s->user, q->web->settings.server);

	s->identities = json_pack("[s]", address);
	free(address);
}

static void
on_identities(void *arg, int code, json_t *doc, bool more)
{
	struct request *q = arg;
	struct needing *n = q->work;
	void (*then)(struct request *) = n->then;
	json_t *addresses = json_object_get(doc, "addresses");

	(void)more;
	n->call = NULL;
	stop_needing(q);
	json_decref(q->session->identities);
	q->session->identities = NULL;
	if (code == 0 && json_array_size(addresses) > 0)
		q->session->identities = json_deep_copy(addresses);
	else
		use_name(q);
	then(q);
}

void
identities_need(struct request *q, void (*then)(struct request *q))
{
	static const char *const words[] = {"own", "identities"};
	struct needing *n;

	if (q->session->identities == NULL && q->session->control == NULL)
		use_name(q);
	if (q->session->identities != NULL) {
		then(q);
		return;
	}
	n = xcalloc(1, sizeof *n);
	n->then = then;
	q->work = n;
	q->abort = stop_needing;
	n->call = control_ask(q->session->control, words, nitems(words), on_identities, q);
}
