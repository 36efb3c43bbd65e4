/*
 * Telling a sender that his message was read (RFC 8098), because its reader wants it: never by
 * itself, and once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "queue/queue.h"
#include "webd/api.h"
#include "webd/compose.h"
#include "webd/identities.h"
#include "webd/params.h"
#include "webd/reading.h"
#include "webd/sessions.h"
#include "webd/webd.h"

enum { RECEIPT_MAX_BYTES = 64 * 1024 };
enum { FOUND_TO, FOUND_ID, FOUND_SUBJECT }; /* in the message */

struct sending_receipt {
	uint64_t folder, uid;
	struct reading *reading;
	char *to, *message_id, *original_id, *subject, *from;
	struct queue_call *taking, *committing;
	struct recipient recipient;
};

static const char done_label[] = "$MDNSent"; /* RFC 3503 */

static void
abort_receipt(struct request *q)
{
	struct sending_receipt *s = q->work;

	reading_drop(&s->reading);
	queue_call_cancel(&s->taking);
	queue_call_cancel(&s->committing);
	free(s->to);
	free(s->message_id);
	free(s->original_id);
	free(s->subject);
	free(s->from);
	free(s);
	q->work = NULL;
	q->abort = NULL;
}

static void
on_flagged(void *arg, const struct folders_answer *a)
{
	(void)a;
	reply_json(arg, NULL);
}

static void
on_durable(void *arg, uint64_t id, int error)
{
	struct request *q = arg;
	struct sending_receipt *s = q->work;
	const struct span label = span_of(done_label);
	struct folders_flags change = {.add_keywords = &label, .n_add = 1};

	s->committing = NULL;
	if (error != 0) {
		reply_error(q, 503, "later", "The receipt cannot be sent now; try again later.");
		return;
	}
	log_info("%s receipt user=%s", queue_id_text(id), q->session->user);
	folders_flag(q->session->folders, s->folder, &change, &s->uid, 1, on_flagged, q);
}

static int
write_receipt(struct sending_receipt *s, const struct request *q, int fd, struct envelope *e)
{
	struct letter_receipt r = {.from = {.name = (char *)"", .address = s->from},
	    .to = {.name = (char *)"", .address = s->to},
	    .message_id = s->message_id,
	    .original_id = s->original_id,
	    .original_subject = s->subject,
	    .reporter = q->web->settings.server,
	    .date = time(NULL)};
	char *text;
	int rv = -1;

	e->message_offset = envelope_size(e);
	if (compose_receipt(&r, fd, e->message_offset, &e->message_size) == -1 ||
	    e->message_size > RECEIPT_MAX_BYTES)
		return -1;
	text = xmalloc(e->message_size);
	if (pread(fd, text, e->message_size, e->message_offset) == (ssize_t)e->message_size) {
		e->message_crc = crc32(crc32(0, NULL, 0), (unsigned char *)text, e->message_size);
		rv = 0;
	}
	free(text);
	return rv;
}

static void
on_slot(void *arg, const struct queue_slot *given, int error)
{
	struct request *q = arg;
	struct sending_receipt *s = q->work;
	struct queue_slot slot;
	struct envelope e = {.arrival_us = wall_clock_now(),
	    .reverse_path = span_of(""),
	    .submitter = span_of(q->session->user),
	    .program = span_of("webd"),
	    .client_address = span_of(q->client),
	    .client_name = span_of(""),
	    .protocol = span_of("HTTP"),
	    .envid = span_of(""),
	    .recipients = &s->recipient,
	    .n_recipients = 1};

	s->taking = NULL;
	if (given == NULL) {
		log_warn("- no-spool-file user=%s: %s", q->session->user, strerror(error));
		reply_error(q, 503, "later", "The receipt cannot be sent now; try again later.");
		return;
	}
	slot = *given;
	e.id = slot.id;
	s->recipient = (struct recipient){.address = span_of(s->to),
	    .original = span_of(""),
	    .status = RECIPIENT_PENDING,
	    .parent = -1};
	if (write_receipt(s, q, slot.fd, &e) == -1) {
		queue_abandon(q->web->queue, &slot);
		reply_error(q, 400, "bad", "The sender's address cannot be used.");
		return;
	}
	s->committing = queue_commit(q->web->queue, &slot, &e, on_durable, q);
}

/* Who asks must be one address, and be written so that mail can go there. Off the loop. */
static void
read_wish(struct reading *r)
{
	struct mime_addresses to = {0};
	struct span id = mime_field(r->mime, "Message-ID", 0), one;
	char address[ADDRESS_TEXT_SIZE];
	const char *why;

	mime_field_addresses(r->mime, "Disposition-Notification-To", &to);
	if (to.n == 1 &&
	    address_parse(span_of(to.list[0].address), ADDRESS_ALLOW_UTF8, address, &why) == 0)
		r->found[FOUND_TO] = xstrdup(address);
	mime_addresses_free(&to);
	if (id.at != NULL && mime_next_id(&id, &one))
		r->found[FOUND_ID] = span_text(one);
	r->found[FOUND_SUBJECT] = mime_field_text(r->mime, "Subject", LETTER_SUBJECT_MAX_BYTES);
}

static void
on_wish(struct reading *r)
{
	struct request *q = r->q;
	struct sending_receipt *s = q->work;
	bool is_read = r->mime != NULL;

	s->to = reading_take(r, FOUND_TO);
	s->original_id = reading_take(r, FOUND_ID);
	s->subject = reading_take(r, FOUND_SUBJECT);
	reading_drop(&s->reading);
	if (!is_read) {
		reply_error(q, 503, "later", "The message cannot be read now.");
		return;
	}
	if (s->to == NULL) {
		reply_error(q, 400, "bad", "The sender does not ask for a receipt.");
		return;
	}
	s->message_id = compose_message_id(q->web->settings.server);
	s->taking = queue_take(q->web->queue, on_slot, q);
}

static void
on_row(void *arg, const struct folders_answer *a)
{
	struct request *q = arg;
	struct sending_receipt *s = q->work;

	if (a->refusal != FOLDERS_GRANTED || a->n_rows != 1)
		reply_refusal(q, a->refusal != FOLDERS_GRANTED ? a->refusal : FOLDERS_NO_MESSAGE);
	else if (a->rows[0].keywords != NULL && strstr(a->rows[0].keywords, done_label) != NULL)
		reply_error(q, 409, "conflict", "A receipt was sent already.");
	else
		s->reading = reading_aside(q, s->folder, s->uid, read_wish, on_wish);
}

static void
begin(struct request *q)
{
	struct sending_receipt *s;
	uint64_t folder, uid;

	if (!body_u64(q, "folder", &folder) || !body_u64(q, "uid", &uid))
		return;
	s = xcalloc(1, sizeof *s);
	s->folder = folder;
	s->uid = uid;
	s->from = xstrdup(json_string_value(json_array_get(q->session->identities, 0)));
	q->work = s;
	q->abort = abort_receipt;
	folders_rows(q->session->folders, folder, &uid, 1, on_row, q);
}

void
api_receipt(struct request *q)
{
	identities_need(q, begin);
}
