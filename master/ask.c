/*
 * Administrators' requests that master passes on to a program: who waits for which answer.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/role.h"
#include "master/ask.h"

enum { ADMIN_TIMEOUT_S = 60 };

struct admin_call {
	struct admin_call *next;
	struct supervisor *supervisor;
	struct process *process;
	uint64_t tag;
	admin_reply_cb cb;
	void *arg;
	struct event *timeout;
};

static void
unlink_call(struct admin_call *call)
{
	for (struct admin_call **at = &call->supervisor->calls; *at != NULL; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			return;
		}
}

static void
end_call(struct admin_call *call, int code, struct span text)
{
	admin_reply_cb cb = call->cb;
	void *arg = call->arg;

	unlink_call(call);
	if (call->timeout != NULL)
		event_free(call->timeout);
	free(call);
	cb(arg, code, false, text);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	end_call(arg, 69, span_of("{\"error\": \"the program does not answer\"}"));
}

static void
on_no_process(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	end_call(arg, 69, span_of("{\"error\": \"the program does not run\"}"));
}

void
supervisor_ask(struct supervisor *s, struct process *p, const char *const *words, size_t n,
    admin_reply_cb cb, void *arg)
{
	const struct timeval limit = {ADMIN_TIMEOUT_S, 0}, now = {0, 0};
	bool can = p != NULL && p->control != NULL;
	struct admin_call *call = xmalloc(sizeof *call);
	struct writer w;

	*call = (struct admin_call){s->calls, s, p, ++s->last_tag, cb, arg, NULL};
	s->calls = call;
	call->timeout = evtimer_new(s->base, can ? on_timeout : on_no_process, call);
	evtimer_add(call->timeout, can ? &limit : &now);
	if (!can)
		return;
	ipc_write(&w, CONTROL_ADMIN, call->tag);
	for (size_t i = 0; i < n; i++)
		put_text(&w, words[i]);
	ipc_channel_send(p->control, &w, -1);
	explicit_bzero(w.at, w.len); /* it may have held a password */
}

void
ask_on_reply(struct supervisor *s, struct process *p, uint64_t tag, struct reader *r)
{
	uint64_t code = get_u64(r), more = get_u64(r);
	struct span text = get_str(r, IPC_MESSAGE_MAX_BYTES);

	if (get_end(r) == -1)
		return;
	for (struct admin_call *call = s->calls; call != NULL; call = call->next)
		if (call->tag == tag && call->process == p) {
			if (more)
				call->cb(call->arg, code, true, text);
			else
				end_call(call, code, text);
			return;
		}
}

void
ask_forget_process(struct supervisor *s, struct process *p)
{
	bool found;

	do {
		found = false;
		for (struct admin_call *call = s->calls; call != NULL && !found; call = call->next)
			if (call->process == p) {
				end_call(
				    call, 69, span_of("{\"error\": \"the program has ended\"}"));
				found = true;
			}
	} while (found);
}

void
ask_free(struct supervisor *s)
{
	while (s->calls != NULL)
		end_call(s->calls, 69, span_of("{\"error\": \"the supervisor ends\"}"));
}
