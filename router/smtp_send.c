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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/pread_all.h"
#include "router/smtp_body.h"
#include "router/smtp_private.h"

enum {
	/* Commands without waiting: their replies must fit into the buffers between us, or both
	 * sides would wait for each other. */
	GROUP_MAX = 100,
	PARAMETERS_SIZE = 1024,
	ENVID_MAX_BYTES = 100, /* RFC 3461 4.4 */
	ORCPT_MAX_BYTES = 500  /* RFC 3461 4.2 */
};

enum state {
	OPEN,	  /* to be asked for */
	ACCEPTED, /* by RCPT */
	LATER,	  /* too many for this transaction; its result is set */
	SETTLED
};

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_END };

struct transaction {
	struct smtp_session *s;
	const struct smtp_message *m;
	const struct smtp_recipient *to;
	struct smtp_result *results;
	size_t n, n_accepted;
	bool ahead; /* its envelope left before the last message was answered */
	struct smtp_look look;
	char reverse_path[ADDRESS_TEXT_SIZE];
	bool in_piece;	   /* the whole message is in s->piece */
	bool utf8;	   /* to be sent with SMTPUTF8 */
	bool mail_refused; /* all is settled; replies that still come are of no interest */
	bool data_begun;   /* the server waits for the message */
	bool end_put, end_sent;
	struct {
		enum step step;
		size_t i;
	} waiting[GROUP_MAX + 1];
	size_t n_waiting;
	unsigned char states[SMTP_RECIPIENTS_MAX];
};

/* ---- results ---- */

/* With what s->reply says. */
static void
settle(struct transaction *t, size_t i, enum state state, enum delivery_end end)
{
	struct smtp_result *r = &t->results[i];

	t->states[i] = state;
	r->end = end;
	r->dsn_passed_on = end == END_DONE && t->s->offer.dsn;
	r->status = t->s->reply.status;
	strlcpy(r->reply, t->s->reply.text, sizeof r->reply);
}

static void
settle_all(struct transaction *t, enum state which, enum delivery_end end)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->states[i] == which)
			settle(t, i, SETTLED, end);
}

/* The session is over, for the reason in s->reply. */
static int
lose(struct transaction *t)
{
	/* A 421 says that the message was not taken. That MAIL has no reply does not: a server may
	 * keep its replies until it wants to read again, and then take them with it. */
	bool in_doubt = t->end_sent && t->s->reply.code != 421;

	t->s->over = true;
	for (size_t i = 0; i < t->n; i++) {
		/* An open one may be among those whose replies are missing. */
		bool maybe_sent = in_doubt && t->states[i] != LATER;

		if (t->states[i] == SETTLED)
			continue;
		settle(t, i, SETTLED, END_DEFERRED);
		t->results[i].untried = !maybe_sent;
		t->results[i].maybe_sent = maybe_sent;
		if (maybe_sent)
			strlcat(t->results[i].reply, " (it may have taken the message)",
			    sizeof t->results[i].reply);
	}
	return -1;
}

/* ---- replies ---- */

static int
senseless(struct transaction *t, const char *where)
{
	smtp_defer_reply(t->s, where);
	return lose(t);
}

static int
on_rset(struct transaction *t, size_t i)
{
	(void)i;
	return smtp_reply_class(&t->s->reply) == 2 ? 0 : senseless(t, "at RSET");
}

static int
on_mail(struct transaction *t, size_t i)
{
	(void)i;
	/* It may refuse it only because the last message, whose end it refused, is still open. */
	if (t->ahead && t->s->unfinished && smtp_reply_class(&t->s->reply) != 2)
		return senseless(t, "at MAIL");
	t->s->unfinished = true;
	switch (smtp_reply_class(&t->s->reply)) {
	case 2:
		return 0;
	case 4:
		settle_all(t, OPEN, END_DEFERRED);
		break;
	case 5:
		settle_all(t, OPEN, END_FAILED);
		break;
	default:
		return senseless(t, "at MAIL");
	}
	t->mail_refused = true;
	return 0;
}

/* RFC 5321 4.5.3.1.10: 452, and 552 of old, when others of the same transaction were accepted. But
 * the same codes speak of mailboxes that are full. */
static bool
is_too_many(const struct transaction *t)
{
	const struct smtp_reply *r = &t->s->reply;

	if ((r->code != 452 && r->code != 552) || t->n_accepted == 0)
		return false;
	return r->status.class == 0 || (r->status.subject == 5 && r->status.detail == 3);
}

static int
on_rcpt(struct transaction *t, size_t i)
{
	if (t->mail_refused)
		return 0;
	if (is_too_many(t)) {
		settle(t, i, LATER, END_DEFERRED);
		return 0;
	}
	switch (smtp_reply_class(&t->s->reply)) {
	case 2:
		t->states[i] = ACCEPTED;
		t->n_accepted++;
		return 0;
	case 4:
		settle(t, i, SETTLED, END_DEFERRED);
		return 0;
	case 5:
		settle(t, i, SETTLED, END_FAILED);
		return 0;
	default:
		return senseless(t, "at RCPT");
	}
}

