/*
 * Which way mail for an address of another host takes. Pure.
 */
#include "router/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "router/mx.h"

enum { SMTP_PORT = 25, SMTPS_PORT = 465 };

/* ---- the kind of way ---- */

/* False with *why: nowhere. */
static bool
choose(const struct tables *t, struct span domain, struct span override, struct next_hop *hop,
    const char **why)
{
	const char *line;
	struct span bad;

	if (override.len > 0 && next_hop_parse(override, hop, &bad, why) &&
	    (hop->kind != NEXT_HOP_SMART_HOST || t->smart_host.there))
		return true;
	if (t->relay_never) {
		*why = "Relay Delivery is never";
		return false;
	}
	*hop = (struct next_hop){.kind = t->use_mta ? NEXT_HOP_MX : NEXT_HOP_SMART_HOST};
	if ((line = domain_map_find(t->routes, domain)) != NULL)
		(void)next_hop_parse(span_of(line), hop, &bad, why);
	if (hop->kind != NEXT_HOP_SMART_HOST || t->smart_host.there)
		return true;
	*why = line != NULL ? "[routes] says smart host and there is no SMTP Server"
			    : "Use MTA is false and there is no SMTP Server";
	return false;
}

/* In A-labels, as DNS has it, and [routes] and [tls policy]. What cannot be written so (a literal,
 * a broken name) stays. */
static struct span
domain_of(const struct place *p, char out[DNS_HOST_SIZE])
{
	return host_name(p->domain, out) ? span_of(out) : p->domain;
}

/* ---- TLS ---- */

static bool
is_literal(const char *host)
{
	return host[0] == '[';
}

/* The names that the next hop implies. A domain's MX are known from DNS only, where anybody may
 * have answered: its own name must be there. */
static void
imply_names(const struct route *r, char out[ROUTE_NAMES_SIZE])
{
	size_t tag = strncasecmp(r->host, "[IPv6:", 6) == 0 ? 6 : 1;

	if (r->kind == ROUTE_HOST)
		strlcpy(out, r->host, ROUTE_NAMES_SIZE);
	else if (!is_literal(r->host))
		snprintf(out, ROUTE_NAMES_SIZE, "%s .%s", r->host, r->host);
	else
		snprintf(
		    out, ROUTE_NAMES_SIZE, "%.*s", (int)strcspn(r->host + tag, "]"), r->host + tag);
}

/* TLSA records belong to names. */
static bool
has_name(const struct route *r)
{
	char address[HOST_SIZE];

	return !is_literal(r->host) && !host_port_is_address(span_of(r->host), address);
}

static void
set_tls(struct route *r, const struct tls_rule *rule)
{
	r->tls = r->implicit_tls && rule->mode < TLS_ENCRYPT ? TLS_ENCRYPT : rule->mode;
	r->dane = rule->dane && has_name(r);
	if (r->tls == TLS_VERIFY && rule->names[0] != '\0')
		strlcpy(r->names, rule->names, sizeof r->names);
	else if (r->tls == TLS_VERIFY)
		imply_names(r, r->names);
}

static struct tls_rule
rule_of(const struct tables *t, struct span domain)
{
	const char *line = domain_map_find(t->tls_policy, domain), *why;
	struct tls_rule rule = tls_rule_default;
	struct span bad;

	if (line != NULL)
		(void)tls_rule_parse(span_of(line), &rule, &bad, &why);
	return rule;
}

/* ---- the destination ---- */

/* Bytes that cannot stand in a destination become %XX. */
static void
append_encoded(struct route *r, const char *text)
{
	char byte[4];

	for (; *text != '\0'; text++) {
		if (*text == ' ')
			strlcpy(byte, "+", sizeof byte);
		else if (*text > ' ' && *text < 0x7f && strchr(",%+", *text) == NULL)
			snprintf(byte, sizeof byte, "%c", *text);
		else
			snprintf(byte, sizeof byte, "%%%02X", (unsigned char)*text);
		strlcat(r->destination, byte, sizeof r->destination);
	}
}

static void
append(struct route *r, const char *option, const char *value)
{
	strlcat(r->destination, option, sizeof r->destination);
	append_encoded(r, value);
}

