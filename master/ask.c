/*
 * Administrators' requests that master passes on to a program: who waits for which answer, and who
 * it is when none comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "common/role.h"
#include "master/ask.h"

/*
 * PATIENCE_S without a word, then PROBE_S for each program to say that it lives: the one asked may
 * itself wait for another. When all do, it has much to do, or waits for a server elsewhere, and they
 * are asked again after each WORK_S.
 */
enum { PATIENCE_S = 2, PROBE_S = 3, WORK_S = 60, NAMES_BYTES = 120 };

struct admin_call {
	struct admin_call *next;
	struct supervisor *supervisor;
	struct process *process;
	uint64_t tag;
	admin_reply_cb cb;
	void *arg;
	struct event *timeout;
	bool is_probe; /* PROBE_S is all that it has */
	bool probed;   /* all programs were found to live */
	unsigned n_probes;
	char silent[NAMES_BYTES]; /* ", store" for each that does not answer */
};

/* Asks a process whether it lives, for the sake of a call that may have ended meanwhile. */
struct probe {
	struct supervisor *supervisor;
	uint64_t call;
	const char *name;
	bool silent;
};

static void on_probe(void *arg, int code, bool more, struct span text);

static struct admin_call *
find_call(struct supervisor *s, uint64_t tag)
{
	struct admin_call *call = s->calls;

	while (call != NULL && call->tag != tag)
		call = call->next;
	return call;
}

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

/* Names of programs need no escapes. */
static void
fail_call(struct admin_call *call, const char *who, const char *what)
{
	char text[NAMES_BYTES + 100];

	snprintf(text, sizeof text, "{\"error\": \"%s %s\"}", who, what);
	end_call(call, EX_UNAVAILABLE, span_of(text));
}

static void
wait_more(struct admin_call *call, unsigned seconds)
{
	const struct timeval limit = {seconds, 0};

	evtimer_add(call->timeout, &limit);
}

/* ---- nothing comes ---- */

/* One on demand hears nobody while it works. */
static bool
hears(const struct process *p)
{
	return !p->program->on_demand && p->control != NULL && !p->draining;
}

static void
on_all_probed(struct admin_call *call)
{
	if (call->silent[0] != '\0') {
		fail_call(call, call->silent + 2, "does not answer");
	} else {
		call->probed = true;
		wait_more(call, WORK_S);
	}
}

static void
on_probe(void *arg, int code, bool more, struct span text)
{
	struct probe *probe = arg;
	struct admin_call *call = find_call(probe->supervisor, probe->call);

	(void)code, (void)text;
	if (more)
		return;
	if (call != NULL && probe->silent && strstr(call->silent, probe->name) == NULL) {
		strlcat(call->silent, ", ", sizeof call->silent);
		strlcat(call->silent, probe->name, sizeof call->silent);
	}
	free(probe);
	if (call != NULL && --call->n_probes == 0)
		on_all_probed(call);
}

static void
probe_all(struct admin_call *call)
{
	static const char *const words[] = {"status"};
	struct supervisor *s = call->supervisor;

	call->n_probes = 1; /* ourselves: no probe ends it before all were sent */
	for (struct process *p = s->processes; p != NULL; p = p->next) {
		struct probe *probe;

		if (!hears(p))
			continue;
		probe = xmalloc(sizeof *probe);
		*probe = (struct probe){s, call->tag, p->program->name, false};
		call->n_probes++;
		supervisor_ask(s, p, words, 1, on_probe, probe);
	}
	if (--call->n_probes == 0)
		on_all_probed(call);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct admin_call *call = arg;

	(void)fd, (void)what;
	if (call->cb == on_probe)
		((struct probe *)call->arg)->silent = true;
	if (call->is_probe)
		fail_call(call, call->process->program->name, "does not answer");
	else
		probe_all(call);
}

static void
on_no_process(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	fail_call(arg, "the program", "does not run");
}

/* ---- the questions ---- */

static bool
is_probe(const char *const *words, size_t n)
{
	return n == 1 && strcmp(words[0], "status") == 0;
}

void
supervisor_ask(struct supervisor *s, struct process *p, const char *const *words, size_t n,
    admin_reply_cb cb, void *arg)
{
	bool can = p != NULL && p->control != NULL;
	struct admin_call *call = xcalloc(1, sizeof *call);
	struct writer w;

	*call = (struct admin_call){.next = s->calls,
	    .supervisor = s,
	    .process = p,
	    .tag = ++s->last_tag,
	    .cb = cb,
	    .arg = arg,
	    .is_probe = is_probe(words, n)};
	s->calls = call;
	call->timeout = evtimer_new(s->base, can ? on_timeout : on_no_process, call);
	wait_more(call, !can ? 0 : call->is_probe ? PROBE_S : PATIENCE_S);
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
	struct admin_call *call;

	if (get_end(r) == -1 || (call = find_call(s, tag)) == NULL || call->process != p)
		return;
	if (!more) {
		end_call(call, code, text);
		return;
	}
	if (call->n_probes == 0)
		wait_more(call, call->probed ? WORK_S : PATIENCE_S);
	call->cb(call->arg, code, true, text);
}

void
ask_forget_process(struct supervisor *s, struct process *p)
{
	bool found;

	do {
		found = false;
		for (struct admin_call *call = s->calls; call != NULL && !found; call = call->next)
			if (call->process == p) {
				fail_call(call, p->program->name, "has ended");
				found = true;
			}
	} while (found);
}

void
ask_free(struct supervisor *s)
{
	while (s->calls != NULL)
		fail_call(s->calls, "the supervisor", "ends");
}
