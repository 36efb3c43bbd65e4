/*
 * The caller's side of QUEUE_OWN and QUEUE_CANCEL. Knows the messages of queue.h.
 */
#include <stdlib.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "queue/queue.h"

struct own_request {
	queue_owned_cb on_owned;
	queue_cancelled_cb on_cancelled;
	void *arg;
};

static void
on_owned(void *arg, uint32_t type, struct reader *r)
{
	struct own_request *o = arg;
	uint64_t next = get_u64(r);
	struct span text = get_str(r, QUEUE_OWNED_MAX_BYTES);

	if (get_end(r) == -1 || type != QUEUE_OWNED)
		o->on_owned(o->arg, (struct span){"", 0}, 0);
	else
		o->on_owned(o->arg, text, next);
}

struct ipc_call *
queue_own(
    struct queue_client *q, struct span submitter, uint64_t after, queue_owned_cb cb, void *arg)
{
	struct own_request *o = xcalloc(1, sizeof *o);
	struct ipc_call *call;
	struct writer w;

	*o = (struct own_request){.on_owned = cb, .arg = arg};
	ipc_write(&w, QUEUE_OWN, 0);
	put_str(&w, submitter);
	put_u64(&w, after);
	call = ipc_call(queue_client_ipc(q), &w, -1, on_owned, o);
	ipc_call_own(call, o);
	return call;
}

static void
on_cancelled(void *arg, uint32_t type, struct reader *r)
{
	struct own_request *o = arg;
	uint64_t end = get_u64(r);
	struct span message_id = get_str(r, IPC_MESSAGE_MAX_BYTES);

	if (get_end(r) == -1 || type != QUEUE_CANCELLED || end > CANCEL_LAST)
		o->on_cancelled(o->arg, CANCEL_TROUBLE, (struct span){"", 0});
	else
		o->on_cancelled(o->arg, (enum queue_cancelled)end, message_id);
}

struct ipc_call *
queue_cancel(
    struct queue_client *q, struct span submitter, uint64_t id, queue_cancelled_cb cb, void *arg)
{
	struct own_request *o = xcalloc(1, sizeof *o);
	struct ipc_call *call;
	struct writer w;

	*o = (struct own_request){.on_cancelled = cb, .arg = arg};
	ipc_write(&w, QUEUE_CANCEL, 0);
	put_str(&w, submitter);
	put_u64(&w, id);
	call = ipc_call(queue_client_ipc(q), &w, -1, on_cancelled, o);
	ipc_call_own(call, o);
	return call;
}
