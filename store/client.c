/*
 * The callers' side of store.sock: router delivers and looks up, auth makes, removes and opens
 * mailboxes. Knows the messages of store.h, nothing of Maildirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/ipc.h"
#include "common/memory.h"
#include "store/store.h"

struct store_client {
	struct ipc_client *ipc;
	struct ipc_client_ops ops;
	store_forget_cb on_forget;
	void *arg;
};

/* What waits for one answer; freed with its call. */
struct store_request {
	union {
		store_delivered_cb delivered;
		store_vacation_cb vacation;
		store_found_cb found;
		store_done_cb done;
	} cb;
	void *arg;
	size_t n;
};

/* ---- the connection ---- */

static void
forget(struct store_client *s, const char *mailbox)
{
	if (s->on_forget != NULL)
		s->on_forget(s->arg, mailbox);
}

static void
on_close(void *arg)
{
	forget(arg, "");
}

static void
on_notice(void *arg, uint32_t type, struct reader *r)
{
	char mailbox[MAILBOX_NAME_MAX_BYTES + 1];

	get_text(r, mailbox, sizeof mailbox);
	if (type == STORE_FORGET && get_end(r) == 0)
		forget(arg, mailbox);
}

struct store_client *
store_client_new(struct event_base *base, const char *path, const char *own_role,
    store_forget_cb on_forget, void *arg)
{
	struct store_client *s = xcalloc(1, sizeof *s);

	s->on_forget = on_forget;
	s->arg = arg;
	s->ops = (struct ipc_client_ops){
	    .own_role = own_role, .on_close = on_close, .on_notice = on_notice};
	s->ipc = ipc_client_new(base, path, &s->ops, s);
	return s;
}

void
store_client_free(struct store_client **s)
{
	if (*s == NULL)
		return;
	ipc_client_free(&(*s)->ipc);
	free(*s);
	*s = NULL;
}

static struct ipc_call *
ask(struct store_client *s, struct writer *w, int fd, ipc_answer_cb decode,
    struct store_request *request)
{
	struct ipc_call *call = ipc_call(s->ipc, w, fd, decode, request);

	ipc_call_own(call, request);
	return call;
}

/* ---- deliver ---- */

static size_t
read_results(struct reader *r, struct store_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t end = get_u64(r), away = get_u64(r);

		results[i].away = away != 0;
		results[i].text = get_str(r, STORE_TEXT_MAX_BYTES);
		results[i].end = end;
		if (end > END_LAST)
			return 0;
	}
	return get_end(r) == -1 ? 0 : n;
}

static void
on_delivered(void *arg, uint32_t type, struct reader *r)
{
	struct store_request *request = arg;
	struct store_result results[STORE_DELIVER_MAX_MAILBOXES];
	bool durable = get_u64(r);
	size_t n = type == STORE_DELIVERED ? read_results(r, results, request->n) : 0;

	request->cb.delivered(request->arg, durable, results, n);
}

struct ipc_call *
store_deliver(struct store_client *s, uint64_t id, uint64_t arrival_us, int fd, uint64_t offset,
    uint64_t size, struct span return_path, const struct span *mailboxes, size_t n,
    store_delivered_cb cb, void *arg)
{
	struct store_request *request = xcalloc(1, sizeof *request);
	struct writer w;

	request->cb.delivered = cb;
	request->arg = arg;
	request->n = n;
	ipc_write(&w, STORE_DELIVER, 0);
	put_u64(&w, id);
	put_u64(&w, arrival_us);
	put_u64(&w, offset);
	put_u64(&w, size);
	put_str(&w, return_path);
	for (size_t i = 0; i < n; i++)
		put_str(&w, mailboxes[i]);
	/* Without a descriptor left store refuses the message, and this connection comes anew. */
	return ask(s, &w, fcntl(fd, F_DUPFD_CLOEXEC, 3), on_delivered, request);
}

/* ---- vacation ---- */

