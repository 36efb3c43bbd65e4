/* Making an instance. */
#ifndef MASTER_INIT_H
#define MASTER_INIT_H

#include <stdint.h>

enum {
	INIT_DIR_MAX_BYTES = 86,	 /* DIR/run/NAME.sock is the path of a UNIX socket */
	INIT_PORT_BASE = 10000,		 /* when none is given */
	INIT_PORT_BASE_MAX = 65535 - 995 /* the highest port is base + 995 */
};

struct init_wishes {
	const char *domain; /* of the mail addresses */
	const char *host;   /* Mail Server; may be the same */
	uint64_t port_base;
	uint64_t uid_base; /* 0: none */
};

/*
 * Makes dir, and in it a complete instance that answers on loopback: SMTP at port_base + 25,
 * Submission + 587, SMTPS + 465, POP3 + 110, POP3S + 995, HTTP + 80, HTTPS + 443. The configuration
 * comes last, in one step: an attempt that failed can be repeated. The exit status (sysexits.h),
 * with *why (to be freed) unless it is 0.
 */
int init_instance(const char *dir, const struct init_wishes *wishes, char **why);

#endif
