/*
 * "Where is my message?": reads the logs in portions, twice: which messages it is about, and then
 * all that is said of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sysexits.h>

#include "common/address.h"
#include "common/memory.h"
#include "master/control_private.h"
#include "master/ctl_logs.h"
#include "master/log_scan.h"
#include "master/own.h"
#include "master/story.h"

enum { TRACES_MAX = 8, LINES_MAX = LOG_SCAN_LINES_MAX };

struct trace {
	LIST_ENTRY(trace) entry;
	struct request *request;
	struct log_scan *scan;
	struct event *next;
	char *what; /* an address; NULL: a queue id, of ids */
	uint64_t ids[STORY_MESSAGES_MAX];
	size_t n_ids;
	bool second;	 /* all about these ids */
	json_t *refused; /* of the first pass, lines without an id */
};
static LIST_HEAD(, trace) traces = LIST_HEAD_INITIALIZER(traces);

static void
end_trace(struct trace *t)
{
	LIST_REMOVE(t, entry);
	event_free(t->next);
	log_scan_free(&t->scan);
	json_decref(t->refused);
	free(t->what);
	free(t);
}

static void
on_gone(struct request *q)
{
	end_trace(q->state);
	request_end(q);
}

static bool
wants_line(void *arg, struct span line)
{
	const struct trace *t = arg;
	uint64_t id;

	if (!log_line_id(line, &id))
		return false;
	for (size_t i = 0; i < t->n_ids; i++)
		if (t->ids[i] == id)
			return true;
	return false;
}

/* -1: the request has failed, and t is gone. */
static int
begin_pass(struct trace *t, bool second)
{
	static const struct timeval now;
	struct request *q = t->request;
	const char *root = request_supervisor(q)->instance->root;

	t->second = second;
	log_scan_free(&t->scan);
	t->scan = log_scan_new(root, NULL, LINES_MAX, second ? "" : t->what);
	if (t->scan == NULL) {
		end_trace(t);
		request_fail(q, EX_IOERR, "the logs cannot be read");
		return -1;
	}
	if (second)
		log_scan_choose(t->scan, wants_line, t);
	evtimer_add(t->next, &now);
	return 0;
}

static void
take_first(struct trace *t)
{
	json_t *lines = log_scan_result(t->scan);
	const json_t *line;
	uint64_t id;
	size_t i;

	t->n_ids = story_ids(lines, t->ids);
	json_array_foreach(lines, i,
	    line) if (!story_line_id(span_of(json_string_value(json_object_get(line, "text"))),
			  &id)) json_array_append(t->refused, (json_t *)(uintptr_t)line);
	json_decref(lines);
}

static void
answer(struct trace *t)
{
	struct request *q = t->request;
	json_t *lines = log_scan_result(t->scan), *story;
	json_t *addresses = own_addresses(request_supervisor(q)->instance->config, q->client->name);
	const struct story_asker asker = {q->client->name, addresses, t->what};

	json_array_extend(lines, t->refused);
	story = story_tell(lines, &asker);
	json_decref(addresses);
	json_decref(lines);
	end_trace(t);
	request_answer(q, 0, json_pack("{s:o}", "story", story));
}

static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval now;
	struct trace *t = arg;

	(void)fd, (void)what;
	if (log_scan_step(t->scan)) {
		evtimer_add(t->next, &now);
	} else if (t->second) {
		answer(t);
	} else {
		take_first(t);
		(void)begin_pass(t, true);
	}
}

/* One for each user, so that nobody has all of them. False: the request has failed. */
static bool
may_begin(struct request *q)
{
	const struct trace *t;
	unsigned n = 0;

	LIST_FOREACH (t, &traces, entry) {
		if (strcmp(t->request->client->name, q->client->name) == 0) {
			request_fail(
			    q, EX_TEMPFAIL, "your last search for a message is not done yet");
			return false;
		}
		n++;
	}
	if (n < TRACES_MAX)
		return true;
	request_fail(q, EX_TEMPFAIL, "too many look for messages just now");
	return false;
}

void
control_trace(struct request *q, const char *what)
{
	char address[ADDRESS_TEXT_SIZE];
	struct trace *t;
	const char *why;
	uint64_t id = 0;
	bool is_id = log_is_id(span_of(what), &id);

	if (!is_id &&
	    address_parse(span_trim(span_of(what)), ADDRESS_ALLOW_UTF8, address, &why) == -1) {
		request_fail(q, EX_DATAERR, "this is no mail address");
		return;
	}
	if (!may_begin(q))
		return;
	t = xcalloc(1, sizeof *t);
	t->request = q;
	t->what = is_id ? NULL : xstrdup(address);
	t->ids[0] = id;
	t->n_ids = is_id;
	t->refused = json_array();
	t->next = evtimer_new(request_supervisor(q)->base, on_next, t);
	LIST_INSERT_HEAD(&traces, t, entry);
	if (begin_pass(t, is_id) == 0)
		request_lasts(q, on_gone, t);
}
