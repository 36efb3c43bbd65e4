/*
 * The guardian of the spool: the table of messages and the programs that hand them in. Talks to
 * smtpd, fetcher, router and webd over queue.sock; router's own messages are feed.c's.
 */
#include "queue/server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "queue/envelope.h"
#include "queue/feed.h"
#include "queue/order.h"
#include "queue/own.h"
#include "queue/queue.h"

enum {
	PEER_SLOTS_MAX = 16384,	  /* that one program may hold */
	PEER_RECYCLED_MAX = 1024, /* files of finished messages kept for it */
	PEER_RECYCLED_MAX_BYTES = 64 * 1024 * 1024,
	KEPT_MAX = 1024,			      /* messages whose slots are kept */
	PEER_ENVELOPES_MAX_BYTES = 256 * 1024 * 1024, /* of them that wait for their COMMIT */
	DRAIN_LIMIT_S = 5,			      /* for what router has in hand */
	RELEASE_MAX_S = 1000000000,		      /* from now: 30 years */
	OPEN_SHARE = 8 /* of the descriptors that the process may have, for files that wait */
};
static const uint32_t submitters = ROLE_SMTPD | ROLE_FETCHER | ROLE_ROUTER | ROLE_WEBD;

/* A connected program. */
struct submitter {
	struct peer_slots slots;
	size_t n_slots;		   /* also those asked for */
	struct slot_list recycled; /* files of its own finished messages */
	size_t n_recycled, recycled_bytes;
	uint32_t origin;
	size_t envelopes_bytes;
};

/* ---- messages ---- */

struct message *
server_message(const struct queue *q, uint64_t id)
{
	return (struct message *)id_map_get(&q->messages, id);
}

struct slot *
server_kept(const struct queue *q, uint64_t id)
{
	return (struct slot *)id_map_get(&q->kept, id);
}

static struct slot *
take_kept(struct queue *q, uint64_t id)
{
	struct slot *s = server_kept(q, id);

	if (s != NULL)
		id_map_remove(&q->kept, &s->node);
	return s;
}

void
server_close_kept(struct queue *q, struct message *m)
{
	struct slot *s = take_kept(q, m->node.id);

	q->n_kept -= s != NULL;
	slot_free(&s);
}

void
server_unkeep(struct queue *q, struct message *m)
{
	m->origin = 0;
	server_close_kept(q, m);
}

void
server_forget(struct queue *q, struct message *m)
{
	server_unkeep(q, m);
	order_forget(q, m);
	if (m->name.held)
		q->n_held--;
	id_map_remove(&q->messages, &m->node);
	free(m);
}

static bool
has_room(const struct submitter *sub)
{
	return sub->n_recycled < PEER_RECYCLED_MAX && sub->recycled_bytes < PEER_RECYCLED_MAX_BYTES;
}

/* Each kept or recycled file has two descriptors open. */
static bool
may_keep_open(const struct queue *q)
{
	return 2 * (q->n_kept + q->n_recycled) < q->open_max;
}

/* NULL when it is gone, or has enough. */
static struct submitter *
submitter_of(struct queue *q, uint32_t origin)
{
	for (struct ipc_peer *p = ipc_server_peers(q->server); p != NULL; p = p->next) {
		struct submitter *sub = p->state;

		if (sub != NULL && sub->origin == origin)
			return has_room(sub) && may_keep_open(q) ? sub : NULL;
	}
	return NULL;
}

void
server_remove(struct queue *q, struct message *m)
{
	m->state = MESSAGE_CONCLUDING;
	chores_remove(q->chores, m, take_kept(q, m->node.id),
	    m->origin != 0 && submitter_of(q, m->origin) != NULL);
}

void
server_schedule(struct queue *q, struct message *m, uint64_t due_us)
{
	uint64_t release_us = m->name.release_s * 1000000;

	m->hand = NULL;
	if (order_take_over(q, m))
		return;
	m->state = MESSAGE_WAITING;
	schedule_put(&q->schedule, m, due_us > release_us ? due_us : release_us);
	feed_wake(q->feed);
}

void
server_wait(struct queue *q, struct message *m, uint64_t due_us)
{
	if (!m->name.held) {
		server_schedule(q, m, due_us);
		return;
	}
	m->hand = NULL;
	if (!order_take_over(q, m))
		m->state = MESSAGE_HELD;
}

void
server_retry_later(struct queue *q, struct message *m)
{
	m->n_recipients = 0;
	server_unkeep(q, m);
	server_wait(q, m, wall_clock_now() + q->retry.intervals_s[0] * 1000000);
}

