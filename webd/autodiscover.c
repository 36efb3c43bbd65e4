/*
 * Autodiscover (MS-OXDSCLI): the address comes in an XML document, the settings go out in one, and
 * so do errors.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "webd/autoconfig.h"
#include "webd/routes.h"
#include "webd/webd.h"
#include "webd/xml_out.h"

#define SCHEMAS "http://schemas.microsoft.com/exchange/autodiscover/"

static const char request_schema[] = SCHEMAS "outlook/requestschema/2006";
static const char answer_schema[] = SCHEMAS "responseschema/2006";
static const char settings_schema[] = SCHEMAS "outlook/responseschema/2006a";

/* MS-OXDSCLI 2.2.4.1.1.2.2 */
enum { ERROR_ADDRESS = 500, ERROR_REQUEST = 600, ERROR_SCHEMA = 601 };

/* ---- what comes ---- */

static const xmlNode *
child(const xmlNode *parent, const char *name)
{
	for (const xmlNode *n = parent != NULL ? parent->children : NULL; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE && n->ns != NULL &&
		    strcmp((const char *)n->ns->href, request_schema) == 0 &&
		    strcmp((const char *)n->name, name) == 0)
			return n;
	return NULL;
}

/* False: there is no such element, or its text is too long. */
static bool
text_of(const xmlNode *parent, const char *name, char *out, size_t size)
{
	const xmlNode *n = child(parent, name);
	xmlChar *text = n != NULL ? xmlNodeGetContent(n) : NULL;
	bool taken = text != NULL && span_copy(span_trim(span_of((const char *)text)), out, size);

	xmlFree(text);
	return taken;
}

/* 0 with the canonical address, or an error's number. */
static int
read_tree(const xmlDoc *doc, char address[ADDRESS_TEXT_SIZE])
{
	const xmlNode *request = child(xmlDocGetRootElement(doc), "Request");
	char text[ADDRESS_TEXT_SIZE], schema[ADDRESS_TEXT_SIZE];
	const char *why;

	/* Nobody needs a DTD, whose entities may be large. */
	if (doc->intSubset != NULL ||
	    !text_of(request, "AcceptableResponseSchema", schema, sizeof schema))
		return ERROR_REQUEST;
	if (strcmp(schema, settings_schema) != 0)
		return ERROR_SCHEMA;
	if (!text_of(request, "EMailAddress", text, sizeof text))
		return ERROR_REQUEST;
	return address_parse(span_of(text), 0, address, &why) == 0 ? 0 : ERROR_ADDRESS;
}

static int
read_request(const struct request *q, char address[ADDRESS_TEXT_SIZE])
{
	xmlDoc *doc = q->body_len > 0
			  ? xmlReadMemory(q->body, q->body_len, "request", NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
			  : NULL;
	int error = doc != NULL ? read_tree(doc, address) : ERROR_REQUEST;

	xmlFreeDoc(doc);
	return error;
}

/* ---- what goes ---- */

static struct xml_out *
begin(const char *schema)
{
	struct xml_out *x = xml_out_new();

	xml_open(x, "Autodiscover");
	xml_attribute(x, "xmlns", answer_schema);
	xml_open(x, "Response");
	if (schema != NULL)
		xml_attribute(x, "xmlns", schema);
	return x;
}

static void
end(struct xml_out *x, struct request *q)
{
	xml_close(x);
	xml_close(x);
	xml_out_reply(&x, q);
}

static void
reply_failure(struct request *q, int error)
{
	struct xml_out *x = begin(NULL);
	char number[16];

	snprintf(number, sizeof number, "%d", error);
	xml_open(x, "Error");
	xml_element(x, "ErrorCode", number);
	xml_element(x, "Message",
	    error == ERROR_ADDRESS  ? "There are no settings for this address"
	    : error == ERROR_SCHEMA ? "Provider is not available"
				    : "Invalid Request");
	xml_element(x, "DebugData", "");
	xml_close(x);
	end(x, q);
}

static void
write_protocol(struct xml_out *x, const struct mail_servers *m, const struct mail_server *s,
    const char *address)
{
	char port[16];

	snprintf(port, sizeof port, "%u", s->port);
	xml_open(x, "Protocol");
	xml_element(x, "Type", s->incoming ? "POP3" : "SMTP");
	xml_element(x, "Server", m->host);
	xml_element(x, "Port", port);
	xml_element(x, "DomainRequired", "off");
	xml_element(x, "LoginName", address);
	xml_element(x, "SPA", "off");
	xml_element(x, "SSL", "on");
	xml_element(x, "Encryption", s->implicit ? "SSL" : "TLS");
	xml_element(x, "AuthRequired", "on");
	if (!s->incoming) {
		xml_element(x, "UsePOPAuth", "off");
		xml_element(x, "SMTPLast", "off");
	}
	xml_close(x);
}

/* A client takes the first of each type. */
static void
reply_settings(struct request *q, const struct mail_servers *m, const char *address)
{
	struct xml_out *x = begin(settings_schema);

	xml_open(x, "Account");
	xml_element(x, "AccountType", "email");
	xml_element(x, "Action", "settings");
	for (size_t i = 0; i < m->n; i++)
		write_protocol(x, m, &m->items[i], address);
	xml_close(x);
	end(x, q);
}

static bool
is_ours(const struct mail_servers *m, const char *address)
{
	struct span local, domain;

	address_split(span_of(address), &local, &domain);
	return mail_servers_know(m, domain);
}

static bool
is_offered(const struct request *q)
{
	const struct mail_servers *m = &q->web->settings.mail;

	return m->on && m->n > 0 && q->web->tls != NULL;
}

void
autodiscover_serve(struct request *q)
{
	const struct mail_servers *m = &q->web->settings.mail;
	char address[ADDRESS_TEXT_SIZE];
	int error;

	if (!is_offered(q)) {
		reply_error(q, 404, "gone", "There is nothing at this address.");
		return;
	}
	error = read_request(q, address);
	if (error == 0 && !is_ours(m, address))
		error = ERROR_ADDRESS;
	if (error != 0)
		reply_failure(q, error);
	else
		reply_settings(q, m, address);
}

/* The client asks in clear where it is led to: MS-OXDISCO 3.1.5.3. */
void
autodiscover_lead(struct request *q)
{
	if (!is_offered(q) || q->web->settings.https_port == 0) {
		reply_error(q, 404, "gone", "There is nothing at this address.");
		return;
	}
	if (q->secure) {
		reply_failure(q, ERROR_REQUEST);
		return;
	}
	reply_use_https(q, 302, "/autodiscover/autodiscover.xml");
}
