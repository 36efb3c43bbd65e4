/* The settings of webd, looked up by name once and not for each request. */
#include <string.h>

#include "common/host_port.h"
#include "common/ip_list.h"
#include "webd/webd.h"

void
webd_settings_clear(struct webd_settings *s)
{
	ip_list_free(&s->unlimited);
	ip_list_free(&s->proxies);
	mail_servers_clear(&s->mail);
	explicit_bzero(s->metrics_key, sizeof s->metrics_key);
}

static unsigned
https_port(const char *listeners)
{
	struct host_port at;

	return host_port_of_listener(span_of(listeners), &at) ? at.port : 0;
}

void
webd_settings_read(struct webd_settings *out, const struct settings *s)
{
	webd_settings_clear(out);
	strlcpy(out->server, settings_text(s, "mail", "Mail Server"), sizeof out->server);
	out->webmail = settings_bool(s, "mail", "Enable WebMail");
	out->any_from = settings_bool(s, "smtpd", "Allow Any FROM");
	out->upload_max = settings_u64(s, "common", "Maximum Content-Length");
	out->message_max = settings_u64(s, "smtpd", "Maximum Message Size");
	out->recipients_max = settings_u64(s, "smtpd", "Maximum Recipients");
	out->connections_max = settings_u64(s, "limits", "Maximum HTTP Connections");
	out->connections_each_max =
	    settings_u64(s, "limits", "Maximum HTTP Connections Per Address");
	out->session_s = settings_u64(s, "web", "Session Timeout");
	out->handshake_s = settings_u64(s, "timeouts", "TLS Handshake");
	out->https_port = https_port(settings_text(s, "listen", "HTTPS"));
	out->unlimited = ip_list_new(span_of(settings_text(s, "limits", "Unlimited Addresses")));
	out->proxies = ip_list_new(span_of(settings_text(s, "web", "Trusted Proxies")));
	strlcpy(out->metrics_key, settings_text(s, "web", "Metrics Key"), sizeof out->metrics_key);
	mail_servers_read(&out->mail, s);
}