static struct message *
add_message(struct queue *q, uint64_t id, const struct spool_name *name)
{
	struct message *m = xmalloc(sizeof *m);

	*m = (struct message){.node.id = id, .name = *name};
	id_map_put(&q->messages, &m->node);
	return m;
}

struct message *
server_add(struct queue *q, uint64_t id, const struct spool_name *name, uint32_t n_recipients)
{
	struct message *m = add_message(q, id, name);

	m->n_recipients = n_recipients;
	server_schedule(q, m, wall_clock_now());
	return m;
}

size_t
server_recycled(const struct ipc_peer *p)
{
	const struct submitter *sub = p->state;

	return sub->n_recycled;
}

static void
keep_recycled(struct queue *q, uint32_t origin, struct slot *slot)
{
	struct submitter *sub = submitter_of(q, origin);

	if (sub == NULL) {
		chores_discard(q->chores, slot);
		return;
	}
	STAILQ_INSERT_HEAD(
	    &sub->recycled, slot, link); /* the processor's cache may still have it */
	sub->n_recycled++;
	q->n_recycled++;
	sub->recycled_bytes += slot->name.size;
}

/* A file that cannot be removed is a message that is looked at again: one that was delivered only
 * to be removed; one that an administrator wanted removed is still there to be removed. */
static void
on_removed(void *arg, struct message *m, int error, struct slot *slot, bool was_kept)
{
	struct queue *q = arg;

	q->n_kept -= was_kept;
	if (slot != NULL)
		keep_recycled(q, m->origin, slot);
	if (error == 0) {
		log_debug("%s removed", queue_id_text(m->node.id));
		server_forget(q, m);
		return;
	}
	log_warn("%s cannot be removed: %s", queue_id_text(m->node.id), strerror(error));
	server_retry_later(q, m);
}

/* ---- a start ---- */

static void
on_found(void *arg, uint64_t id, const struct spool_name *name)
{
	struct queue *q = arg;
	uint64_t latest_us = wall_clock_now() + retry_longest_s(&q->retry) * 1000000;
	uint64_t due_us = name->next_s * 1000000; /* 0 in incoming/: the oldest of all */
	struct message *m;

	if (server_message(q, id) != NULL) {
		bool aside = spool_message_set_aside(&q->spool, id, name) == 0;

		log_warn("%s is in the spool twice: one of them %s", queue_id_text(id),
		    aside ? "set aside" : "ignored");
		return;
	}
	m = add_message(q, id, name);
	if (name->held) {
		m->state = MESSAGE_HELD;
		q->n_held++;
	} else
		server_schedule(q, m, due_us < latest_us ? due_us : latest_us);
}

void
server_recover(struct queue *q)
{
	q->feed = feed_new(q);
	spool_recover(&q->spool, on_found, q);
	if (q->messages.n > 0)
		log_info("start messages=%zu held=%zu", q->messages.n, q->n_held);
}

/* ---- slots ---- */

/* The slot with this id if it is this peer's and was not committed, else NULL. */
static struct slot *
slot_of(struct ipc_peer *p, uint64_t id)
{
	struct queue *q = p->arg;
	struct slot *s = (struct slot *)id_map_get(&q->slots, id);

	return s != NULL && s->peer == p && !s->committing ? s : NULL;
}

static void
hold_slot(struct ipc_peer *p, struct slot *s)
{
	struct submitter *sub = p->state;

	s->peer = p;
	TAILQ_INSERT_TAIL(&sub->slots, s, of_peer);
}

static void
release_slot(struct slot *s)
{
	struct submitter *sub;

	if (s->peer == NULL)
		return;
	sub = s->peer->state;
	TAILQ_REMOVE(&sub->slots, s, of_peer);
	sub->n_slots--;
	sub->envelopes_bytes -= s->envelope_room;
	s->peer = NULL;
}

/* Its submitter may still have a descriptor, so the file is never given to another. */
static void
discard_slot(struct queue *q, struct slot *s)
{
	release_slot(s);
	id_map_remove(&q->slots, &s->node);
	chores_discard(q->chores, s);
}

static void
refuse(struct ipc_peer *p, uint64_t tag, int error)
{
	struct writer w;

	ipc_write(&w, QUEUE_REFUSED, tag);
	put_u64(&w, error);
	ipc_peer_send(p, &w, -1);
}

