/*
 * What store has said about mailboxes, remembered until it says to forget it. Asks store; touches
 * nothing.
 */
#ifndef ROUTER_KNOWN_H
#define ROUTER_KNOWN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"
#include "store/store.h"

enum { KNOWN_MAX = 65536 };

struct known;

struct known_mailbox {
	enum store_state state;
	uint64_t room, limit; /* as FOUND says */
};

/* Has a connection of its own to store (path from role_peer_path). */
struct known *known_new(struct event_base *base, const char *path);
void known_free(struct known **k);
struct store_client *known_store(struct known *k);

/* False when store must be asked. */
bool known_get(struct known *k, struct span name, struct known_mailbox *m);
void known_forget(struct known *k, struct span name);

struct known_wait;
typedef void (*known_cb)(void *arg);
/* Asks for all names (1 or more), and calls cb once, later, when all were answered: the wait is
 * gone then. known_free() forgets all waits; cancel them first. */
struct known_wait *
known_ask(struct known *k, const struct span *names, size_t n, known_cb cb, void *arg);
/* cb will not be called. Clears the caller's pointer; harmless on NULL. */
void known_cancel(struct known_wait **w);

size_t known_count(const struct known *k);

#endif
