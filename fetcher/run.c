/* One child's connection, the places in the spool that it has, and its collections. */
#include "fetcher/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/wall_clock.h"
#include "fetcher/recorder.h"
#include "fetcher/run_private.h"

enum { SLOTS_AT_FIRST = 8 };

/* ---- the end ---- */

static void
drop_place(struct place *p)
{
	struct run *r = p->run;

	TAILQ_REMOVE(&r->places, p, link);
	r->n_places--;
	queue_call_cancel(&p->call);
	if (p->slot.fd != -1)
		queue_abandon(r->means->queue, &p->slot);
	free(p);
}

static void
drop_places(struct run *r)
{
	struct place *p;

	while ((p = TAILQ_FIRST(&r->places)) != NULL)
		drop_place(p);
}

void
run_settle(struct run *r)
{
	if (!r->freed || r->n_arriving > 0 || r->n_jobs > 0 || r->n_notes > 0 || r->pruning)
		return;
	seen_pass_free(&r->pass);
	section_conf_unref(&r->conf);
	json_decref(r->details);
	free(r->folder);
	free(r);
}

void
run_free(struct run **rp)
{
	struct run *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	drop_places(r);
	token_cancel(&r->token);
	ipc_channel_free(&r->channel);
	r->freed = true;
	run_settle(r);
}

/* What the server has not listed for long: only after all that it has was listed. */
struct pruning {
	struct job job; /* first */
	struct run *run;
	uint64_t now_s;
};

static void
prune(struct job *job)
{
	struct pruning *p = (struct pruning *)job;

	/* It is tried again each time. */
	(void)seen_prune(p->run->means->seen, p->run->conf->name, p->now_s);
}

static void
on_pruned(struct job *job)
{
	struct run *r = ((struct pruning *)job)->run;

	free(job);
	r->pruning = false;
	run_settle(r);
}

static void
prune_later(struct run *r)
{
	struct pruning *p;

	if (r->pruning)
		return;
	r->pruning = true;
	p = xcalloc(1, sizeof *p);
	p->job.work = prune;
	p->job.done = on_pruned;
	p->run = r;
	p->now_s = wall_clock_now() / 1000000;
	worker_push(r->means->worker, &p->job, false);
}

static void
tell_done(struct run *r, enum remote_end end, const char *why)
{
	struct run_outcome outcome = {
	    .end = end, .why = why, .left_why = "", .waits = r->waits, .details = r->details};

	if (!r->done) { /* else it has waited, and has collected nothing since */
		outcome.counts = r->counts;
		outcome.left_why = r->left_why;
	}
	if (outcome.end == REMOTE_OK && outcome.counts.refused > 0) {
		outcome.end = REMOTE_TEMPORARY;
		outcome.why = "messages could not be kept now";
	}
	if (r->why[0] != '\0') {
		outcome.end = REMOTE_TEMPORARY;
		outcome.why = r->why;
	}
	if (outcome.end == REMOTE_OK && r->mode == FETCH_COLLECT && !r->stopping && !r->done)
		prune_later(r);
	r->done = true;
	drop_places(r);
	r->ops->on_done(r->arg, &outcome);
}

void
run_finish_when_idle(struct run *r)
{
	if (!r->last.is_there || r->n_jobs > 0)
		return;
	r->last.is_there = false;
	tell_done(r, r->last.end, r->last.why);
}

void
run_note_left(struct run *r, const char *why)
{
	if (r->left_why[0] == '\0')
		strlcpy(r->left_why, why, sizeof r->left_why);
}

/* The child has gone, or does not keep to what was agreed. */
void
run_lose(struct run *r, const char *why)
{
	token_cancel(&r->token);
	ipc_channel_free(&r->channel);
	if (r->done && !r->waits)
		return;
	r->waits = false;
	tell_done(r, REMOTE_TEMPORARY, why);
}

void
run_refuse(struct run *r, const char *what)
{
	log_warn("- malformed %s from fetch section=%s", what, r->conf->name);
	run_lose(r, "the process that collects has sent what is not right");
}

static void
on_close(void *arg)
{
	run_lose(arg, "the process that collects has ended");
}

/* ---- to the child ---- */

