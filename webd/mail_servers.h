/*
 * What mail clients are told of this system's servers: where each one answers, and for whose
 * addresses. Private to the folder.
 */
#ifndef WEBD_MAIL_SERVERS_H
#define WEBD_MAIL_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"
#include "common/span.h"

enum { MAIL_SERVERS_MAX = 4 };

struct mail_server {
	bool incoming; /* POP3, else SMTP */
	bool implicit; /* TLS from the start, else STARTTLS or STLS */
	unsigned port;
};

struct mail_servers {
	bool on;				    /* Client Autoconfiguration */
	char host[256];				    /* of all of them: Mail Server */
	char *domains;				    /* patterns of Local Domains */
	struct mail_server items[MAIL_SERVERS_MAX]; /* those with TLS from the start come first */
	size_t n;
};

/* Of the settings; replaces what there was only after mail_servers_clear(). */
void mail_servers_read(struct mail_servers *out, const struct settings *s);
void mail_servers_clear(struct mail_servers *m);

bool mail_servers_know(const struct mail_servers *m, struct span domain);

#endif
