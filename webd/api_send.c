/*
 * Sending: each recipient is asked for at router, as smtpd does, so that the user hears at once of
 * whom there is not; the message goes to queue, and when it is durable there a copy goes to Sent.
 * The copy comes second: one that cannot be made is not worth a message sent twice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "common/address.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/mail_date.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/router.h"
#include "webd/api.h"
#include "webd/contacts.h"
#include "webd/documents.h"
#include "webd/events.h"
#include "webd/letters.h"
#include "webd/message_view.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"
#include "webd/uploads.h"
#include "webd/webd.h"

enum {
	UNDO_S = 10,
	UNDO_MAX_S = 120,
	LATER_MAX_S = 366 * 24 * 3600,
	TRACE_MAX_BYTES = 600,
	PIECE_BYTES = 64 * 1024
};

static void
sorry(struct outgoing *o)
{
	reply_error(o->q, 503, "later", "The message cannot be sent now; try again later.");
}

/* ---- after it is safe: the copy, the draft, what it answers ---- */

static void
forget_result(void *arg, const struct folders_answer *a)
{
	(void)arg, (void)a;
}

static void
flag_answered(struct outgoing *o, const char *key, unsigned flag)
{
	const json_t *at = json_object_get(o->json, key);
	struct folders_flags change = {.add = flag | FLAG_SEEN};
	uint64_t folder = json_integer_value(json_object_get(at, "folder"));
	uint64_t uid = json_integer_value(json_object_get(at, "uid"));

	if (folder > 0 && uid > 0)
		folders_flag(o->q->session->folders, folder, &change, &uid, 1, forget_result, NULL);
}

static void
remove_uploads(struct outgoing *o)
{
	const json_t *list = json_object_get(o->json, "attachments"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const json_t *id = json_object_get(one, "upload");
		struct upload *u =
		    json_is_integer(id) ? upload_find(o->q->session, json_integer_value(id)) : NULL;

		if (u != NULL)
			upload_free(u);
	}
}

static void
tidy(struct outgoing *o)
{
	const json_t *draft = json_object_get(o->json, "draft");
	uint64_t uid = json_integer_value(draft);

	if (json_is_integer(draft) && uid > 0)
		folders_expunge(o->q->session->folders, o->drafts, &uid, 1, forget_result, NULL);
	flag_answered(o, "reply", FLAG_ANSWERED);
	flag_answered(o, "forward", FLAG_FORWARDED);
	remove_uploads(o);
}

static void
tell_sent(struct request *q)
{
	struct outgoing *o = q->work;
	json_t *sent = json_null();

	if (o->sent_uid != 0)
		sent = json_pack(
		    "{s:I, s:I}", "folder", (json_int_t)o->sent, "uid", (json_int_t)o->sent_uid);
	events_outbox(q->session);
	reply_json(q, json_pack("{s:s, s:I, s:o}", "id", queue_id_text(o->envelope.id), "release",
			  (json_int_t)o->release_s, "sent", sent));
}

/* ---- the last step: whom one has written to is offered when addresses are completed ---- */

static bool
note_written(struct request *q, json_t *doc, uint64_t version)
{
	struct outgoing *o = q->work;
	json_t *all = message_addresses(&o->all);

	(void)version;
	contacts_note_written(doc, all);
	json_decref(all);
	return true;
}

static void
on_noted(struct request *q, enum folders_refusal refusal, uint64_t version)
{
	(void)version;
	if (refusal != FOLDERS_GRANTED)
		log_warn("recipients are not noted user=%s reason=%d", q->session->user, refusal);
	tell_sent(q);
}

static void
on_copied(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct outgoing *o = q->work;

	if (a->refusal == FOLDERS_GRANTED)
		o->sent_uid = a->number;
	else
		log_warn("%s no-copy user=%s reason=%d", queue_id_text(o->envelope.id),
		    q->session->user, a->refusal);
	tidy(o);
	document_change(q, "written", note_written, on_noted);
}

/* As smtpd says it: users' stories are told from it (master/story.h). */
static void
log_accepted(const struct request *q, const struct envelope *e)
{
	size_t at = 0;

	log_info("%s accepted from=<%s> %s nrcpt=%zu size=%llu client=%s user=%s proto=HTTP",
	    queue_id_text(e->id), log_safe(e->reverse_path), envelope_recipients_text(e, &at),
	    e->n_recipients, (unsigned long long)e->message_size, q->client, q->session->user);
	while (at < e->n_recipients)
		log_info(
		    "%s recipients %s", queue_id_text(e->id), envelope_recipients_text(e, &at));
}

