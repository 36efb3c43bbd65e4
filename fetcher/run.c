/* One child's connection, and the steps of its messages. */
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
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "fetcher/recorder.h"

enum { SLOTS_AT_FIRST = 8, SHIFT_BYTES = 65536, ENTRIES_SHOWN_MAX = 1000 };

/* A place that the child has, or that queue was asked for. */
struct place {
	TAILQ_ENTRY(place) link;
	struct run *run;
	struct queue_call *call; /* until there is a slot */
	struct queue_slot slot;
};
TAILQ_HEAD(places, place);

struct run {
	const struct run_means *means;
	struct section_conf *conf;
	enum fetch_mode mode;
	const struct run_ops *ops;
	void *arg;
	struct ipc_channel *channel; /* NULL: the child has gone */
	struct seen_pass *pass;	     /* the helper thread's */
	char *folder;
	uint32_t validity;
	uint64_t number; /* of the collection; a SLOT is for one of them */
	struct places places;
	size_t n_places, n_arriving, n_jobs, wanted;
	struct run_counts counts;
	char why[FETCH_TEXT_MAX_BYTES + 1]; /* why we have stopped it, or "" */
	json_t *details;
	bool waits, stopping, done, freed;
	struct {
		bool is_there;
		enum remote_end end;
		char why[FETCH_TEXT_MAX_BYTES + 1];
	} last; /* DONE, which waits for what router has still to say */
};

/* A message between MESSAGE and TAKEN. */
struct arriving {
	struct job job; /* first */
	struct run *run;
	struct queue_slot slot;
	uint64_t handle, size, message_size, crc, received;
	unsigned char digest[FETCH_DIGEST_BYTES];
	char id[FETCH_ID_MAX_BYTES + 1];
	char *folder;
	uint32_t validity;
	struct seen_policy policy;
	struct seen_found found;
	int rv;
	struct seen_change change;
	enum fetch_taken taken;
	bool act;
	uint64_t queue_id;
	struct routing_call *routing;
	struct queue_call *commit;
	struct routing_rule rule;
	size_t n;
	struct header_candidate candidates[];
};

static void feed(struct run *r);

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

static void
destroy_when_idle(struct run *r)
{
	if (!r->freed || r->n_arriving > 0 || r->n_jobs > 0)
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
	ipc_channel_free(&r->channel);
	r->freed = true;
	destroy_when_idle(r);
}

/* What the server has not listed for long: only after all that it has was listed. */
struct pruning {
	struct job job; /* first */
	struct seen *seen;
	char section[FETCH_NAME_MAX_BYTES + 1];
	uint64_t now_s;
};

static void
prune(struct job *job)
{
	struct pruning *p = (struct pruning *)job;

	(void)seen_prune(p->seen, p->section, p->now_s); /* it is tried again each time */
}

static void
free_job(struct job *job)
{
	free(job);
}

static void
prune_later(struct run *r)
{
	struct pruning *p = xcalloc(1, sizeof *p);

	p->job.work = prune;
	p->job.done = free_job;
	p->seen = r->means->seen;
	p->now_s = wall_clock_now() / 1000000;
	strlcpy(p->section, r->conf->name, sizeof p->section);
	worker_push(r->means->worker, &p->job, false);
}

