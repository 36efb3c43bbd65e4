/* Vacation replies: from a delivered message to a reply in the spool. */
#include "router/vacation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/answerable.h"
#include "router/attempt.h"
#include "router/sender.h"
#include "router/vacation_letter.h"

enum { IN_HAND_MAX = 1000, DRAIN_LIMIT_S = 2, FETCHED_AGE_MAX_S = 7 * 24 * 3600 };

/* One reply; it waits for store, then for a spool file, then for its commit. */
struct vacation {
	TAILQ_ENTRY(vacation) entry;
	struct router *router;
	uint64_t about_id;
	char mailbox[MAILBOX_NAME_MAX_BYTES + 1];
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	struct vacation_about about;
	char *subject, *name, *text; /* store's, once it has answered */
	struct ipc_call *ask;
	struct queue_call *call;
};

struct vacations {
	struct router *router;
	const char *queue_path;
	struct queue_client *queue; /* NULL: there was no reply yet */
	TAILQ_HEAD(, vacation) list;
	size_t n;
	struct event *limit; /* of the drain, or NULL */
};

/* ---- life ---- */

struct vacations *
vacations_new(struct router *r, const char *queue_path)
{
	struct vacations *vs = xcalloc(1, sizeof *vs);

	vs->router = r;
	vs->queue_path = queue_path;
	TAILQ_INIT(&vs->list);
	return vs;
}

static void
vacation_free(struct vacation *v)
{
	struct vacations *vs = v->router->vacations;

	TAILQ_REMOVE(&vs->list, v, entry);
	vs->n--;
	ipc_call_cancel(&v->ask);
	queue_call_cancel(&v->call);
	free(v->about.message_id);
	free(v->about.references);
	free(v->about.subject);
	free(v->subject);
	free(v->name);
	free(v->text);
	free(v);
}

static void
finish(struct vacation *v)
{
	struct router *r = v->router;

	vacation_free(v);
	router_attempt_ended(r);
}

void
vacations_free(struct vacations **vsp)
{
	struct vacations *vs = *vsp;

	if (vs == NULL)
		return;
	while (!TAILQ_EMPTY(&vs->list))
		vacation_free(TAILQ_FIRST(&vs->list));
	*vsp = NULL;
	if (vs->limit != NULL)
		event_free(vs->limit);
	queue_client_free(&vs->queue);
	free(vs);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct vacations *vs = arg;

	(void)fd, (void)what;
	if (vs->n == 0)
		return;
	while (!TAILQ_EMPTY(&vs->list))
		vacation_free(TAILQ_FIRST(&vs->list));
	router_attempt_ended(vs->router);
}

/* Queue may be draining, too: then its successor gives spool files, but not to us. */
void
vacations_drain(struct vacations *vs)
{
	const struct timeval limit = {DRAIN_LIMIT_S, 0};

	if (vs->limit == NULL)
		vs->limit = event_new(vs->router->base, -1, EV_PERSIST, on_limit, vs);
	if (vs->limit == NULL || event_add(vs->limit, &limit) == -1)
		on_limit(-1, 0, vs);
}

size_t
vacations_count(const struct vacations *vs)
{
	return vs->n;
}

/* ---- into the spool ---- */

static void
fail(struct vacation *v, int error)
{
	log_warn("%s no vacation reply mailbox=%s to=<%s>: %s", queue_id_text(v->about_id),
	    v->mailbox, log_safe(span_of(v->to)), strerror(error));
	finish(v);
}

static void
on_durable(void *arg, uint64_t id, int error)
{
	struct vacation *v = arg;

	v->call = NULL;
	if (error != 0) {
		fail(v, error);
		return;
	}
	log_info("%s vacation mailbox=%s to=<%s> from=<%s> reply=%s", queue_id_text(v->about_id),
	    v->mailbox, log_safe(span_of(v->to)), log_safe(span_of(v->from)), queue_id_text(id));
	v->router->count.vacation_replies++;
	finish(v);
}

static int
write_all(int fd, struct span bytes, uint64_t at)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(fd, bytes.at, bytes.len, at);

		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes = (struct span){bytes.at + n, bytes.len - n};
			at += n;
		}
	}
	return 0;
}

