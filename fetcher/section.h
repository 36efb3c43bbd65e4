/*
 * What one [fetch NAME] says, as fetcher was sent it. Pure.
 */
#ifndef FETCHER_SECTION_H
#define FETCHER_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"
#include "fetcher/fetcher.h"
#include "fetcher/remote.h"
#include "fetcher/routing.h"
#include "fetcher/seen.h"

/* Shared by a section and its collections; the last one frees it. */
struct section_conf {
	unsigned refs;
	char *name; /* without "fetch " */
	enum remote_protocol protocol;
	enum remote_tls tls;
	char *host;
	unsigned port;
	char *fingerprint; /* 64 hexadecimal digits, or "" */
	char *user, *password;
	bool command; /* OAuth Token Command: master knows it, and runs it */
	/* Without it, in place of the password, unless endpoint is "". */
	char *endpoint, *client_id, *client_secret, *refresh_token;
	char **folders;
	size_t n_folders;
	uint64_t interval_s; /* 0: manual */
	bool idle;
	uint64_t max_size;
	enum fetch_action action;
	uint64_t act_after_s;
	char *move_to;
	enum routing_mode routing;
	char *mailbox, *local_domains, *server;
	unsigned hops_max;
	char *missing; /* the key without which it is not collected, or NULL */
	char *all;     /* all settings that matter to it as one text: equal ones are equal */
	unsigned char digest[FETCH_DIGEST_BYTES]; /* of it, for the disk: all has secrets */
};

/* The names of all sections, NULL behind the last: "fetch work". To be freed, the names not. */
const char **section_names(const struct settings *s);
/* With one reference. section: "fetch work". */
struct section_conf *section_conf_new(const struct settings *s, const char *section);
struct section_conf *section_conf_ref(struct section_conf *c);
void section_conf_unref(struct section_conf **c);

struct routing_rule section_rule(const struct section_conf *c);
struct seen_policy section_policy(const struct section_conf *c);

#endif
