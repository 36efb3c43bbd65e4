/*
 * DATA and BDAT: from the spare spool file to 250, which is said when queue says that the message
 * survives a power cut.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "smtpd/body.h"
#include "smtpd/commands.h"
#include "smtpd/policy.h"
#include "smtpd/received.h"
#include "smtpd/room.h"
#include "smtpd/transaction.h"

static const char *const faults[] = {
    [DATA_SOUND] = NULL,
    [DATA_BARE_CR] = "554 5.6.0 Message has a CR without LF",
    [DATA_BARE_LF] = "554 5.6.0 Message has a LF without CR",
    [DATA_NUL] = "554 5.6.0 Message has a NUL byte",
    [DATA_LONG_LINE] = "554 5.6.0 Message has a line of more than 8192 bytes",
    [DATA_TOO_BIG] = "552 5.3.4 Message too big",
    [DATA_NOT_WRITTEN] = "451 4.3.0 Message cannot be kept now; try again later",
};
_Static_assert(TEXT_LINE_MAX_BYTES == 8192, "the reply names the limit");

enum { COMMITTING_MAX_BYTES = 16 * 1024 * 1024 };

static const char no_space[] = "452 4.3.1 No space for the message now; try again later";

static const char *
reply_to_errno(int error)
{
	bool full = error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE ||
		    error == ENOMEM;

	return full ? no_space : faults[DATA_NOT_WRITTEN];
}

/* ---- before the message ---- */

static const char *
protocol(const struct session *s)
{
	return received_protocol(s->esmtp, s->tls, s->user != NULL,
	    s->transaction->parameters.flags & ENVELOPE_SMTPUTF8);
}

/* All but size and checksum of the message. */
static void
fill_envelope(struct session *s)
{
	struct transaction *t = s->transaction;
	struct envelope *e = &t->envelope;

	e->id = t->slot.id;
	e->arrival_us = wall_clock_now();
	e->flags = t->parameters.flags | (s->tls ? ENVELOPE_TLS : 0) |
		   (s->user != NULL ? ENVELOPE_AUTHENTICATED : 0);
	e->ret = t->parameters.ret;
	e->submitter = span_of(s->user != NULL ? s->user : "");
	e->program = span_of("smtpd");
	e->client_address = span_of(session_client(s));
	e->client_name = span_of(s->helo);
	e->protocol = span_of(protocol(s));
}

static size_t
print_received(const struct session *s, char out[RECEIVED_MAX_BYTES])
{
	const struct envelope *e = &s->transaction->envelope;
	struct received r = {
	    .helo = e->client_name,
	    .client_address = session_client(s),
	    .tls_version = s->tls ? stream_tls_version(s->stream) : "",
	    .tls_cipher = s->tls ? stream_tls_cipher(s->stream) : "",
	    .server = s->server->settings.server,
	    .protocol = protocol(s),
	    .id = e->id,
	    .at = e->arrival_us / 1000000,
	};

	if (e->n_recipients == 1)
		r.recipient = e->recipients[0].address;
	return received_print(&r, out);
}

/* A program of this machine says that it sends for somebody else. */
static size_t
print_mark(const struct session *s, char *out, size_t size)
{
	const struct smtpd_settings *settings = &s->server->settings;
	struct span from = s->transaction->envelope.reverse_path;

	if (s->kind != KIND_LOCAL ||
	    local_user_may_send_as(settings->local_users, s->uid, settings->server, from))
		return 0;
	return local_user_mark(settings->local_users, s->uid, settings->server, from, out, size);
}

/* A copy with its NUL that lives as long as the transaction, NULL without memory. */
static const char *
keep_line(struct transaction *t, const char *line)
{
	struct span copy;

	return pool_copy(&t->pool, (struct span){line, strlen(line) + 1}, &copy) ? copy.at : NULL;
}

