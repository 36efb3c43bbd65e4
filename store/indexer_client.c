/*
 * store's handle for indexer: sends messages and hears what is in them, over one process after the
 * other. Whatever a process does, each message ends with an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "store/indexer.h"

enum { RECONNECT_MS = 200 };

struct indexer_call {
	TAILQ_ENTRY(indexer_call) link;
	struct indexer *indexer;
	uint64_t tag;
	int fd;
	bool is_sent; /* to the process of now: those are the first ones of the list */
	unsigned deaths;
	indexer_cb cb; /* NULL: cancelled */
	void *arg;
};
TAILQ_HEAD(indexer_calls, indexer_call);

struct indexer {
	struct event_base *base;
	char *path;
	struct ipc_channel *channel; /* NULL: none */
	bool is_ready;		     /* the process has accepted it */
	struct indexer_calls calls;
	size_t n_calls, n_sent;
	uint64_t last_tag;
	struct event *timer; /* patience with a process, its idle end, or the next connection */
	bool in_event, freed;
	size_t text_len;
	char text[INDEXER_TEXT_MAX_BYTES]; /* of the first call */
};

/* ---- life ---- */

static void
end_call(struct indexer *x, struct indexer_call *call)
{
	TAILQ_REMOVE(&x->calls, call, link);
	x->n_calls--;
	x->n_sent -= call->is_sent;
	closefd(&call->fd);
	free(call);
}

static void
destroy(struct indexer *x)
{
	free(x->path);
	free(x);
}

void
indexer_free(struct indexer **xp)
{
	struct indexer *x = *xp;

	if (x == NULL)
		return;
	*xp = NULL;
	while (!TAILQ_EMPTY(&x->calls))
		end_call(x, TAILQ_FIRST(&x->calls));
	ipc_channel_free(&x->channel);
	event_free(x->timer);
	x->freed = true;
	if (!x->in_event)
		destroy(x);
}

static void
leave(struct indexer *x)
{
	x->in_event = false;
	if (x->freed)
		destroy(x);
}

/* ---- sending ---- */

static void
set_timer(struct indexer *x, unsigned ms)
{
	struct timeval after = {ms / 1000, (ms % 1000) * 1000};

	if (event_add(x->timer, &after) == -1)
		fatalx("cannot set a timer");
}

static bool
send_call(struct indexer *x, struct indexer_call *call)
{
	int fd = fcntl(call->fd, F_DUPFD_CLOEXEC, 0);
	struct writer w;

	if (fd == -1)
		return false;
	ipc_write(&w, INDEXER_INDEX, call->tag);
	ipc_channel_send(x->channel, &w, fd);
	call->is_sent = true;
	x->n_sent++;
	return true;
}

/* Without descriptors it goes on after the next answer, or when the timer looks again. */
static void
send_more(struct indexer *x)
{
	struct indexer_call *call;
	size_t before = x->n_sent;

	TAILQ_FOREACH (call, &x->calls, link) {
		if (x->n_sent == INDEXER_WINDOW)
			break;
		if (!call->is_sent && !send_call(x, call))
			break;
	}
	if (x->n_sent == 0)
		set_timer(x, x->n_calls > 0 ? RECONNECT_MS : INDEXER_IDLE_S * 1000);
	else if (before == 0)
		set_timer(x, INDEXER_PATIENCE_S * 1000);
}

/* ---- a process ends ---- */

static const struct indexer_result gave_up = {
    .problem = {"it could not be read", sizeof "it could not be read" - 1}};

static void
answer(struct indexer *x, const struct indexer_result *result)
{
	struct indexer_call *call = TAILQ_FIRST(&x->calls);
	indexer_cb cb = call->cb;
	void *arg = call->arg;

	end_call(x, call);
	if (cb != NULL)
		cb(arg, result);
}

/* blamed: it died of the first message, or was given up over it. */
static void
lose_process(struct indexer *x, bool blamed)
{
	struct indexer_call *call, *first = TAILQ_FIRST(&x->calls);

	blamed = blamed && x->is_ready && first != NULL && first->is_sent;
	ipc_channel_free(&x->channel);
	x->is_ready = false;
	x->text_len = 0;
	x->n_sent = 0;
	TAILQ_FOREACH (call, &x->calls, link)
		call->is_sent = false;
	if (x->n_calls > 0)
		set_timer(x, RECONNECT_MS);
	else
		event_del(x->timer);
	if (!blamed || ++first->deaths < INDEXER_ATTEMPTS)
		return;
	log_warn(
	    "- a message cannot be indexed: %u processes did not live through it", first->deaths);
	answer(x, &gave_up);
}

/* ---- what it says ---- */

static int
on_ready(struct indexer *x, uint64_t tag, struct reader *r)
{
	if (get_end(r) == -1 || tag != 0 || x->is_ready)
		return -1;
	x->is_ready = true;
	send_more(x);
	return 0;
}