static void
answer_durable(struct ipc_peer *p, uint64_t tag, uint64_t id)
{
	struct writer w;

	ipc_write(&w, QUEUE_DURABLE, tag);
	put_u64(&w, id);
	ipc_peer_send(p, &w, -1);
}

static void
on_spare(void *arg, struct ipc_peer *p, uint64_t tag, struct slot *slot, int error)
{
	struct queue *q = arg;
	struct submitter *sub = p->state;
	struct writer w;
	int fd;

	if (slot == NULL) {
		sub->n_slots--;
		log_warn("no spool file can be made: %s", strerror(error));
		refuse(p, tag, error);
		return;
	}
	id_map_put(&q->slots, &slot->node);
	hold_slot(p, slot);
	if ((fd = fcntl(slot->fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		refuse(p, tag, errno);
		discard_slot(q, slot);
		return;
	}
	ipc_write(&w, QUEUE_TAKEN, tag);
	put_u64(&w, slot->node.id);
	ipc_peer_send(p, &w, fd);
}

static bool
give_recycled(struct ipc_peer *p, uint64_t tag)
{
	struct submitter *sub = p->state;
	struct queue *q = p->arg;
	struct slot *slot = STAILQ_FIRST(&sub->recycled);

	if (slot == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&sub->recycled, link);
	sub->n_recycled--;
	q->n_recycled--;
	sub->recycled_bytes -= slot->name.size;
	on_spare(q, p, tag, slot, 0);
	return true;
}

static void
on_take(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	struct queue *q = p->arg;
	struct submitter *sub = p->state;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "TAKE");
		return;
	}
	if (q->draining)
		return; /* it will ask our successor */
	if (sub->n_slots >= PEER_SLOTS_MAX) {
		log_warn("%s holds %zu spool files: no more", role_bit_name(p->role), sub->n_slots);
		refuse(p, tag, EMFILE);
		return;
	}
	sub->n_slots++;
	if (!give_recycled(p, tag))
		spares_ask(q->spares, p, tag);
}

static void
on_abandon(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	uint64_t id = get_u64(r);
	struct slot *s;

	(void)tag;
	if (get_end(r) == -1)
		ipc_peer_refuse(p, "ABANDON");
	else if ((s = slot_of(p, id)) != NULL)
		discard_slot(p->arg, s);
}

/* ---- COMMIT ---- */

static bool
grow_envelope(struct slot *s, size_t room)
{
	struct submitter *sub = s->peer->state;
	size_t more = room - s->envelope_room;
	unsigned char *bytes;

	if (room > ENVELOPE_MAX_BYTES || sub->envelopes_bytes + more > PEER_ENVELOPES_MAX_BYTES) {
		s->error = ENOBUFS;
		return false;
	}
	if ((bytes = realloc(s->envelope, room)) == NULL) {
		s->error = ENOMEM;
		return false;
	}
	s->envelope = bytes;
	s->envelope_room = room;
	sub->envelopes_bytes += more;
	return true;
}

/* The first part of most envelopes is the only one: no more memory than it needs. */
static void
append(struct slot *s, struct span bytes)
{
	size_t need = s->envelope_len + bytes.len;

	if (s->error != 0 || bytes.len == 0)
		return;
	if (need > s->envelope_room &&
	    !grow_envelope(
		s, s->envelope_len == 0 || need > ENVELOPE_MAX_BYTES / 2 ? need : need * 2))
		return;
	memcpy(s->envelope + s->envelope_len, bytes.at, bytes.len);
	s->envelope_len += bytes.len;
}

static void
on_part(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	uint64_t id = get_u64(r);
	struct span bytes = get_str(r, IPC_MESSAGE_MAX_BYTES);
	struct slot *s;

	(void)tag;
	if (get_end(r) == -1)
		ipc_peer_refuse(p, "ENVELOPE_PART");
	else if ((s = slot_of(p, id)) != NULL)
		append(s, bytes);
}

/* NULL when the envelope is one and that of this message: then the slot's name is set. */
static const char *
envelope_problem(struct slot *s, uint64_t size, uint64_t crc)
{
	uint64_t now_s = wall_clock_now() / 1000000;
	const char *why = NULL;
	struct envelope e;

	if (envelope_parse(&e, (struct span){(char *)s->envelope, s->envelope_len}, &why) == -1)
		return why;
	if (e.id != s->node.id || e.message_offset != s->envelope_len || e.message_size != size ||
	    e.message_crc != crc)
		why = "the envelope is that of another message";
	else if (e.release_s > now_s + RELEASE_MAX_S)
		why = "it is to be released too late";
	s->n_recipients = e.n_recipients;
	s->wants_success = notify_wants_success(&e);
	s->mark = own_mark(e.submitter);
	s->name =
	    (struct spool_name){.file = s->name.file, .size = e.message_offset + e.message_size};
	if (e.release_s > now_s) {
		s->name.release_s = e.release_s;
		s->name.in_cur = true; /* only there a name says so */
	}
	envelope_clear(&e);
	return why;
}

