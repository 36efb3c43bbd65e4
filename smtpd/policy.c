/*
 * Who may send: two rows of rules. Pure.
 */
#include "smtpd/policy.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/ip_list.h"
#include "common/memory.h"

struct rule {
	const char *name;
	struct policy_decision (*try)(const struct policy_question *q);
};

static struct policy_decision
next(const char *why)
{
	return (struct policy_decision){POLICY_NEXT, NULL, why};
}

static struct policy_decision
accept_it(const char *why)
{
	return (struct policy_decision){POLICY_ACCEPT, NULL, why};
}

static struct policy_decision
refuse(const char *status, const char *sentence)
{
	return (struct policy_decision){POLICY_REFUSE, status, sentence};
}

static struct policy_decision
ask_router(void)
{
	return (struct policy_decision){POLICY_ASK, NULL, "router must be asked"};
}

static const char sender_later[] = "The sender cannot be checked now; try again later";

static bool
is_submission(const struct policy_client *c)
{
	return c->kind == KIND_SUBMISSION || c->kind == KIND_SMTPS;
}

/* ---- MAIL ---- */

/* RFC 6409 4.3 */
static struct policy_decision
try_port(const struct policy_question *q)
{
	if (!is_submission(&q->client))
		return next("this port does not demand a login");
	if (!q->client.logged_in)
		return refuse("530 5.7.0", "Authentication required");
	return next("this port demands a login, and there was one");
}

static struct policy_decision
try_stranger(const struct policy_question *q)
{
	if (!q->client.logged_in)
		return accept_it("nobody has logged in; recipients are judged one by one");
	return next("a user has logged in");
}

/* What a mail program sends by itself has none: RFC 8098 3, RFC 3834 3.3. */
static struct policy_decision
try_null_sender(const struct policy_question *q)
{
	if (q->reverse_path.len == 0)
		return accept_it("a receipt or an automatic answer of the user's");
	return next("there is a sender");
}

static struct policy_decision
try_any_from(const struct policy_question *q)
{
	if (q->settings->allow_any_from)
		return accept_it("true: users may send under any address");
	return next("false: the address must be the user's");
}

static struct policy_decision
try_own_from(const struct policy_question *q)
{
	if (!q->has_standing)
		return ask_router();
	switch (q->standing) {
	case ROUTER_OWN:
		return accept_it("the address is the user's, or an alias of it");
	case ROUTER_FOREIGN:
		return refuse("553 5.7.1", "Sender address is not yours");
	default:
		return refuse("451 4.3.0", sender_later);
	}
}

static const struct rule mail_rules[] = {
    {"port", try_port},
    {"login", try_stranger},
    {"null sender", try_null_sender},
    {"Allow Any FROM", try_any_from},
    {"sender", try_own_from},
};

/* ---- RCPT: what router says ---- */

/* Of each verdict, what it is, or the refusal, unless router gives better words. */
static const struct {
	const char *status, *text;
} verdicts[] = {
    [ROUTER_LOCAL] = {NULL, "it is ours"},
    [ROUTER_RELAY] = {NULL, "it is a peer's"},
    [ROUTER_REMOTE] = {NULL, "it is another host's"},
    [ROUTER_AWAY] = {NULL, "it is ours, and leads to other hosts only"},
    [ROUTER_UNKNOWN] = {"550 5.1.1", "Unknown mailbox"},
    [ROUTER_FULL] = {"452 4.2.2", "Mailbox is full"},
    [ROUTER_TOO_BIG] = {"552 5.2.2", "Message is larger than the mailbox"},
    [ROUTER_LOOP] = {"550 5.4.6", "Aliases lead in a circle"},
    [ROUTER_LATER] = {"451 4.3.0", "Mailboxes do not answer; try again later"},
    [ROUTER_NOWHERE] = {NULL, "it is at other hosts, and there is no way to them"},
};

struct policy_decision
policy_verdict(enum router_verdict verdict)
{
	const char *text = verdicts[verdict].text;

	return verdicts[verdict].status != NULL ? refuse(verdicts[verdict].status, text)
						: next(text);
}

static struct policy_decision
try_verdict(const struct policy_question *q)
{
	struct policy_decision d = policy_verdict(q->verdict);

	if (d.outcome == POLICY_REFUSE && q->words[0] != '\0')
		d.sentence = q->words;
	return d;
}

static struct policy_decision
try_expansion(const struct policy_question *q)
{
	if (q->targets > q->settings->recipients_max)
		return refuse("550 5.5.3", "Expands to too many recipients");
	return next("it expands to no more");
}

static struct policy_decision
try_local(const struct policy_question *q)
{
	if (q->verdict == ROUTER_LOCAL)
		return accept_it("local mail is taken from everybody");
	return next("it does not stay here");
}

/* ---- RCPT: what leaves the house ---- */

static const char only_local[] = "Only local mail is accepted";

static struct policy_decision
try_relay_delivery(const struct policy_question *q)
{
	if (q->settings->relay_never)
		return refuse("550 5.7.1", only_local);
	return next("not never: other mail is passed on");
}

static struct policy_decision
try_way_out(const struct policy_question *q)
{
	if (q->verdict == ROUTER_NOWHERE)
		return refuse("550 5.7.1", only_local);
	return next("true, or there is an SMTP Server, or [routes] has a host");
}