static void
fill_in(struct session *s)
{
	struct transaction *t = s->transaction;
	char line[RECEIVED_MAX_BYTES];
	const char *date, *message_id;
	struct policy_client client = session_policy_client(s);

	if (!policy_fills_in(&client))
		return;
	snprintf(
	    line, sizeof line, "Date: %s\r\n", received_date(t->envelope.arrival_us / 1000000));
	date = keep_line(t, line);
	snprintf(line, sizeof line, "Message-ID: <%s.%08x@%s>\r\n", queue_id_text(t->slot.id),
	    arc4random(), s->server->settings.server);
	message_id = keep_line(t, line);
	if (date != NULL && message_id != NULL)
		body_fill_in(t->body, date, message_id);
}

static bool
start_body(struct session *s, bool dots)
{
	struct transaction *t = s->transaction;
	char prefix[BODY_RESERVE_BYTES];
	size_t len;

	fill_envelope(s);
	len = print_received(s, prefix);
	len += print_mark(s, prefix + len, sizeof prefix - len);
	t->body = body_new(t->slot.fd, envelope_size(&t->envelope), dots,
	    s->server->settings.message_max, (struct span){prefix, len});
	if (t->body == NULL)
		return false;
	fill_in(s);
	return true;
}

/* ---- a chunk that nobody wants is read over, so that it is not taken for commands ---- */

static void
swallow(struct session *s, uint64_t size, const char *reply)
{
	if (size == 0) {
		session_reply(s, reply);
		return;
	}
	s->chunk_left = size;
	s->chunk_refusal = reply;
	s->progress = true;
	session_expect(s, INPUT_SWALLOW);
}

static struct span
cut_chunk(struct session *s, struct span bytes)
{
	if (bytes.len > s->chunk_left)
		bytes.len = s->chunk_left;
	s->chunk_left -= bytes.len;
	return bytes;
}

size_t
message_input_swallow(struct session *s, struct span bytes)
{
	size_t n = cut_chunk(s, bytes).len;

	if (s->chunk_left == 0) {
		session_expect(s, INPUT_COMMAND);
		session_reply(s, s->chunk_refusal);
		session_dismiss(s);
	}
	return n;
}

/* ---- after the message ---- */

void
message_refuse(struct session *s, const char *reply)
{
	struct transaction *t = s->transaction;

	s->server->counters.messages_refused++;
	if (t->body->error != 0)
		log_warn("%s not-written error=\"%s\"", queue_id_text(t->envelope.id),
		    strerror(t->body->error));
	log_info("%s refused from=<%s> nrcpt=%zu size=%llu client=%s helo=%s user=%s reply=\"%s\"",
	    queue_id_text(t->envelope.id), log_safe(t->envelope.reverse_path),
	    t->envelope.n_recipients, (unsigned long long)t->body->client_size, session_client(s),
	    session_helo(s), session_user(s), reply);
	session_reply(s, reply);
	session_end_transaction(s);
}

static void
log_accepted(const struct session *s, const struct envelope *e)
{
	size_t at = 0;

	log_info("%s accepted from=<%s> %s nrcpt=%zu size=%llu client=%s helo=%s user=%s "
		 "proto=%s tls=%s",
	    queue_id_text(e->id), log_safe(e->reverse_path), envelope_recipients_text(e, &at),
	    e->n_recipients, (unsigned long long)e->message_size, session_client(s),
	    session_helo(s), session_user(s), protocol(s),
	    s->tls ? stream_tls_version(s->stream) : "");
	while (at < e->n_recipients)
		log_info(
		    "%s recipients %s", queue_id_text(e->id), envelope_recipients_text(e, &at));
}

static void
on_durable(void *arg, uint64_t id, int error)
{
	struct session *s = arg;
	struct transaction *t = s->transaction;
	const struct envelope *e = &t->envelope;

	t->call = NULL;
	t->committing = false;
	if (error == 0) {
		s->server->counters.messages_accepted++;
		s->server->counters.bytes_accepted += e->message_size;
		s->commands = 0;
		log_accepted(s, e);
		session_replyf(s, "250 2.0.0 Ok: queued as %s", queue_id_text(id));
	} else {
		s->server->counters.messages_refused++;
		log_warn("%s not-kept from=<%s> client=%s error=\"%s\"", queue_id_text(id),
		    log_safe(e->reverse_path), session_client(s), strerror(error));
		session_reply(s, reply_to_errno(error));
	}
	session_end_transaction(s);
	session_go_on(s);
}

