/*
 * What the configuration says about where mail goes: domains, [aliases] and [forward], [routes] and
 * [tls policy], the SMTP Server. Made anew on each reload. Pure.
 */
#ifndef ROUTER_TABLES_H
#define ROUTER_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/host_port.h"
#include "common/next_hop.h"
#include "common/settings.h"
#include "common/span.h"
#include "router/domain_map.h"

enum domain_kind { DOMAIN_LOCAL, DOMAIN_RELAY, DOMAIN_REMOTE };

/* An address or a bare name, taken apart. */
struct place {
	struct span text;  /* as given */
	struct span lower; /* in lower case; local and domain are parts of it */
	struct span local, domain;
	enum domain_kind kind;
};

/* An alias or a forward. */
struct entry {
	struct span name; /* lower case */
	bool forward;
	struct place *targets;
	size_t n;
	char *memory; /* what the targets point into */
	struct entry *next;
	uint64_t seen; /* resolve.c: the resolution that has followed it */
	bool open;     /* resolve.c: it is being followed now */
};

/* SMTP Server and the keys beside it. */
struct smart_host {
	bool there; /* else nothing else is set */
	struct host_port at;
	bool implicit_tls;
	struct tls_rule tls;
	char *user, *password; /* "": nobody logs in */
	bool auth_without_tls;
	char *from; /* Relay FROM User, "" without */
};

struct tables {
	char *server, *local, *relay; /* Mail Server, and lists of patterns */
	char *unknown;		      /* the mailbox, "" without */
	struct smart_host smart_host;
	struct domain_map *routes, *tls_policy;
	bool use_mta, relay_never; /* Use MTA; Relay Delivery is never */
	bool relay_scheduled;	   /* hourly or daily */
	unsigned max_depth;
	bool trace;
	struct entry **buckets;
	size_t n_buckets, n_entries;
	uint64_t resolutions;
};

struct tables *tables_new(const struct settings *settings);
void tables_free(struct tables **t);

/* name in lower case. An alias comes before a forward of the same name; NULL without either. */
struct entry *tables_find(const struct tables *t, struct span name);

/* Takes text apart; lower has room for text.len bytes and must live as long as *p. */
void tables_place(const struct tables *t, struct span text, char *lower, struct place *p);

#endif
