/* The program around the conversations: ports, settings, reload, drain, status. */
#ifndef POP3D_SERVER_H
#define POP3D_SERVER_H

#include "common/role.h"

extern const struct role_ops server_ops;

/* Before confinement: reads settings and certificate, maps the table of connections. */
void server_open(struct role *r);
/* After it: connects to auth by name, and starts to accept. */
void server_run(struct role *r);

#endif
