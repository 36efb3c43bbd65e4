/*
 * One job, read from top to bottom: which hosts take the mail, a conversation with one after the
 * other until each recipient has an end, and what router and the log are told of it. The last
 * session stays open for the next job of the same destination. Touches the network and the spool
 * file in hand.
 *
 * A host that cannot be reached, or used, is not the last word: the next address, then the next
 * host is tried, up to ADDRESSES_TRIED_MAX and CONVERSATIONS_MAX. When there is none left,
 * recipients are deferred with what the last one said; only if all of them said 521 or 556 (RFC
 * 7504) they fail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/carry_private.h"

enum {
	ADDRESSES_TRIED_MAX = 10, /* in one job */
	CONVERSATIONS_MAX = 4	  /* that were long enough to send something */
};

/* ---- what is told of a recipient ---- */

static double
seconds_since(uint64_t us)
{
	return ((double)wall_clock_now() - (double)us) / 1e6;
}

const char *
carriage_address_text(const struct smtp_info *info)
{
	static char text[HOST_PORT_SIZE];

	if (info->port == SMTP_DEFAULT_PORT || info->address[0] == '\0')
		strlcpy(text, info->address, sizeof text);
	else
		host_port_print(info->address, info->port, text);
	return text;
}

static const char *
or_none(const char *text)
{
	return text[0] != '\0' ? text : "none";
}

static void
log_end(const struct carriage *g, uint32_t number, enum delivery_end end, const char *host,
    const struct smtp_info *info, const char *reply)
{
	static const char *const words[] = {"sent", "deferred", "failed"};

	log_info("%s %s to=<%s> host=%s address=%s tls=%s cipher=%s verified=%s reply=%s "
		 "delay=%.1f",
	    queue_id_text(g->job->id), words[end],
	    number < g->e.n_recipients ? log_safe(g->e.recipients[number].address) : "",
	    or_none(host), or_none(carriage_address_text(info)), or_none(info->tls.version),
	    or_none(info->tls.cipher), info->tls.verified ? log_safe(span_of(info->tls.how)) : "no",
	    log_safe(span_of(reply)), seconds_since(g->e.arrival_us));
}

void
carriage_report(const struct carriage *g, uint32_t number, enum delivery_end end, unsigned flags,
    const char *host, const struct smtp_info *info, const char *reply)
{
	char route[DNS_HOST_SIZE + sizeof "smtp:"];
	struct deliver_result result = {number, end, flags, span_of(reply), {NULL, 0}};

	snprintf(route, sizeof route, "smtp%s%s", host[0] ? ":" : "", host);
	result.route = span_of(route);
	log_end(g, number, end, host, info, reply);
	g->c->ops->on_result(g->c->arg, &result);
}

void
carriage_settle(struct carriage *g, enum delivery_end end)
{
	for (size_t i = 0; i < g->n; i++)
		carriage_report(
		    g, g->numbers[i], end, 0, g->last_host, &g->last_info, g->last.text);
	g->n = 0;
}

/* ---- host by host ---- */

static bool
has_had_enough(const struct carriage *g)
{
	return g->n_tried >= ADDRESSES_TRIED_MAX || g->n_talked >= CONVERSATIONS_MAX;
}

static bool
try_host(struct carriage *g, const struct mx_host *host)
{
	for (size_t i = 0; i < host->n; i++) {
		struct talk *t;

		if (has_had_enough(g)) {
			g->all_refuse = false; /* this one was not asked */
			return false;
		}
		if (!g->c->ops->is_wanted(g->c->arg))
			return true;
		g->n_tried++;
		t = talk_new(g, host);
		t->target.address = host->addresses[i];
		if (talk_wants_dane(&g->job->to) && !talk_apply_tlsa(g, t, host)) {
			strlcpy(g->last_host, host->name, sizeof g->last_host);
			g->last_info = (struct smtp_info){0};
			g->all_refuse = false;
			talk_free(&t);
			return false;
		}
		talk_choose_names(t, g->list.secure);
		talk_tell_of_roots(g->c, t);
		if (carriage_talk_to(g, t, host))
			return true;
	}
	return false;
}

