/*
 * sambarctl explain: what would become of a message from here to there, by the policy and by
 * router, without a message. Private to the folder.
 */
#ifndef SMTPD_EXPLAIN_H
#define SMTPD_EXPLAIN_H

#include "common/role.h"
#include "smtpd/smtpd.h"

/*
 * words: explain FROM TO IP USER LISTENER. FROM without brackets, "" the null sender; IP as
 * socket_address_parse() takes it; USER "" without a login; LISTENER a key of [listen]. Answers
 * with role_admin_reply(), now or when router has answered:
 *
 * {"from", "to", "ip", "user", "listener", "accepted": bool, "reply": "550 5.7.1 ...",
 *  "rules": [{"command": "MAIL" or "RCPT", "rule", "outcome": "next", "accept", "refuse", "why"}],
 *  "way": [{"depth", "step", "name", "route"}], "routes": ["mailbox ann", ...]}
 */
void explain_request(struct smtpd *d, struct role *r, uint64_t tag, char **words, size_t n);

#endif
