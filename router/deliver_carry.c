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
#include <time.h>

#include "common/address.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/deliver_private.h"
#include "router/tlsa.h"

enum {
	ADDRESSES_TRIED_MAX = 10, /* in one job */
	CONVERSATIONS_MAX = 4,	  /* that were long enough to send something */
	TLS_NAMES_MAX = 32,
	SMTP_DEFAULT_PORT = 25
};

/* A session, and all that it borrows. */
struct talk {
	struct carrier *carrier;
	struct smtp_session *session;
	struct smtp_target target;
	char host[DNS_HOST_SIZE];
	struct tlsa_set tlsa;
	char *names_text;
	const char *names[TLS_NAMES_MAX];
	struct deliver_destination to; /* what its spans show belongs to it */
};

struct carrier {
	const struct deliver_config *config;
	const struct carrier_ops *ops;
	void *arg;
	struct dns *dns;
	struct talk *talk;	/* that the next job may use, or NULL */
	struct carriage *ahead; /* of the next job, or NULL */
	char trace_who[DNS_HOST_SIZE + HOST_PORT_SIZE + sizeof "[]"];
	char text[SMTP_REPLY_TEXT_SIZE]; /* deliver_done's */
	bool told_of_roots;
};

/* A job at work. */
struct carriage {
	struct carrier *c;
	const struct deliver_job *job;
	struct envelope e;
	unsigned char *storage;
	struct smtp_message message;
	/* recipients without an end, in the same order */
	size_t n;
	uint32_t *numbers;
	struct smtp_recipient *recipients;
	struct smtp_result *results;
	struct mx_list list;
	unsigned n_tried, n_talked;
	bool reached, all_refuse;
	struct smtp_reply last; /* why the last host was no good */
	struct smtp_info last_info;
	char last_host[DNS_HOST_SIZE];
	enum deliver_end end;
};

/* ---- what is told of a recipient ---- */

static double
seconds_since(uint64_t us)
{
	return ((double)wall_clock_now() - (double)us) / 1e6;
}

/* With the port where it is not the usual one. */
static const char *
address_text(const struct smtp_info *info)
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
	    or_none(host), or_none(address_text(info)), or_none(info->tls.version),
	    or_none(info->tls.cipher), info->tls.verified ? log_safe(span_of(info->tls.how)) : "no",
	    log_safe(span_of(reply)), seconds_since(g->e.arrival_us));
}

/* host "": there was none. */
static void
report(const struct carriage *g, uint32_t number, enum delivery_end end, unsigned flags,
    const char *host, const struct smtp_info *info, const char *reply)
{
	char route[DNS_HOST_SIZE + sizeof "smtp:"];
	struct deliver_result result = {number, end, flags, span_of(reply), {NULL, 0}};

	snprintf(route, sizeof route, "smtp%s%s", host[0] ? ":" : "", host);
	result.route = span_of(route);
	log_end(g, number, end, host, info, reply);
	g->c->ops->on_result(g->c->arg, &result);
}

/* All that are left end alike, with the last reply. */
static void
settle(struct carriage *g, enum delivery_end end)
{
	for (size_t i = 0; i < g->n; i++)
		report(g, g->numbers[i], end, 0, g->last_host, &g->last_info, g->last.text);
	g->n = 0;
}

/* ---- sessions ---- */

static void
free_copy(struct span *text)
{
	if (text->at != NULL)
		explicit_bzero((char *)(uintptr_t)text->at, text->len);
	free((char *)(uintptr_t)text->at);
	*text = (struct span){NULL, 0};
}

static bool
is_same(const struct deliver_destination *a, const struct deliver_destination *b)
{
	return a->kind == b->kind && span_equal(a->name, b->name) && a->port == b->port &&
	       a->tls == b->tls && a->implicit_tls == b->implicit_tls && a->dane == b->dane &&
	       span_equal(a->tls_names, b->tls_names) && span_equal(a->user, b->user) &&
	       span_equal(a->password, b->password) && a->auth_in_clear == b->auth_in_clear;
}

static void
talk_free(struct talk **tp)
{
	struct talk *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	smtp_session_free(&t->session);
	tlsa_set_clear(&t->tlsa);
	free(t->names_text);
	free_copy(&t->to.name);
	free_copy(&t->to.tls_names);
	free_copy(&t->to.user);
	free_copy(&t->to.password);
	free(t);
}

void
carrier_quit(struct carrier *c)
{
	if (c->talk != NULL)
		smtp_quit(&c->talk->session);
	talk_free(&c->talk);
}