static bool
is_first(const struct indexer *x, uint64_t tag)
{
	const struct indexer_call *first = TAILQ_FIRST(&x->calls);

	return first != NULL && first->is_sent && first->tag == tag;
}

static int
on_text(struct indexer *x, uint64_t tag, struct reader *r)
{
	struct span text = get_str(r, INDEXER_TEXT_BYTES);

	if (get_end(r) == -1 || !is_first(x, tag) || text.len > sizeof x->text - x->text_len)
		return -1;
	memcpy(x->text + x->text_len, text.at, text.len);
	x->text_len += text.len;
	return 0;
}

static int
on_row(struct indexer *x, uint64_t tag, struct reader *r)
{
	struct indexer_result result;
	uint64_t flags = get_u64(r);

	result.date = (int64_t)get_u64(r);
	result.from = get_str(r, INDEXER_FROM_MAX_BYTES);
	result.to = get_str(r, INDEXER_TO_MAX_BYTES);
	result.recipients = get_str(r, INDEXER_RECIPIENTS_MAX_BYTES);
	result.subject = get_str(r, INDEXER_SUBJECT_MAX_BYTES);
	result.message_id = get_str(r, INDEXER_MESSAGE_ID_MAX_BYTES);
	result.references = get_str(r, INDEXER_REFERENCES_MAX_BYTES);
	result.preview = get_str(r, INDEXER_PREVIEW_MAX_BYTES);
	result.problem = get_str(r, INDEXER_PROBLEM_MAX_BYTES);
	if (get_end(r) == -1 || !is_first(x, tag) || (flags & ~(uint64_t)INDEXER_FLAGS_ALL))
		return -1;
	result.has_date = flags & INDEXER_HAS_DATE;
	result.has_attachment = flags & INDEXER_HAS_ATTACHMENT;
	result.text = (struct span){x->text, x->text_len};
	x->text_len = 0;
	answer(x, &result);
	if (x->freed)
		return 0;
	if (x->n_sent > 0)
		set_timer(x, INDEXER_PATIENCE_S * 1000);
	send_more(x);
	return 0;
}

static int
dispatch(struct indexer *x, uint32_t type, uint64_t tag, struct reader *r)
{
	switch (type) {
	case INDEXER_READY:
		return on_ready(x, tag, r);
	case INDEXER_TEXT:
		return on_text(x, tag, r);
	case INDEXER_ROW:
		return on_row(x, tag, r);
	case INDEXER_RETIRE:
		if (get_end(r) == -1)
			return -1;
		lose_process(x, false);
		return 0;
	default:
		return -1;
	}
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	struct indexer *x = arg;

	x->in_event = true;
	if (dispatch(x, type, tag, r) == -1 && !x->freed) {
		log_warn("malformed message from indexer");
		lose_process(x, true);
	}
	leave(x);
}

static void
on_close(void *arg)
{
	struct indexer *x = arg;

	x->in_event = true;
	lose_process(x, true);
	leave(x);
}

/* ---- time ---- */

static void
open_connection(struct indexer *x)
{
	int fd = ipc_connect_nonblocking(x->path);

	if (fd == -1)
		set_timer(x, RECONNECT_MS); /* too many wait there, or master is on its way */
	else
		x->channel = ipc_channel_new(x->base, fd, on_message, on_close, x);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct indexer *x = arg;

	(void)fd, (void)what;
	x->in_event = true;
	if (x->n_sent > 0) {
		log_warn("- indexer does not answer");
		lose_process(x, true);
	} else if (x->n_calls == 0)
		lose_process(x, false);
	else if (x->channel == NULL)
		open_connection(x);
	else if (x->is_ready)
		send_more(x);
	leave(x);
}

struct indexer *
indexer_new(struct event_base *base, const char *path)
{
	struct indexer *x = xcalloc(1, sizeof *x);

	x->base = base;
	x->path = xstrdup(path);
	TAILQ_INIT(&x->calls);
	if ((x->timer = evtimer_new(base, on_timer, x)) == NULL)
		fatalx("cannot make a timer");
	return x;
}

size_t
indexer_load(const struct indexer *x)
{
	return x->n_calls;
}

struct indexer_call *
indexer_ask(struct indexer *x, int fd, indexer_cb cb, void *arg)
{
	struct indexer_call *call = xcalloc(1, sizeof *call);

	call->indexer = x;
	call->tag = ++x->last_tag;
	call->fd = fd;
	call->cb = cb;
	call->arg = arg;
	TAILQ_INSERT_TAIL(&x->calls, call, link);
	x->n_calls++;
	if (x->is_ready)
		send_more(x);
	else if (x->channel == NULL && !evtimer_pending(x->timer, NULL))
		set_timer(x, 0);
	return call;
}

void
indexer_cancel(struct indexer_call **callp)
{
	struct indexer_call *call = *callp;

	if (call == NULL)
		return;
	*callp = NULL;
	if (call->is_sent) {
		call->cb = NULL; /* its answer comes all the same */
		return;
	}
	end_call(call->indexer, call);
}
