/*
 * One message over a session of the SMTP client: its envelope in as few writes as the server
 * allows (RFC 2920), the message by BDAT (RFC 3030) or DATA, and what each reply means for each
 * recipient. Reads the message, talks to the network.
 *
 * A message that fits into one piece goes by BDAT in the same write as MAIL and RCPT: one round
 * trip. DATA takes two, for its 354 must be waited for; but when the next message is known by then,
 * its envelope goes in the same write as this one's end, so that each takes one again. A larger
 * one, and one that was tried before, is not sent before a recipient is accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "router/smtp_body.h"
#include "router/smtp_send_private.h"

/* ---- commands and their replies ---- */

static const struct {
	const char *where;
	size_t seconds; /* offset in struct smtp_timeouts */
	int (*on_reply)(struct transaction *t, size_t i);
} steps[] = {
    [STEP_RSET] = {"at RSET", offsetof(struct smtp_timeouts, mail_s), transaction_on_rset},
    [STEP_MAIL] = {"at MAIL", offsetof(struct smtp_timeouts, mail_s), transaction_on_mail},
    [STEP_RCPT] = {"at RCPT", offsetof(struct smtp_timeouts, rcpt_s), transaction_on_rcpt},
    [STEP_DATA] = {"at DATA", offsetof(struct smtp_timeouts, data_s), transaction_on_data},
    [STEP_END] = {"at the end of the message", offsetof(struct smtp_timeouts, end_s),
	transaction_on_end},
};

/* Sends what waits, and takes the reply to each command that has none yet. */
static int
collect(struct transaction *t)
{
	const struct smtp_timeouts *timeouts = &t->s->target->timeouts;

	client_wire_deadline(t->s->wire, timeouts->block_s);
	/* When the next envelope is behind it, it may be only that which did not leave. */
	if (client_wire_flush(t->s->wire) == 0 || t->s->ahead != NULL)
		t->end_sent = t->end_put;
	for (size_t k = 0; k < t->n_waiting; k++) {
		enum step step = t->waiting[k].step;
		unsigned seconds;

		memcpy(&seconds, (const char *)timeouts + steps[step].seconds, sizeof seconds);
		if (smtp_read_reply(t->s, seconds, steps[step].where, NULL) == -1)
			return transaction_lose(t);
		if (steps[step].on_reply(t, t->waiting[k].i) == -1)
			return -1;
	}
	t->n_waiting = 0;
	return t->s->over ? transaction_lose(t) : 0;
}

int
transaction_expect(struct transaction *t, enum step step, size_t i)
{
	t->waiting[t->n_waiting].step = step;
	t->waiting[t->n_waiting].i = i;
	t->n_waiting++;
	if (t->s->offer.pipelining && t->n_waiting < GROUP_MAX)
		return 0;
	return collect(t);
}

int
transaction_begin_group(struct transaction *t)
{
	if (t->ahead) /* it goes with another's */
		return 0;
	return t->n_waiting > 0 || smtp_in_step(t->s, "before MAIL") == 0 ? 0 : transaction_lose(t);
}

/* ---- the message ---- */

/* len bytes at an offset of the message into s->piece. -1: it is not there, as promised. */
static int
read_piece(struct transaction *t, uint64_t at, size_t len)
{
	return pread_all(t->m->fd, t->s->piece, len, t->m->offset + at);
}

static size_t
piece_len(const struct transaction *t, uint64_t at)
{
	uint64_t left = t->m->size - at;

	return left < SMTP_PIECE_BYTES ? left : SMTP_PIECE_BYTES;
}

static int
put_piece(struct transaction *t, size_t len, struct smtp_stuffing *stuffing)
{
	struct client_wire *w = t->s->wire;
	struct span piece = {t->s->piece, len};

	if (client_wire_room(w) < (stuffing ? smtp_stuffed_max(len) : len)) {
		client_wire_deadline(w, t->s->target->timeouts.block_s);
		if (client_wire_flush(w) == -1)
			return -1;
	}
	if (stuffing == NULL)
		return client_wire_put(w, piece);
	client_wire_advance(w, smtp_stuff(stuffing, piece, client_wire_reserve(w)));
	return 0;
}

/* What is read a second time is looked at again: only what was judged may leave. */
static int
put_pieces(struct transaction *t, struct smtp_stuffing *stuffing)
{
	struct smtp_look look = {0};

	for (uint64_t at = 0; at < t->m->size; at += SMTP_PIECE_BYTES) {
		size_t len = piece_len(t, at);

		if (read_piece(t, at, len) == -1) {
			smtp_fail_session(
			    t->s, "4.3.0", "within the message: it cannot be read on");
			return transaction_lose(t);
		}
		smtp_look_at(&look, (struct span){t->s->piece, len});
		if (at + len == t->m->size)
			smtp_look_end(&look);
		if (look.fault != NULL) {
			smtp_fail_session(t->s, "4.3.0", "within the message: it has changed");
			return transaction_lose(t);
		}
		if (put_piece(t, len, stuffing) == -1)
			return 0; /* the server may have said why */
	}
	t->end_put = true;
	return 0;
}

