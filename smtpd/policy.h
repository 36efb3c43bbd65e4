/*
 * Who may send: the one place that decides by port, client, login, sender and recipient. Where mail
 * goes is router's business. Pure: docs/policy.md shows the rules as tables.
 *
 * A decision is a row of rules that are tried in order; the first that does not pass the question
 * on decides. The same rules serve SMTP and sambarctl explain.
 */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/span.h"
#include "router/router.h"

/* The port's rules. KIND_LOCAL is the UNIX socket of sendmail(8): programs of this machine. */
enum session_kind { KIND_SMTP, KIND_SUBMISSION, KIND_SMTPS, KIND_LOCAL };

struct ip_list;

/* The keys of sambar.ini(5) that decide. */
struct policy_settings {
	bool require_auth, restrict_relay, allow_any_from;
	bool relay_never;	   /* Relay Delivery is never */
	struct ip_list *relay_ips; /* Restrict Relay IPs */
	uint64_t recipients_max;
};

struct policy_client {
	enum session_kind kind;
	const struct sockaddr *address;
	bool loopback; /* a loopback address or a UNIX socket */
	bool tls, logged_in;
};

struct policy_question {
	const struct policy_settings *settings;
	struct policy_client client;
	struct span reverse_path;
	/* What router says of the reverse-path: of a user's own when he has logged in, else of any
	 * account's. */
	bool has_standing;
	enum router_standing standing;
	/* RCPT only: what router says of the recipient; words "": ours are used. */
	enum router_verdict verdict;
	uint64_t targets;
	const char *words;
};

enum policy_outcome {
	POLICY_NEXT, /* of a rule only: the next one decides */
	POLICY_ACCEPT,
	POLICY_REFUSE,
	POLICY_ASK, /* ask router for the standing of the reverse-path, and come again */
};

struct policy_decision {
	enum policy_outcome outcome;
	const char *status;   /* of REFUSE: reply code and enhanced status (RFC 3463) */
	const char *sentence; /* of REFUSE: the reply's text; else why, for the trace */
};

/* Each rule that was tried and what came of it. */
struct policy_step {
	const char *rule; /* a key of the configuration, or what the rule looks at */
	struct policy_decision decision;
};

enum { POLICY_STEPS_MAX = 16 };

struct policy_trace {
	size_t n;
	struct policy_step steps[POLICY_STEPS_MAX];
};

/* MAIL, and RCPT after an accepted MAIL. trace may be NULL; else it is filled anew. */
struct policy_decision policy_mail(const struct policy_question *q, struct policy_trace *trace);
struct policy_decision
policy_recipient(const struct policy_question *q, struct policy_trace *trace);

/* What a verdict alone says: its refusal, or POLICY_NEXT. */
struct policy_decision policy_verdict(enum router_verdict verdict);

/* The reply of a refusal: status and sentence. */
void policy_reply(const struct policy_decision *d, char *reply, size_t size);

/* The rules of a key of [listen]. */
int policy_kind_of(const char *key);
/* AUTH may be offered: the password cannot be overheard. */
bool policy_login(const struct policy_client *c);
/* STARTTLS may be offered; able: there is a certificate. */
bool policy_starttls(const struct policy_client *c, bool able);
/* Missing fields are added (RFC 6409 8): mail that starts here. */
bool policy_fills_in(const struct policy_client *c);

#endif
