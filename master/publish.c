/*
 * What is to be published in the DNS: MX and SPF (RFC 7208) of a domain, its services (RFC 6186,
 * RFC 8314 5.1), where clients find their settings, and the host's addresses.
 */
#include "master/publish.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/host_port.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/local_domains.h"

struct list {
	const struct config *c;
	const json_t *addresses;
	json_t *records;
	const char *domain; /* whose records are being added */
	char host[CONFIG_SERVER_NAME_SIZE];
};

enum {
	TLS_FIRST = 0, /* a lower priority is preferred: RFC 8314 5.1 */
	TLS_LATER = 10,
	MX_PREFERENCE = 10
};

/* ---- one record; value and note are freed ---- */

static void
add(struct list *l, const char *name, const char *type, char *value, char *note)
{
	json_array_append_new(
	    l->records, json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "domain", l->domain, "name", name,
			    "type", type, "value", value, "note", note));
	free(value);
	free(note);
}

/* Where a listener answers, and what is to be said of that. */
static bool
find_listener(const struct list *l, const char *key, struct host_port *at, char **note)
{
	*note = NULL;
	if (!host_port_of_listener(span_of(config_text(l->c, "listen", key)), at))
		return false;
	if (host_port_is_loopback(at))
		*note = xasprintf("[listen] %s is %s: only this host reaches it", key,
		    config_text(l->c, "listen", key));
	return true;
}

/* ---- a domain ---- */

static void
add_mx(struct list *l)
{
	struct host_port at;
	char *note;

	if (!config_bool(l->c, "mail", "Run SMTPD") || !find_listener(l, "SMTP", &at, &note))
		return;
	if (note == NULL && at.port != 25)
		note = xasprintf(
		    "[listen] SMTP is port %u: other servers come to port 25 only", at.port);
	add(l, l->domain, "MX", xasprintf("%d %s.", MX_PREFERENCE, l->host), note);
}

static void
add_spf(struct list *l)
{
	const char *relay = config_text(l->c, "common", "SMTP Server");

	if (config_bool(l->c, "mail", "Run SMTPD") && config_bool(l->c, "smtpd", "Use MTA"))
		add(l, l->domain, "TXT", xstrdup("\"v=spf1 mx -all\""), NULL);
	else if (config_bool(l->c, "smtpd", "Use MTA"))
		add(l, l->domain, "TXT", xasprintf("\"v=spf1 a:%s -all\"", l->host), NULL);
	else if (relay[0] != '\0')
		add(l, l->domain, "TXT", NULL,
		    xasprintf(
			"\"v=spf1 ... -all\" with what the provider of %s says for it", relay));
}

static void
add_service(struct list *l, const char *service, const char *key, unsigned priority)
{
	char *name = xasprintf("_%s._tcp.%s", service, l->domain), *note;
	struct host_port at;

	if (find_listener(l, key, &at, &note))
		add(l, name, "SRV", xasprintf("%u 1 %u %s.", priority, at.port, l->host), note);
	free(name);
}

static void
add_services(struct list *l)
{
	if (config_bool(l->c, "mail", "Run SMTPD")) {
		add_service(l, "submissions", "SMTPS", TLS_FIRST);
		add_service(l, "submission", "Submission", TLS_LATER);
	}
	add_service(l, "pop3s", "POP3S", TLS_FIRST);
	add_service(l, "pop3", "POP3", TLS_LATER);
}

static void
add_alias(struct list *l, const char *label, char *note)
{
	char *name = xasprintf("%s.%s", label, l->domain);

	if (strcasecmp(name, l->host) != 0)
		add(l, name, "CNAME", xasprintf("%s.", l->host), note);
	else
		free(note);
	free(name);
}

/* The port of a listener; 0: there is none. */
static unsigned
port_of(const struct list *l, const char *key)
{
	struct host_port at;
	char *note;
	bool found = find_listener(l, key, &at, &note);

	free(note);
	return found ? at.port : 0;
}

/* Programs ask at ports 80 and 443; that of the SRV record may be another. */
static void
add_autoconfiguration(struct list *l)
{
	static const char by_proxy[] = "clients come to ports 80 and 443: a proxy must lead from "
				       "there to [listen] HTTP";
	unsigned http = port_of(l, "HTTP"), https = port_of(l, "HTTPS");
	bool direct = http == 80 || https == 443;

	if (!config_bool(l->c, "web", "Client Autoconfiguration") || (http == 0 && https == 0))
		return;
	add_alias(l, "autoconfig", direct ? NULL : xstrdup(by_proxy));
	add_alias(l, "autodiscover", direct ? NULL : xstrdup(by_proxy));
	if (https != 0)
		add_service(l, "autodiscover", "HTTPS", TLS_FIRST);
}

static void
add_domain(void *arg, const char *domain)
{
	struct list *l = arg;

	l->domain = domain;
	add_mx(l);
	add_spf(l);
	add_services(l);
	add_autoconfiguration(l);
}

/* ---- the host ---- */

static bool
add_addresses(struct list *l, bool ipv6)
{
	const json_t *one;
	bool any = false;
	size_t i;

	json_array_foreach(l->addresses, i, one)
	{
		const char *address = json_string_value(one);

		if ((strchr(address, ':') != NULL) != ipv6)
			continue;
		add(l, l->host, ipv6 ? "AAAA" : "A", xstrdup(address), NULL);
		any = true;
	}
	return any;
}

static bool
has(const struct list *l, const char *name, const char *type)
{
	const json_t *r;
	size_t i;

	json_array_foreach(l->records, i,
	    r) if (strcasecmp(json_string_value(json_object_get(r, "name")), name) == 0 &&
		   strcmp(json_string_value(json_object_get(r, "type")), type) == 0) return true;
	return false;
}

/* Other servers check the name that is said in EHLO, too (RFC 7208 2.3); of two records of one name
 * none would count (RFC 7208 4.5). */
static void
add_host(struct list *l)
{
	l->domain = l->host;
	if (!add_addresses(l, false) && json_array_size(l->addresses) == 0)
		add(l, l->host, "A", NULL,
		    xstrdup("the address under which the world reaches this host"));
	add_addresses(l, true);
	if (config_bool(l->c, "smtpd", "Use MTA") && !has(l, l->host, "TXT"))
		add(l, l->host, "TXT", xstrdup("\"v=spf1 a -all\""), NULL);
}

/* ---- all ---- */

/* Mail Server is also the host's name, and has mail of its own only where it is the one domain. */
static void
add_other_domain(void *arg, const char *domain)
{
	struct list *l = arg;

	if (strcasecmp(domain, l->host) != 0 && !local_domains_is_private(domain))
		add_domain(l, domain);
}

json_t *
publish_records(const struct config *c, const char *domain, const json_t *addresses)
{
	struct list l = {.c = c, .addresses = addresses, .records = json_array()};

	config_server_name(c, l.host);
	if (domain != NULL)
		add_domain(&l, domain);
	else
		local_domains_each(c, add_other_domain, &l);
	if (json_array_size(l.records) == 0 && domain == NULL)
		add_domain(&l, l.host);
	add_host(&l);
	return l.records;
}
