/* Who may send. */
#include "smtpd/policy.h"

static bool
is_submission(const struct session *s)
{
	return s->kind != KIND_SMTP;
}

const char *
policy_mail(const struct session *s)
{
	/* RFC 6409 4.3 */
	return is_submission(s) && s->user == NULL ? "530 5.7.0 Authentication required" : NULL;
}

const char *
policy_relay(const struct session *s)
{
	return s->user != NULL || s->local ? NULL : "550 5.7.1 Relaying denied";
}

bool
policy_login(const struct session *s)
{
	return s->tls || s->local;
}

bool
policy_starttls(const struct session *s)
{
	return !s->tls && s->kind != KIND_SMTPS && s->server->tls != NULL;
}

bool
policy_fills_in(const struct session *s)
{
	return is_submission(s);
}
