/*
 * What all connections of this process share: settings, the doors of auth, router and queue,
 * counters. Private to the folder.
 */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/admission.h"
#include "common/settings.h"
#include "smtpd/local_user.h"
#include "smtpd/policy.h"
#include "smtpd/refusals.h"

/* The settings, read once at the start and at each reload. Sizes in bytes, times in seconds. */
struct smtpd_settings {
	char server[256]; /* Mail Server */
	uint64_t message_max, hops_max;
	unsigned connections_max, connections_each_max;
	unsigned errors_max, commands_max, login_failures_max;
	unsigned command_s, data_s, transaction_s, handshake_s, inner_s;
	struct ip_list *unlimited;
	struct local_users *local_users;
	struct policy_settings policy;
	bool trace;
};

struct smtpd_counters {
	uint64_t connections, tls_sessions;
	uint64_t messages_accepted, messages_refused, recipients_refused, bytes_accepted;
	uint64_t auth_granted, auth_failures;
	struct refusals refusals;
};

struct session;
LIST_HEAD(sessions, session);

struct smtpd {
	struct event_base *base;
	struct smtpd_settings settings;
	SSL_CTX *tls; /* NULL: none is offered */
	struct queue_client *queue;
	struct router_client *router;
	struct auth_client *auth;
	struct admission admission;
	struct sessions sessions;
	struct smtpd_counters counters;
	size_t committing_bytes; /* of envelopes on their way to queue */
	unsigned worker;
	uint64_t last_session; /* numbers for the trace */
	bool draining;
	void (*on_empty)(struct smtpd *d); /* draining, and the last session has gone */
};

/* Reads the settings; called again it replaces them. */
void smtpd_settings_read(struct smtpd_settings *out, const struct settings *s);
void smtpd_settings_clear(struct smtpd_settings *s);

#endif
