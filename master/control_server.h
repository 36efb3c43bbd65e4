/*
 * The supervisor's side of control.sock: takes sambarctl's requests (control.h) from root and from
 * the instance's owner.
 */
#ifndef MASTER_CONTROL_SERVER_H
#define MASTER_CONTROL_SERVER_H

#include "master/supervisor.h"

struct control_server;

/* Serves run/control.sock. NULL with errno. */
struct control_server *control_server_new(struct supervisor *s);
void control_server_free(struct control_server **c);
/* To be called from supervisor_ops.on_change: answers those who wait for a reload or restart. */
void control_server_on_change(struct control_server *c);

/*
 * Reads and checks the configuration and hands it to the supervisor. 0; or 78 when it has errors,
 * 71 when a port cannot be bound; *doc is the answer.
 */
int control_reload(struct supervisor *s, json_t **doc);

#endif
