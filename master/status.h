/*
 * sambarctl status: asks every process for its counters and puts one document together.
 */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include <jansson.h>

#include "master/supervisor.h"

/* cb gets the document (its own) once, later. A process that does not answer has no counters in it.
 */
typedef void (*status_cb)(void *arg, json_t *document);
void status_collect(struct supervisor *s, status_cb cb, void *arg);

#endif
