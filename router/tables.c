/*
 * What the configuration says about where mail goes, ready to be looked up. Pure.
 */
#include "router/tables.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/log.h"
#include "common/memory.h"
#include "router/relay_times.h"

/* ---- addresses ---- */

static enum domain_kind
kind_of(const struct tables *t, struct span domain)
{
	/* A bare name is one of ours. A literal never is: it names an interface, not a domain. */
	if (domain.len == 0)
		return DOMAIN_LOCAL;
	if (domain.at[0] == '[')
		return DOMAIN_REMOTE;
	if (span_is_nocase(domain, t->server) || address_match_list(span_of(t->local), domain))
		return DOMAIN_LOCAL;
	return address_match_list(span_of(t->relay), domain) ? DOMAIN_RELAY : DOMAIN_REMOTE;
}

void
tables_place(const struct tables *t, struct span text, char *lower, struct place *p)
{
	for (size_t i = 0; i < text.len; i++)
		lower[i] =
		    text.at[i] >= 'A' && text.at[i] <= 'Z' ? text.at[i] + ('a' - 'A') : text.at[i];
	p->text = text;
	p->lower = (struct span){lower, text.len};
	address_split(p->lower, &p->local, &p->domain);
	p->kind = kind_of(t, p->domain);
}

/* ---- entries ---- */

static struct entry **
bucket_of(const struct tables *t, struct span name)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.at[i]) * 1099511628211u;
	return &t->buckets[(h ^ h >> 32) & (t->n_buckets - 1)];
}

struct entry *
tables_find(const struct tables *t, struct span name)
{
	struct entry *e = *bucket_of(t, name), *forward = NULL;

	for (; e != NULL; e = e->next) {
		if (!span_equal(e->name, name))
			continue;
		if (!e->forward)
			return e;
		forward = e;
	}
	return forward;
}

static struct span
lower_copy(const char *text)
{
	size_t len = strlen(text);
	char *copy = xmalloc(len + 1);

	for (size_t i = 0; i <= len; i++)
		copy[i] = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i];
	return (struct span){copy, len};
}

/* The targets as they stand, and behind them in lower case: one piece of memory. */
static void
set_targets(const struct tables *t, struct entry *e, const char *text)
{
	size_t len = strlen(text);
	struct span rest, one;

	e->memory = xmalloc(2 * len + 1);
	memcpy(e->memory, text, len);
	e->targets = xcalloc(len / 2 + 1, sizeof *e->targets);
	for (rest = (struct span){e->memory, len}; rest.len > 0;) {
		span_take(&rest, ' ', &one);
		if (one.len > 0)
			tables_place(
			    t, one, e->memory + len + (one.at - e->memory), &e->targets[e->n++]);
	}
}

static void
add_entry(struct tables *t, const struct setting *s)
{
	struct entry *e = xcalloc(1, sizeof *e), **bucket;

	e->name = lower_copy(s->key);
	e->forward = strcmp(s->section, "forward") == 0;
	set_targets(t, e, s->value);
	bucket = bucket_of(t, e->name);
	e->next = *bucket;
	*bucket = e;
	t->n_entries++;
}

static bool
is_entry(const struct setting *s)
{
	return strcmp(s->section, "aliases") == 0 || strcmp(s->section, "forward") == 0;
}

/* ---- the way to other hosts ---- */

static void
read_tls(struct smart_host *h, const char *word, bool verify)
{
	bool always = strcmp(word, "required") == 0 || strcmp(word, "implicit") == 0;

	h->implicit_tls = strcmp(word, "implicit") == 0;
	h->tls = tls_rule_default;
	if (strcmp(word, "none") == 0)
		h->tls = (struct tls_rule){.mode = TLS_NEVER};
	else if (always && verify)
		h->tls = (struct tls_rule){.mode = TLS_VERIFY};
	else if (always)
		h->tls.mode = TLS_ENCRYPT;
}

