/*
 * A session with another host: what it stands for, whether the next job may use it, and what TLS is
 * to prove. See carry_private.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/queue_id.h"
#include "common/wall_clock.h"
#include "router/carry_private.h"

/* ---- sessions ---- */

static void
free_copy(struct span *text)
{
	if (text->at != NULL)
		explicit_bzero((char *)(uintptr_t)text->at, text->len);
	free((char *)(uintptr_t)text->at);
	*text = (struct span){NULL, 0};
}

bool
talk_is_same(const struct deliver_destination *a, const struct deliver_destination *b)
{
	return a->kind == b->kind && span_equal(a->name, b->name) && a->port == b->port &&
	       a->tls == b->tls && a->implicit_tls == b->implicit_tls && a->dane == b->dane &&
	       span_equal(a->tls_names, b->tls_names) && span_equal(a->user, b->user) &&
	       span_equal(a->password, b->password) && a->auth_in_clear == b->auth_in_clear;
}

void
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

void
talk_on_trace(void *arg, enum smtp_trace what, struct span line)
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

void
talk_choose_names(struct talk *t, bool secure)
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

enum tls_client_policy
talk_policy_of(enum tls_mode mode)
{
	static const enum tls_client_policy policies[] = {[TLS_NEVER] = TLS_CLIENT_NONE,
	    [TLS_MAY] = TLS_CLIENT_MAY,
	    [TLS_ENCRYPT] = TLS_CLIENT_ENCRYPT,
	    [TLS_VERIFY] = TLS_CLIENT_VERIFY};

	return policies[mode];
}

bool
talk_wants_dane(const struct deliver_destination *to)
{
	return to->dane && !to->implicit_tls && to->tls != TLS_NEVER;
}

bool
talk_apply_tlsa(struct carriage *g, struct talk *t, const struct mx_host *host)
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

void
talk_tell_of_roots(struct carrier *c, const struct talk *t)
{
	if (t->target.tls.policy != TLS_CLIENT_VERIFY || c->config->roots_why == NULL ||
	    c->told_of_roots)
		return;
	c->told_of_roots = true;
	log_warn("- no-roots reason=%s", log_safe(span_of(c->config->roots_why)));
}

void
talk_tell_of_clear_text(const struct carriage *g)
{
	const struct smtp_info *info = &g->last_info;

	if (info->tls_failure[0] != '\0')
		log_info("%s in-clear host=%s address=%s reason=%s", queue_id_text(g->job->id),
		    g->last_host, carriage_address_text(info),
		    log_safe(span_of(info->tls_failure)));
}
