/* The steps of a message, from MESSAGE to TAKEN: see run.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "fetcher/recorder.h"
#include "fetcher/run_private.h"

enum { SHIFT_BYTES = 65536 };

static const char looping[] = "too many Received fields";

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
	struct routing_rule rule;
	size_t n;
	struct header_candidate candidates[];
};

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
		run_settle(r);
	else
		run_feed(r);
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
	(void)queue_commit(a->run->means->queue, &a->slot, &e, on_durable, a);
	a->slot.fd = -1; /* queue_commit() has closed it */
}

/* ---- the second: recipients ---- */

static void
leave(struct arriving *a, const char *why)
{
	log_warn("- left section=%s folder=%s id=%s reason=\"%s\"", a->run->conf->name,
	    log_safe(span_of(a->folder)), log_safe(span_of(a->id)), why);
	run_note_left(a->run, why);
}

static void
on_routed(void *arg, const struct routing_result *result)
{
	struct arriving *a = arg;

	if (result->end == ROUTING_FOUND) {
		hand_in(a, result);
		return;
	}
	leave(a, result->why);
	end_with(a, result->end == ROUTING_LATER ? TAKEN_REFUSED : TAKEN_NOT, false);
}

static void
leave_looping(struct arriving *a)
{
	leave(a, looping);
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
	if (a->found.refused)
		run_note_left(r, looping); /* as it was left for that before */
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
		    on_routed, a);
}

/* ---- what the child says: of a message ---- */

/* With our Received, and twice as many bytes as the server counts: each line that ends with a bare
 * LF is longer here. */
static uint64_t
largest(const struct run *r)
{
	return 2 * r->conf->max_size + SHIFT_BYTES;
}

bool
run_read_candidates(struct reader *in, struct header_candidate *out, size_t *n)
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

void
run_on_message(struct run *r, struct reader *in)
{
	static struct header_candidate candidates[FETCH_CANDIDATES_MAX];
	uint64_t slot = get_u64(in), handle = get_u64(in), size = get_u64(in);
	uint64_t message_size = get_u64(in), crc = get_u64(in), received = get_u64(in);
	struct span digest = get_str(in, FETCH_DIGEST_BYTES), id = get_str(in, FETCH_ID_MAX_BYTES);
	struct arriving *a;
	size_t n;

	if (!run_read_candidates(in, candidates, &n) || digest.len != FETCH_DIGEST_BYTES ||
	    crc > UINT32_MAX || message_size > largest(r) || size > INT64_MAX ||
	    r->folder == NULL) {
		run_refuse(r, "MESSAGE");
		return;
	}
	a = arriving_new(r, candidates, n);
	a->handle = handle;
	a->size = size;
	a->message_size = message_size;
	a->crc = crc;
	a->received = received;
	memcpy(a->digest, digest.at, sizeof a->digest);
	if (!span_copy(id, a->id, sizeof a->id) || !run_take_place(r, slot, &a->slot)) {
		free(a->folder);
		free(a);
		run_refuse(r, "MESSAGE");
		return;
	}
	r->n_arriving++;
	r->wanted = r->wanted < FETCH_SLOTS / 2 ? r->wanted * 2 : FETCH_SLOTS;
	worker_push(r->means->worker, &a->job, true);
	run_feed(r);
}