static void
append_tls(struct route *r)
{
	char implied[ROUTE_NAMES_SIZE];

	if (r->implicit_tls)
		append(r, ",implicit", "");
	if (r->tls != TLS_MAY || r->dane != has_name(r))
		append(r, ",tls=", tls_mode_word(r->tls));
	if (r->dane && r->tls != TLS_MAY)
		append(r, ",dane", "");
	imply_names(r, implied);
	if (r->tls == TLS_VERIFY && strcmp(r->names, implied) != 0)
		append(r, ",names=", r->names);
}

static void
name_destination(struct route *r)
{
	char where[HOST_PORT_SIZE];

	host_port_print(r->host, r->port, where);
	if (r->kind == ROUTE_MX)
		append(r, "mx:", r->host);
	else
		append(r, r->smart_host ? "smart:" : "host:", where);
	append_tls(r);
	if (r->user[0] != '\0')
		append(r, ",user=", r->user);
}

/* ---- all of it ---- */

static void
go_by_mx(struct route *r, struct span domain, const struct tls_rule *rule)
{
	r->kind = ROUTE_MX;
	(void)span_copy(domain, r->host, sizeof r->host);
	r->port = SMTP_PORT;
	set_tls(r, rule);
}

static void
go_to_host(struct route *r, const struct host_port *at, bool implicit, const struct tls_rule *rule)
{
	r->kind = ROUTE_HOST;
	strlcpy(r->host, at->host, sizeof r->host);
	r->port = at->port != 0 ? at->port : implicit ? SMTPS_PORT : SMTP_PORT;
	r->implicit_tls = implicit;
	set_tls(r, rule);
}

static void
go_to_smart_host(struct route *r, const struct smart_host *h)
{
	go_to_host(r, &h->at, h->implicit_tls, &h->tls);
	r->smart_host = true;
	r->user = h->user;
	r->password = h->user[0] != '\0' ? h->password : "";
	r->auth_without_tls = h->auth_without_tls;
	r->reverse_path = h->from;
}

struct route
route_find(const struct tables *t, const struct place *p, struct span override)
{
	struct route r = {
	    .kind = ROUTE_NONE, .why = "", .user = "", .password = "", .reverse_path = ""};
	char ascii[DNS_HOST_SIZE];
	struct span domain = domain_of(p, ascii);
	struct tls_rule rule;
	struct next_hop hop;

	if (!choose(t, domain, override, &hop, &r.why))
		return r;
	rule = rule_of(t, domain);
	switch (hop.kind) {
	case NEXT_HOP_MX:
		go_by_mx(&r, domain, &rule);
		break;
	case NEXT_HOP_HOST:
		go_to_host(&r, &hop.at, hop.implicit_tls, &rule);
		break;
	case NEXT_HOP_SMART_HOST:
		go_to_smart_host(&r, &t->smart_host);
		break;
	}
	name_destination(&r);
	return r;
}

bool
route_is_there(const struct tables *t, const struct place *p)
{
	char ascii[DNS_HOST_SIZE];
	struct next_hop hop;
	const char *why;

	return choose(t, domain_of(p, ascii), span_of(""), &hop, &why);
}

/* ---- in words ---- */

static const char *
verb_of(const struct route *r)
{
	if (r->smart_host)
		return "via smart host ";
	if (r->kind == ROUTE_HOST)
		return "relay to host ";
	return is_literal(r->host) ? "relay to " : "relay to MX of ";
}

void
route_describe(const struct route *r, char out[ROUTE_TEXT_SIZE])
{
	if (r->kind == ROUTE_NONE) {
		snprintf(out, ROUTE_TEXT_SIZE, "nowhere: %s", r->why);
		return;
	}
	snprintf(out, ROUTE_TEXT_SIZE, "%s%s, port %u, %sTLS %s%s%s%s%s", verb_of(r), r->host,
	    r->port, r->implicit_tls ? "implicit " : "", r->dane ? "dane, else " : "",
	    tls_mode_word(r->tls), r->tls == TLS_VERIFY ? " " : "", r->names,
	    r->user[0] != '\0' ? ", with a login" : "");
}