static void
write_letter(const struct vacation *v, uint64_t id, uint64_t now_us, struct text_buffer *out)
{
	const struct vacation_letter letter = {
	    .id = id,
	    .now_s = now_us / 1000000,
	    .server = v->router->tables->server,
	    .from = span_of(v->from),
	    .name = span_of(v->name),
	    .to = span_of(v->to),
	    .subject = span_of(v->subject),
	    .text = span_of(v->text),
	    .about = &v->about,
	};

	text_buffer_init(out, VACATION_LETTER_MAX_BYTES);
	vacation_letter_write(&letter, out);
}

static int
hand_in(struct vacation *v, struct queue_slot *slot, struct span letter, uint64_t now_us)
{
	struct recipient to = {.address = span_of(v->to), .original = {"", 0}};
	struct envelope e = {.id = slot->id,
	    .arrival_us = now_us,
	    .message_size = letter.len,
	    .message_crc = crc32_z(0, (const unsigned char *)letter.at, letter.len),
	    .reverse_path = {"", 0},
	    .submitter = {"", 0},
	    .program = span_of("router"),
	    .client_address = {"", 0},
	    .client_name = {"", 0},
	    .protocol = {"", 0},
	    .envid = {"", 0},
	    .flags = span_is_ascii(to.address) ? 0 : ENVELOPE_SMTPUTF8,
	    .recipients = &to,
	    .n_recipients = 1};

	if (write_all(slot->fd, letter, envelope_size(&e)) == -1)
		return -1;
	v->call = queue_commit(v->router->vacations->queue, slot, &e, on_durable, v);
	return 0;
}

static void
on_slot(void *arg, const struct queue_slot *given, int error)
{
	struct vacation *v = arg;
	uint64_t now_us = wall_clock_now();
	struct queue_slot slot;
	struct text_buffer letter;

	v->call = NULL;
	if (given == NULL) {
		fail(v, error);
		return;
	}
	slot = *given;
	write_letter(v, slot.id, now_us, &letter);
	if (letter.full || hand_in(v, &slot, (struct span){letter.at, letter.len}, now_us) == -1) {
		error = letter.full ? EMSGSIZE : errno;
		queue_abandon(v->router->vacations->queue, &slot);
		fail(v, error);
	}
	text_buffer_free(&letter);
}

/* ---- what store says ---- */

static void
on_away(void *arg, const struct store_vacation *said)
{
	struct vacation *v = arg;
	struct vacations *vs = v->router->vacations;
	struct queue_call *call;

	v->ask = NULL;
	if (said == NULL) {
		finish(v);
		return;
	}
	v->subject = span_text(said->subject);
	v->name = span_text(said->name);
	v->text = span_text(said->text);
	if (vs->queue == NULL)
		vs->queue = queue_client_new(v->router->base, vs->queue_path, "router", 0);
	/* Without spares it never calls back from within. */
	call = queue_take(vs->queue, on_slot, v);
	v->call = call;
}

/* ---- may it be answered? ---- */

/* A message, as far as it is judged. */
struct judged {
	const struct attempt *a;
	struct span header;
	struct answerable answerable;
	char sender[ADDRESS_TEXT_SIZE];
};

/* NULL, or why not. The header is allocated. */
static const char *
read_header(struct judged *j)
{
	const struct envelope *e = &j->a->e;
	uint64_t size = e->message_size;
	char *text;

	if (size > ANSWERABLE_HEADER_MAX_BYTES)
		size = ANSWERABLE_HEADER_MAX_BYTES;
	text = xmalloc(size + 1);
	j->header = (struct span){text, size};
	if (pread_all(j->a->fd, text, size, e->message_offset) == -1)
		return "it cannot be read";
	if (size < e->message_size && memmem(text, size, "\r\n\r\n", 4) == NULL)
		return "its header is too long";
	return NULL;
}

static bool
is_fetched(const struct attempt *a)
{
	return span_is(a->e.program, "fetcher");
}

/* By what the server that it was collected from has written. */
static const char *
find_fetched_sender(struct judged *j)
{
	struct span path = j->answerable.return_path;
	int64_t date, now = (int64_t)(wall_clock_now() / 1000000);
	const char *why;

	if (path.at == NULL || address_parse_path(&path, ADDRESS_ALLOW_NULL | ADDRESS_ALLOW_UTF8,
				   j->sender, &why) == -1)
		return "nobody says who has sent it";
	if (!answerable_date(j->answerable.date, &date) || date < now - FETCHED_AGE_MAX_S)
		return "it is old";
	return NULL;
}