static void
on_durable(void *arg, uint64_t id, int error)
{
	struct request *q = arg;
	struct outgoing *o = q->work;
	uint64_t len;
	int fd;

	(void)id;
	o->committing = NULL;
	if (error != 0) {
		log_warn("- not-accepted user=%s: %s", q->session->user, strerror(error));
		sorry(o);
		return;
	}
	q->web->counters.sent++;
	log_accepted(q, &o->envelope);
	fd = memfd_create("sent", MFD_CLOEXEC);
	if (fd == -1 || compose_write(&o->letter, true, fd, 0, &len) == -1) {
		closefd(&fd);
		tidy(o);
		document_change(q, "written", note_written, on_noted);
		return;
	}
	folders_append(
	    q->session->folders, o->sent, FLAG_SEEN, time(NULL), NULL, 0, fd, on_copied, q);
	closefd(&fd);
}

/* ---- into the spool ---- */

/* Our trace field. The address of the user's browser is nobody's business but the log's. */
static int
write_trace(struct outgoing *o, uint64_t at, uint64_t *len)
{
	char text[TRACE_MAX_BYTES], date[MAIL_DATE_SIZE];
	int n;

	mail_date_print(o->letter.date, date);
	n = snprintf(text, sizeof text,
	    "Received: by %s (Sambar Mail) with HTTP id %s;\r\n\t%s\r\n",
	    o->q->web->settings.server, queue_id_text(o->slot.id), date);
	*len = n;
	return pwrite(o->slot.fd, text, n, at) == n ? 0 : -1;
}

/* The checksum, and whether there are bytes that need 8BITMIME. */
static int
read_back(struct outgoing *o)
{
	struct envelope *e = &o->envelope;
	char *piece = xmalloc(PIECE_BYTES);
	uint64_t at = 0;

	e->message_crc = crc32(0, NULL, 0);
	while (at < e->message_size) {
		uint64_t left = e->message_size - at;
		ssize_t n = pread(o->slot.fd, piece, left < PIECE_BYTES ? left : PIECE_BYTES,
		    e->message_offset + at);

		if (n <= 0)
			break;
		e->message_crc = crc32(e->message_crc, (unsigned char *)piece, n);
		if (!span_is_ascii((struct span){piece, n}))
			e->flags |= ENVELOPE_8BITMIME;
		at += n;
	}
	free(piece);
	return at == e->message_size ? 0 : -1;
}

static bool
write_message(struct outgoing *o)
{
	struct envelope *e = &o->envelope;
	uint64_t at = envelope_size(e), trace, len;

	e->message_offset = at;
	if (write_trace(o, at, &trace) == -1 ||
	    compose_write(&o->letter, false, o->slot.fd, at + trace, &len) == -1)
		return false;
	e->message_size = trace + len;
	return read_back(o) == 0;
}

static void
fill_envelope(struct outgoing *o)
{
	struct envelope *e = &o->envelope;

	e->id = o->slot.id;
	e->arrival_us = wall_clock_now();
	e->release_s = o->release_s;
	e->flags = ENVELOPE_AUTHENTICATED | (o->q->secure ? ENVELOPE_TLS : 0);
	e->reverse_path = span_of(o->letter.from.address);
	e->submitter = span_of(o->q->session->user);
	e->program = span_of("webd");
	e->client_address = span_of(o->q->client);
	e->client_name = span_of("");
	e->protocol = span_of("HTTP");
	e->envid = span_of("");
	e->n_recipients = o->all.n;
	e->recipients = xcalloc(o->all.n, sizeof *e->recipients);
	for (size_t i = 0; i < o->all.n; i++) {
		e->recipients[i] = (struct recipient){.address = span_of(o->all.list[i].address),
		    .original = span_of(""),
		    .status = RECIPIENT_PENDING,
		    .parent = -1};
		if (!span_is_ascii(e->recipients[i].address))
			e->flags |= ENVELOPE_SMTPUTF8;
	}
	if (!span_is_ascii(e->reverse_path))
		e->flags |= ENVELOPE_SMTPUTF8;
}

static void
on_slot(void *arg, const struct queue_slot *slot, int error)
{
	struct request *q = arg;
	struct outgoing *o = q->work;

	o->taking = NULL;
	if (slot == NULL) {
		log_warn("- no-spool-file user=%s: %s", q->session->user, strerror(error));
		sorry(o);
		return;
	}
	o->slot = *slot;
	fill_envelope(o);
	if (!write_message(o)) {
		if (errno == EINVAL)
			reply_error(q, 400, "bad", "An address of the letter cannot be used.");
		else
			sorry(o);
		return;
	}
	if (o->envelope.message_size > q->web->settings.message_max) {
		reply_error(q, 413, "large",
		    "The message has %llu bytes; the largest that may be sent has %llu.",
		    (unsigned long long)o->envelope.message_size,
		    (unsigned long long)q->web->settings.message_max);
		return;
	}
	o->committing = queue_commit(q->web->queue, &o->slot, &o->envelope, on_durable, q);
}

/* ---- recipients ---- */

