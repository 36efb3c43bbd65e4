/*
 * smtpd's side of router's door. Knows the messages of router.h.
 */
#include "router/router.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/ipc.h"
#include "common/memory.h"

struct router_client {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
};

/* What waits for one answer; freed with its call. */
struct router_request {
	union {
		router_answer_cb answer;
		router_standing_cb standing;
		router_explained_cb explained;
	} cb;
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

static struct router_request *
request_new(void *arg)
{
	struct router_request *request = xcalloc(1, sizeof *request);

	request->arg = arg;
	return request;
}

static struct ipc_call *
send_request(
    struct router_client *r, struct writer *w, ipc_answer_cb cb, struct router_request *request)
{
	struct ipc_call *call = ipc_call(r->ipc, w, -1, cb, request);

	ipc_call_own(call, request);
	return call;
}

/* ---- ASK ---- */

static void
on_answer(void *arg, uint32_t type, struct reader *in)
{
	struct router_request *request = arg;
	uint64_t verdict = get_u64(in), targets = get_u64(in), room = get_u64(in);
	struct span text = get_str(in, ROUTER_TEXT_MAX_BYTES);

	if (get_end(in) == -1 || type != ROUTER_ANSWER || verdict > ROUTER_VERDICT_LAST) {
		verdict = ROUTER_LATER;
		targets = room = 0;
		text = span_of("");
	}
	request->cb.answer(request->arg, verdict, targets, room, text);
}

struct ipc_call *
router_ask(struct router_client *r, struct span reverse_path, struct span recipient, uint64_t size,
    router_answer_cb cb, void *arg)
{
	struct router_request *request = request_new(arg);
	struct writer w;

	request->cb.answer = cb;
	ipc_write(&w, ROUTER_ASK, 0);
	put_str(&w, reverse_path);
	put_str(&w, recipient);
	put_u64(&w, size);
	return send_request(r, &w, on_answer, request);
}

/* ---- SENDER ---- */

static void
on_standing(void *arg, uint32_t type, struct reader *in)
{
	struct router_request *request = arg;
	uint64_t standing = get_u64(in);

	if (get_end(in) == -1 || type != ROUTER_STANDING || standing > ROUTER_STANDING_LAST)
		standing = ROUTER_STANDING_LATER;
	request->cb.standing(request->arg, standing);
}

struct ipc_call *
router_sender(struct router_client *r, struct span address, struct span user, router_standing_cb cb,
    void *arg)
{
	struct router_request *request = request_new(arg);
	struct writer w;

	request->cb.standing = cb;
	ipc_write(&w, ROUTER_SENDER, 0);
	put_str(&w, address);
	put_str(&w, user);
	return send_request(r, &w, on_standing, request);
}

/* ---- EXPLAIN ---- */

/* A message is limited, and so are its hops. */
static struct router_hop *
read_hops(struct reader *in, size_t *n)
{
	struct router_hop *hops = NULL;

	for (*n = 0; get_more(in); ++*n) {
		uint64_t depth = get_u64(in), step = get_u64(in);

		if ((*n & (*n - 1)) == 0)
			hops = xrealloc(hops, (*n ? *n * 2 : 1) * sizeof *hops);
		hops[*n] = (struct router_hop){.depth = depth,
		    .step = step <= STEP_LAST ? step : STEP_CUT,
		    .name = get_str(in, ADDRESS_TEXT_SIZE),
		    .route = get_str(in, ROUTER_ROUTE_MAX_BYTES)};
	}
	return hops;
}

static void
on_explained(void *arg, uint32_t type, struct reader *in)
{
	struct router_request *request = arg;
	uint64_t verdict = get_u64(in), targets = get_u64(in);
	struct router_explanation e = {.targets = targets};
	struct router_hop *hops;

	e.hops = hops = read_hops(in, &e.n_hops);
	e.verdict = verdict;
	if (get_end(in) == -1 || type != ROUTER_EXPLAINED || verdict > ROUTER_VERDICT_LAST)
		e = (struct router_explanation){.verdict = ROUTER_LATER};
	request->cb.explained(request->arg, &e);
	free(hops);
}

struct ipc_call *
router_explain(struct router_client *r, struct span recipient, router_explained_cb cb, void *arg)
{
	struct router_request *request = request_new(arg);
	struct writer w;

	request->cb.explained = cb;
	ipc_write(&w, ROUTER_EXPLAIN, 0);
	put_str(&w, recipient);
	return send_request(r, &w, on_explained, request);
}
