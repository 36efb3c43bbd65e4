/*
 * What fetch takes from its settings: the DNS, timeouts and the issuers' certificates. Opens the
 * file of Trusted Roots; sends nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/resolver.h"
#include "common/tls_client.h"
#include "fetcher/fetch_private.h"

static void
read_timeouts(struct remote_timeouts *t, const struct settings *s)
{
	unsigned reply_s = settings_u64(s, "timeouts", "Outgoing Reply");

	*t = remote_timeouts_default;
	t->connect_s = settings_u64(s, "timeouts", "Outgoing Connect");
	t->tls_s = settings_u64(s, "timeouts", "TLS Handshake");
	t->greeting_s = t->auth_s = t->reply_s = reply_s;
	t->data_s = settings_u64(s, "timeouts", "Outgoing Data");
}

static void
make_context(struct fetch_config *c, const struct settings *s)
{
	const char *path = settings_text(s, "tls", "Trusted Roots"), *why;
	bool newest = strcmp(settings_text(s, "tls", "Minimum Version"), "TLSv1.3") == 0;
	X509_STORE *roots = tls_client_roots(path, &why);

	if (roots == NULL)
		log_warn("- no-roots reason=\"%s: %s\"", path, why);
	c->context = tls_client_context(roots, NULL, NULL, newest, &why);
	if (c->context == NULL)
		fatalx("cannot use TLS: %s", why);
	X509_STORE_free(roots);
}

struct fetch_config *
fetch_config_new(const struct settings *s)
{
	struct fetch_config *c = xcalloc(1, sizeof *c);

	c->server = xstrdup(settings_text(s, "mail", "Mail Server"));
	resolver_choose_protocol(settings_text(s, "outgoing", "IP Protocol"), &c->ipv4, &c->ipv6);
	resolver_settings(s, &c->dns);
	read_timeouts(&c->timeouts, s);
	c->trace = settings_bool(s, "mail", "Trace Fetcher");
	make_context(c, s);
	return c;
}

void
fetch_config_free(struct fetch_config **cp)
{
	struct fetch_config *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	free(c->server);
	SSL_CTX_free(c->context);
	free(c);
}