static void
tell_done(struct run *r, enum remote_end end, const char *why)
{
	struct run_outcome outcome = {end, why, r->counts, r->waits, r->details};

	if (outcome.end == REMOTE_OK && r->counts.refused > 0) {
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

static void
finish_when_idle(struct run *r)
{
	if (!r->last.is_there || r->n_jobs > 0)
		return;
	r->last.is_there = false;
	tell_done(r, r->last.end, r->last.why);
}

/* The child has gone, or does not keep to what was agreed. */
static void
lose(struct run *r, const char *why)
{
	ipc_channel_free(&r->channel);
	if (r->done && !r->waits)
		return;
	r->waits = false;
	tell_done(r, REMOTE_TEMPORARY, why);
}

static void
refuse(struct run *r, const char *what)
{
	log_warn("- malformed %s from fetch section=%s", what, r->conf->name);
	lose(r, "the process that collects has sent what is not right");
}

static void
on_close(void *arg)
{
	lose(arg, "the process that collects has ended");
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
static void
feed(struct run *r)
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

static bool
take_place(struct run *r, uint64_t id, struct queue_slot *slot)
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

/* ---- a message: its last step ---- */

static void
count(struct run *r, const struct arriving *a)
{
	switch (a->taken) {
	case TAKEN_NEW:
		r->counts.taken++;
		r->counts.bytes += a->message_size;
		break;
	case TAKEN_BEFORE:
		r->counts.before++;
		break;
	case TAKEN_NOT:
		r->counts.not_kept++;
		break;
	case TAKEN_REFUSED:
		r->counts.refused++;
		break;
	}
}

static void
answer(struct arriving *a)
{
	struct run *r = a->run;
	struct writer w;

	if (a->slot.fd != -1)
		queue_abandon(r->means->queue, &a->slot);
	count(r, a);
	if (r->channel != NULL) {
		ipc_write(&w, FETCH_TAKEN, 0);
		put_u64(&w, a->handle);
		put_u64(&w, a->change.row);
		put_u64(&w, a->act);
		put_u64(&w, a->taken);
		ipc_channel_send(r->channel, &w, -1);
	}
	free(a->folder);
	free(a);
	r->n_arriving--;
	if (r->freed)
		destroy_when_idle(r);
	else
		feed(r);
}

static void
end_with(struct arriving *a, enum fetch_taken taken, bool act)
{
	a->taken = taken;
	a->act = act;
	answer(a);
}

/* ---- the fourth: the seen-list ---- */

static void
on_recorded(void *arg, bool ok)
{
	struct arriving *a = arg;

	if (!ok)
		end_with(a, TAKEN_REFUSED, false); /* what is durable here comes once more */
	else
		answer(a);
}

static void
record(struct arriving *a, int what, enum fetch_taken taken, bool act)
{
	struct run *r = a->run;

	a->taken = taken;
	a->act = act;
	a->change.what = what;
	a->change.row = a->found.row;
	a->change.pass = what == SEEN_RENAMED ? NULL : r->pass;
	a->change.at = (struct seen_place){r->conf->name, a->folder, a->validity};
	a->change.id = a->id;
	a->change.size = a->size;
	a->change.digest = a->digest;
	recorder_add(r->means->recorder, &a->change, on_recorded, a);
}

/* ---- the third: queue ---- */

static void
on_durable(void *arg, uint64_t id, int error)
{
	struct arriving *a = arg;

	a->commit = NULL;
	if (error != 0) {
		log_warn("%s not-kept section=%s id=%s error=\"%s\"", queue_id_text(id),
		    a->run->conf->name, log_safe(span_of(a->id)), strerror(error));
		end_with(a, TAKEN_REFUSED, false);
		return;
	}
	record(a, SEEN_TAKEN, TAKEN_NEW, a->policy.acts && a->policy.act_after_s == 0);
}

/* The envelope is larger than the room that the child has left: the message goes back by as much.
 */
static int
shift(struct arriving *a, uint64_t by)
{
	static char piece[SHIFT_BYTES];
	uint64_t left = a->message_size;

	while (left > 0) {
		size_t n = left < sizeof piece ? left : sizeof piece;

		left -= n;
		if (pread(a->slot.fd, piece, n, FETCH_ROOM_BYTES + left) != (ssize_t)n ||
		    pwrite(a->slot.fd, piece, n, FETCH_ROOM_BYTES + by + left) != (ssize_t)n)
			return -1;
	}
	return 0;
}

static void
log_accepted(const struct arriving *a, const struct routing_result *to)
{
	for (size_t i = 0; i < to->n; i++)
		log_info("%s accepted from=<> to=<%s> nrcpt=%zu size=%llu section=%s server=%s "
			 "folder=%s id=%s by=%s",
		    queue_id_text(a->queue_id), log_safe(span_of(to->recipients[i].address)), to->n,
		    (unsigned long long)a->message_size, a->run->conf->name, a->run->conf->host,
		    log_safe(span_of(a->folder)), log_safe(span_of(a->id)),
		    to->recipients[i].source < 0 ? "section"
						 : fetch_source_name(to->recipients[i].source));
}

static void
hand_in(struct arriving *a, const struct routing_result *to)
{
	static struct recipient recipients[FETCH_CANDIDATES_MAX + 1];
	const struct section_conf *c = a->run->conf;
	struct envelope e = {.id = a->slot.id,
	    .arrival_us = wall_clock_now(),
	    .message_size = a->message_size,
	    .message_crc = a->crc,
	    .room = FETCH_ROOM_BYTES,
	    .reverse_path = {"", 0}, /* whatever becomes of it, its sender is not told */
	    .submitter = {"", 0},
	    .program = span_of("fetcher"),
	    .client_address = {"", 0},
	    .client_name = span_of(c->host),
	    .protocol = span_of(c->protocol == REMOTE_IMAP ? "IMAP" : "POP3"),
	    .envid = {"", 0},
	    .flags = ENVELOPE_8BITMIME | ENVELOPE_SMTPUTF8,
	    .recipients = recipients,
	    .n_recipients = to->n};

	for (size_t i = 0; i < to->n; i++)
		recipients[i] = (struct recipient){
		    .address = span_of(to->recipients[i].address), .original = {"", 0}};
	if (envelope_size(&e) > FETCH_ROOM_BYTES &&
	    shift(a, envelope_size(&e) - FETCH_ROOM_BYTES) == -1) {
		log_warn("%s not-written error=\"%s\"", queue_id_text(e.id), strerror(errno));
		end_with(a, TAKEN_REFUSED, false);
		return;
	}
	a->queue_id = e.id;
	log_accepted(a, to);
	a->commit = queue_commit(a->run->means->queue, &a->slot, &e, on_durable, a);
	a->slot.fd = -1; /* queue_commit() has closed it */
}

/* ---- the second: recipients ---- */

static void
on_routed(void *arg, const struct routing_result *result)
{
	struct arriving *a = arg;

	if (result->end == ROUTING_FOUND) {
		hand_in(a, result);
		return;
	}
	log_warn("- left section=%s folder=%s id=%s reason=\"%s\"", a->run->conf->name,
	    log_safe(span_of(a->folder)), log_safe(span_of(a->id)), result->why);
	end_with(a, result->end == ROUTING_LATER ? TAKEN_REFUSED : TAKEN_NOT, false);
}

static void
leave_looping(struct arriving *a)
{
	log_warn("- left section=%s folder=%s id=%s reason=\"too many Received fields\"",
	    a->run->conf->name, log_safe(span_of(a->folder)), log_safe(span_of(a->id)));
	record(a, SEEN_LEFT, TAKEN_NOT, false);
}

/* ---- the first: its digest ---- */

static void
look(struct job *job)
{
	struct arriving *a = (struct arriving *)job;
	struct seen_place at = {a->run->conf->name, a->folder, a->validity};

	a->rv = seen_find(a->run->means->seen, a->run->pass, &at, &a->policy, a->id, a->size,
	    a->digest, &a->found);
}

static void
on_looked(struct job *job)
{
	struct arriving *a = (struct arriving *)job;
	struct run *r = a->run;

	a->change.row = a->found.row;
	if (a->rv == -1)
		end_with(a, TAKEN_REFUSED, false);
	else if (a->found.row != 0 && a->found.same)
		end_with(a, a->found.refused ? TAKEN_NOT : TAKEN_BEFORE, a->found.act);
	else if (a->found.row != 0)
		record(a, SEEN_RENAMED, a->found.refused ? TAKEN_NOT : TAKEN_BEFORE, a->found.act);
	else if (a->received > r->conf->hops_max)
		leave_looping(a);
	else
		routing_ask(r->means->routing, &a->rule, a->candidates, a->n, a->message_size,
		    on_routed, a, &a->routing);
}

/* ---- what the child says: of a message ---- */

static bool
read_candidates(struct reader *in, struct header_candidate *out, size_t *n)
{
	for (*n = 0; get_more(in) && *n < FETCH_CANDIDATES_MAX; ++*n) {
		uint64_t source = get_u64(in);
		struct span text = get_str(in, ADDRESS_TEXT_SIZE);
		const char *why;

		if (source > SOURCE_LAST ||
		    address_parse(text, ADDRESS_ALLOW_UTF8, out[*n].address, &why) == -1)
			return false;
		out[*n].source = source;
	}
	return get_end(in) == 0;
}

static struct arriving *
arriving_new(struct run *r, const struct header_candidate *candidates, size_t n)
{
	struct arriving *a = xcalloc(1, sizeof *a + n * sizeof *a->candidates);

	a->run = r;
	a->slot.fd = -1;
	a->folder = xstrdup(r->folder);
	a->validity = r->validity;
	a->policy = section_policy(r->conf);
	a->rule = section_rule(r->conf);
	a->n = n;
	if (n > 0)
		memcpy(a->candidates, candidates, n * sizeof *candidates);
	a->job.work = look;
	a->job.done = on_looked;
	return a;
}

static void
on_arrival(struct run *r, struct reader *in)
{
	static struct header_candidate candidates[FETCH_CANDIDATES_MAX];
	uint64_t slot = get_u64(in), handle = get_u64(in), size = get_u64(in);
	uint64_t message_size = get_u64(in), crc = get_u64(in), received = get_u64(in);
	struct span digest = get_str(in, FETCH_DIGEST_BYTES), id = get_str(in, FETCH_ID_MAX_BYTES);
	struct arriving *a;
	size_t n;

	if (!read_candidates(in, candidates, &n) || digest.len != FETCH_DIGEST_BYTES ||
	    crc > UINT32_MAX || message_size > r->conf->max_size + SHIFT_BYTES ||
	    size > INT64_MAX || r->folder == NULL) {
		refuse(r, "MESSAGE");
		return;
	}
	a = arriving_new(r, candidates, n);
	a->handle = handle;
	a->size = size;
	a->message_size = message_size;
	a->crc = crc;
	a->received = received;
	memcpy(a->digest, digest.at, sizeof a->digest);
	if (!span_copy(id, a->id, sizeof a->id) || !take_place(r, slot, &a->slot)) {
		free(a->folder);
		free(a);
		refuse(r, "MESSAGE");
		return;
	}
	r->n_arriving++;
	r->wanted = r->wanted < FETCH_SLOTS / 2 ? r->wanted * 2 : FETCH_SLOTS;
	worker_push(r->means->worker, &a->job, true);
	feed(r);
}

static void
on_abandon(struct run *r, struct reader *in)
{
	struct queue_slot slot;
	uint64_t id = get_u64(in);

	if (get_end(in) == -1 || !take_place(r, id, &slot)) {
		refuse(r, "ABANDON");
		return;
	}
	queue_abandon(r->means->queue, &slot);
	feed(r);
}

/* ---- of a listing ---- */

struct listing {
	struct job job; /* first */
	struct run *run;
	char *folder;
	uint32_t validity;
	struct seen_policy policy;
	int rv;
	size_t n;
	struct seen_listed listed[FETCH_LISTED_MAX];
	char ids[FETCH_LISTED_MAX][FETCH_ID_MAX_BYTES + 1];
};

static void
list(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct seen_place at = {l->run->conf->name, l->folder, l->validity};

	l->rv = seen_list(l->run->means->seen, l->run->pass, &at, &l->policy, l->listed, l->n);
}

static void
report_large(const struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->listed[i].want == FETCH_LARGE && l->listed[i].reported)
			log_warn("- left section=%s folder=%s id=%s size=%llu reason=\"larger than "
				 "the Maximum Message Size\"",
			    l->run->conf->name, log_safe(span_of(l->folder)),
			    log_safe(span_of(l->listed[i].id)),
			    (unsigned long long)l->listed[i].size);
}

static void
send_known(const struct listing *l)
{
	char wants[FETCH_LISTED_MAX];
	struct writer w;

	for (size_t i = 0; i < l->n; i++) {
		wants[i] = l->listed[i].want;
		l->run->counts.large += l->listed[i].want == FETCH_LARGE;
		l->run->counts.fresh += l->listed[i].want == FETCH_GET;
	}
	ipc_write(&w, FETCH_KNOWN, 0);
	put_str(&w, (struct span){wants, l->n});
	ipc_channel_send(l->run->channel, &w, -1);
}

static void
on_listed(struct job *job)
{
	struct listing *l = (struct listing *)job;
	struct run *r = l->run;

	r->n_jobs--;
	r->counts.listed += l->n;
	if (l->rv == -1 && r->channel != NULL) {
		log_warn("- seen-list not read section=%s", r->conf->name);
		lose(r, "the seen-list cannot be read");
	} else if (r->channel != NULL) {
		report_large(l);
		send_known(l);
	}
	free(l->folder);
	free(l);
	destroy_when_idle(r);
}

static void
on_list(struct run *r, struct reader *in)
{
	struct listing *l = xcalloc(1, sizeof *l);
	bool good = r->folder != NULL;

	for (; good && get_more(in) && l->n < FETCH_LISTED_MAX; l->n++) {
		get_text(in, l->ids[l->n], sizeof l->ids[l->n]);
		l->listed[l->n].id = l->ids[l->n];
		l->listed[l->n].size = get_u64(in);
		good = l->listed[l->n].size <= INT64_MAX;
	}
	if (!good || get_end(in) == -1) {
		free(l);
		refuse(r, "LISTED");
		return;
	}
	l->run = r;
	l->folder = xstrdup(r->folder);
	l->validity = r->validity;
	l->policy = section_policy(r->conf);
	l->policy.look_only = r->mode != FETCH_COLLECT;
	l->job.work = list;
	l->job.done = on_listed;
	r->n_jobs++;
	worker_push(r->means->worker, &l->job, true);
}

/* ---- DRY_RUN: where a message would go ---- */

struct preview {
	struct run *run;
	struct routing_call *routing;
	struct routing_rule rule;
	json_t *message;
};

static json_t *
describe_recipients(const struct routing_result *to)
{
	json_t *all = json_array();

	for (size_t i = 0; i < to->n; i++)
		json_array_append_new(
		    all, json_pack("{s:s, s:s}", "to", to->recipients[i].address, "by",
			     to->recipients[i].source < 0
				 ? "section"
				 : fetch_source_name(to->recipients[i].source)));
	return all;
}

static void
on_previewed(void *arg, const struct routing_result *result)
{
	struct preview *p = arg;
	struct run *r = p->run;

	json_object_set_new(p->message, "recipients", describe_recipients(result));
	if (result->end != ROUTING_FOUND)
		json_object_set_new(p->message, "why", json_string(result->why));
	json_decref(p->message);
	free(p);
	r->n_jobs--;
	if (r->freed)
		destroy_when_idle(r);
	else
		finish_when_idle(r);
}

/* A string that may hold any byte. */
static json_t *
shown(struct span text)
{
	return json_string(log_printable(text));
}

static void
on_header(struct run *r, struct reader *in)
{
	static struct header_candidate candidates[FETCH_CANDIDATES_MAX];
	uint64_t size = get_u64(in);
	struct span id = get_str(in, FETCH_ID_MAX_BYTES), from = get_str(in, HEADER_SHOWN_SIZE),
		    subject = get_str(in, HEADER_SHOWN_SIZE);
	json_t *messages = json_object_get(r->details, "messages");
	struct preview *p;
	size_t n;

	if (!read_candidates(in, candidates, &n) || r->folder == NULL || messages == NULL) {
		refuse(r, "HEADER");
		return;
	}
	if (json_array_size(messages) >= ENTRIES_SHOWN_MAX)
		return;
	p = xcalloc(1, sizeof *p);
	p->run = r;
	p->rule = section_rule(r->conf);
	p->message = json_pack("{s:o, s:o, s:I, s:o, s:o}", "folder", shown(span_of(r->folder)),
	    "id", shown(id), "size", (json_int_t)size, "from", shown(from), "subject",
	    shown(subject));
	json_array_append(messages, p->message);
	r->n_jobs++;
	routing_ask(r->means->routing, &p->rule, candidates, n, size, on_previewed, p, &p->routing);
}

/* ---- of the collection ---- */

static void
on_opened(struct run *r, struct reader *in)
{
	json_t *server = json_object();

	while (get_more(in) && json_object_size(server) < 50) {
		char name[64];

		get_text(in, name, sizeof name);
		json_object_set_new(server, name, shown(get_str(in, FETCH_TEXT_MAX_BYTES)));
	}
	if (get_end(in) == -1)
		refuse(r, "OPENED");
	else if (r->details != NULL)
		json_object_set(r->details, "server", server);
	json_decref(server);
}

struct drop {
	struct job job;
	struct seen_pass *pass;
};

static void
drop_pass(struct job *job)
{
	seen_pass_free(&((struct drop *)job)->pass);
}

static void
on_begin(struct run *r, struct reader *in)
{
	struct drop *d;

	if (get_end(in) == -1 || r->n_arriving > 0) {
		refuse(r, "BEGIN");
		return;
	}
	/* A listing may still look at the old one. */
	d = xcalloc(1, sizeof *d);
	d->job.work = drop_pass;
	d->job.done = free_job;
	d->pass = r->pass;
	worker_push(r->means->worker, &d->job, false);
	r->pass = seen_pass_new();
	drop_places(r);
	r->number++;
	r->counts = (struct run_counts){0};
	r->wanted = SLOTS_AT_FIRST;
	r->waits = r->done = false;
	if (r->ops->on_begin != NULL)
		r->ops->on_begin(r->arg);
	feed(r);
}

static void
on_folder(struct run *r, struct reader *in)
{
	char name[FETCH_FOLDER_MAX_BYTES + 1];
	uint64_t validity, messages;

	get_text(in, name, sizeof name);
	validity = get_u64(in);
	messages = get_u64(in);
	if (get_end(in) == -1 || validity > UINT32_MAX || messages > UINT32_MAX) {
		refuse(r, "FOLDER");
		return;
	}
	free(r->folder);
	r->folder = xstrdup(name);
	r->validity = validity;
	if (r->details != NULL)
		json_array_append_new(json_object_get(r->details, "folders"),
		    json_pack("{s:o, s:I}", "name", shown(span_of(name)), "messages",
			(json_int_t)messages));
}

/* Nobody waits for it: when it is lost the message is looked at once more. */
struct acted {
	struct seen_change change;
	char section[FETCH_NAME_MAX_BYTES + 1];
};

static void
on_acted_recorded(void *arg, bool ok)
{
	(void)ok;
	free(arg);
}

static void
on_acted(struct run *r, struct reader *in)
{
	while (get_more(in)) {
		struct acted *a;
		uint64_t row = get_u64(in);

		if (row == 0 || row > INT64_MAX)
			continue;
		a = xcalloc(1, sizeof *a);
		strlcpy(a->section, r->conf->name, sizeof a->section);
		a->change =
		    (struct seen_change){.what = SEEN_ACTED, .row = row, .at.section = a->section};
		recorder_add(r->means->recorder, &a->change, on_acted_recorded, a);
	}
	if (get_end(in) == -1)
		refuse(r, "ACTED");
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

/* The endpoint takes the old one no more. */
static void
on_refresh(struct run *r, struct reader *in)
{
	struct keeping *k = xcalloc(1, sizeof *k);

	get_text(in, k->token, sizeof k->token);
	if (get_end(in) == -1) {
		free(k);
		refuse(r, "REFRESH");
		return;
	}
	k->seen = r->means->seen;
	k->section = xstrdup(r->conf->name);
	k->configured = xstrdup(r->conf->refresh_token);
	k->job.work = keep_token;
	k->job.done = on_token_kept;
	worker_push(r->means->worker, &k->job, true);
}

static void
on_done(struct run *r, struct reader *in)
{
	char why[FETCH_TEXT_MAX_BYTES + 1];
	uint64_t waits = get_u64(in), end = get_u64(in), large = get_u64(in), gone = get_u64(in);

	get_text(in, why, sizeof why);
	if (get_end(in) == -1 || waits > 1 || end > REMOTE_STOPPED) {
		refuse(r, "DONE");
		return;
	}
	if (r->done) /* it has waited, and has collected nothing since */
		r->counts = (struct run_counts){0};
	r->waits = waits;
	r->counts.large += large;
	r->counts.not_kept += gone;
	r->last.is_there = true;
	r->last.end = end;
	memcpy(r->last.why, why, sizeof why);
	finish_when_idle(r);
}

/* Of a child that has done all, nothing is heard any more: the run is freed in DONE. */
static void
on_message(void *arg, uint32_t type, uint64_t tag, struct reader *in)
{
	static const struct {
		enum fetch_message type;
		void (*handle)(struct run *r, struct reader *in);
	} handlers[] = {{FETCH_OPENED, on_opened}, {FETCH_BEGIN, on_begin},
	    {FETCH_FOLDER, on_folder}, {FETCH_LISTED, on_list}, {FETCH_MESSAGE, on_arrival},
	    {FETCH_ABANDON, on_abandon}, {FETCH_HEADER, on_header}, {FETCH_ACTED, on_acted},
	    {FETCH_DONE, on_done}, {FETCH_REFRESH, on_refresh}};

	(void)tag;
	for (size_t i = 0; i < nitems(handlers); i++)
		if (handlers[i].type == type) {
			handlers[i].handle(arg, in);
			return;
		}
	refuse(arg, "message");
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
