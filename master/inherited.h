/*
 * Listening sockets that a service manager has kept for us while we did not run, or has made
 * (sd_listen_fds(3)): who connected meanwhile waits at them. Each is used by asking for its
 * address.
 */
#ifndef MASTER_INHERITED_H
#define MASTER_INHERITED_H

#include <sys/socket.h>

/* Takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the environment. Before any descriptor is
 * opened. */
void inherited_take(void);

/* What LISTEN_FDNAMES said: names with colons between, or "". */
const char *inherited_names(void);

/* The socket that listens at this address, now the caller's, close-on-exec and non-blocking; -1:
 * none. One at a path counts only while there is a socket at that path. */
int inherited_socket(const struct sockaddr *at, int type);

/* Closes those that nobody has asked for. */
void inherited_close(void);

#endif