static int
on_data(struct transaction *t, size_t i)
{
	(void)i;
	if (t->s->reply.code == 354) {
		t->data_begun = true;
		return 0;
	}
	switch (smtp_reply_class(&t->s->reply)) {
	case 4:
		settle_all(t, ACCEPTED, END_DEFERRED);
		return 0;
	case 5:
		settle_all(t, ACCEPTED, END_FAILED);
		return 0;
	default:
		return senseless(t, "at DATA");
	}
}

static int
on_end(struct transaction *t, size_t i)
{
	(void)i;
	switch (smtp_reply_class(&t->s->reply)) {
	case 2:
		/* Of something that it has not got? */
		if (!t->end_sent)
			return senseless(t, "within the message");
		settle_all(t, ACCEPTED, END_DONE);
		t->s->unfinished = false;
		break;
	case 4:
		settle_all(t, ACCEPTED, END_DEFERRED);
		break;
	case 5:
		settle_all(t, ACCEPTED, END_FAILED);
		break;
	default:
		return senseless(t, "at the end of the message");
	}
	if (!t->end_sent)
		t->s->over = true; /* it said so before we were through */
	return 0;
}

/* ---- commands and their replies ---- */

static const struct {
	const char *where;
	size_t seconds; /* offset in struct smtp_timeouts */
	int (*on_reply)(struct transaction *t, size_t i);
} steps[] = {
    [STEP_RSET] = {"at RSET", offsetof(struct smtp_timeouts, mail_s), on_rset},
    [STEP_MAIL] = {"at MAIL", offsetof(struct smtp_timeouts, mail_s), on_mail},
    [STEP_RCPT] = {"at RCPT", offsetof(struct smtp_timeouts, rcpt_s), on_rcpt},
    [STEP_DATA] = {"at DATA", offsetof(struct smtp_timeouts, data_s), on_data},
    [STEP_END] = {"at the end of the message", offsetof(struct smtp_timeouts, end_s), on_end},
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
			return lose(t);
		if (steps[step].on_reply(t, t->waiting[k].i) == -1)
			return -1;
	}
	t->n_waiting = 0;
	return t->s->over ? lose(t) : 0;
}

/* A command was put; its reply is waited for now or with those of the group. */
static int
expect(struct transaction *t, enum step step, size_t i)
{
	t->waiting[t->n_waiting].step = step;
	t->waiting[t->n_waiting].i = i;
	t->n_waiting++;
	if (t->s->offer.pipelining && t->n_waiting < GROUP_MAX)
		return 0;
	return collect(t);
}

static int
begin_group(struct transaction *t)
{
	if (t->ahead) /* it goes with another's */
		return 0;
	return t->n_waiting > 0 || smtp_in_step(t->s, "before MAIL") == 0 ? 0 : lose(t);
}

/* ---- MAIL and RCPT ---- */

/* What may stand as a parameter's value: no blank, no control, 8-bit only with SMTPUTF8. */
static bool
is_value(const struct transaction *t, struct span s, size_t max)
{
	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] <= ' ' || s.at[i] == 0x7f)
			return false;
	return t->utf8 || span_is_ascii(s);
}

static int
put_mail(struct transaction *t)
{
	const struct smtp_offer *o = &t->s->offer;
	const struct smtp_message *m = t->m;
	char size[40] = "", envid[ENVID_MAX_BYTES + 10] = "";
	const char *ret = "";

	if (o->size)
		snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)m->size);
	if (o->dsn && m->ret != RET_UNSET)
		ret = m->ret == RET_FULL ? " RET=FULL" : " RET=HDRS";
	if (o->dsn && is_value(t, m->envid, ENVID_MAX_BYTES))
		snprintf(envid, sizeof envid, " ENVID=%.*s", (int)m->envid.len, m->envid.at);
	return smtp_command(t->s, "MAIL FROM:<%s>%s%s%s%s%s", t->reverse_path, size,
	    t->look.eight_bit ? " BODY=8BITMIME" : "", t->utf8 ? " SMTPUTF8" : "", ret, envid);
}