bool
carrier_has_session(const struct carrier *c)
{
	return c->talk != NULL;
}

static void
on_trace(void *arg, enum smtp_trace what, struct span line)
{
	static const char *const marks[] = {"<<<", ">>>", "---"};
	const struct carrier *c = arg;
	char who[sizeof c->trace_who + sizeof " <<<"];

	snprintf(who, sizeof who, "%s %s", c->trace_who, marks[what]);
	log_trace_lines(who, line);
}

/* ---- TLS ---- */

static void
add_name(struct talk *t, const char *name)
{
	if (t->target.tls.n_names < TLS_NAMES_MAX)
		t->names[t->target.tls.n_names++] = name;
}

/* Those of the job. */
static void
add_given_names(struct talk *t, struct span list)
{
	char *rest, *one;

	t->names_text = span_text(list);
	rest = t->names_text;
	while ((one = strsep(&rest, " ")) != NULL)
		if (one[0] != '\0')
			add_name(t, one);
}

/* The domain itself, also below it where that is asked for. Of an address literal nothing. */
static void
add_domain(struct talk *t, bool below)
{
	char domain[DNS_HOST_SIZE];

	if (t->to.kind != DELIVER_MX || !host_name(t->to.name, domain))
		return;
	t->names_text = xasprintf("%s%c.%s", domain, '\0', domain);
	add_name(t, t->names_text);
	if (below)
		add_name(t, t->names_text + strlen(domain) + 1);
}

/* What a certificate may be for; deliver.h has the rules. */
static void
choose_names(struct talk *t, bool secure)
{
	t->target.tls.names = t->names;
	if (t->target.tls.policy == TLS_CLIENT_DANE) {
		add_domain(t, false); /* RFC 7672 3.2.2 */
	} else if (t->target.tls.policy == TLS_CLIENT_VERIFY && t->to.tls_names.len > 0) {
		add_given_names(t, t->to.tls_names);
	} else if (t->target.tls.policy == TLS_CLIENT_VERIFY) {
		add_domain(t, true);
		if (secure || t->target.tls.n_names == 0)
			add_name(t, t->host);
	}
}

static enum tls_client_policy
policy_of(enum tls_mode mode)
{
	static const enum tls_client_policy policies[] = {[TLS_NEVER] = TLS_CLIENT_NONE,
	    [TLS_MAY] = TLS_CLIENT_MAY,
	    [TLS_ENCRYPT] = TLS_CLIENT_ENCRYPT,
	    [TLS_VERIFY] = TLS_CLIENT_VERIFY};

	return policies[mode];
}

static bool
wants_dane(const struct deliver_destination *to)
{
	return to->dane && !to->implicit_tls && to->tls != TLS_NEVER;
}

/* False: the host is not to be used now. */
static bool
apply_tlsa(struct carriage *g, struct talk *t, const struct mx_host *host)
{
	struct tls_client *tls = &t->target.tls;

	/* Time of its own: conversations with other hosts may have come before. */
	tlsa_lookup(g->c->dns, &g->list, host, g->job->to.port, dns_deadline(g->c->dns), &t->tlsa);
	switch (t->tlsa.state) {
	case TLSA_LATER:
		smtp_reply_local(&g->last, 451, "4.7.5", "%s: %s", host->name, t->tlsa.text);
		return false;
	case TLSA_USABLE:
		tls->policy = TLS_CLIENT_DANE;
		tls->tlsa = t->tlsa.records;
		tls->n_tlsa = t->tlsa.n;
		tls->host = t->tlsa.base;
		return true;
	case TLSA_UNUSABLE:
		if (tls->policy == TLS_CLIENT_MAY)
			tls->policy = TLS_CLIENT_ENCRYPT;
		return true;
	default:
		return true;
	}
}

static void
tell_of_roots(struct carrier *c, const struct talk *t)
{
	if (t->target.tls.policy != TLS_CLIENT_VERIFY || c->config->roots_why == NULL ||
	    c->told_of_roots)
		return;
	c->told_of_roots = true;
	log_warn("- no-roots reason=%s", log_safe(span_of(c->config->roots_why)));
}

static void
tell_of_clear_text(const struct carriage *g)
{
	const struct smtp_info *info = &g->last_info;

	if (info->tls_failure[0] != '\0')
		log_info("%s in-clear host=%s address=%s reason=%s", queue_id_text(g->job->id),
		    g->last_host, address_text(info), log_safe(span_of(info->tls_failure)));
}

/* ---- what is to be sent ---- */

