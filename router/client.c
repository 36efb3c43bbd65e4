/*
 * smtpd's side of router's door. Knows the messages of router.h.
 */
#include "router/router.h"

#include <stdlib.h>

#include "common/ipc.h"
#include "common/memory.h"

struct router_client {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
};

/* What waits for one answer; freed with its call. */
struct router_request {
	router_answer_cb cb;
	void *arg;
};

struct router_client *
router_client_new(struct event_base *base, const char *path, const char *own_role)
{
	struct router_client *r = xcalloc(1, sizeof *r);

	r->ops = (struct ipc_client_ops){.own_role = own_role};
	r->ipc = ipc_client_new(base, path, &r->ops, r);
	return r;
}

void
router_client_free(struct router_client **r)
{
	if (*r == NULL)
		return;
	ipc_client_free(&(*r)->ipc);
	free(*r);
	*r = NULL;
}

static void
on_answer(void *arg, uint32_t type, struct reader *in)
{
	struct router_request *request = arg;
	uint64_t verdict = get_u64(in), targets = get_u64(in);
	struct span text = get_str(in, ROUTER_TEXT_MAX_BYTES);

	if (get_end(in) == -1 || type != ROUTER_ANSWER || verdict > ROUTER_VERDICT_LAST) {
		verdict = ROUTER_LATER;
		targets = 0;
		text = span_of("");
	}
	request->cb(request->arg, verdict, targets, text);
}

struct ipc_call *
router_ask(struct router_client *r, struct span reverse_path, struct span recipient, uint64_t size,
    router_answer_cb cb, void *arg)
{
	struct router_request *request = xcalloc(1, sizeof *request);
	struct ipc_call *call;
	struct writer w;

	request->cb = cb;
	request->arg = arg;
	ipc_write(&w, ROUTER_ASK, 0);
	put_str(&w, reverse_path);
	put_str(&w, recipient);
	put_u64(&w, size);
	call = ipc_call(r->ipc, &w, -1, on_answer, request);
	ipc_call_own(call, request);
	return call;
}
