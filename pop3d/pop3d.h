/*
 * What all connections of this process share: settings, the door of auth, counters. Private to the
 * folder.
 */
#ifndef POP3D_POP3D_H
#define POP3D_POP3D_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/admission.h"
#include "common/settings.h"

/* The settings, read once at the start and at each reload. Times in seconds. */
struct pop3d_settings {
	char server[256]; /* Mail Server */
	unsigned connections_max, connections_each_max;
	unsigned errors_max, login_failures_max;
	unsigned login_s, idle_s, handshake_s;
	struct ip_list *unlimited;
	bool trace;
};

struct pop3d_counters {
	uint64_t connections, tls_sessions;
	uint64_t logins, login_failures;
	uint64_t retrieved, bytes_sent, deleted;
};

struct session;
LIST_HEAD(sessions, session);

struct pop3d {
	struct event_base *base;
	struct pop3d_settings settings;
	SSL_CTX *tls; /* NULL: none is offered */
	struct auth_client *auth;
	struct admission admission;
	struct sessions sessions;
	struct pop3d_counters counters;
	unsigned worker;
	unsigned ahead;	       /* messages read ahead in all sessions, see ahead.h */
	uint64_t last_session; /* numbers for the trace */
	bool draining;
	void (*on_empty)(struct pop3d *d); /* draining, and the last session has gone */
};

/* Reads the settings; called again it replaces them. */
void pop3d_settings_read(struct pop3d_settings *out, const struct settings *s);
void pop3d_settings_clear(struct pop3d_settings *s);

#endif
