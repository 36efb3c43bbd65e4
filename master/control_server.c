/*
 * The supervisor's side of control.sock: one table of requests.
 */
#include "master/control_server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/role.h"
#include "common/stream.h"
#include "master/control.h"
#include "master/describe.h"
#include "master/logfile.h"
#include "master/programs.h"
#include "master/status.h"

enum {
	LOGIN_MAX_BYTES = 80,
	WORDS_MAX = 64,
	CLIENTS_MAX = 256,
	TEXT_CHUNK_BYTES = 60000,
	SETTLE_S = 5,
	LIMITS_OF_START = 12
};

struct control_server {
	struct supervisor *supervisor;
	struct listener *listener;
	struct client *clients;
	struct request *waiting; /* for the supervisor to settle */
	size_t n_clients;
};

/* One connected sambarctl. Lives on while a request of it is under way. */
struct client {
	struct client *next;
	struct control_server *server;
	struct ipc_channel *channel; /* NULL: it has gone */
	unsigned requests;
	char who[LOGIN_MAX_BYTES]; /* "who=NAME" */
};

struct request {
	struct request *next;
	struct client *client;
	uint64_t tag;
	json_t *doc; /* the answer, when it only waits to be sent */
	bool is_reload;
	struct event *limit; /* while it waits */
	unsigned limits;     /* that have passed */
};

struct request_kind {
	const char *word;
	void (*run)(struct request *q, const char *const *words, size_t n);
};

/* ---- answers ---- */

static void
release_client(struct client *cl)
{
	struct client **at = &cl->server->clients;

	if (cl->channel != NULL || cl->requests > 0)
		return;
	while (*at != cl)
		at = &(*at)->next;
	*at = cl->next;
	cl->server->n_clients--;
	free(cl);
}

static void
send_reply(struct request *q, int code, bool more, struct span text)
{
	struct writer w;

	if (q->client->channel == NULL)
		return;
	ipc_write(&w, CONTROL_REPLY, q->tag);
	put_u64(&w, code);
	put_u64(&w, more);
	put_str(&w, text);
	ipc_channel_send(q->client->channel, &w, -1);
}

static void
end_request(struct request *q)
{
	struct client *cl = q->client;

	json_decref(q->doc);
	if (q->limit != NULL)
		event_free(q->limit);
	free(q);
	cl->requests--;
	release_client(cl);
}

static void
answer(struct request *q, int code, json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	struct span rest = span_of(text != NULL ? text : "{}");

	json_decref(doc);
	while (rest.len > TEXT_CHUNK_BYTES) {
		send_reply(q, code, true, (struct span){rest.at, TEXT_CHUNK_BYTES});
		rest = (struct span){rest.at + TEXT_CHUNK_BYTES, rest.len - TEXT_CHUNK_BYTES};
	}
	send_reply(q, code, false, rest);
	free(text);
	end_request(q);
}

static void
answer_error(struct request *q, int code, const char *sentence)
{
	answer(q, code, json_pack("{s:s}", "error", sentence));
}

/* ---- requests that wait for programs to start ---- */

/* The programs that die again and again, "queue store"; "" without any. The slots of a program
 * follow one another. */
static void
list_dying(const struct supervisor *s, char *out, size_t size)
{
	const struct program *last = NULL;

	out[0] = '\0';
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct program *program = s->slots[i].program;

		if (s->slots[i].state != SLOT_BACKOFF || program == last)
			continue;
		if (last != NULL)
			strlcat(out, " ", size);
		strlcat(out, program->name, size);
		last = program;
	}
}

/* What the others do. */
static const char *
rest_of_it(const struct request *q)
{
	return q->is_reload ? "; the other programs have the new settings" : "";
}

static void
answer_settled(struct request *q)
{
	char dying[160], text[320];
	json_t *doc = q->doc;

	q->doc = NULL;
	list_dying(q->client->server->supervisor, dying, sizeof dying);
	if (dying[0] == '\0') {
		if (q->is_reload)
			supervisor_tell_left(
			    q->client->server->supervisor, json_object_get(doc, "notices"));
		answer(q, 0, doc);
		return;
	}
	snprintf(text, sizeof text, "%s does not run: it does not stay up, see its log%s", dying,
	    rest_of_it(q));
	json_decref(doc);
	answer_error(q, EX_SOFTWARE, text);
}

void
control_server_on_change(struct control_server *c)
{
	if (c == NULL || !supervisor_is_settled(c->supervisor))
		return;
	while (c->waiting != NULL) {
		struct request *q = c->waiting;

		c->waiting = q->next;
		answer_settled(q);
	}
}

/* One that starts or ends has a reason to be slow, and a limit of its own; one that was only told
 * new settings has not. */