static void
notify_text(unsigned notify, char *out, size_t size)
{
	static const struct {
		unsigned flag;
		const char *text;
	} words[] = {{NOTIFY_NEVER, "NEVER"}, {NOTIFY_SUCCESS, "SUCCESS"},
	    {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
	const char *before = " NOTIFY=";

	out[0] = '\0';
	for (size_t i = 0; i < nitems(words); i++)
		if (notify & words[i].flag) {
			strlcat(out, before, size);
			strlcat(out, words[i].text, size);
			before = ",";
		}
}

static int
put_rcpt(struct transaction *t, size_t i)
{
	const struct smtp_recipient *to = &t->to[i];
	char address[ADDRESS_TEXT_SIZE], notify[60] = "", orcpt[ORCPT_MAX_BYTES + 10] = "";
	const char *why;

	/* It was parsed before, but this text is what we send. */
	if (address_parse(to->address, ADDRESS_ALLOW_UTF8, address, &why) == -1)
		return -1;
	if (t->s->offer.dsn) {
		notify_text(to->notify, notify, sizeof notify);
		if (is_value(t, to->original, ORCPT_MAX_BYTES))
			snprintf(orcpt, sizeof orcpt, " ORCPT=%.*s", (int)to->original.len,
			    to->original.at);
	}
	return smtp_command(t->s, "RCPT TO:<%s>%s%s", address, notify, orcpt);
}

static int
put_failed(struct transaction *t, const char *where)
{
	if (!t->s->over)
		smtp_fail_session(t->s, "4.4.2", "%s: %s", where, client_wire_why(t->s->wire));
	return lose(t);
}

static int
envelope(struct transaction *t)
{
	t->n_accepted = 0;
	t->mail_refused = t->data_begun = t->end_put = t->end_sent = false;
	if (begin_group(t) == -1)
		return -1;
	if (t->s->unfinished && !t->ahead) {
		if (smtp_command(t->s, "RSET") == -1)
			return put_failed(t, "at RSET");
		if (expect(t, STEP_RSET, 0) == -1)
			return -1;
	}
	if (put_mail(t) == -1)
		return put_failed(t, "at MAIL");
	if (expect(t, STEP_MAIL, 0) == -1)
		return -1;
	for (size_t i = 0; i < t->n && !t->mail_refused; i++) {
		if (t->states[i] != OPEN)
			continue;
		if (begin_group(t) == -1)
			return -1;
		if (put_rcpt(t, i) == -1)
			return put_failed(t, "at RCPT");
		if (expect(t, STEP_RCPT, i) == -1)
			return -1;
	}
	return 0;
}

static int
ask_for_data(struct transaction *t)
{
	/* RFC 2920 3.1: sent with the group, also if all that waits will be refused. */
	if (t->mail_refused || (t->n_waiting == 0 && t->n_accepted == 0))
		return 0;
	if (begin_group(t) == -1)
		return -1;
	if (smtp_command(t->s, "DATA") == -1)
		return put_failed(t, "at DATA");
	return expect(t, STEP_DATA, 0);
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
			return lose(t);
		}
		smtp_look_at(&look, (struct span){t->s->piece, len});
		if (at + len == t->m->size)
			smtp_look_end(&look);
		if (look.fault != NULL) {
			smtp_fail_session(t->s, "4.3.0", "within the message: it has changed");
			return lose(t);
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
			settle(t, i, SETTLED, END_FAILED);
		} else if (span_is_ascii(t->to[i].address)) {
			n++;
		} else if (!t->s->offer.utf8) {
			refuse_utf8(t, "the address is");
			settle(t, i, SETTLED, END_FAILED);
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
		settle_all(t, OPEN, END_FAILED);
		return false;
	}
	if (look_at_all(t) == -1) {
		smtp_reply_local(&t->s->reply, 451, "4.3.0", "the message cannot be read");
		settle_all(t, OPEN, END_DEFERRED);
		return false;
	}
	if (!is_sound(t) || !is_sender_sound(t)) {
		settle_all(t, OPEN, END_FAILED);
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
		if (envelope(next) == 0 && ask_for_data(next) == 0)
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
	if (begin_group(t) == -1)
		return -1;
	if (smtp_command(t->s, "BDAT %llu LAST", (unsigned long long)t->m->size) == -1)
		return put_failed(t, "at BDAT");
	if (put_message(t, NULL) == -1 || expect(t, STEP_END, 0) == -1)
		return -1;
	return collect(t);
}

/* RFC 5321 4.1.1.4 */
static int
by_data(struct transaction *t)
{
	struct smtp_stuffing stuffing = {false};

	if ((!t->ahead && ask_for_data(t) == -1) || collect(t) == -1)
		return -1;
	t->ahead = false;
	if (!t->data_begun)
		return 0;
	if (begin_group(t) == -1)
		return -1;
	if (t->n_accepted == 0)
		t->end_put = true; /* for nobody, nothing */
	else if (put_message(t, &stuffing) == -1)
		return -1;
	if (t->end_put && client_wire_put(t->s->wire, span_of(".\r\n")) == -1)
		t->end_put = false;
	if (expect(t, STEP_END, 0) == -1)
		return -1;
	look_ahead(t);
	return collect(t);
}

static int
transact(struct transaction *t)
{
	if (!t->ahead && envelope(t) == -1)
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
		lose(t);
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