static void ask_next(struct outgoing *o);

static void
refuse_many(struct outgoing *o, uint64_t max)
{
	reply_error(o->q, 400, "bad", "A message may go to at most %llu recipients.",
	    (unsigned long long)max);
}

static bool
judge(struct outgoing *o, enum router_verdict verdict)
{
	const char *address = o->all.list[o->asked].address;

	switch (verdict) {
	case ROUTER_LOCAL:
	case ROUTER_RELAY:
	case ROUTER_REMOTE:
	case ROUTER_AWAY:
		return true;
	case ROUTER_UNKNOWN:
		reply_error(o->q, 400, "bad", "There is nobody here with the address %s.", address);
		break;
	case ROUTER_FULL:
		reply_error(o->q, 507, "full", "The mailbox of %s is full.", address);
		break;
	case ROUTER_TOO_BIG:
		reply_error(o->q, 413, "large", "The message is too large for %s.", address);
		break;
	case ROUTER_LOOP:
		reply_error(
		    o->q, 400, "bad", "%s leads in a circle; tell the administrator.", address);
		break;
	case ROUTER_NOWHERE:
		reply_error(o->q, 400, "bad", "Mail cannot be sent to %s from here.", address);
		break;
	default:
		sorry(o);
	}
	return false;
}

static void
on_verdict(
    void *arg, enum router_verdict verdict, uint64_t targets, uint64_t room, struct span text)
{
	struct request *q = arg;
	struct outgoing *o = q->work;

	(void)room, (void)text;
	o->router = NULL;
	if (!judge(o, verdict))
		return;
	o->targets += targets;
	o->asked++;
	ask_next(o);
}

static void
ask_next(struct outgoing *o)
{
	struct webd *w = o->q->web;

	if (o->targets > w->settings.recipients_max) {
		refuse_many(o, w->settings.recipients_max);
		return;
	}
	if (o->asked < o->all.n) {
		o->router = router_ask(w->router, span_of(o->letter.from.address),
		    span_of(o->all.list[o->asked].address), 0, on_verdict, o->q);
		return;
	}
	o->taking = queue_take(w->queue, on_slot, o->q);
}

static size_t
recipients_max(const struct outgoing *o)
{
	uint64_t max = o->q->web->settings.recipients_max;

	return max < MIME_ADDRESSES_MAX ? max : MIME_ADDRESSES_MAX;
}

/* Each once. False: there are too many; o->all would not hold them. */
static bool
add_all(struct outgoing *o, const struct mime_addresses *from)
{
	struct mime_addresses *to = &o->all;

	for (size_t i = 0; i < from->n; i++) {
		size_t k = 0;

		while (k < to->n && strcmp(to->list[k].address, from->list[i].address) != 0)
			k++;
		if (k < to->n)
			continue;
		if (to->n == recipients_max(o))
			return false;
		mime_addresses_add(to, from->list[i].name, from->list[i].address);
	}
	return true;
}

static void
on_standing(void *arg, enum router_standing standing)
{
	struct request *q = arg;
	struct outgoing *o = q->work;

	o->router = NULL;
	if (standing == ROUTER_OWN || (q->web->settings.any_from && standing == ROUTER_FOREIGN))
		ask_next(o);
	else if (standing == ROUTER_STANDING_LATER)
		sorry(o);
	else
		reply_error(
		    q, 403, "forbidden", "%s is none of your addresses.", o->letter.from.address);
}

static bool
read_time(struct outgoing *o)
{
	const json_t *at = json_object_get(o->json, "at");
	const json_t *undo = json_object_get(o->json, "undo");
	uint64_t now = time(NULL);
	json_int_t wait = json_is_integer(undo) ? json_integer_value(undo) : UNDO_S;

	o->release_s = now + (wait < 0 ? 0 : wait > UNDO_MAX_S ? UNDO_MAX_S : wait);
	if (!json_is_integer(at))
		return true;
	if (json_integer_value(at) > (json_int_t)(now + LATER_MAX_S)) {
		reply_error(o->q, 400, "bad", "A message can be sent a year from now at most.");
		return false;
	}
	if (json_integer_value(at) > (json_int_t)o->release_s)
		o->release_s = json_integer_value(at);
	return true;
}

static void
send_letter(struct outgoing *o)
{
	if (!add_all(o, &o->letter.to) || !add_all(o, &o->letter.cc) || !add_all(o, &o->letter.bcc))
		refuse_many(o, recipients_max(o));
	else if (o->all.n == 0)
		reply_error(o->q, 400, "bad", "Say whom the message is for.");
	else if (read_time(o))
		o->router = router_sender(o->q->web->router, span_of(o->letter.from.address),
		    span_of(o->q->session->user), on_standing, o->q);
}

void
api_send(struct request *q)
{
	letter_begin(q, false, send_letter);
}
