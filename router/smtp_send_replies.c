/*
 * What each reply of the other server means for the recipients of a message, and for the session.
 * Talks to nobody. See smtp_send_private.h.
 */
#include <string.h>

#include "router/smtp_send_private.h"

/* ---- results ---- */

void
transaction_settle(struct transaction *t, size_t i, enum state state, enum delivery_end end)
{
	struct smtp_result *r = &t->results[i];

	t->states[i] = state;
	r->end = end;
	r->dsn_passed_on = end == END_DONE && t->s->offer.dsn;
	r->status = t->s->reply.status;
	strlcpy(r->reply, t->s->reply.text, sizeof r->reply);
}

void
transaction_settle_all(struct transaction *t, enum state which, enum delivery_end end)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->states[i] == which)
			transaction_settle(t, i, SETTLED, end);
}

int
transaction_lose(struct transaction *t)
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
		transaction_settle(t, i, SETTLED, END_DEFERRED);
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
	return transaction_lose(t);
}

int
transaction_on_rset(struct transaction *t, size_t i)
{
	(void)i;
	return smtp_reply_class(&t->s->reply) == 2 ? 0 : senseless(t, "at RSET");
}

int
transaction_on_mail(struct transaction *t, size_t i)
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
		transaction_settle_all(t, OPEN, END_DEFERRED);
		break;
	case 5:
		transaction_settle_all(t, OPEN, END_FAILED);
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

int
transaction_on_rcpt(struct transaction *t, size_t i)
{
	if (t->mail_refused)
		return 0;
	if (is_too_many(t)) {
		transaction_settle(t, i, LATER, END_DEFERRED);
		return 0;
	}
	switch (smtp_reply_class(&t->s->reply)) {
	case 2:
		t->states[i] = ACCEPTED;
		t->n_accepted++;
		return 0;
	case 4:
		transaction_settle(t, i, SETTLED, END_DEFERRED);
		return 0;
	case 5:
		transaction_settle(t, i, SETTLED, END_FAILED);
		return 0;
	default:
		return senseless(t, "at RCPT");
	}
}

int
transaction_on_data(struct transaction *t, size_t i)
{
	(void)i;
	if (t->s->reply.code == 354) {
		t->data_begun = true;
		return 0;
	}
	switch (smtp_reply_class(&t->s->reply)) {
	case 4:
		transaction_settle_all(t, ACCEPTED, END_DEFERRED);
		return 0;
	case 5:
		transaction_settle_all(t, ACCEPTED, END_FAILED);
		return 0;
	default:
		return senseless(t, "at DATA");
	}
}

int
transaction_on_end(struct transaction *t, size_t i)
{
	(void)i;
	switch (smtp_reply_class(&t->s->reply)) {
	case 2:
		/* Of something that it has not got? */
		if (!t->end_sent)
			return senseless(t, "within the message");
		transaction_settle_all(t, ACCEPTED, END_DONE);
		t->s->unfinished = false;
		break;
	case 4:
		transaction_settle_all(t, ACCEPTED, END_DEFERRED);
		break;
	case 5:
		transaction_settle_all(t, ACCEPTED, END_FAILED);
		break;
	default:
		return senseless(t, "at the end of the message");
	}
	if (!t->end_sent)
		t->s->over = true; /* it said so before we were through */
	return 0;
}
