/*
 * A message that has come without saying its size, and is larger than what a mailbox had room for
 * at RCPT: router is asked once more, with the size that is known now.
 */
#include "smtpd/room.h"

#include "common/ipc.h"
#include "smtpd/commands.h"
#include "smtpd/policy.h"
#include "smtpd/transaction.h"

/* As it lies in a mailbox: with a line that store puts in front of it. */
static uint64_t
size_in_mailbox(const struct transaction *t)
{
	return t->envelope.message_size + t->envelope.reverse_path.len +
	       sizeof "Return-Path: <>\r\n" - 1;
}

bool
room_is_enough(const struct session *s)
{
	return size_in_mailbox(s->transaction) <= s->transaction->room;
}

static void ask_next(struct session *s);

/* No recipient will ever take it. */
static void
refuse(struct session *s)
{
	struct policy_decision d = policy_verdict(ROUTER_TOO_BIG);
	char reply[REPLY_LINE_SIZE];

	policy_reply(&d, reply, sizeof reply);
	message_refuse(s, reply);
	session_go_on(s);
}

static void
on_verdict(
    void *arg, enum router_verdict verdict, uint64_t targets, uint64_t room, struct span text)
{
	struct session *s = arg;
	struct transaction *t = s->transaction;

	(void)targets, (void)room, (void)text;
	t->room_call = NULL;
	if (verdict != ROUTER_TOO_BIG)
		message_keep(s); /* a full mailbox may have room another day */
	else if (++t->room_asked < t->envelope.n_recipients)
		ask_next(s);
	else
		refuse(s);
}

static void
ask_next(struct session *s)
{
	struct transaction *t = s->transaction;

	t->room_call = router_ask(s->server->router, t->envelope.reverse_path,
	    t->envelope.recipients[t->room_asked].address, size_in_mailbox(t), on_verdict, s);
}

void
room_ask(struct session *s)
{
	ask_next(s);
	session_wait(s);
}

void
room_give_up(struct session *s)
{
	ipc_call_cancel(&s->transaction->room_call);
	message_keep(s);
}
