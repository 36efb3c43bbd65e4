/*
 * Programs that are started on demand: when a connection waits at their socket, which master keeps
 * and watches. One process is started at a time, in a free slot; it accepts one connection, and is
 * ready after that. When they die one after the other, the next one waits, longer each time.
 */
#ifndef MASTER_DEMAND_H
#define MASTER_DEMAND_H

#include <stdbool.h>

#include "master/programs.h"

struct supervisor;
struct demand;

/* listen_fd: stays the caller's, and is open longer than this. */
struct demand *demand_new(struct supervisor *s, const struct program *program, int listen_fd);
void demand_free(struct demand **d);

/* After whatever may have changed: a slot was freed or is ready, other settings, the stop. */
void demand_look(struct demand *d);
/* A process has died, or could not be started. lived_long: that was not at once. */
void demand_on_death(struct demand *d, bool lived_long);
/* A process has ended as it should. */
void demand_on_end(struct demand *d);
/* An administrator wants to see them run: no pause. */
void demand_forgive(struct demand *d);
/* Waits because they die. */
bool demand_is_paused(const struct demand *d);

#endif