static const char *
judge(struct judged *j)
{
	struct span path = j->a->e.reverse_path;
	const char *why = NULL;

	if (!is_fetched(j->a)) {
		span_copy(path, j->sender, sizeof j->sender);
		why = answerable_sender(span_of(j->sender));
	}
	if (why == NULL)
		why = read_header(j);
	if (why == NULL)
		why = answerable_read(j->header, &j->answerable);
	if (why == NULL && is_fetched(j->a) && (why = find_fetched_sender(j)) == NULL)
		why = answerable_sender(span_of(j->sender));
	return why;
}

/* ---- one mailbox ---- */

struct own_address {
	struct router *router;
	struct span mailbox;
	unsigned looked_at;
	char address[ADDRESS_TEXT_SIZE]; /* "": not found */
};

/* Our users' addresses are ASCII. */
static void
look_at(void *arg, const char *address)
{
	struct own_address *o = arg;
	struct router *r = o->router;
	struct span s = span_of(address);

	if (o->address[0] == '\0' && o->looked_at++ < ANSWERABLE_ADDRESSES_MAX &&
	    span_is_ascii(s) && sender_is_users_alone(&r->resolution, r->tables, s, o->mailbox))
		strlcpy(o->address, address, sizeof o->address);
}

/* Ids that were there before, and its own: so many of the last. */
static char *
make_references(const struct answerable *m, struct span own)
{
	struct span ids[VACATION_REFERENCES_MAX], id, value;
	struct text_buffer text;
	size_t n = 0;

	/* RFC 5322 3.6.4 */
	value = m->references.at != NULL ? m->references : m->in_reply_to;
	while (value.at != NULL && answerable_next_id(&value, &id)) {
		if (n == nitems(ids))
			memmove(ids, ids + 1, --n * sizeof *ids);
		ids[n++] = id;
	}
	if (m->references.at == NULL && n > 1)
		n = 0;
	text_buffer_init(&text, (nitems(ids) + 1) * (ANSWERABLE_ID_MAX_BYTES + 1));
	for (size_t i = 0; i < n; i++) {
		text_put(&text, ids[i]);
		text_put_char(&text, ' ');
	}
	text_put(&text, own);
	return text_buffer_take(&text);
}

static void
start(struct router *r, const struct judged *j, struct span mailbox, const char *from)
{
	struct vacation *v = xcalloc(1, sizeof *v);
	struct span id = {"", 0}, rest = j->answerable.message_id;
	struct span subject = j->answerable.subject;

	v->router = r;
	v->about_id = j->a->id;
	span_copy(mailbox, v->mailbox, sizeof v->mailbox);
	strlcpy(v->from, from, sizeof v->from);
	strlcpy(v->to, j->sender, sizeof v->to);
	if (rest.at != NULL && !answerable_next_id(&rest, &id))
		id = (struct span){"", 0};
	v->about.message_id = span_text(id);
	v->about.references = make_references(&j->answerable, id);
	v->about.subject = span_text(subject.at != NULL ? subject : span_of(""));
	TAILQ_INSERT_TAIL(&r->vacations->list, v, entry);
	r->vacations->n++;
	v->ask =
	    store_vacation(known_store(r->known), span_of(v->mailbox), span_of(v->to), on_away, v);
}

static void
consider_mailbox(const struct judged *j, struct span mailbox)
{
	struct router *r = j->a->router;
	struct own_address own = {.router = r, .mailbox = mailbox};
	const char *why = NULL;

	if (r->vacations->n >= IN_HAND_MAX)
		why = "too many wait already";
	else if (sender_is_users(&r->resolution, r->tables, span_of(j->sender), mailbox))
		why = "the user has sent it";
	else {
		answerable_recipients(j->header, look_at, &own);
		if (own.address[0] == '\0')
			why = "no address of the user is in To or Cc";
	}
	if (why == NULL)
		start(r, j, mailbox, own.address);
	else
		log_debug("%s no vacation reply mailbox=%s: %s", queue_id_text(j->a->id),
		    log_safe(mailbox), why);
}

void
vacations_consider(const struct attempt *a)
{
	struct judged j = {.a = a};
	const char *why = judge(&j);

	if (why != NULL)
		log_debug("%s no vacation reply: %s", queue_id_text(a->id), why);
	for (size_t i = 0; i < a->names.n && why == NULL; i++)
		if (a->boxes[i].away)
			consider_mailbox(&j, a->names.names[i]);
	free((void *)(uintptr_t)j.header.at);
}