static int
put_message(struct transaction *t, struct smtp_stuffing *stuffing)
{
	smtp_note(t->s, "message of %llu bytes", (unsigned long long)t->m->size);
	if (!t->in_piece)
		return put_pieces(t, stuffing);
	if (put_piece(t, t->m->size, stuffing) == 0)
		t->end_put = true;
	return 0;
}

/* ---- before anything is said ---- */

static int
look_at_all(struct transaction *t)
{
	t->in_piece = t->m->size <= SMTP_PIECE_BYTES;
	for (uint64_t at = 0; at < t->m->size; at += SMTP_PIECE_BYTES) {
		size_t len = piece_len(t, at);

		if (read_piece(t, at, len) == -1)
			return -1;
		smtp_look_at(&t->look, (struct span){t->s->piece, len});
	}
	smtp_look_end(&t->look);
	return 0;
}

static bool
fits(struct transaction *t)
{
	const struct smtp_offer *o = &t->s->offer;

	if (!o->size || o->size_max == 0 || t->m->size <= o->size_max)
		return true;
	smtp_reply_local(&t->s->reply, 552, "5.3.4",
	    "the message has %llu bytes, and %s[%s] takes %llu", (unsigned long long)t->m->size,
	    t->s->target->host, t->s->info.address, (unsigned long long)o->size_max);
	return false;
}

static bool
is_sound(struct transaction *t)
{
	if (t->look.fault != NULL) {
		smtp_reply_local(&t->s->reply, 554, "5.6.0", "the message has %s", t->look.fault);
		return false;
	}
	if (t->look.eight_bit && !t->s->offer.eight_bit) {
		smtp_reply_local(&t->s->reply, 554, "5.6.3",
		    "the message has 8-bit text, which %s[%s] does not take", t->s->target->host,
		    t->s->info.address);
		return false;
	}
	return true;
}

static void
refuse_utf8(struct transaction *t, const char *what)
{
	smtp_reply_local(&t->s->reply, 553, "5.6.7",
	    "%s in UTF-8, and %s[%s] does not offer SMTPUTF8", what, t->s->target->host,
	    t->s->info.address);
}

static bool
is_sender_sound(struct transaction *t)
{
	const char *why;

	t->reverse_path[0] = '\0';
	if (t->m->reverse_path.len > 0 &&
	    address_parse(t->m->reverse_path, ADDRESS_ALLOW_UTF8, t->reverse_path, &why) == -1) {
		smtp_reply_local(&t->s->reply, 553, "5.1.7", "the sender's address: %s", why);
		return false;
	}
	/* RFC 6531 3.4: needed by what is there, not by what was said of it. */
	t->utf8 = !span_is_ascii(t->m->reverse_path) ||
		  ((t->m->flags & ENVELOPE_SMTPUTF8) && t->look.eight_bit_header);
	if (t->utf8 && !t->s->offer.utf8) {
		refuse_utf8(t, "the sender's address or the header is");
		return false;
	}
	return true;
}

static size_t
check_recipients(struct transaction *t)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *why;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (address_parse(t->to[i].address, ADDRESS_ALLOW_UTF8, address, &why) == -1) {
			smtp_reply_local(&t->s->reply, 553, "5.1.3", "the address: %s", why);
			transaction_settle(t, i, SETTLED, END_FAILED);
		} else if (span_is_ascii(t->to[i].address)) {
			n++;
		} else if (!t->s->offer.utf8) {
			refuse_utf8(t, "the address is");
			transaction_settle(t, i, SETTLED, END_FAILED);
		} else {
			t->utf8 = true;
			n++;
		}
	}
	return n;
}

/* False when all is settled without the server. */
static bool
prepare(struct transaction *t)
{
	if (!fits(t)) {
		transaction_settle_all(t, OPEN, END_FAILED);
		return false;
	}
	if (look_at_all(t) == -1) {
		smtp_reply_local(&t->s->reply, 451, "4.3.0", "the message cannot be read");
		transaction_settle_all(t, OPEN, END_DEFERRED);
		return false;
	}
	if (!is_sound(t) || !is_sender_sound(t)) {
		transaction_settle_all(t, OPEN, END_FAILED);
		return false;
	}
	return check_recipients(t) > 0;
}

/* ---- the next message ---- */

static struct transaction *
transaction_new(struct smtp_session *s, const struct smtp_mail *mail)
{
	struct transaction *t = xcalloc(1, sizeof *t);

	if (mail->n == 0 || mail->n > SMTP_RECIPIENTS_MAX)
		fatalx("smtp_send: %zu recipients", mail->n);
	t->s = s;
	t->m = mail->message;
	t->to = mail->to;
	t->results = mail->results;
	t->n = mail->n;
	for (size_t i = 0; i < t->n; i++)
		t->results[i].untried = t->results[i].maybe_sent = t->results[i].dsn_passed_on =
		    false;
	return t;
}