static void
commit_slot(struct ipc_peer *p, uint64_t tag, struct slot *s, uint64_t size, uint64_t crc)
{
	struct queue *q = p->arg;
	const char *why = s->error == 0 ? envelope_problem(s, size, crc) : NULL;

	if (why == NULL && s->error == 0) {
		s->tag = tag;
		s->committing = true;
		s->origin = ((struct submitter *)p->state)->origin;
		s->kept = q->n_kept < KEPT_MAX && may_keep_open(q) && !s->name.in_cur;
		q->n_kept += s->kept;
		commit_add(q->commit, s);
		return;
	}
	log_warn("%s refused program=%s: %s", queue_id_text(s->node.id), role_bit_name(p->role),
	    why != NULL ? why : strerror(s->error));
	refuse(p, tag, s->error != 0 ? s->error : EPROTO);
	discard_slot(q, s);
}

/* A COMMIT that is repeated on a new connection while its batch is under way. */
static bool
adopt_slot(struct ipc_peer *p, uint64_t tag, uint64_t id)
{
	struct queue *q = p->arg;
	struct submitter *sub = p->state;
	struct slot *s = (struct slot *)id_map_get(&q->slots, id);

	if (s == NULL || !s->committing || s->peer != NULL)
		return false;
	hold_slot(p, s);
	sub->n_slots++;
	sub->envelopes_bytes += s->envelope_room;
	s->tag = tag;
	return true;
}

static void
on_commit(struct ipc_peer *p, uint64_t tag, struct reader *r)
{
	uint64_t id = get_u64(r), size = get_u64(r), crc = get_u64(r);
	struct span bytes = get_str(r, IPC_MESSAGE_MAX_BYTES);
	struct queue *q = p->arg;
	struct slot *s;

	if (get_end(r) == -1) {
		ipc_peer_refuse(p, "COMMIT");
	} else if ((s = slot_of(p, id)) != NULL) {
		append(s, bytes);
		commit_slot(p, tag, s, size, crc);
	} else if (server_message(q, id) != NULL) {
		answer_durable(p, tag, id);
	} else if (!adopt_slot(p, tag, id)) {
		refuse(p, tag, ESTALE);
	}
}

static void
on_committed(void *arg, struct slot *s)
{
	struct queue *q = arg;
	struct ipc_peer *p = s->peer;
	struct message *m;

	release_slot(s);
	id_map_remove(&q->slots, &s->node);
	if (s->kept && s->error != 0) {
		s->kept = false;
		q->n_kept--;
	}
	if (s->error == 0) {
		m = server_add(q, s->node.id, &s->name, s->n_recipients);
		m->origin = s->origin;
		m->wants_success = s->wants_success;
		m->mark = s->mark;
	}
	if (p != NULL && s->error == 0)
		answer_durable(p, s->tag, s->node.id);
	else if (p != NULL)
		refuse(p, s->tag, s->error);
	if (s->kept)
		id_map_put(&q->kept, &s->node);
	else
		slot_free(&s);
}

/* ---- peers ---- */

static void
on_open(struct ipc_peer *p)
{
	struct submitter *sub = xcalloc(1, sizeof *sub);
	struct queue *q = p->arg;

	TAILQ_INIT(&sub->slots);
	STAILQ_INIT(&sub->recycled);
	if (++q->last_origin == 0)
		q->last_origin = 1;
	sub->origin = q->last_origin;
	p->state = sub;
}

static void
on_close(struct ipc_peer *p)
{
	struct submitter *sub = p->state;
	struct queue *q = p->arg;
	struct slot *s;

	feed_lost(q->feed, p);
	own_lost(q, p);
	spares_forget(q->spares, p);
	while ((s = TAILQ_FIRST(&sub->slots)) != NULL)
		if (s->committing)
			release_slot(s);
		else
			discard_slot(q, s);
	while ((s = STAILQ_FIRST(&sub->recycled)) != NULL) {
		STAILQ_REMOVE_HEAD(&sub->recycled, link);
		q->n_recycled--;
		chores_discard(q->chores, s);
	}
	free(sub);
	p->state = NULL;
}

