/* What mail clients are told of this system's servers. */
#include "webd/mail_servers.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/host_port.h"
#include "common/memory.h"

void
mail_servers_read(struct mail_servers *out, const struct settings *s)
{
	static const struct {
		const char *key;
		bool incoming, implicit;
	} listeners[MAIL_SERVERS_MAX] = {{"POP3S", true, true}, {"POP3", true, false},
	    {"SMTPS", false, true}, {"Submission", false, false}};
	bool smtpd = settings_bool(s, "mail", "Run SMTPD");
	struct host_port at;

	*out = (struct mail_servers){.on = settings_bool(s, "web", "Client Autoconfiguration"),
	    .domains = xstrdup(settings_text(s, "smtpd", "Local Domains"))};
	strlcpy(out->host, settings_text(s, "mail", "Mail Server"), sizeof out->host);
	for (size_t i = 0; i < nitems(listeners); i++) {
		struct span addresses = span_of(settings_text(s, "listen", listeners[i].key));

		if ((listeners[i].incoming || smtpd) && host_port_of_listener(addresses, &at))
			out->items[out->n++] = (struct mail_server){
			    listeners[i].incoming, listeners[i].implicit, at.port};
	}
}

void
mail_servers_clear(struct mail_servers *m)
{
	free(m->domains);
	m->domains = NULL;
}

bool
mail_servers_know(const struct mail_servers *m, struct span domain)
{
	return domain.len > 0 &&
	       (span_is_nocase(domain, m->host) || address_match_list(span_of(m->domains), domain));
}
