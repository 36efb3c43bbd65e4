/* The part of a notification that people read. */
#include "common/mail_date.h"
#include "common/memory.h"
#include "queue/dsn_private.h"

#include <string.h>

/* A list of a thousand addresses is not read; the part for programs has them all. */
enum { LISTED_MAX = 50 };

/* By what follows the class of a status code (RFC 3463 3); the first that fits. */
static const struct {
	const char *code, *text;
} advices[] = {
    {".1.2", "Check the part of the address behind the @; there is no such place for mail."},
    {".1.8", "The address that you sent from is not accepted there. Check it."},
    {".1.7", "The address that you sent from is not accepted there. Check it."},
    {".1.", "Check the address, or ask the recipient for the right one."},
    {".2.2", "The mailbox is full. Try again in some days, or tell the recipient in another way."},
    {".2.3", "The message is too large. Send a smaller one."},
    {".2.", "The mailbox takes no mail. Tell the recipient in another way."},
    {".3.4", "The message is too large. Send a smaller one."},
    {".4.6", "Mail for this address goes in a circle, which only its administrators can mend."},
    {".4.",
	"The server for this address could not be reached. Check the part of the address behind "
	"the @, or send the message again later."},
    {".6.", "The message has a form that the other server does not take."},
    {".7.",
	"The rules of the other server do not let the message in. Tell the recipient in another "
	"way, who may ask the administrators there."},
    {"", "Send the message again later, or tell the recipient in another way."},
};

static void
write_advice(struct dsn_job *j, const struct recipient *r)
{
	char status[DSN_STATUS_SIZE];
	size_t i = 0;

	dsn_status(DSN_FAILED, r->reply, status);
	while (strncmp(status + 1, advices[i].code, strlen(advices[i].code)) != 0)
		i++;
	dsn_out_text(&j->out, "    What you can do: ");
	dsn_out_words(&j->out, span_of(advices[i].text), "    ", false);
	dsn_out_text(&j->out, "\r\n");
}

static void
write_reason(struct dsn_job *j, const struct recipient *r)
{
	struct span host = dsn_remote(r->route);
	struct dsn_reply reply;

	dsn_reply_parse(r->reply, &reply);
	if (reply.given_up)
		dsn_out_text(&j->out, "    It was tried for as long as it is done here.\r\n");
	if (reply.text.len == 0) {
		if (!reply.given_up)
			dsn_out_text(&j->out, "    No reason is known.\r\n");
		return;
	}
	dsn_out_text(&j->out, "    ");
	if (host.len == 0)
		dsn_out_text(&j->out, "The reason");
	else {
		dsn_out_text(&j->out, "The server ");
		dsn_out_clean(&j->out, host, false);
		dsn_out_text(&j->out, reply.is_smtp ? " answered" : ", as seen from here");
	}
	dsn_out_text(&j->out, ":\r\n        ");
	dsn_out_words(&j->out, reply.text, "        ", true);
	dsn_out_text(&j->out, "\r\n");
}

static void
write_recipient(struct dsn_job *j, size_t i, enum dsn_action action)
{
	const struct envelope *e = j->d->envelope;
	size_t root = dsn_root(e, i);

	dsn_out_text(&j->out, "  <");
	dsn_out_clean(&j->out, e->recipients[i].address, true);
	dsn_out_text(&j->out, ">\r\n");
	if (root != i) {
		dsn_out_text(&j->out, "    where mail for <");
		dsn_out_clean(&j->out, e->recipients[root].address, true);
		dsn_out_text(&j->out, "> goes\r\n");
	}
	if (action == DSN_FAILED || action == DSN_DELAYED)
		write_reason(j, &e->recipients[i]);
	if (action == DSN_FAILED)
		write_advice(j, &e->recipients[i]);
	if (action == DSN_FAILED || action == DSN_DELAYED)
		dsn_out_text(&j->out, "\r\n");
}

static void
write_list(struct dsn_job *j, enum dsn_action action)
{
	size_t listed = 0;

	for (size_t i = 0; i < j->d->envelope->n_recipients && listed < LISTED_MAX; i++)
		if (dsn_told(j->d, i) == action) {
			write_recipient(j, i, action);
			listed++;
		}
	if (listed < j->count[action])
		dsn_out_format(&j->out, "  and %zu more, which the attached report names\r\n",
		    j->count[action] - listed);
	if (action != DSN_FAILED && action != DSN_DELAYED)
		dsn_out_text(&j->out, "\r\n");
}

static void
write_delay_end(struct dsn_job *j)
{
	char date[MAIL_DATE_SIZE];

	dsn_out_text(&j->out, "You need not do anything: the server goes on trying");
	if (j->d->retry_until_s > 0) {
		mail_date_print(j->d->retry_until_s, date);
		dsn_out_format(&j->out, " until\r\n%s", date);
	}
	dsn_out_text(&j->out, ",\r\nand tells you if it has to give up.\r\n\r\n");
}

static void
write_lists(struct dsn_job *j)
{
	static const char *const heads[DSN_ACTIONS] = {
	    [DSN_FAILED] = "It could not be delivered to:\r\n\r\n",
	    [DSN_DELAYED] = "It could not be delivered yet to:\r\n\r\n",
	    [DSN_DELIVERED] = "It has been delivered into the mailbox of:\r\n\r\n",
	    [DSN_RELAYED] = "It has been handed to another server, which sends no notices of "
			    "delivery,\r\nfor:\r\n\r\n",
	    [DSN_EXPANDED] = "It has been passed on to several addresses, of which you get no "
			     "notices of\r\ndelivery, for:\r\n\r\n",
	};

	for (enum dsn_action a = DSN_FAILED; a < DSN_ACTIONS; a++) {
		if (j->count[a] == 0)
			continue;
		dsn_out_text(&j->out, heads[a]);
		write_list(j, a);
		if (a == DSN_DELAYED)
			write_delay_end(j);
	}
}

static void
write_message(struct dsn_job *j)
{
	char date[MAIL_DATE_SIZE];

	mail_date_print(j->d->envelope->arrival_us / 1000000, date);
	if (j->subject_len > 0) {
		dsn_out_text(&j->out, "  Subject:  ");
		dsn_out_words(
		    &j->out, (struct span){j->subject, j->subject_len}, "            ", true);
		dsn_out_text(&j->out, "\r\n");
	}
	dsn_out_format(&j->out, "  Received: %s\r\n\r\n", date);
}

static void
write_end(struct dsn_job *j)
{
	dsn_out_format(&j->out,
	    "If you did not send this message, somebody used your address, and you can\r\n"
	    "ignore this notice. For help send it to <postmaster@%s>.\r\n\r\n"
	    "Attached are a report for programs and %s of your message",
	    j->d->server, j->whole ? "the whole" : "the header");
	if (j->why_not != NULL) {
		dsn_out_text(&j->out, ";\r\nthe rest is left out, because ");
		dsn_out_words(&j->out, span_of(j->why_not), "", false);
	}
	dsn_out_text(&j->out, ".\r\n");
}

void
dsn_text_write(struct dsn_job *j)
{
	dsn_out_format(
	    &j->out, "This is the mail server %s, about a message from you:\r\n\r\n", j->d->server);
	write_message(j);
	write_lists(j);
	write_end(j);
}