/* What all sessions have under way to queue goes through one connection with a limit. */
static bool
has_room(const struct session *s)
{
	size_t all = s->server->committing_bytes;

	return all == 0 || all + envelope_size(&s->transaction->envelope) <= COMMITTING_MAX_BYTES;
}

static void
commit(struct session *s)
{
	struct transaction *t = s->transaction;

	t->committing_bytes = envelope_size(&t->envelope);
	s->server->committing_bytes += t->committing_bytes;
	t->envelope.message_crc = t->body->crc;
	body_free(&t->body);
	t->committing = true;
	t->call = queue_commit(s->server->queue, &t->slot, &t->envelope, on_durable, s);
	session_wait(s);
}

static const char *
message_refusal(const struct session *s)
{
	const struct body *b = s->transaction->body;

	if (body_fault(b) == DATA_NOT_WRITTEN)
		return reply_to_errno(b->error);
	if (body_fault(b) != DATA_SOUND)
		return faults[body_fault(b)];
	if (!has_room(s))
		return no_space;
	if (b->header.received > s->server->settings.hops_max)
		return "554 5.4.6 Message loops: too many Received fields";
	return NULL;
}

static void
trace_message(const struct session *s)
{
	char text[64];

	if (!s->server->settings.trace)
		return;
	snprintf(text, sizeof text, "[%llu bytes]",
	    (unsigned long long)s->transaction->body->client_size);
	session_trace(s, "<<<", span_of(text));
}

void
message_keep(struct session *s)
{
	if (has_room(s)) {
		commit(s);
	} else {
		message_refuse(s, no_space);
		session_go_on(s);
	}
}

static void
complete(struct session *s)
{
	struct transaction *t = s->transaction;
	const char *no;

	body_finish(t->body);
	t->envelope.message_size = t->body->size;
	trace_message(s);
	session_expect(s, INPUT_COMMAND);
	no = message_refusal(s);
	if (no != NULL)
		message_refuse(s, no);
	else if (room_is_enough(s))
		commit(s);
	else
		room_ask(s);
}

/* What was written of a message that will be refused takes no room while the rest comes in. */
static void
check_fault(struct session *s)
{
	struct transaction *t = s->transaction;

	if (body_fault(t->body) != DATA_SOUND && t->slot.fd != -1)
		queue_abandon(s->server->queue, &t->slot);
}

/* ---- DATA ---- */

static void
on_data_slot(struct session *s)
{
	session_reply(s, "354 End with <CR><LF>.<CR><LF>");
	session_expect(s, INPUT_DATA);
}

size_t
message_input_data(struct session *s, struct span bytes)
{
	struct body *b = s->transaction->body;
	size_t n = body_feed(b, bytes);

	s->progress = true;
	check_fault(s);
	if (b->data.ended)
		complete(s);
	return n;
}

/* ---- BDAT (RFC 3030 2) ---- */

static void
chunk_done(struct session *s, uint64_t size)
{
	struct transaction *t = s->transaction;

	session_expect(s, INPUT_COMMAND);
	if (s->chunk_last) {
		complete(s);
	} else if (body_fault(t->body) != DATA_SOUND) {
		trace_message(s);
		message_refuse(s, message_refusal(s));
	} else {
		session_replyf(s, "250 2.0.0 %llu bytes received", (unsigned long long)size);
	}
}

static void
expect_chunk(struct session *s)
{
	session_expect(s, INPUT_CHUNK);
	if (s->chunk_left == 0)
		chunk_done(s, 0);
}

size_t
message_input_chunk(struct session *s, struct span bytes)
{
	struct span piece = cut_chunk(s, bytes);

	body_feed(s->transaction->body, piece);
	s->progress = true;
	check_fault(s);
	if (s->chunk_left == 0)
		chunk_done(s, s->chunk_size);
	return piece.len;
}

