/*
 * MAIL and RCPT. Each recipient is router's to judge; several RCPTs of one packet are asked for at
 * the same time, and answered in their order.
 */
#include "smtpd/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/monotonic.h"
#include "common/queue_id.h"
#include "smtpd/body.h"
#include "smtpd/commands.h"
#include "smtpd/paths.h"
#include "smtpd/policy.h"
#include "smtpd/room.h"

/* Cuts "FROM:" or "TO:" and the blanks behind it, which some clients send. */
static bool
take_keyword(struct span *argument, const char *keyword)
{
	size_t n = strlen(keyword);

	if (argument->len < n || !span_is_nocase((struct span){argument->at, n}, keyword))
		return false;
	*argument = (struct span){argument->at + n, argument->len - n};
	while (argument->len > 0 && argument->at[0] == ' ')
		*argument = (struct span){argument->at + 1, argument->len - 1};
	return true;
}

static const char needs_utf8[] = "553 5.6.7 The address needs SMTPUTF8";

/* ---- the policy ---- */

static struct policy_question
question(const struct session *s)
{
	const struct transaction *t = s->transaction;

	return (struct policy_question){.settings = &s->server->settings.policy,
	    .client = session_policy_client(s),
	    .reverse_path = t->envelope.reverse_path,
	    .has_standing = t->has_standing,
	    .standing = t->standing};
}

static void
ask_for_standing(struct session *s, router_standing_cb cb)
{
	s->transaction->sender = router_sender(s->server->router,
	    s->transaction->envelope.reverse_path, span_of(s->user != NULL ? s->user : ""), cb, s);
}

static void
take_standing(struct session *s, enum router_standing standing)
{
	struct transaction *t = s->transaction;

	t->sender = NULL;
	t->has_standing = true;
	t->standing = standing;
}

/* ---- MAIL ---- */

static struct transaction *
transaction_new(const struct session *s)
{
	struct transaction *t = xcalloc(1, sizeof *t);

	t->expires_ms = monotonic_ms() + (uint64_t)s->server->settings.transaction_s * 1000;
	t->slot.fd = -1;
	t->room = ROUTER_NO_LIMIT;
	TAILQ_INIT(&t->asks);
	pool_start(&t->pool, t->space, sizeof t->space);
	return t;
}

static int
refuse(char reply[REPLY_LINE_SIZE], const char *text)
{
	strlcpy(reply, text, REPLY_LINE_SIZE);
	return -1;
}

static int
read_mail(const struct session *s, struct span argument, char path[ADDRESS_TEXT_SIZE],
    struct mail_parameters *p, char reply[REPLY_LINE_SIZE])
{
	const char *no;

	path[0] = '\0';
	if (!take_keyword(&argument, "FROM:"))
		return refuse(reply, "501 5.5.4 MAIL FROM:<address> is expected");
	if (path_sender(&argument, path, reply) == -1)
		return -1;
	if ((no = parameters_of_mail(argument, p)) != NULL)
		return refuse(reply, no);
	if (!span_is_ascii(span_of(path)) && !(p->flags & ENVELOPE_SMTPUTF8))
		return refuse(reply, needs_utf8);
	if (p->size > s->server->settings.message_max)
		return refuse(reply, "552 5.3.4 Message too big");
	return 0;
}

static void
refuse_mail(struct session *s, struct span path, const char *reply)
{
	log_info("- mail-refused from=<%s> client=%s helo=%s user=%s reply=\"%s\"", log_safe(path),
	    session_client(s), session_helo(s), session_user(s), log_safe(span_of(reply)));
	session_reply(s, reply);
}

static void
refuse_by_policy(struct session *s, const struct policy_decision *d)
{
	char reply[REPLY_LINE_SIZE];

	policy_reply(d, reply, sizeof reply);
	refuse_mail(s, s->transaction->envelope.reverse_path, reply);
	session_end_transaction(s);
}

static void decide_mail(struct session *s);

static void
on_mail_standing(void *arg, enum router_standing standing)
{
	struct session *s = arg;

	take_standing(s, standing);
	decide_mail(s);
	session_go_on(s);
}

static void
decide_mail(struct session *s)
{
	struct policy_question q = question(s);
	struct policy_decision d = policy_mail(&q, NULL);

	switch (d.outcome) {
	case POLICY_ASK:
		ask_for_standing(s, on_mail_standing);
		session_wait(s);
		break;
	case POLICY_REFUSE:
		refuse_by_policy(s, &d);
		break;
	default:
		session_set_state(s, S_MAIL);
		session_reply(s, "250 2.1.0 Ok");
	}
}

