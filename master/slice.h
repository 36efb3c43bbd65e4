/*
 * What a program is told when it starts and when the configuration has changed: its slice of the
 * settings, its sockets and directories, and START.
 */
#ifndef MASTER_SLICE_H
#define MASTER_SLICE_H

#include "master/programs.h"
#include "master/supervisor.h"

/* Sends all of it; on a reload (first false) only sockets that are new. */
void slice_send(struct supervisor *s, struct process *p, const struct slot *slot, bool first);

/* How many processes the configuration wants of a program; 0: none. */
unsigned slice_workers(const struct supervisor *s, const struct program *program);

#endif