/* ---- the slot ---- */

static void
refuse_slot(struct session *s, const char *reply)
{
	uint64_t chunk = s->state == S_CHUNKS ? s->chunk_left : 0;

	s->server->counters.messages_refused++;
	log_warn("- no-slot from=<%s> client=%s reply=\"%s\"",
	    log_safe(s->transaction->envelope.reverse_path), session_client(s), reply);
	session_end_transaction(s);
	swallow(s, chunk, reply);
}

static void
on_slot(void *arg, const struct queue_slot *slot, int error)
{
	struct session *s = arg;

	s->transaction->call = NULL;
	if (slot == NULL) {
		refuse_slot(s, reply_to_errno(error));
	} else {
		s->transaction->slot = *slot;
		if (!start_body(s, s->state != S_CHUNKS))
			refuse_slot(s, no_space);
		else if (s->state == S_CHUNKS)
			expect_chunk(s);
		else
			on_data_slot(s);
	}
	if (s->waiting && (s->transaction == NULL || !s->transaction->committing))
		session_go_on(s);
}

static void
take_slot(struct session *s)
{
	struct queue_call *call = queue_take(s->server->queue, on_slot, s);

	if (call == NULL)
		return; /* on_slot() has run */
	s->transaction->call = call;
	session_wait(s);
}

void
message_give_up(struct session *s)
{
	queue_call_cancel(&s->transaction->call);
	refuse_slot(s, faults[DATA_NOT_WRITTEN]);
	session_go_on(s);
}

/* ---- the verbs ---- */

void
cmd_data(struct session *s, struct span argument)
{
	(void)argument;
	take_slot(s);
}

/* "1000" or "1000 LAST". */
static bool
read_bdat(struct span argument, uint64_t *size, bool *last)
{
	struct span number;

	argument = span_trim(argument);
	*last = span_take(&argument, ' ', &number);
	if (*last && !span_is_nocase(span_trim(argument), "LAST"))
		return false;
	return span_u64(number, UINT64_MAX, size);
}

/* Why a chunk is not wanted, or NULL. */
static const char *
bdat_refusal(const struct session *s, uint64_t size)
{
	const struct transaction *t = s->transaction;
	uint64_t max = s->server->settings.message_max, have;

	if (s->state == S_NEW)
		return "503 5.5.1 Say EHLO first";
	if (s->state == S_GREETED)
		return "503 5.5.1 Say MAIL first";
	if (s->state == S_MAIL)
		return "554 5.5.1 No valid recipients";
	have = t->body != NULL ? t->body->client_size : 0;
	return size > max || have > max - size ? faults[DATA_TOO_BIG] : NULL;
}

static void
refuse_chunk(struct session *s, uint64_t size, const char *reply)
{
	if (s->state == S_CHUNKS || s->state == S_RCPT) {
		s->server->counters.messages_refused++;
		log_info("- message-refused from=<%s> client=%s reply=\"%s\"",
		    log_safe(s->transaction->envelope.reverse_path), session_client(s), reply);
		session_end_transaction(s);
	}
	swallow(s, size, reply);
}

void
cmd_bdat(struct session *s, struct span argument)
{
	const char *no;
	uint64_t size;
	bool last;

	if (!read_bdat(argument, &size, &last)) {
		/* How many bytes are no commands nobody knows. */
		session_close(s, "501 5.5.4 BDAT size [LAST] is expected; closing the connection",
		    "bdat-size");
		return;
	}
	if (size == 0 && ++s->commands > s->server->settings.commands_max) {
		session_close(s, "421 4.7.0 Too many commands without mail", "commands");
		return;
	}
	if ((no = bdat_refusal(s, size)) != NULL) {
		refuse_chunk(s, size, no);
		return;
	}
	s->chunk_left = s->chunk_size = size;
	s->chunk_last = last;
	session_set_state(s, S_CHUNKS);
	if (s->transaction->body == NULL)
		take_slot(s);
	else
		expect_chunk(s);
}