static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval more = {SETTLE_S, 0};
	struct request *q = arg, **at = &q->client->server->waiting;
	const struct process *p = supervisor_unsettled(q->client->server->supervisor);
	bool starting = p != NULL && p->protections[0] == '\0';
	char text[320];

	(void)fd, (void)what;
	if (p == NULL || p->draining || (starting && ++q->limits < LIMITS_OF_START)) {
		evtimer_add(q->limit, &more);
		return;
	}
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	snprintf(text, sizeof text, "%s[%d] %s%s", p->program->name, (int)p->pid,
	    starting ? "is not ready yet" : "does not answer", rest_of_it(q));
	answer_error(q, EX_SOFTWARE, text);
}

static void
answer_when_settled(struct request *q, json_t *doc)
{
	struct control_server *c = q->client->server;
	const struct timeval limit = {SETTLE_S, 0};

	q->doc = doc;
	q->next = c->waiting;
	c->waiting = q;
	q->limit = evtimer_new(c->supervisor->base, on_limit, q);
	evtimer_add(q->limit, &limit);
	control_server_on_change(c);
}

/* ---- the requests ---- */

static void
run_ping(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	answer(q, 0, json_object());
}

static void
on_status(void *arg, json_t *document)
{
	answer(arg, 0, document);
}

static void
run_status(struct request *q, const char *const *words, size_t n)
{
	(void)words, (void)n;
	status_collect(q->client->server->supervisor, on_status, q);
}

static void
run_stop(struct request *q, const char *const *words, size_t n)
{
	struct supervisor *s = q->client->server->supervisor;

	(void)words, (void)n;
	answer(q, 0, json_object());
	supervisor_stop(s);
}

static void
answer_no_program(struct request *q, const char *name)
{
	char text[1000];

	snprintf(text, sizeof text, "there is no program \"%s\"; right is",
	    log_printable(span_of(name)));
	for (size_t i = 0; i < n_programs; i++) {
		strlcat(text, i == 0 ? " " : ", ", sizeof text);
		strlcat(text, programs[i].name, sizeof text);
	}
	answer_error(q, EX_USAGE, text);
}

static void
run_restart(struct request *q, const char *const *words, size_t n)
{
	struct supervisor *s = q->client->server->supervisor;

	int replaced = supervisor_restart(s, n > 1 ? words[1] : NULL);

	if (replaced == -1)
		answer_no_program(q, words[1]);
	else if (replaced == 0)
		answer_error(
		    q, EX_UNAVAILABLE, "it does not run: the configuration does not want it");
	else
		answer_when_settled(q, json_object());
}

int
control_reload(struct supervisor *s, json_t **doc)
{
	struct config_problems problems = {0};
	struct config *c = config_load(s->instance->root, &problems);
	json_t *list = describe_problems(&problems), *notices;
	size_t n_errors = problems.n_errors;
	char *why = NULL;

	config_problems_free(&problems);
	notices = json_array();
	*doc = json_pack("{s:o, s:o}", "problems", list, "notices", notices);
	if (n_errors > 0) {
		json_object_set_new(*doc, "error",
		    json_sprintf(
			"the configuration has %zu error(s); nothing was changed", n_errors));
		config_free(&c);
		return EX_CONFIG;
	}
	if (supervisor_reload(s, c, notices, &why) == -1) {
		json_object_set_new(*doc, "error", json_string(why));
		free(why);
		config_free(&c);
		return EX_OSERR;
	}
	return 0;
}

static void
run_reload(struct request *q, const char *const *words, size_t n)
{
	json_t *doc;
	int code = control_reload(q->client->server->supervisor, &doc);

	(void)words, (void)n;
	q->is_reload = true;
	log_info("reload code=%d", code);
	if (code != 0)
		answer(q, code, doc);
	else
		answer_when_settled(q, doc);
}

static void
run_log(struct request *q, const char *const *words, size_t n)
{
	if (n != 2 || strcmp(words[1], "rotate") != 0)
		answer_error(q, EX_USAGE, "log rotate is all that can be asked");
	else if (logfile_rotate() == -1)
		answer_error(q, EX_CANTCREAT, "not every log could be renamed");
	else
		answer(q, 0, json_object());
}

static void
on_passed_reply(void *arg, int code, bool more, struct span text)
{
	struct request *q = arg;

	send_reply(q, code, more, text);
	if (!more)
		end_request(q);
}

static void
pass_on(struct request *q, const char *program, const char *const *words, size_t n)
{
	struct supervisor *s = q->client->server->supervisor;
	struct process *p = supervisor_process(s, program);
	char text[80];

	if (p != NULL) {
		supervisor_ask(s, p, words, n, on_passed_reply, q);
		return;
	}
	snprintf(text, sizeof text, "%s does not run", program);
	answer_error(q, EX_UNAVAILABLE, text);
}