static const struct ipc_handler handlers[] = {
    {QUEUE_TAKE, submitters, on_take},
    {QUEUE_ENVELOPE_PART, submitters, on_part},
    {QUEUE_COMMIT, submitters, on_commit},
    {QUEUE_ABANDON, submitters, on_abandon},
    {QUEUE_WINDOW, ROLE_ROUTER, feed_on_window},
    {QUEUE_RESULTS, ROLE_ROUTER, feed_on_results},
    {QUEUE_EXPAND, ROLE_ROUTER, feed_on_expand},
    {QUEUE_PARK, ROLE_ROUTER, feed_on_park},
    {QUEUE_FETCH, ROLE_ROUTER, feed_on_fetch},
    {QUEUE_OWN, ROLE_WEBD, own_on_list},
    {QUEUE_CANCEL, ROLE_WEBD, own_on_cancel},
};
static const struct ipc_server_ops server_ops = {
    .handlers = handlers, .n_handlers = nitems(handlers), .on_open = on_open, .on_close = on_close};

/* ---- life ---- */

void
server_settings(struct queue *q, const struct settings *s)
{
	retry_read(&q->retry, s);
	notify_rules_read(&q->rules, s);
}

static void
on_drain_check(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;

	(void)fd, (void)what;
	if (q->drained || !commit_is_idle(q->commit) || !chores_is_idle(q->chores))
		return;
	if (feed_in_hand(q->feed) > 0 && !q->drain_waited)
		return;
	spool_close(&q->spool);
	q->drained = true;
	if (q->role != NULL)
		role_exit_when_done(q->role);
	else
		event_base_loopexit(q->base, NULL);
}

static void
on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;

	(void)fd, (void)what;
	q->drain_waited = true;
	server_settled(q);
}

static void
on_settled(void *arg)
{
	server_settled(arg);
}

void
server_start(struct queue *q, int listen_fd)
{
	struct rlimit limit;

	q->open_max = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / OPEN_SHARE : 0;
	q->drain_check = event_new(q->base, -1, 0, on_drain_check, q);
	q->drain_limit = evtimer_new(q->base, on_drain_limit, q);
	if (q->drain_check == NULL || q->drain_limit == NULL)
		fatalx("out of memory");
	q->chores = chores_new(q->base, &q->spool, on_removed, on_settled, q);
	q->commit = commit_new(q->base, &q->spool, on_committed, on_settled, q);
	q->limit = bounce_limit_new();
	q->spares = spares_new(&q->spool, q->chores, on_spare, q);
	q->server = ipc_server_new(q->base, listen_fd, &server_ops, q);
}

void
server_stop(struct queue *q)
{
	struct slot *kept;

	ipc_server_free(&q->server);
	commit_free(&q->commit);
	spares_free(&q->spares);
	chores_free(&q->chores);
	bounce_limit_free(&q->limit);
	feed_free(&q->feed);
	while ((kept = (struct slot *)id_map_next(&q->kept, NULL)) != NULL) {
		id_map_remove(&q->kept, &kept->node);
		slot_free(&kept);
	}
	id_map_clear(&q->kept);
	schedule_clear(&q->schedule);
	order_clear(q);
	id_map_clear(&q->slots);
	event_free(q->drain_check);
	event_free(q->drain_limit);
	spool_free(&q->spool);
}

void
server_settled(struct queue *q)
{
	if (q->draining)
		event_active(q->drain_check, EV_TIMEOUT, 0);
}

void
server_drain(struct queue *q)
{
	const struct timeval limit = {DRAIN_LIMIT_S, 0};

	if (q->draining)
		return;
	q->draining = true;
	evtimer_add(q->drain_limit, &limit);
	commit_hurry(q->commit);
	server_settled(q);
}

void
server_status(struct queue *q, json_t *counters)
{
	const struct commit_counters *c = commit_counters(q->commit);
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
	    {"messages", q->messages.n},
	    {"due", schedule_due(&q->schedule, wall_clock_now())},
	    {"in_hand", feed_in_hand(q->feed)},
	    {"held", q->n_held},
	    {"parked", feed_parked(q->feed)},
	    {"commits", c->commits},
	    {"batches", c->batches},
	    {"failed_commits", c->failed},
	    {"spares", spares_count(q->spares)},
	};

	for (size_t i = 0; i < nitems(all); i++)
		json_object_set_new(counters, all[i].name, json_integer(all[i].value));
}
