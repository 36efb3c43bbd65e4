/*
 * Thunderbird's clientConfig 1.1, at the two addresses where clients look for it. What is said of a
 * domain is built from the settings; of the request nothing but a domain that is ours gets into it.
 */
#include "webd/autoconfig.h"

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/host_port.h"
#include "webd/webd.h"
#include "webd/xml_out.h"

static const char label[] = "autoconfig.";

/* ---- of which domain ---- */

/* "example.org" of "autoconfig.example.org:8080". */
static bool
domain_of_host(const struct request *q, char out[HOST_SIZE])
{
	struct host_port at;
	size_t skip = strlen(label);

	if (!host_port_parse(http_field(&q->head, "Host"), &at) || at.is_address)
		return false;
	if (strncmp(at.host, label, skip) != 0)
		skip = 0;
	return strlcpy(out, at.host + skip, HOST_SIZE) < HOST_SIZE;
}

static bool
domain_of_request(const struct request *q, char out[HOST_SIZE])
{
	char text[ADDRESS_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];
	struct span local, domain;
	const char *why;
	bool there;

	if (!http_parameter(q->head.query, "emailaddress", text, sizeof text, &there))
		return !there && domain_of_host(q, out);
	/* Some clients ask before they know the name, with a place-holder or only the domain. */
	if (strchr(text, '@') == NULL)
		return address_is_domain(span_of(text)) &&
		       strlcpy(out, text, HOST_SIZE) < HOST_SIZE;
	if (address_parse(span_of(text), 0, address, &why) == -1)
		return false;
	address_split(span_of(address), &local, &domain);
	return span_copy(domain, out, HOST_SIZE);
}

/* ---- the document ---- */

static void
write_server(struct xml_out *x, const struct mail_servers *m, const struct mail_server *s)
{
	char port[16];

	snprintf(port, sizeof port, "%u", s->port);
	xml_open(x, s->incoming ? "incomingServer" : "outgoingServer");
	xml_attribute(x, "type", s->incoming ? "pop3" : "smtp");
	xml_element(x, "hostname", m->host);
	xml_element(x, "port", port);
	xml_element(x, "socketType", s->implicit ? "SSL" : "STARTTLS");
	/* Of the password, within TLS. */
	xml_element(x, "authentication", "password-cleartext");
	xml_element(x, "username", "%EMAILADDRESS%");
	xml_close(x);
}

static void
write_servers(struct xml_out *x, const struct mail_servers *m, bool incoming)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->items[i].incoming == incoming)
			write_server(x, m, &m->items[i]);
}

static void
reply_document(struct request *q, const struct mail_servers *m, const char *domain)
{
	struct xml_out *x = xml_out_new();

	xml_open(x, "clientConfig");
	xml_attribute(x, "version", "1.1");
	xml_open(x, "emailProvider");
	xml_attribute(x, "id", domain);
	xml_element(x, "domain", domain);
	xml_element(x, "displayName", domain);
	xml_element(x, "displayShortName", domain);
	write_servers(x, m, true);
	write_servers(x, m, false);
	xml_close(x);
	xml_close(x);
	xml_out_reply(&x, q);
}

/* Without TLS no password is taken from elsewhere: there is nothing to be told. */
void
autoconfig_serve(struct request *q)
{
	const struct mail_servers *m = &q->web->settings.mail;
	char domain[HOST_SIZE];

	if (m->on && q->web->tls != NULL && m->n > 0 && domain_of_request(q, domain) &&
	    mail_servers_know(m, span_of(domain)))
		reply_document(q, m, domain);
	else
		reply_error(q, 404, "gone", "There are no settings for this address.");
}
