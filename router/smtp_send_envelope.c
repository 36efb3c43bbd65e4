/*
 * MAIL and RCPT of a message, with the parameters that the other server knows. See
 * smtp_send_private.h.
 */
#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "router/smtp_send_private.h"

enum {
	PARAMETERS_SIZE = 1024,
	ENVID_MAX_BYTES = 100, /* RFC 3461 4.4 */
	ORCPT_MAX_BYTES = 500  /* RFC 3461 4.2 */
};

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

int
transaction_put_failed(struct transaction *t, const char *where)
{
	if (!t->s->over)
		smtp_fail_session(t->s, "4.4.2", "%s: %s", where, client_wire_why(t->s->wire));
	return transaction_lose(t);
}

int
transaction_envelope(struct transaction *t)
{
	t->n_accepted = 0;
	t->mail_refused = t->data_begun = t->end_put = t->end_sent = false;
	if (transaction_begin_group(t) == -1)
		return -1;
	if (t->s->unfinished && !t->ahead) {
		if (smtp_command(t->s, "RSET") == -1)
			return transaction_put_failed(t, "at RSET");
		if (transaction_expect(t, STEP_RSET, 0) == -1)
			return -1;
	}
	if (put_mail(t) == -1)
		return transaction_put_failed(t, "at MAIL");
	if (transaction_expect(t, STEP_MAIL, 0) == -1)
		return -1;
	for (size_t i = 0; i < t->n && !t->mail_refused; i++) {
		if (t->states[i] != OPEN)
			continue;
		if (transaction_begin_group(t) == -1)
			return -1;
		if (put_rcpt(t, i) == -1)
			return transaction_put_failed(t, "at RCPT");
		if (transaction_expect(t, STEP_RCPT, i) == -1)
			return -1;
	}
	return 0;
}

int
transaction_ask_for_data(struct transaction *t)
{
	/* RFC 2920 3.1: sent with the group, also if all that waits will be refused. */
	if (t->mail_refused || (t->n_waiting == 0 && t->n_accepted == 0))
		return 0;
	if (transaction_begin_group(t) == -1)
		return -1;
	if (smtp_command(t->s, "DATA") == -1)
		return transaction_put_failed(t, "at DATA");
	return transaction_expect(t, STEP_DATA, 0);
}
