/*
 * Listening sockets: TCP ports and the guardians' UNIX sockets. master binds them once, or takes
 * them over from a service manager, and keeps them, so that a restarted program finds its
 * connections waiting.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/config.h"

/* Where every user of the machine may hand in mail, below the run directory. */
#define SOCKETS_LOCAL "submit.sock"

struct listening {
	char *name;	     /* "listen:SMTP:127.0.0.1:10025" */
	const char *program; /* "smtpd" */
	int fd;
	bool tls;   /* from the start: served with a usable certificate only */
	bool fresh; /* not yet sent to running programs */
	bool kept;  /* a service manager holds it, too: it outlives us */
};

struct sockets {
	struct listening *items;
	size_t n;
};

/*
 * Brings the TCP sockets, and the UNIX socket of sendmail in the directory run, in line with the
 * configuration: those in old that are still wanted are taken over (and removed from old). -1 with
 * *why (to be freed), and old as it was, when a port cannot be bound.
 */
int sockets_bind(
    struct sockets *s, struct sockets *old, const struct config *c, const char *run, char **why);
/* The UNIX socket's path goes, too, unless a service manager keeps the socket. */
void sockets_close(struct sockets *s, const char *run);

/* A listening UNIX socket at path, mode and group as given; an old one is replaced. -1 with errno.
 */
int sockets_bind_unix(const char *path, mode_t mode, gid_t gid);

#endif