static struct carriage *
carriage_new(struct carrier *c, const struct deliver_job *job)
{
	struct carriage *g = xcalloc(1, sizeof *g);

	g->c = c;
	g->job = job;
	g->n = job->n;
	g->numbers = xcalloc(job->n, sizeof *g->numbers);
	memcpy(g->numbers, job->recipients, job->n * sizeof *g->numbers);
	g->recipients = xcalloc(job->n, sizeof *g->recipients);
	g->results = xcalloc(job->n, sizeof *g->results);
	g->message.fd = -1;
	return g;
}

static void
carriage_free(struct carriage **gp)
{
	struct carriage *g = *gp;

	if (g == NULL)
		return;
	*gp = NULL;
	envelope_clear(&g->e);
	free(g->storage);
	free(g->numbers);
	free(g->recipients);
	free(g->results);
	free(g);
}

static bool
pick_recipients(struct carriage *g)
{
	const struct deliver_job *job = g->job;

	for (size_t i = 0; i < job->n; i++) {
		const struct recipient *r;

		if (job->recipients[i] >= g->e.n_recipients)
			return false;
		r = &g->e.recipients[job->recipients[i]];
		g->recipients[i] = (struct smtp_recipient){
		    .address = r->address, .original = r->original, .notify = r->notify};
	}
	return true;
}

/* False: *why. */
static bool
load(struct carriage *g, int fd, const char **why)
{
	*why = "it cannot be read";
	if (envelope_read(&g->e, fd, &g->storage, why) == -1) {
		g->e = (struct envelope){0};
		return false;
	}
	if (g->e.id != g->job->id || !pick_recipients(g)) {
		*why = "it is not that of the job";
		return false;
	}
	g->message = (struct smtp_message){.fd = fd,
	    .offset = g->e.message_offset,
	    .size = g->e.message_size,
	    .reverse_path = g->job->reverse_path.len > 0 ? g->job->reverse_path : g->e.reverse_path,
	    .flags = g->e.flags,
	    .ret = g->e.ret,
	    .envid = g->e.envid,
	    .after_replies = g->e.attempts > 0};
	return true;
}

static struct smtp_mail
mail_of(const struct carriage *g)
{
	return (struct smtp_mail){
	    .message = &g->message, .to = g->recipients, .results = g->results, .n = g->n};
}

/* The next job is told to this session if it is for it. One that cannot be read has its end when
 * its turn comes. */
static bool
on_next(void *arg, struct smtp_mail *out)
{
	const struct talk *t = arg;
	struct carrier *c = t->carrier;
	const struct deliver_job *job;
	const char *why;
	int fd;

	job = c->ops->next(c->arg, &fd);
	if (job == NULL || !is_same(&t->to, &job->to))
		return false;
	carriage_free(&c->ahead); /* it was told to a session that is lost */
	c->ahead = carriage_new(c, job);
	if (!load(c->ahead, fd, &why)) {
		carriage_free(&c->ahead);
		return false;
	}
	*out = mail_of(c->ahead);
	return true;
}

/* ---- one conversation ---- */

static struct talk *
talk_new(struct carriage *g, const struct mx_host *host)
{
	const struct deliver_config *config = g->c->config;
	const struct deliver_destination *to = &g->job->to;
	struct talk *t = xcalloc(1, sizeof *t);

	t->carrier = g->c;
	t->to = *to;
	t->to.name = span_dup(to->name);
	t->to.tls_names = span_dup(to->tls_names);
	t->to.user = span_dup(to->user);
	t->to.password = span_dup(to->password);
	strlcpy(t->host, host->name, sizeof t->host);
	t->target = (struct smtp_target){.host = t->host,
	    .helo = config->helo,
	    .implicit_tls = to->implicit_tls,
	    .tls = {.policy = policy_of(to->tls), .context = config->context, .host = t->host},
	    .user = to->user.len > 0 ? t->to.user.at : NULL,
	    .password = t->to.password.at,
	    .auth_in_clear = to->auth_in_clear,
	    .timeouts = config->timeouts,
	    .trace = config->trace ? on_trace : NULL,
	    .trace_arg = g->c,
	    .next = on_next,
	    .next_arg = t};
	return t;
}

static void
remember_host(struct carriage *g, const struct talk *t)
{
	strlcpy(g->last_host, t->host, sizeof g->last_host);
	g->last_info = *smtp_info(t->session);
	g->last = *smtp_reply(t->session);
}

static unsigned
flags_of(const struct smtp_result *r)
{
	return (r->dsn_passed_on ? DELIVER_DSN_PASSED_ON : 0) |
	       (r->maybe_sent ? DELIVER_MAYBE_SENT : 0);
}

