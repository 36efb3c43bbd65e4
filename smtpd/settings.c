/* The settings of smtpd, looked up by name once and not for each command. */
#include <string.h>

#include "common/ip_list.h"
#include "smtpd/smtpd.h"

void
smtpd_settings_clear(struct smtpd_settings *s)
{
	ip_list_free(&s->unlimited);
	local_users_free(&s->local_users);
	ip_list_free(&s->policy.relay_ips);
}

static void
read_limits(struct smtpd_settings *out, const struct settings *s)
{
	out->message_max = settings_u64(s, "smtpd", "Maximum Message Size");
	out->hops_max = settings_u64(s, "smtpd", "Maximum Received Hops");
	out->connections_max = settings_u64(s, "limits", "Maximum SMTP Connections");
	out->connections_each_max =
	    settings_u64(s, "limits", "Maximum SMTP Connections Per Address");
	out->errors_max = settings_u64(s, "limits", "Maximum SMTP Errors");
	out->commands_max = settings_u64(s, "limits", "Maximum SMTP Commands Without Mail");
	out->login_failures_max = settings_u64(s, "limits", "Maximum Login Failures");
	out->unlimited = ip_list_new(span_of(settings_text(s, "limits", "Unlimited Addresses")));
}

static void
read_policy(struct policy_settings *out, const struct settings *s)
{
	out->require_auth = settings_bool(s, "smtpd", "Require AUTH");
	out->restrict_relay = settings_bool(s, "smtpd", "Restrict Relay");
	out->relay_ips = ip_list_new(span_of(settings_text(s, "smtpd", "Restrict Relay IPs")));
	out->allow_any_from = settings_bool(s, "smtpd", "Allow Any FROM");
	out->relay_never = strcmp(settings_text(s, "smtpd", "Relay Delivery"), "never") == 0;
	out->recipients_max = settings_u64(s, "smtpd", "Maximum Recipients");
}

/* Part of addresses, whose domain is lower case. */
static void
read_server(struct smtpd_settings *out, const struct settings *s)
{
	strlcpy(out->server, settings_text(s, "mail", "Mail Server"), sizeof out->server);
	for (char *c = out->server; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
}

void
smtpd_settings_read(struct smtpd_settings *out, const struct settings *s)
{
	smtpd_settings_clear(out);
	read_server(out, s);
	read_limits(out, s);
	read_policy(&out->policy, s);
	out->local_users = local_users_new(s);
	out->command_s = settings_u64(s, "timeouts", "SMTP Command");
	out->data_s = settings_u64(s, "timeouts", "SMTP Data");
	out->transaction_s = settings_u64(s, "timeouts", "SMTP Transaction");
	out->inner_s = settings_u64(s, "timeouts", "Inner Answer");
	out->handshake_s = settings_u64(s, "timeouts", "TLS Handshake");
	out->trace = settings_bool(s, "mail", "Trace SMTP");
}