void
cmd_mail(struct session *s, struct span argument)
{
	char path[ADDRESS_TEXT_SIZE], reply[REPLY_LINE_SIZE];
	struct mail_parameters p;
	struct transaction *t;

	if (s->server->draining) {
		session_dismiss(s);
		return;
	}
	if (read_mail(s, argument, path, &p, reply) == -1) {
		refuse_mail(s, span_of(path), reply);
		return;
	}
	t = s->transaction = transaction_new(s);
	t->parameters = p;
	if (!pool_copy(&t->pool, span_of(path), &t->envelope.reverse_path) ||
	    !pool_copy(&t->pool, p.envid, &t->envelope.envid)) {
		session_end_transaction(s);
		session_reply(s, "452 4.3.1 Out of memory");
		return;
	}
	decide_mail(s);
}

/* ---- RCPT: the reply ---- */

/* Fits no more into this transaction. */
static const char *
too_many(const struct session *s, const struct ask *a)
{
	const struct transaction *t = s->transaction;
	uint64_t max = s->server->settings.policy.recipients_max;

	if (t->targets >= max || t->targets + a->targets > max || t->envelope.n_recipients >= max ||
	    t->envelope_bytes + a->address.len + a->original.len > TRANSACTION_MAX_BYTES)
		return "452 4.5.3 Too many recipients";
	return NULL;
}

/* False: router must be asked for the sender first. Then a->refused says whether a->reply does. */
static bool
judge(const struct session *s, struct ask *a)
{
	struct policy_question q = question(s);
	struct policy_decision d;
	char words[REPLY_LINE_SIZE];

	strlcpy(words, a->reply, sizeof words);
	q.verdict = a->verdict;
	q.targets = a->targets;
	q.words = words;
	d = policy_recipient(&q, NULL);
	if (d.outcome == POLICY_ASK)
		return false;
	a->refused = d.outcome == POLICY_REFUSE;
	if (a->refused)
		policy_reply(&d, a->reply, sizeof a->reply);
	return true;
}

/* The refusal of a recipient that was judged, or NULL. */
static const char *
refusal_of(const struct session *s, const struct ask *a)
{
	if (a->refused)
		return a->reply;
	return transaction_has(s->transaction, a->address) ? NULL : too_many(s, a);
}

static void
log_refused(const struct session *s, const struct ask *a, const char *reply)
{
	log_info("- recipient-refused to=<%s> from=<%s> client=%s helo=%s user=%s reply=\"%s\"",
	    log_safe(a->address), log_safe(s->transaction->envelope.reverse_path),
	    session_client(s), session_helo(s), session_user(s), log_safe(span_of(reply)));
}

static void
refuse_recipient(struct session *s, const struct ask *a, const char *reply)
{
	struct transaction *t = s->transaction;
	bool over = strncmp(reply, "452 4.5.3", 9) == 0;

	s->server->counters.recipients_refused++;
	if (!over || t->overshoot == 0)
		log_refused(s, a, reply);
	session_reply(s, reply);
	if (over && ++t->overshoot > RECIPIENT_OVERSHOOT_MAX)
		session_close(s, "421 4.5.3 Too many recipients", "recipients");
}

static void
settle(struct session *s, struct ask *a)
{
	struct transaction *t = s->transaction;
	const char *no = refusal_of(s, a);
	bool known = transaction_has(t, a->address);

	if (no == NULL && !transaction_add(t, a->address, a->original, a->notify))
		no = "452 4.3.1 Out of memory";
	if (no != NULL) {
		refuse_recipient(s, a, no);
		return;
	}
	if (!known) {
		t->targets += a->targets;
		if (a->room < t->room)
			t->room = a->room;
		t->envelope_bytes += a->address.len + a->original.len;
	}
	session_set_state(s, S_RCPT);
	session_reply(s, "250 2.1.5 Ok");
}

static void on_relay_standing(void *arg, enum router_standing standing);

/* Gives all replies that are next in their order. */
static void
settle_first(struct session *s)
{
	struct transaction *t = s->transaction;
	struct ask *a;

	while (t->sender == NULL && (a = TAILQ_FIRST(&t->asks)) != NULL && a->answered) {
		if (!a->refused && !judge(s, a)) {
			ask_for_standing(s, on_relay_standing);
			return;
		}
		TAILQ_REMOVE(&t->asks, a, entry);
		t->n_asks--;
		settle(s, a);
		free(a);
	}
}

/* ---- RCPT: the question ---- */

static void
on_answer(struct session *s)
{
	settle_first(s);
	if (!transaction_is_asking(s))
		session_go_on(s);
}

static void
on_relay_standing(void *arg, enum router_standing standing)
{
	take_standing(arg, standing);
	on_answer(arg);
}

static void
on_verdict(
    void *arg, enum router_verdict verdict, uint64_t targets, uint64_t room, struct span text)
{
	struct ask *a = arg;

	a->call = NULL;
	a->answered = true;
	a->verdict = verdict <= ROUTER_VERDICT_LAST ? verdict : ROUTER_LATER;
	a->targets = targets;
	a->room = room;
	strlcpy(a->reply, text.len > 0 ? log_safe(text) : "", sizeof a->reply);
	on_answer(a->session);
}