/* Reports those that have an end and keeps the others. */
static void
take_results(struct carriage *g, const struct talk *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct smtp_result *r = &g->results[i];

		if (r->untried) {
			g->numbers[kept] = g->numbers[i];
			g->recipients[kept++] = g->recipients[i];
		} else {
			report(g, g->numbers[i], r->end, flags_of(r), t->host,
			    smtp_info(t->session), r->reply);
		}
	}
	g->n = kept;
}

/* Sends what is left; keeps the session if it can go on. */
static void
send_by(struct carriage *g, struct talk *t)
{
	struct smtp_mail mail = mail_of(g);
	enum smtp_state state;

	g->reached = true;
	g->n_talked++;
	state = smtp_send(t->session, &mail);
	remember_host(g, t);
	take_results(g, t);
	if (state == SMTP_USABLE)
		g->c->talk = t;
	else
		talk_free(&t);
}

/* Whoever has our name is we: mail would come back, and be sent again. A name without a period, as
 * localhost, many have. */
static bool
is_ourselves(const struct carriage *g, const struct talk *t)
{
	const char *name = smtp_info(t->session)->name;

	return g->job->to.kind == DELIVER_MX && strchr(name, '.') != NULL &&
	       address_match_list(span_of(g->c->config->own_names), span_of(name));
}

/* True: that was the last word. */
static bool
end_loop(struct carriage *g, const struct mx_host *host)
{
	g->all_refuse = false;
	if (host->preference != g->list.hosts[0].preference) {
		smtp_reply_local(&g->last, 451, "4.4.6", "%s[%s] calls itself %s, which we are",
		    host->name, g->last_info.address, g->last_info.name);
		return false;
	}
	smtp_reply_local(&g->last, 554, "5.4.6",
	    "mail loops back to us: %s[%s] calls itself %s, which we are", host->name,
	    g->last_info.address, g->last_info.name);
	g->end = DELIVER_NEVER;
	settle(g, END_FAILED);
	return true;
}

/* True: there is nothing more to try. Takes t. */
static bool
talk_to(struct carriage *g, struct talk *t, const struct mx_host *host)
{
	enum smtp_state state;
	bool over;

	t->session = smtp_session_new(&t->target);
	snprintf(g->c->trace_who, sizeof g->c->trace_who, "%s[%s]", t->host,
	    address_text(smtp_info(t->session)));
	state = smtp_open(t->session);
	remember_host(g, t);
	if (state == SMTP_USABLE && is_ourselves(g, t)) {
		smtp_quit(&t->session);
		over = end_loop(g, host);
		talk_free(&t);
		return over;
	}
	if (state == SMTP_USABLE) {
		g->all_refuse = false;
		tell_of_clear_text(g);
		send_by(g, t);
		return g->n == 0;
	}
	if (g->last.code != 521 && g->last.code != 556)
		g->all_refuse = false;
	talk_free(&t);
	if (state == SMTP_NEXT_HOST)
		return false;
	settle(g, END_DEFERRED); /* our login was refused */
	g->end = DELIVER_NOT_NOW;
	return true;
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
		if (wants_dane(&g->job->to) && !apply_tlsa(g, t, host)) {
			strlcpy(g->last_host, host->name, sizeof g->last_host);
			g->last_info = (struct smtp_info){0};
			g->all_refuse = false;
			talk_free(&t);
			return false;
		}
		choose_names(t, g->list.secure);
		tell_of_roots(g->c, t);
		if (talk_to(g, t, host))
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
	settle(g, failed ? END_FAILED : END_DEFERRED);
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
	settle(g, g->all_refuse ? END_FAILED : END_DEFERRED);
}

/* ---- the job ---- */

/* True: there is nothing more to try. */
static bool
use_open_session(struct carriage *g)
{
	struct carrier *c = g->c;
	struct talk *t = c->talk;

	if (t == NULL || !is_same(&t->to, &g->job->to) || !smtp_is_usable(t->session)) {
		carrier_quit(c);
		return false;
	}
	if (!c->ops->is_wanted(c->arg))
		return true;
	c->talk = NULL;
	send_by(g, t);
	return g->n == 0;
}

static void
carry(struct carriage *g, int fd)
{
	const char *why;

	if (g->message.fd == -1 && !load(g, fd, &why)) {
		log_warn(
		    "%s cannot be read: %s", queue_id_text(g->job->id), log_safe(span_of(why)));
		smtp_reply_local(&g->last, 451, "4.3.0", "the message in the spool: %s", why);
		settle(g, END_DEFERRED);
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
