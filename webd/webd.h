/*
 * What all connections of webd share: settings, doors, sessions, counters. Private to the folder.
 */
#ifndef WEBD_WEBD_H
#define WEBD_WEBD_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/admission.h"
#include "common/settings.h"
#include "webd/mail_servers.h"

/* Read once at the start and at each reload. Bytes and seconds. */
struct webd_settings {
	char server[256]; /* Mail Server */
	bool webmail;	  /* Enable WebMail */
	bool any_from;
	uint64_t upload_max, message_max, recipients_max;
	unsigned connections_max, connections_each_max;
	unsigned session_s, handshake_s;
	unsigned https_port; /* to which others than browsers of this host are sent; 0: none */
	struct ip_list *unlimited, *proxies;
	char metrics_key[256];
	struct mail_servers mail; /* what mail clients are told */
};

struct webd_counters {
	uint64_t connections, tls_sessions, requests, malformed;
	uint64_t logins, login_failures;
	uint64_t sent, uploads, bytes_sent;
};

struct http;
LIST_HEAD(https, http);
struct auth_client;
struct background;
struct queue_client;
struct router_client;
struct web_sessions;

struct webd {
	struct event_base *base;
	struct webd_settings settings;
	SSL_CTX *tls; /* NULL: none is offered */
	struct auth_client *auth;
	struct queue_client *queue;
	struct router_client *router;
	struct admission admission;
	struct https connections;
	struct web_sessions *sessions;
	struct background *background;
	struct webd_counters counters;
	struct role *role;
	bool draining;
	void (*on_empty)(struct webd *w); /* draining, and the last connection has gone */
};

/* Reads the settings; called again it replaces them. */
void webd_settings_read(struct webd_settings *out, const struct settings *s);
void webd_settings_clear(struct webd_settings *s);

#endif
