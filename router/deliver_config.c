/*
 * What deliver takes from its settings, and from the host that it runs on: the issuers'
 * certificates. Opens the file of Trusted Roots; sends nothing.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/nameserver.h"
#include "common/resolver.h"
#include "common/socket_address.h"
#include "router/deliver_private.h"

/* ---- addresses of ours ---- */

static void
append(char **list, const char *text)
{
	char *longer = xasprintf("%s%s%s", *list, (*list)[0] ? " " : "", text);

	free(*list);
	*list = longer;
}

static bool
is_wildcard(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

struct ip_list *
deliver_own_addresses(const struct deliver_config *c, uint16_t port, struct mx_settings *to)
{
	struct span rest = span_of(c->listens), one;
	char *list = xstrdup(c->own_addresses), text[SOCKET_ADDRESS_TEXT_SIZE];
	struct sockaddr_storage address;
	struct ip_list *own;
	bool more;

	do {
		more = span_take(&rest, ' ', &one);
		if (!nameserver_parse(one, &address) ||
		    socket_address_port((const struct sockaddr *)&address) != port)
			continue;
		if (!is_wildcard(&address)) {
			socket_address_text((const struct sockaddr *)&address, text);
			append(&list, text);
		} else if (address.ss_family == AF_INET) {
			to->interfaces_ipv4 = true;
		} else {
			to->interfaces_ipv6 = true;
		}
	} while (more);
	to->own_addresses = own = ip_list_new(span_of(list));
	free(list);
	return own;
}

/* ---- the rest ---- */

static void
read_timeouts(struct smtp_timeouts *t, const struct settings *s)
{
	unsigned reply_s = settings_u64(s, "timeouts", "Outgoing Reply");

	*t = smtp_timeouts_default;
	t->connect_s = settings_u64(s, "timeouts", "Outgoing Connect");
	t->tls_s = settings_u64(s, "timeouts", "TLS Handshake");
	t->greeting_s = t->ehlo_s = t->auth_s = t->mail_s = t->rcpt_s = t->data_s = reply_s;
	t->block_s = settings_u64(s, "timeouts", "Outgoing Data");
	t->end_s = settings_u64(s, "timeouts", "Outgoing End");
}

static const char *
or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void
make_context(struct deliver_config *c, const struct settings *s)
{
	const char *certificate = or_null(settings_text(s, "tls", "Client Certificate PEM"));
	const char *key = or_null(settings_text(s, "tls", "Client Key PEM")), *why;
	const char *path = settings_text(s, "tls", "Trusted Roots");
	bool newest = strcmp(settings_text(s, "tls", "Minimum Version"), "TLSv1.3") == 0;
	X509_STORE *roots = tls_client_roots(path, &why);

	if (roots == NULL)
		c->roots_why = xasprintf("%s: %s", path, why);
	if (certificate == NULL || key == NULL)
		certificate = key = NULL;
	c->context = tls_client_context(roots, certificate, key, newest, &why);
	if (c->context == NULL && certificate != NULL) {
		log_warn("- client-certificate unusable reason=%s", why);
		c->context = tls_client_context(roots, NULL, NULL, newest, &why);
	}
	if (c->context == NULL)
		fatalx("cannot use TLS: %s", why);
	X509_STORE_free(roots);
}

static char *
list_of(const struct settings *s, const char *section, const char *const *keys, size_t n)
{
	char *list = xstrdup("");

	for (size_t i = 0; i < n; i++)
		append(&list, settings_text(s, section, keys[i]));
	return list;
}

struct deliver_config *
deliver_config_new(const struct settings *s)
{
	static const char *const ports[] = {"SMTP", "Submission", "SMTPS"};
	struct deliver_config *c = xcalloc(1, sizeof *c);

	c->helo = xstrdup(settings_text(s, "mail", "Mail Server"));
	c->own_names = xasprintf("%s %s", c->helo, settings_text(s, "outgoing", "Own Names"));
	c->listens = list_of(s, "listen", ports, nitems(ports));
	c->own_addresses = xstrdup(settings_text(s, "outgoing", "Own Addresses"));
	c->unusable = ip_list_new(span_of(settings_text(s, "outgoing", "Unusable Addresses")));
	resolver_choose_protocol(settings_text(s, "outgoing", "IP Protocol"), &c->ipv4, &c->ipv6);
	resolver_settings(s, &c->dns);
	read_timeouts(&c->timeouts, s);
	c->idle_s = settings_u64(s, "timeouts", "Outgoing Idle");
	c->trace = settings_bool(s, "mail", "Trace Router");
	make_context(c, s);
	return c;
}

void
deliver_config_free(struct deliver_config **cp)
{
	struct deliver_config *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	free(c->helo);
	free(c->own_names);
	free(c->listens);
	free(c->own_addresses);
	free(c->roots_why);
	ip_list_free(&c->unusable);
	SSL_CTX_free(c->context);
	free(c);
}