static void
send_job(struct run *r, bool may_wait)
{
	const struct section_conf *c = r->conf;
	char token[FETCH_CREDENTIAL_MAX_BYTES + 1] = "";
	struct writer w;

	if (c->endpoint[0] != '\0')
		seen_token(r->means->seen, c->name, c->refresh_token, token);
	ipc_write(&w, FETCH_JOB, 0);
	put_u64(&w, r->mode);
	put_text(&w, c->name);
	put_u64(&w, c->protocol);
	put_text(&w, c->host);
	put_u64(&w, c->port);
	put_u64(&w, c->tls);
	put_text(&w, c->fingerprint);
	put_text(&w, c->user);
	put_text(&w, c->password);
	put_text(&w, c->endpoint);
	put_text(&w, c->client_id);
	put_text(&w, c->client_secret);
	put_text(&w, token);
	put_u64(&w, c->command);
	put_u64(&w, c->action);
	put_text(&w, c->move_to);
	put_u64(&w, c->max_size);
	put_u64(&w, may_wait && c->idle && r->mode == FETCH_COLLECT);
	put_u64(&w, c->routing != ROUTING_MAILBOX);
	put_u64(&w, FETCH_ROOM_BYTES);
	for (size_t i = 0; i < c->n_folders; i++)
		put_text(&w, c->folders[i]);
	ipc_channel_send(r->channel, &w, -1);
	explicit_bzero(token, sizeof token);
}

static void
send_bare(struct run *r, enum fetch_message type)
{
	struct writer w;

	if (r->channel == NULL)
		return;
	ipc_write(&w, type, 0);
	ipc_channel_send(r->channel, &w, -1);
}

void
run_again(struct run *r)
{
	if (r->waits)
		send_bare(r, FETCH_AGAIN);
}

void
run_stop(struct run *r)
{
	if (!r->stopping)
		send_bare(r, FETCH_STOP);
	r->stopping = true;
}

bool
run_waits(const struct run *r)
{
	return r->waits;
}

const struct run_counts *
run_counts(const struct run *r)
{
	return &r->counts;
}

static void
stop_because(struct run *r, const char *why)
{
	if (r->why[0] == '\0')
		strlcpy(r->why, why, sizeof r->why);
	run_stop(r);
}

/* ---- slots ---- */