void
smtp_forget_ahead(struct smtp_session *s)
{
	free(s->ahead);
	s->ahead = NULL;
}

/* Whether another envelope can follow the message in the same write: all of it has been put, and no
 * transaction of its own comes first. */
static bool
is_followable(const struct transaction *t)
{
	if (!t->s->offer.pipelining || !t->end_put || t->s->over || t->s->target->next == NULL)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->states[i] == LATER)
			return false;
	return true;
}

/* Its commands must neither fill the group nor make the wire send: the replies to the message come
 * first. */
static bool
is_short(const struct transaction *t)
{
	return t->n + 3 < GROUP_MAX &&
	       client_wire_room(t->s->wire) >= (t->n + 2) * SMTP_COMMAND_SIZE;
}

/* The piece is free: what was in it has been put. */
static void
look_ahead(const struct transaction *t)
{
	struct smtp_session *s = t->s;
	struct transaction *next;
	struct smtp_mail mail;

	if (!is_followable(t) || !s->target->next(s->target->next_arg, &mail))
		return;
	next = transaction_new(s, &mail);
	if (is_short(next) && prepare(next)) {
		next->ahead = true;
		if (transaction_envelope(next) == 0 && transaction_ask_for_data(next) == 0)
			s->ahead = next;
	}
	if (s->ahead == NULL)
		free(next);
}

/* ---- the whole message ---- */

/* The message goes in the same write as its envelope. */
static bool
is_one_group(const struct transaction *t)
{
	return t->s->offer.pipelining && t->in_piece && !t->m->after_replies &&
	       t->n + 4 < GROUP_MAX;
}

/* RFC 3030 */
static int
by_bdat(struct transaction *t)
{
	if (!is_one_group(t) && collect(t) == -1)
		return -1;
	/* What waits then can still be refused; the server swallows the message all the same. */
	if (t->n_waiting == 0 && t->n_accepted == 0)
		return 0;
	if (transaction_begin_group(t) == -1)
		return -1;
	if (smtp_command(t->s, "BDAT %llu LAST", (unsigned long long)t->m->size) == -1)
		return transaction_put_failed(t, "at BDAT");
	if (put_message(t, NULL) == -1 || transaction_expect(t, STEP_END, 0) == -1)
		return -1;
	return collect(t);
}

/* RFC 5321 4.1.1.4 */
static int
by_data(struct transaction *t)
{
	struct smtp_stuffing stuffing = {false};

	if ((!t->ahead && transaction_ask_for_data(t) == -1) || collect(t) == -1)
		return -1;
	t->ahead = false;
	if (!t->data_begun)
		return 0;
	if (transaction_begin_group(t) == -1)
		return -1;
	if (t->n_accepted == 0)
		t->end_put = true; /* for nobody, nothing */
	else if (put_message(t, &stuffing) == -1)
		return -1;
	if (t->end_put && client_wire_put(t->s->wire, span_of(".\r\n")) == -1)
		t->end_put = false;
	if (transaction_expect(t, STEP_END, 0) == -1)
		return -1;
	look_ahead(t);
	return collect(t);
}

static int
transact(struct transaction *t)
{
	if (!t->ahead && transaction_envelope(t) == -1)
		return -1;
	if (t->s->offer.chunking)
		return by_bdat(t);
	return by_data(t);
}

/* Those that were too many, if the others went through. */
static bool
is_more_to_do(struct transaction *t)
{
	bool more = false;

	for (size_t i = 0; i < t->n && !t->s->unfinished; i++)
		if (t->states[i] == LATER) {
			t->states[i] = OPEN;
			more = true;
		}
	return more;
}

/* ---- the whole ---- */

static enum smtp_state
state_after(const struct transaction *t)
{
	if (!t->s->over)
		return SMTP_USABLE;
	for (size_t i = 0; i < t->n; i++)
		if (t->results[i].untried)
			return SMTP_NEXT_HOST;
	return SMTP_BROKEN;
}

enum smtp_state
smtp_send(struct smtp_session *s, const struct smtp_mail *mail)
{
	const struct smtp_timeouts *timeouts = &s->target->timeouts;
	unsigned rate = timeouts->message_bytes_per_s ? timeouts->message_bytes_per_s : 1;
	struct transaction *t = s->ahead != NULL ? s->ahead : transaction_new(s, mail);
	enum smtp_state state;

	if (t->results != mail->results)
		fatalx("smtp_send: not the message that was announced");
	s->ahead = NULL;
	if (s->over) {
		transaction_lose(t);
	} else {
		client_wire_limit(s->wire, timeouts->message_s + t->m->size / rate);
		if (t->ahead || prepare(t))
			while (transact(t) == 0 && is_more_to_do(t))
				;
	}
	state = state_after(t);
	free(t);
	return state;
}
