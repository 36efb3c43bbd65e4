/*
 * All listening sockets of one program: taken from master at the start, added and closed when a
 * reload says so.
 */
#ifndef COMMON_LISTENERS_H
#define COMMON_LISTENERS_H

#include "common/role.h"
#include "common/stream.h"

struct listeners;

/*
 * Starts to accept on every "listen:KEY:address" socket that master has passed and not yet on, and
 * closes those that [listeners] of the settings no longer names. At the start *l is NULL. kind_of
 * gives the number that cb is called with for a KEY ("SMTP", "POP3S").
 */
void listeners_update(struct listeners **l, struct role *r, int (*kind_of)(const char *key),
    listener_cb cb, void *arg);

/* Stops accepting at all: the first step of a drain. Harmless on NULL. */
void listeners_close(struct listeners **l);

#endif