static struct policy_decision
try_away(const struct policy_question *q)
{
	if (q->verdict == ROUTER_AWAY)
		return accept_it("mail to addresses of ours is taken from everybody");
	return next("it is no alias or forward of ours");
}

static struct policy_decision
try_peer(const struct policy_question *q)
{
	if (q->verdict == ROUTER_RELAY)
		return accept_it("mail to peers is taken from everybody");
	return next("its domain is none of them");
}

static struct policy_decision
try_login(const struct policy_question *q)
{
	if (q->client.logged_in)
		return accept_it("users may send to everybody");
	return next("nobody has logged in");
}

static struct policy_decision
try_this_machine(const struct policy_question *q)
{
	if (q->client.kind == KIND_LOCAL)
		return accept_it("programs of this machine may send to everybody");
	return next("the client came over the network");
}

/* A UNIX socket, which has no address, counts as 127.0.0.1. */
static bool
is_listed(const struct policy_question *q)
{
	const struct sockaddr_in localhost = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr *address = q->client.address;

	if (address == NULL || address->sa_family == AF_UNIX)
		address = (const struct sockaddr *)&localhost;
	return ip_list_has(q->settings->relay_ips, address);
}

/* It overrides Restrict Relay IPs, but for programs of this host (the manual's mailit). */
static struct policy_decision
try_require_auth(const struct policy_question *q)
{
	if (!q->settings->require_auth)
		return next("false: a login is not needed");
	if (!q->client.loopback || !is_listed(q))
		return refuse("550 5.7.1", "Relaying denied without a login");
	return next("true, but the client is this host, and in Restrict Relay IPs");
}

static struct policy_decision
try_restrict_relay(const struct policy_question *q)
{
	if (!q->settings->restrict_relay)
		return accept_it("false: client and sender do not matter");
	return next("true: client and sender matter");
}

static struct policy_decision
try_relay_ips(const struct policy_question *q)
{
	if (!is_listed(q))
		return refuse("550 5.7.1", "Relaying denied");
	return next("the client is one of them");
}

/* A null sender names no account: only programs of this host are believed. */
static struct policy_decision
try_local_from(const struct policy_question *q)
{
	static const char denied[] = "Relaying denied to this sender";

	if (q->reverse_path.len == 0)
		return q->client.loopback ? accept_it("an automatic answer of this host")
					  : refuse("550 5.7.1", denied);
	if (!q->has_standing)
		return ask_router();
	switch (q->standing) {
	case ROUTER_OWN:
		return accept_it("it is the address of a local account");
	case ROUTER_FOREIGN:
		return refuse("550 5.7.1", denied);
	default:
		return refuse("451 4.3.0", sender_later);
	}
}

static const struct rule recipient_rules[] = {
    {"recipient", try_verdict},
    {"Maximum Recipients", try_expansion},
    {"local", try_local},
    {"Relay Delivery", try_relay_delivery},
    {"Use MTA", try_way_out},
    {"forward", try_away},
    {"Relay Domains", try_peer},
    {"login", try_login},
    {"sendmail", try_this_machine},
    {"Require AUTH", try_require_auth},
    {"Restrict Relay", try_restrict_relay},
    {"Restrict Relay IPs", try_relay_ips},
    {"sender", try_local_from},
};
_Static_assert(nitems(recipient_rules) <= POLICY_STEPS_MAX, "a trace holds all rules");
_Static_assert(nitems(mail_rules) <= POLICY_STEPS_MAX, "a trace holds all rules");

/* ---- the engine ---- */

/* The last rule never says NEXT. */
static struct policy_decision
decide(
    const struct rule *rules, size_t n, const struct policy_question *q, struct policy_trace *trace)
{
	struct policy_decision d = next("");

	if (trace != NULL)
		trace->n = 0;
	for (size_t i = 0; i < n && d.outcome == POLICY_NEXT; i++) {
		d = rules[i].try(q);
		if (trace != NULL)
			trace->steps[trace->n++] = (struct policy_step){rules[i].name, d};
	}
	return d;
}

struct policy_decision
policy_mail(const struct policy_question *q, struct policy_trace *trace)
{
	return decide(mail_rules, nitems(mail_rules), q, trace);
}

struct policy_decision
policy_recipient(const struct policy_question *q, struct policy_trace *trace)
{
	return decide(recipient_rules, nitems(recipient_rules), q, trace);
}

void
policy_reply(const struct policy_decision *d, char *reply, size_t size)
{
	snprintf(reply, size, "%s %.400s", d->status, d->sentence);
}

/* ---- ports ---- */

int
policy_kind_of(const char *key)
{
	return strcmp(key, "Submission") == 0 ? KIND_SUBMISSION
	       : strcmp(key, "SMTPS") == 0    ? KIND_SMTPS
	       : strcmp(key, "Local") == 0    ? KIND_LOCAL
					      : KIND_SMTP;
}

bool
policy_login(const struct policy_client *c)
{
	return c->tls || c->loopback;
}

bool
policy_starttls(const struct policy_client *c, bool able)
{
	return able && !c->tls && c->kind != KIND_SMTPS && c->kind != KIND_LOCAL;
}

bool
policy_fills_in(const struct policy_client *c)
{
	return is_submission(c) || c->kind == KIND_LOCAL;
}
