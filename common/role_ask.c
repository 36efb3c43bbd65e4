/*
 * What a program asks of master on its control connection: auth for sessions, webd for counters.
 * master never ends before the program does, so nothing is asked twice.
 */
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "common/role.h"

enum { ANSWER_MAX_BYTES = 8 * 1024 * 1024 };

struct role_call {
	struct role_call *next;
	struct role *role;
	uint64_t tag;
	role_session_cb on_session; /* one of the two */
	role_document_cb on_document;
	void *arg;
	char *text; /* the parts of a document so far */
	size_t len;
};

static struct role_call *
find_call(const struct role *r, uint64_t tag)
{
	struct role_call *call = r->calls;

	while (call != NULL && call->tag != tag)
		call = call->next;
	return call;
}

void
role_call_cancel(struct role_call **pointer)
{
	struct role_call *call = *pointer, **at;

	if (call == NULL)
		return;
	*pointer = NULL;
	for (at = &call->role->calls; *at != call;)
		at = &(*at)->next;
	*at = call->next;
	free(call->text);
	free(call);
}

/* Starts a message, whose call is new. */
static struct role_call *
begin(struct role *r, enum control_message type, struct writer *w, void *arg)
{
	struct role_call *call = xcalloc(1, sizeof *call);

	call->role = r;
	call->tag = ++r->last_tag;
	call->arg = arg;
	call->next = r->calls;
	r->calls = call;
	ipc_write(w, type, call->tag);
	return call;
}

/* Without master the program is at its end, and nothing is answered any more. */
static void
send_to_master(struct role *r, struct writer *w)
{
	if (r->control != NULL)
		ipc_channel_send(r->control, w, -1);
}

struct role_call *
role_mint(
    struct role *r, struct span user, bool admin, struct span client, role_session_cb cb, void *arg)
{
	struct writer w;
	struct role_call *call = begin(r, CONTROL_MINT, &w, arg);

	call->on_session = cb;
	put_str(&w, user);
	put_u64(&w, admin);
	put_str(&w, client);
	send_to_master(r, &w);
	return call;
}

void
role_revoke(struct role *r, struct span user)
{
	struct writer w;

	ipc_write(&w, CONTROL_REVOKE, 0);
	put_str(&w, user);
	send_to_master(r, &w);
}

struct role_call *
role_metrics(struct role *r, role_document_cb cb, void *arg)
{
	struct writer w;
	struct role_call *call = begin(r, CONTROL_METRICS, &w, arg);

	call->on_document = cb;
	send_to_master(r, &w);
	return call;
}

/* ---- answers ---- */

static bool
take_minted(struct role_call *call, struct reader *in)
{
	uint64_t granted = get_u64(in), admin = get_u64(in);
	int session = granted == 1 ? get_fd(in) : -1;

	if (get_end(in) == -1 || granted > 1 || admin > 1 || call->on_session == NULL) {
		closefd(&session);
		return false;
	}
	call->on_session(call->arg, session, admin);
	return true;
}

static void
end_document(struct role_call *call)
{
	json_t *doc = json_loadb(call->text, call->len, 0, NULL);

	call->on_document(call->arg, doc);
	json_decref(doc);
}

/* more: the call goes on. */
static bool
take_part(struct role_call *call, struct reader *in, bool *more)
{
	uint64_t goes_on = get_u64(in);
	struct span part = get_str(in, IPC_MESSAGE_MAX_BYTES);

	if (get_end(in) == -1 || goes_on > 1 || call->on_document == NULL ||
	    part.len > ANSWER_MAX_BYTES - call->len)
		return false;
	call->text = xrealloc(call->text, call->len + part.len + 1);
	memcpy(call->text + call->len, part.at, part.len);
	call->len += part.len;
	*more = goes_on == 1;
	if (!*more)
		end_document(call);
	return true;
}

int
role_take_answer(struct role *r, uint32_t type, uint64_t tag, struct reader *in)
{
	struct role_call *call = find_call(r, tag);
	bool more = false;

	if (call == NULL)
		return 0; /* forgotten: its descriptor goes with the message */
	if (!(type == CONTROL_MINTED ? take_minted(call, in) : take_part(call, in, &more)))
		return -1;
	/* The callback may have cancelled it. */
	if (!more && (call = find_call(r, tag)) != NULL)
		role_call_cancel(&call);
	return 0;
}