/* There are no hosts. */
static void
end_without_hosts(struct carriage *g)
{
	bool failed = g->list.end == MX_FAILED;
	bool null_mx = strcmp(g->list.code, "5.1.10") == 0; /* RFC 7505 4.2 */

	smtp_reply_local(&g->last,
	    !failed   ? 451
	    : null_mx ? 556
		      : 550,
	    g->list.code, "%s", g->list.text);
	g->last_host[0] = '\0';
	g->last_info = (struct smtp_info){0};
	g->end = failed ? DELIVER_NEVER : DELIVER_NOT_NOW;
	carriage_settle(g, failed ? END_FAILED : END_DEFERRED);
}

static void
find_hosts(struct carriage *g)
{
	const struct deliver_config *config = g->c->config;
	const struct deliver_destination *to = &g->job->to;
	struct mx_settings settings = {.own_names = span_of(config->own_names),
	    .unusable = config->unusable,
	    .ipv4 = config->ipv4,
	    .ipv6 = config->ipv6};
	int64_t deadline = dns_deadline(g->c->dns);
	struct ip_list *own;

	if (to->kind != DELIVER_MX) {
		/* Of a host that is named any address is good. */
		mx_of_host(g->c->dns, &settings, to->name, to->port, deadline, &g->list);
		return;
	}
	own = deliver_own_addresses(config, to->port, &settings);
	mx_of_domain(g->c->dns, &settings, to->name, to->port, deadline, &g->list);
	ip_list_free(&own);
}

static void
try_hosts(struct carriage *g)
{
	find_hosts(g);
	if (g->list.end != MX_FOUND) {
		end_without_hosts(g);
		return;
	}
	g->reached = false;
	g->all_refuse = true;
	for (size_t i = 0; i < g->list.n; i++)
		if (try_host(g, &g->list.hosts[i]))
			return;
	g->end = g->reached ? DELIVER_REACHED : g->all_refuse ? DELIVER_NEVER : DELIVER_NOT_NOW;
	carriage_settle(g, g->all_refuse ? END_FAILED : END_DEFERRED);
}

/* ---- the job ---- */

/* True: there is nothing more to try. */
static bool
use_open_session(struct carriage *g)
{
	struct carrier *c = g->c;
	struct talk *t = c->talk;

	if (t == NULL || !talk_is_same(&t->to, &g->job->to) || !smtp_is_usable(t->session)) {
		carrier_quit(c);
		return false;
	}
	if (!c->ops->is_wanted(c->arg))
		return true;
	c->talk = NULL;
	carriage_send_by(g, t);
	return g->n == 0;
}

static void
carry(struct carriage *g, int fd)
{
	const char *why;

	if (g->message.fd == -1 && !carriage_load(g, fd, &why)) {
		log_warn(
		    "%s cannot be read: %s", queue_id_text(g->job->id), log_safe(span_of(why)));
		smtp_reply_local(&g->last, 451, "4.3.0", "the message in the spool: %s", why);
		carriage_settle(g, END_DEFERRED);
		return;
	}
	if (!use_open_session(g))
		try_hosts(g);
}

static void
finish(struct carriage *g, struct deliver_done *done)
{
	struct carrier *c = g->c;

	if (g->end == DELIVER_REACHED)
		c->text[0] = '\0';
	else
		strlcpy(c->text, g->last.text, sizeof c->text);
	*done = (struct deliver_done){.id = g->job->id,
	    .kept_open = c->talk != NULL,
	    .end = g->end,
	    .text = span_of(c->text)};
	if (c->talk == NULL)
		carriage_free(&c->ahead); /* it goes back */
	carriage_free(&g);
}

void
carrier_run(struct carrier *c, const struct deliver_job *job, int fd, struct deliver_done *done)
{
	struct carriage *g = c->ahead != NULL ? c->ahead : carriage_new(c, job);

	if (g->job != job)
		fatalx("carrier_run: not the job that came next");
	c->ahead = NULL;
	carry(g, fd);
	finish(g, done);
}

struct carrier *
carrier_new(const struct deliver_config *config, const struct carrier_ops *ops, void *arg)
{
	struct carrier *c = xcalloc(1, sizeof *c);

	c->config = config;
	c->ops = ops;
	c->arg = arg;
	c->dns = dns_new(&config->dns);
	return c;
}

void
carrier_free(struct carrier **cp)
{
	struct carrier *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	talk_free(&c->talk);
	carriage_free(&c->ahead);
	dns_free(&c->dns);
	free(c);
}
