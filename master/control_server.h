/*
 * The supervisor's side of control.h: takes sambarctl's requests on control.sock from root and from
 * the instance's owner, and those of users who have logged in on sessions.
 */
#ifndef MASTER_CONTROL_SERVER_H
#define MASTER_CONTROL_SERVER_H

#include <stdbool.h>

#include "master/supervisor.h"

struct control_server;

/* Serves run/control.sock. NULL with errno. */
struct control_server *control_server_new(struct supervisor *s);
void control_server_free(struct control_server **c);
/* To be called from supervisor_ops.on_change: answers those who wait for a reload or restart. */
void control_server_on_change(struct control_server *c);

/*
 * Opens a session for this user: the other end, the caller's to hand over. It may ask what its
 * user may, and ends when either side closes it. -1, logged: there are too many, or it cannot be.
 */
int
control_server_open(struct control_server *c, const char *user, bool admin, const char *address);
/* Ends all sessions of this user. */
void control_server_revoke(struct control_server *c, const char *user);

/*
 * Reads and checks the configuration and hands it to the supervisor. 0; or 78 when it has errors,
 * 71 when a port cannot be bound; *doc is the answer.
 */
int control_reload(struct supervisor *s, json_t **doc);

#endif