static int
read_recipient(const struct session *s, struct span argument, char address[ADDRESS_TEXT_SIZE],
    struct recipient_parameters *p, char reply[REPLY_LINE_SIZE])
{
	bool utf8 = s->transaction->parameters.flags & ENVELOPE_SMTPUTF8;
	const char *no;

	address[0] = '\0';
	if (!take_keyword(&argument, "TO:"))
		return refuse(reply, "501 5.5.4 RCPT TO:<address> is expected");
	if (path_recipient(&argument, s->server->settings.server, address, reply) == -1)
		return -1;
	if ((no = parameters_of_recipient(argument, utf8, p)) != NULL)
		return refuse(reply, no);
	if (!utf8 && !span_is_ascii(span_of(address)))
		return refuse(reply, needs_utf8);
	if (s->transaction->targets >= s->server->settings.policy.recipients_max ||
	    s->transaction->envelope.n_recipients >= s->server->settings.policy.recipients_max)
		return refuse(reply, "452 4.5.3 Too many recipients");
	return 0;
}

static struct ask *
ask_new(struct session *s, struct span address, const struct recipient_parameters *p)
{
	struct ask *a = malloc(sizeof *a + address.len + p->original.len);

	if (a == NULL)
		return NULL;
	*a = (struct ask){.session = s, .notify = p->notify};
	a->address = (struct span){memcpy(a->text, address.at, address.len), address.len};
	a->original = (struct span){a->text + address.len, p->original.len};
	if (p->original.len > 0)
		memcpy(a->text + address.len, p->original.at, p->original.len);
	TAILQ_INSERT_TAIL(&s->transaction->asks, a, entry);
	s->transaction->n_asks++;
	return a;
}

void
cmd_rcpt(struct session *s, struct span argument)
{
	struct transaction *t = s->transaction;
	char address[ADDRESS_TEXT_SIZE], reply[REPLY_LINE_SIZE];
	struct recipient_parameters p = {0};
	bool refused = read_recipient(s, argument, address, &p, reply) == -1;
	struct ask *a = ask_new(s, span_of(address), &p);

	if (a == NULL) {
		/* Those before it lose their order: better to say it for all. */
		session_close(s, "421 4.3.1 Out of memory", "memory");
	} else if (refused) {
		a->refused = a->answered = true;
		strlcpy(a->reply, reply, sizeof a->reply);
		settle_first(s);
	} else {
		a->call = router_ask(s->server->router, t->envelope.reverse_path, a->address,
		    t->parameters.size, on_verdict, a);
	}
}

/* ---- the end ---- */

bool
transaction_is_asking(const struct session *s)
{
	return s->transaction != NULL && s->transaction->n_asks > 0;
}

bool
transaction_can_give_up(const struct session *s)
{
	const struct transaction *t = s->transaction;

	return t != NULL && (t->sender != NULL || t->n_asks > 0 || t->room_call != NULL ||
				(t->call != NULL && !t->committing));
}

static void
give_up_verdicts(struct session *s)
{
	struct ask *a;

	TAILQ_FOREACH (a, &s->transaction->asks, entry) {
		if (a->answered)
			continue;
		ipc_call_cancel(&a->call);
		a->answered = true;
		a->verdict = ROUTER_LATER;
	}
}

void
transaction_give_up(struct session *s)
{
	struct transaction *t = s->transaction;
	bool standing = t->sender != NULL;

	ipc_call_cancel(&t->sender);
	give_up_verdicts(s);
	if (t->room_call != NULL)
		room_give_up(s);
	else if (t->call != NULL)
		message_give_up(s);
	else if (standing && t->n_asks == 0)
		on_mail_standing(s, ROUTER_STANDING_LATER);
	else if (standing)
		on_relay_standing(s, ROUTER_STANDING_LATER);
	else
		on_answer(s);
}

void
transaction_free(struct session *s)
{
	struct transaction *t = s->transaction;
	struct ask *a;

	if (t == NULL)
		return;
	s->transaction = NULL;
	ipc_call_cancel(&t->sender);
	ipc_call_cancel(&t->room_call);
	while ((a = TAILQ_FIRST(&t->asks)) != NULL) {
		TAILQ_REMOVE(&t->asks, a, entry);
		ipc_call_cancel(&a->call);
		free(a);
	}
	s->server->committing_bytes -= t->committing_bytes;
	if (t->committing)
		log_info("%s unanswered from=<%s> client=%s", queue_id_text(t->envelope.id),
		    log_safe(t->envelope.reverse_path), session_client(s));
	queue_call_cancel(&t->call);
	if (t->slot.fd != -1)
		queue_abandon(s->server->queue, &t->slot);
	body_free(&t->body);
	free(t->envelope.recipients);
	free(t->index);
	pool_clear(&t->pool);
	free(t);
}
