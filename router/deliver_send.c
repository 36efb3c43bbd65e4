/*
 * What a job sends, and one conversation with one address of a host. Touches the network and the
 * spool file in hand. See carry_private.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"
#include "common/wall_clock.h"
#include "router/carry_private.h"

/* ---- what is to be sent ---- */

struct carriage *
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

void
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

bool
carriage_load(struct carriage *g, int fd, const char **why)
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
	if (job == NULL || !talk_is_same(&t->to, &job->to))
		return false;
	carriage_free(&c->ahead); /* it was told to a session that is lost */
	c->ahead = carriage_new(c, job);
	if (!carriage_load(c->ahead, fd, &why)) {
		carriage_free(&c->ahead);
		return false;
	}
	*out = mail_of(c->ahead);
	return true;
}

/* ---- one conversation ---- */

struct talk *
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
	    .tls = {.policy = talk_policy_of(to->tls), .context = config->context, .host = t->host},
	    .user = to->user.len > 0 ? t->to.user.at : NULL,
	    .password = t->to.password.at,
	    .auth_in_clear = to->auth_in_clear,
	    .timeouts = config->timeouts,
	    .trace = config->trace ? talk_on_trace : NULL,
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
			carriage_report(g, g->numbers[i], r->end, flags_of(r), t->host,
			    smtp_info(t->session), r->reply);
		}
	}
	g->n = kept;
}

void
carriage_send_by(struct carriage *g, struct talk *t)
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
	carriage_settle(g, END_FAILED);
	return true;
}

bool
carriage_talk_to(struct carriage *g, struct talk *t, const struct mx_host *host)
{
	enum smtp_state state;
	bool over;

	t->session = smtp_session_new(&t->target);
	snprintf(g->c->trace_who, sizeof g->c->trace_who, "%s[%s]", t->host,
	    carriage_address_text(smtp_info(t->session)));
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
		talk_tell_of_clear_text(g);
		carriage_send_by(g, t);
		return g->n == 0;
	}
	if (g->last.code != 521 && g->last.code != 556)
		g->all_refuse = false;
	talk_free(&t);
	if (state == SMTP_NEXT_HOST)
		return false;
	carriage_settle(g, END_DEFERRED); /* our login was refused */
	g->end = DELIVER_NOT_NOW;
	return true;
}
