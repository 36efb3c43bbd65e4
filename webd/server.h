/* The program around the requests: ports, settings, reload, drain, status. Private to the folder.
 */
#ifndef WEBD_SERVER_H
#define WEBD_SERVER_H

#include "common/role.h"

struct webd;

extern const struct role_ops server_ops;

/* Before confinement: reads settings and certificate, maps the table of connections. */
void server_open(struct role *r);
/* After it: connects to the guardians by name, and starts to accept. */
void server_run(struct role *r);

/* Its own counters, as status and /metrics have them. */
void server_count(const struct webd *w, json_t *counters);

#endif