static void
on_away(void *arg, uint32_t type, struct reader *r)
{
	struct store_request *request = arg;
	uint64_t may = get_u64(r);
	struct store_vacation v;

	v.subject = get_str(r, STORE_VACATION_SUBJECT_MAX_BYTES);
	v.text = get_str(r, STORE_VACATION_TEXT_MAX_BYTES);
	v.name = get_str(r, STORE_VACATION_NAME_MAX_BYTES);
	if (get_end(r) == -1 || type != STORE_AWAY)
		may = 0;
	request->cb.vacation(request->arg, may != 0 ? &v : NULL);
}

struct ipc_call *
store_vacation(struct store_client *s, struct span mailbox, struct span sender,
    store_vacation_cb cb, void *arg)
{
	struct store_request *request = xcalloc(1, sizeof *request);
	struct writer w;

	request->cb.vacation = cb;
	request->arg = arg;
	ipc_write(&w, STORE_VACATION, 0);
	put_str(&w, mailbox);
	put_str(&w, sender);
	return ask(s, &w, -1, on_away, request);
}

/* ---- look up ---- */

static void
on_found(void *arg, uint32_t type, struct reader *r)
{
	struct store_request *request = arg;
	uint64_t state = get_u64(r), room = get_u64(r), limit = get_u64(r);

	if (get_end(r) == -1 || type != STORE_FOUND || state > STORE_UNCLEAR)
		state = STORE_UNCLEAR;
	request->cb.found(request->arg, state, room, limit);
}

struct ipc_call *
store_lookup(struct store_client *s, struct span mailbox, store_found_cb cb, void *arg)
{
	struct store_request *request = xcalloc(1, sizeof *request);
	struct writer w;

	request->cb.found = cb;
	request->arg = arg;
	ipc_write(&w, STORE_LOOKUP, 0);
	put_str(&w, mailbox);
	return ask(s, &w, -1, on_found, request);
}

/* ---- open, create, remove, set quota ---- */

static void
on_done(void *arg, uint32_t type, struct reader *r)
{
	struct store_request *request = arg;
	uint64_t refusal = type == STORE_REFUSED ? get_u64(r) : 0;
	int session = type == STORE_SESSION ? get_fd(r) : -1;
	bool sound = get_end(r) == 0 && refusal <= STORE_REFUSAL_LAST &&
		     (type == STORE_SESSION || type == STORE_DONE ||
			 (type == STORE_REFUSED && refusal != 0));

	if (!sound) {
		closefd(&session);
		refusal = STORE_TROUBLE;
	}
	request->cb.done(request->arg, refusal, session);
}

static struct ipc_call *
ask_done(struct store_client *s, struct writer *w, store_done_cb cb, void *arg)
{
	struct store_request *request = xcalloc(1, sizeof *request);

	request->cb.done = cb;
	request->arg = arg;
	return ask(s, w, -1, on_done, request);
}

static struct span
cut_to(struct span text, size_t max)
{
	return (struct span){text.at, text.len < max ? text.len : max};
}

struct ipc_call *
store_open(struct store_client *s, struct span mailbox, enum store_kind kind, const char *program,
    struct span client, store_done_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, STORE_OPEN, 0);
	put_str(&w, mailbox);
	put_u64(&w, kind);
	put_str(&w, cut_to(span_of(program), STORE_PROGRAM_MAX_BYTES));
	put_str(&w, cut_to(client, STORE_CLIENT_MAX_BYTES));
	return ask_done(s, &w, cb, arg);
}

struct ipc_call *
store_create(struct store_client *s, struct span mailbox, store_done_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, STORE_CREATE, 0);
	put_str(&w, mailbox);
	return ask_done(s, &w, cb, arg);
}

struct ipc_call *
store_remove(struct store_client *s, struct span mailbox, store_done_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, STORE_REMOVE, 0);
	put_str(&w, mailbox);
	return ask_done(s, &w, cb, arg);
}

struct ipc_call *
store_set_quota(
    struct store_client *s, struct span mailbox, uint64_t bytes, store_done_cb cb, void *arg)
{
	struct writer w;

	ipc_write(&w, STORE_SET_QUOTA, 0);
	put_str(&w, mailbox);
	put_u64(&w, bytes);
	return ask_done(s, &w, cb, arg);
}