static void
run_user(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "auth", words, n);
}

static void
run_queue(struct request *q, const char *const *words, size_t n)
{
	const char *all[WORDS_MAX];

	/* Who it is stands first: a word of his own says for whom he acts. */
	if (n < 2 || n == WORDS_MAX) {
		answer_error(q, EX_USAGE, "unknown request");
		return;
	}
	memcpy(all, words, 2 * sizeof *all);
	all[2] = q->client->who;
	memcpy(all + 3, words + 2, (n - 2) * sizeof *all);
	pass_on(q, "queue", all, n + 1);
}

static void
run_fetch(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "fetcher", words, n);
}

static void
run_explain(struct request *q, const char *const *words, size_t n)
{
	pass_on(q, "smtpd", words, n);
}

static const struct request_kind kinds[] = {{"ping", run_ping}, {"status", run_status},
    {"stop", run_stop}, {"restart", run_restart}, {"reload", run_reload}, {"log", run_log},
    {"user", run_user}, {"queue", run_queue}, {"fetch", run_fetch}, {"explain", run_explain}};

/* ---- connections ---- */

static void
dispatch(struct client *cl, uint64_t tag, const char *const *words, size_t n)
{
	struct request *q = xcalloc(1, sizeof *q);

	q->client = cl;
	q->tag = tag;
	cl->requests++;
	for (size_t i = 0; i < nitems(kinds); i++)
		if (strcmp(kinds[i].word, words[0]) == 0) {
			kinds[i].run(q, words, n);
			return;
		}
	answer_error(q, EX_USAGE, "unknown request");
}

static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *r)
{
	static char text[IPC_MESSAGE_MAX_BYTES + WORDS_MAX];
	struct client *cl = arg;
	const char *words[WORDS_MAX];
	size_t n = 0, used = 0;

	while (get_more(r) && n < WORDS_MAX) {
		struct span word = get_str(r, r->left);

		span_copy(word, text + used, word.len + 1);
		words[n++] = text + used;
		used += word.len + 1;
	}
	if (type != CONTROL_REQUEST || get_end(r) == -1 || n == 0)
		log_warn("malformed request on control.sock");
	else
		dispatch(cl, tag, words, n);
	explicit_bzero(text, used);
}

static void
on_close(void *arg)
{
	struct client *cl = arg;

	ipc_channel_free(&cl->channel);
	release_client(cl);
}

static void
on_accept(void *arg, int sock, const struct sockaddr *address, socklen_t length, int kind)
{
	struct control_server *c = arg;
	struct client *cl;
	uid_t uid;

	(void)address, (void)length, (void)kind;
	if (c->n_clients >= CLIENTS_MAX) {
		closefd(&sock);
		return;
	}
	cl = xcalloc(1, sizeof *cl);
	cl->server = c;
	cl->next = c->clients;
	c->clients = cl;
	c->n_clients++;
	cl->channel = ipc_channel_new(c->supervisor->base, sock, on_message, on_close, cl);
	uid = ipc_channel_peer_uid(cl->channel);
	if (uid != 0 && uid != geteuid()) {
		log_warn("control.sock: user %u was refused", uid);
		on_close(cl);
		return;
	}
	snprintf(cl->who, sizeof cl->who, "who=%s", describe_user(uid));
}

static void
control_path(const struct supervisor *s, char *out, size_t size)
{
	snprintf(out, size, "%s/control.sock", s->instance->run);
}

struct control_server *
control_server_new(struct supervisor *s)
{
	struct control_server *c;
	char path[PATH_MAX + 32];
	int fd;

	control_path(s, path, sizeof path);
	if ((fd = sockets_bind_unix(path, 0600, (gid_t)-1)) == -1)
		return NULL;
	c = xcalloc(1, sizeof *c);
	c->supervisor = s;
	c->listener = listener_new(s->base, fd, 0, on_accept, c);
	return c;
}

void
control_server_free(struct control_server **cp)
{
	struct control_server *c = *cp;
	char path[PATH_MAX + 32];

	if (c == NULL)
		return;
	*cp = NULL;
	control_path(c->supervisor, path, sizeof path);
	(void)unlink(path);
	while (c->waiting != NULL) {
		struct request *q = c->waiting;

		c->waiting = q->next;
		end_request(q);
	}
	while (c->clients != NULL) {
		struct client *cl = c->clients;

		cl->requests = 0;
		ipc_channel_free(&cl->channel);
		release_client(cl);
	}
	listener_free(&c->listener);
	free(c);
}
