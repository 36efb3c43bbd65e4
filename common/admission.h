/*
 * Who is let in: the limits of connections in all and from one address, for servers. Who is turned
 * away is told why, and the log says so.
 */
#ifndef COMMON_ADMISSION_H
#define COMMON_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/connections.h"
#include "common/ip_list.h"

struct admission {
	struct connections *table; /* NULL: nothing is counted */
	const struct ip_list *unlimited;
	unsigned max_all, max_each;
	int fds_end; /* descriptors from here on are kept for other things than connections */
	const char *full_reply, *address_reply; /* lines with CRLF */
	uint64_t n_refused;
	/* private: */
	uint64_t window_s, n_logged, n_unlogged;
};

enum admission_verdict {
	ADMISSION_REFUSED, /* fd was closed */
	ADMISSION_FREE,	   /* let in, not counted (a UNIX socket) */
	ADMISSION_COUNTED  /* let in; connections_leave() gives its place back */
};

/* Sets fds_end: all but `reserve` of the process's descriptors may be connections. */
void admission_reserve_fds(struct admission *a, unsigned reserve);

/* mute: the client expects TLS, a reply in clear would mean nothing to it. */
enum admission_verdict
admission_enter(struct admission *a, int fd, const struct sockaddr *address, bool mute);

/* Turns away for another reason, which the log names. Closes fd. */
void admission_refuse(struct admission *a, int fd, const struct sockaddr *address,
    const char *reply, const char *reason);

#endif