static void
on_slot(void *arg, const struct queue_slot *slot, int error)
{
	struct place *p = arg;
	struct run *r = p->run;
	struct writer w;
	int copy;

	p->call = NULL;
	if (slot == NULL || (copy = fcntl(slot->fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		char why[120];

		snprintf(why, sizeof why, "there is no place in the spool: %s",
		    strerror(slot == NULL ? error : errno));
		if (slot != NULL)
			p->slot = *slot;
		drop_place(p);
		stop_because(r, why);
		return;
	}
	p->slot = *slot;
	ipc_write(&w, FETCH_SLOT, 0);
	put_u64(&w, r->number);
	put_u64(&w, slot->id);
	ipc_channel_send(r->channel, &w, copy);
}

/* More of them, the more the child uses. */
void
run_feed(struct run *r)
{
	while (r->channel != NULL && !r->stopping && !r->done && r->mode == FETCH_COLLECT &&
	       r->n_places + r->n_arriving < r->wanted) {
		struct place *p = xcalloc(1, sizeof *p);
		struct queue_call *call;

		p->run = r;
		p->slot.fd = -1;
		TAILQ_INSERT_TAIL(&r->places, p, link);
		r->n_places++;
		call = queue_take(r->means->queue, on_slot, p);
		if (call != NULL)
			p->call = call;
	}
}

bool
run_take_place(struct run *r, uint64_t id, struct queue_slot *slot)
{
	struct place *p;

	TAILQ_FOREACH (p, &r->places, link)
		if (p->slot.fd != -1 && p->slot.id == id) {
			*slot = p->slot;
			p->slot.fd = -1;
			drop_place(p);
			return true;
		}
	return false;
}

/* ---- what the child says of the collection ---- */

static void
on_abandon(struct run *r, struct reader *in)
{
	struct queue_slot slot;
	uint64_t id = get_u64(in);

	if (get_end(in) == -1 || !run_take_place(r, id, &slot)) {
		run_refuse(r, "ABANDON");
		return;
	}
	queue_abandon(r->means->queue, &slot);
	run_feed(r);
}

static void
on_opened(struct run *r, struct reader *in)
{
	json_t *server = json_object();

	while (get_more(in) && json_object_size(server) < 50) {
		char name[64];

		get_text(in, name, sizeof name);
		json_object_set_new(server, name, run_shown(get_str(in, FETCH_TEXT_MAX_BYTES)));
	}
	if (get_end(in) == -1)
		run_refuse(r, "OPENED");
	else if (r->details != NULL)
		json_object_set(r->details, "server", server);
	json_decref(server);
}

static void
on_begin(struct run *r, struct reader *in)
{
	if (get_end(in) == -1 || r->n_arriving > 0 || (r->begun && !r->waits)) {
		run_refuse(r, "BEGIN");
		return;
	}
	r->begun = true;
	seen_pass_free(&r->pass); /* no listing and no message is looked at */
	r->pass = seen_pass_new();
	drop_places(r);
	r->number++;
	r->counts = (struct run_counts){0};
	r->left_why[0] = '\0';
	r->wanted = SLOTS_AT_FIRST;
	r->waits = r->done = false;
	if (r->ops->on_begin != NULL)
		r->ops->on_begin(r->arg);
	run_feed(r);
}

static void
on_folder(struct run *r, struct reader *in)
{
	json_t *folders = json_object_get(r->details, "folders"); /* NULL without details */
	char name[FETCH_FOLDER_MAX_BYTES + 1];
	uint64_t validity, messages;

	get_text(in, name, sizeof name);
	validity = get_u64(in);
	messages = get_u64(in);
	if (get_end(in) == -1 || validity > UINT32_MAX || messages > UINT32_MAX ||
	    json_array_size(folders) >= REMOTE_FOLDERS_MAX) {
		run_refuse(r, "FOLDER");
		return;
	}
	free(r->folder);
	r->folder = xstrdup(name);
	r->validity = validity;
	if (r->details != NULL)
		json_array_append_new(
		    folders, json_pack("{s:o, s:I}", "name", run_shown(span_of(name)), "messages",
				 (json_int_t)messages));
}

/* What nobody waits for: when it is lost, the message is looked at once more. */
struct note {
	struct seen_change change;
	struct run *run;
	char id[FETCH_ID_MAX_BYTES + 1];
	char *folder;
};

static void
on_noted(void *arg, bool ok)
{
	struct note *n = arg;
	struct run *r = n->run;

	(void)ok;
	free(n->folder);
	free(n);
	r->n_notes--;
	run_settle(r);
}

static void
note(struct run *r, struct note *n)
{
	r->n_notes++;
	n->run = r;
	n->change.at.section = r->conf->name;
	recorder_add(r->means->recorder, &n->change, on_noted, n);
}

static void
on_acted(struct run *r, struct reader *in)
{
	while (get_more(in)) {
		struct note *n;
		uint64_t row = get_u64(in);

		if (row == 0 || row > INT64_MAX || r->n_notes == RUN_NOTES_MAX)
			continue;
		n = xcalloc(1, sizeof *n);
		n->change.what = SEEN_ACTED;
		n->change.row = row;
		note(r, n);
	}
	if (get_end(in) == -1)
		run_refuse(r, "ACTED");
}

/* It is known to be larger than what is taken now: when that is more, it is had once more. */
static void
on_oversize(struct run *r, struct reader *in)
{
	struct note *n = xcalloc(1, sizeof *n);
	uint64_t size = get_u64(in);

	get_text(in, n->id, sizeof n->id);
	if (get_end(in) == -1 || r->folder == NULL || size > INT64_MAX || n->id[0] == '\0') {
		free(n);
		run_refuse(r, "OVERSIZE");
		return;
	}
	if (r->n_notes == RUN_NOTES_MAX) {
		free(n);
		return;
	}
	n->folder = xstrdup(r->folder);
	n->change = (struct seen_change){.what = SEEN_OVERSIZE,
	    .at = {NULL, n->folder, r->validity},
	    .id = n->id,
	    .size = size,
	    .real = r->conf->max_size + 1};
	note(r, n);
}

struct keeping {
	struct job job; /* first */
	struct seen *seen;
	char *section, *configured;
	char token[FETCH_CREDENTIAL_MAX_BYTES + 1];
	int rv;
};

static void
keep_token(struct job *job)
{
	struct keeping *k = (struct keeping *)job;

	k->rv = seen_keep_token(k->seen, k->section, k->configured, k->token);
}

static void
on_token_kept(struct job *job)
{
	struct keeping *k = (struct keeping *)job;

	if (k->rv == -1)
		log_warn("- refresh-token not kept section=%s", k->section);
	else
		log_info("- refresh-token kept section=%s", k->section);
	explicit_bzero(k->configured, strlen(k->configured));
	explicit_bzero(k->token, sizeof k->token);
	free(k->section);
	free(k->configured);
	free(k);
}

/* The endpoint takes the old one no more. A child asks it once. */
static void
on_refresh(struct run *r, struct reader *in)
{
	struct keeping *k = xcalloc(1, sizeof *k);

	get_text(in, k->token, sizeof k->token);
	if (get_end(in) == -1 || r->refreshed) {
		explicit_bzero(k->token, sizeof k->token);
		free(k);
		run_refuse(r, "REFRESH");
		return;
	}
	r->refreshed = true;
	k->seen = r->means->seen;
	k->section = xstrdup(r->conf->name);
	k->configured = xstrdup(r->conf->refresh_token);
	k->job.work = keep_token;
	k->job.done = on_token_kept;
	worker_push(r->means->worker, &k->job, true);
}

static void
on_token(void *arg, const char *token, const char *why)
{
	struct run *r = arg;
	char short_why[FETCH_TEXT_MAX_BYTES + 1];
	struct writer w;

	r->token = NULL;
	strlcpy(short_why, why, sizeof short_why);
	ipc_write(&w, FETCH_TOKEN, 0);
	put_text(&w, token != NULL ? token : "");
	put_text(&w, short_why);
	ipc_channel_send(r->channel, &w, -1);
	explicit_bzero(w.at, w.len);
}

static void
on_ask_token(struct run *r, struct reader *in)
{
	if (get_end(in) == -1 || !r->conf->command || r->asked) {
		run_refuse(r, "ASK_TOKEN");
		return;
	}
	r->asked = true;
	r->token = token_ask(r->means->tokens, r->conf->name, on_token, r);
}

static void
on_done(struct run *r, struct reader *in)
{
	char why[FETCH_TEXT_MAX_BYTES + 1];
	uint64_t waits = get_u64(in), end = get_u64(in), large = get_u64(in), gone = get_u64(in);

	get_text(in, why, sizeof why);
	if (get_end(in) == -1 || waits > 1 || end > REMOTE_STOPPED) {
		run_refuse(r, "DONE");
		return;
	}
	r->waits = waits;
	r->counts.large += large;
	r->counts.not_kept += gone;
	if (gone > 0)
		run_note_left(r, "listed there, but not to be had");
	r->last.is_there = true;
	r->last.end = end;
	memcpy(r->last.why, why, sizeof why);
	run_finish_when_idle(r);
}

/*
 * Of a child that has done all, nothing is heard any more: the run is freed in DONE. One that has
 * sent a listing waits for the answer: if it does not, it could have any number of them in memory.
 */
static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *in)
{
	static const struct {
		enum fetch_message type;
		void (*handle)(struct run *r, struct reader *in);
	} handlers[] = {{FETCH_OPENED, on_opened}, {FETCH_BEGIN, on_begin},
	    {FETCH_FOLDER, on_folder}, {FETCH_LISTED, run_on_listed},
	    {FETCH_MESSAGE, run_on_message}, {FETCH_ABANDON, on_abandon},
	    {FETCH_HEADER, run_on_header}, {FETCH_ACTED, on_acted}, {FETCH_DONE, on_done},
	    {FETCH_REFRESH, on_refresh}, {FETCH_ASK_TOKEN, on_ask_token},
	    {FETCH_OVERSIZE, on_oversize}};
	struct run *r = arg;

	(void)tag;
	for (size_t i = 0; !r->looking && i < nitems(handlers); i++)
		if (handlers[i].type == type) {
			handlers[i].handle(r, in);
			return;
		}
	run_refuse(r, r->looking ? "message during a listing" : "message");
}

struct run *
run_new(const struct run_means *means, struct section_conf *conf, enum fetch_mode mode,
    bool may_wait, const struct run_ops *ops, void *arg)
{
	int fd = ipc_connect_nonblocking(means->fetch_path);
	struct run *r;

	if (fd == -1)
		return NULL;
	r = xcalloc(1, sizeof *r);
	r->means = means;
	r->conf = section_conf_ref(conf);
	r->mode = mode;
	r->ops = ops;
	r->arg = arg;
	r->wanted = SLOTS_AT_FIRST;
	TAILQ_INIT(&r->places);
	r->pass = seen_pass_new();
	if (mode != FETCH_COLLECT)
		r->details = json_pack("{s:[], s:[]}", "folders", "messages");
	r->channel = ipc_channel_new(means->base, fd, on_message, on_close, r);
	send_job(r, may_wait);
	return r;
}
