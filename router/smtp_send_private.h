/*
 * What the parts of smtp_send() share: smtp_send.c (the whole), smtp_send_envelope.c (MAIL and
 * RCPT) and smtp_send_replies.c (what replies mean).
 */
#ifndef ROUTER_SMTP_SEND_PRIVATE_H
#define ROUTER_SMTP_SEND_PRIVATE_H

#include "common/address.h"
#include "router/smtp_body.h"
#include "router/smtp_private.h"

enum {
	/* Commands without waiting: their replies must fit into the buffers between us, or both
	 * sides would wait for each other. */
	GROUP_MAX = 100
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

/* ---- smtp_send.c ---- */

/* Before the first command of a message. -1: the server has said what it was not asked for, and the
 * session is over. */
int transaction_begin_group(struct transaction *t);
/* A command was put; its reply is waited for now or with those of the group. */
int transaction_expect(struct transaction *t, enum step step, size_t i);

/* ---- smtp_send_replies.c ---- */

/* The session is over, for the reason in s->reply. */
int transaction_lose(struct transaction *t);
/* The reply in s->reply to a command, to the i-th recipient's RCPT. -1: the session is over. */
int transaction_on_data(struct transaction *t, size_t i);
int transaction_on_end(struct transaction *t, size_t i);
int transaction_on_mail(struct transaction *t, size_t i);
int transaction_on_rcpt(struct transaction *t, size_t i);
int transaction_on_rset(struct transaction *t, size_t i);
/* With what s->reply says. */
void transaction_settle(struct transaction *t, size_t i, enum state state, enum delivery_end end);
/* The same for all in this state. */
void transaction_settle_all(struct transaction *t, enum state which, enum delivery_end end);

/* ---- smtp_send_envelope.c ---- */

/* -1: the session is over. */
int transaction_ask_for_data(struct transaction *t);
int transaction_envelope(struct transaction *t);
int transaction_put_failed(struct transaction *t, const char *where);

#endif
