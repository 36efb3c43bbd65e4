/*
 * Who may send: the one place that decides by port, client and login. Where mail goes is router's
 * business.
 */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include "router/router.h"
#include "smtpd/session.h"

/* NULL, or the reply that refuses MAIL at all. */
const char *policy_mail(const struct session *s);
/* NULL, or the reply that refuses a recipient that is neither local nor a peer's. */
const char *policy_relay(const struct session *s);
/* AUTH may be offered: the password cannot be overheard. */
bool policy_login(const struct session *s);
/* STARTTLS may be offered. */
bool policy_starttls(const struct session *s);
/* Missing fields are added (RFC 6409 8): mail that starts here. */
bool policy_fills_in(const struct session *s);

#endif