static void
read_smart_host(struct smart_host *h, const struct settings *s)
{
	const char *server = settings_text(s, "common", "SMTP Server");

	if (server[0] == '\0')
		return;
	if (!host_port_parse(span_of(server), &h->at))
		fatalx("the setting [common] SMTP Server is no host: %s", server);
	h->there = true;
	read_tls(h, settings_text(s, "common", "SMTP Server TLS"),
	    settings_bool(s, "common", "SMTP Server Verify"));
	h->user = xstrdup(settings_text(s, "common", "SMTP Server User"));
	h->password = xstrdup(settings_text(s, "common", "SMTP Server Password"));
	h->auth_without_tls = settings_bool(s, "common", "SMTP Server AUTH Without TLS") ||
			      host_port_is_loopback(&h->at);
	h->from = xstrdup(settings_text(s, "smtpd", "Relay FROM User"));
}

static void
clear_smart_host(struct smart_host *h)
{
	if (h->password != NULL)
		explicit_bzero(h->password, strlen(h->password));
	free(h->user);
	free(h->password);
	free(h->from);
}

/* What master sends was checked: anything else is a programming error. */
static void
check_lines(const struct settings *settings)
{
	struct next_hop hop;
	struct tls_rule rule;
	struct span bad;
	const char *why;

	for (size_t i = 0; i < settings->n; i++) {
		const struct setting *s = &settings->items[i];

		if ((strcmp(s->section, "routes") == 0 &&
			!next_hop_parse(span_of(s->value), &hop, &bad, &why)) ||
		    (strcmp(s->section, "tls policy") == 0 &&
			!tls_rule_parse(span_of(s->value), &rule, &bad, &why)))
			fatalx("the setting [%s] %s: %s", s->section, s->key, why);
	}
}

/* ---- all of it ---- */

struct tables *
tables_new(const struct settings *settings)
{
	struct tables *t = xcalloc(1, sizeof *t);

	t->server = xstrdup(settings_text(settings, "mail", "Mail Server"));
	t->local = xstrdup(settings_text(settings, "smtpd", "Local Domains"));
	t->relay = xstrdup(settings_text(settings, "smtpd", "Relay Domains"));
	t->unknown = xstrdup(settings_text(settings, "smtpd", "Unknown Mailbox"));
	check_lines(settings);
	read_smart_host(&t->smart_host, settings);
	t->routes = domain_map_new(settings, "routes");
	t->tls_policy = domain_map_new(settings, "tls policy");
	t->use_mta = settings_bool(settings, "smtpd", "Use MTA");
	t->relay_scheduled =
	    relay_times_is_scheduled(settings_text(settings, "smtpd", "Relay Delivery"));
	t->relay_never = strcmp(settings_text(settings, "smtpd", "Relay Delivery"), "never") == 0;
	t->max_depth = settings_u64(settings, "limits", "Maximum Alias Depth");
	t->trace = settings_bool(settings, "mail", "Trace Router");
	t->n_buckets = 16;
	while (t->n_buckets < settings->n)
		t->n_buckets *= 2;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct entry *));
	for (size_t i = 0; i < settings->n; i++)
		if (is_entry(&settings->items[i]))
			add_entry(t, &settings->items[i]);
	return t;
}

static void
free_entry(struct entry *e)
{
	free((void *)(uintptr_t)e->name.at);
	free(e->memory);
	free(e->targets);
	free(e);
}

void
tables_free(struct tables **tp)
{
	struct tables *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	for (size_t i = 0; i < t->n_buckets; i++)
		while (t->buckets[i] != NULL) {
			struct entry *e = t->buckets[i];

			t->buckets[i] = e->next;
			free_entry(e);
		}
	free(t->buckets);
	free(t->server);
	free(t->local);
	free(t->relay);
	free(t->unknown);
	clear_smart_host(&t->smart_host);
	domain_map_free(&t->routes);
	domain_map_free(&t->tls_policy);
	free(t);
}
