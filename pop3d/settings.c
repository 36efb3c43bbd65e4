/* The settings of pop3d, looked up by name once and not for each command. */
#include <string.h>

#include "common/ip_list.h"
#include "pop3d/pop3d.h"

void
pop3d_settings_clear(struct pop3d_settings *s)
{
	ip_list_free(&s->unlimited);
}

void
pop3d_settings_read(struct pop3d_settings *out, const struct settings *s)
{
	pop3d_settings_clear(out);
	strlcpy(out->server, settings_text(s, "mail", "Mail Server"), sizeof out->server);
	out->connections_max = settings_u64(s, "limits", "Maximum POP3 Connections");
	out->connections_each_max =
	    settings_u64(s, "limits", "Maximum POP3 Connections Per Address");
	out->unlimited = ip_list_new(span_of(settings_text(s, "limits", "Unlimited Addresses")));
	out->errors_max = settings_u64(s, "limits", "Maximum POP3 Errors");
	out->login_failures_max = settings_u64(s, "limits", "Maximum Login Failures");
	out->login_s = settings_u64(s, "timeouts", "POP3 Login");
	out->idle_s = settings_u64(s, "timeouts", "POP3 Idle");
	out->handshake_s = settings_u64(s, "timeouts", "TLS Handshake");
	out->trace = settings_bool(s, "mail", "Trace POP3");
}
