/*
 * Administration: an administrator's words are passed on to master on his own session, which judges
 * them; its answers are passed back. Touches nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "webd/api.h"
#include "webd/params.h"
#include "webd/sessions.h"
#include "webd/webd.h"

/* ---- one answer ---- */

static void
abort_call(struct request *q)
{
	struct control_call *call = q->work;

	control_cancel(&call);
	q->work = NULL;
	q->abort = NULL;
}

void
control_answer(struct request *q, int code, json_t *doc)
{
	json_t *answer = json_deep_copy(doc);

	q->work = NULL;
	q->abort = NULL;
	if (code == 0) {
		reply_json(q, answer);
		return;
	}
	/* What came along, such as the problems of a configuration, is of use, too. */
	if (json_object_get(answer, "error") == NULL)
		json_object_set_new(answer, "error", json_string("This is not possible."));
	json_object_set_new(answer, "code", json_string(code == EX_UNAVAILABLE ? "later" : "bad"));
	json_object_set_new(answer, "exit", json_integer(code));
	reply_json_status(q, 400, answer);
}

static void
on_answer(void *arg, int code, json_t *doc, bool more)
{
	(void)more;
	control_answer(arg, code, doc);
}

void
control_pass(struct request *q, const char *const *words, size_t n, control_cb cb)
{
	q->work = control_ask(q->session->control, words, n, cb, q);
	if (q->work == NULL)
		reply_error(q, 400, "bad", "This is too long.");
	else
		q->abort = abort_call;
}

void
api_admin(struct request *q)
{
	const json_t *list = json_object_get(q->json, "words");
	const char *words[CONTROL_WORDS_MAX];
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < nitems(words); i++) {
		const json_t *word = json_array_get(list, i);

		words[i] = json_string_value(word);
		if (words[i] == NULL || json_string_length(word) != strlen(words[i]))
			n = 0;
	}
	if (n == 0 || n > nitems(words)) {
		reply_error(q, 400, "bad", "words must be a list of texts.");
		return;
	}
	control_pass(q, words, n, on_answer);
}

/* ---- the log, as it grows ---- */

enum { BACKLOG_MAX_BYTES = 1024 * 1024, SIGN_OF_LIFE_S = 25 };

struct following {
	struct event alive;
	struct request *q;
	struct control_call *call;
};

static void
end_following(struct request *q)
{
	struct following *f = q->work;

	if (f == NULL)
		return;
	q->work = NULL;
	event_del(&f->alive);
	control_cancel(&f->call);
	free(f);
}

static void
write_line(struct request *q, const json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT), *event;

	if (text == NULL)
		return;
	event = xasprintf("event: line\ndata: %s\n\n", text);
	reply_write(q, span_of(event));
	free(event);
	free(text);
}

static void
finish_following(struct request *q)
{
	end_following(q);
	q->gone = NULL;
	reply_end(q);
}

static void
on_part(void *arg, int code, json_t *doc, bool more)
{
	struct following *f = arg;
	const json_t *lines = json_object_get(doc, "lines"), *line;
	struct request *q = f->q;
	size_t i;

	json_array_foreach(lines, i, line) write_line(q, line);
	if (!more)
		f->call = NULL;
	/* Who does not take it reads the log again from where it is. */
	if (!more || code != 0 || reply_pending(q) > BACKLOG_MAX_BYTES)
		finish_following(q);
}

static void
on_alive(evutil_socket_t fd, short what, void *arg)
{
	struct following *f = arg;

	(void)fd, (void)what;
	reply_write(f->q, span_of(": \n\n"));
}

void
api_admin_follow(struct request *q)
{
	const struct timeval wait = {SIGN_OF_LIFE_S, 0};
	char program[64], filter[300] = "filter=";
	struct following *f;

	if (!query_text(q, "program", program, sizeof program) ||
	    !query_text(q, "filter", filter + 7, sizeof filter - 7))
		return;
	const char *const words[] = {"log", "follow", program[0] != '\0' ? program : "all", filter};

	f = xcalloc(1, sizeof *f);
	f->q = q;
	f->call = control_follow(q->session->control, words, filter[7] != '\0' ? 4 : 3, on_part, f);
	q->work = f;
	event_assign(&f->alive, q->web->base, -1, EV_PERSIST, on_alive, f);
	event_add(&f->alive, &wait);
	reply_field(q, "X-Accel-Buffering", "no");
	reply_endless(q, "text/event-stream", end_following);
}
