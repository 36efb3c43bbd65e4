/*
 * Messages that a helper thread writes and the loop sends later. Pure memory.
 */
#ifndef STORE_REPLY_H
#define STORE_REPLY_H

#include <stddef.h>

#include "common/ipc.h"

struct reply_message {
	size_t at, len;
	int fd;
};

struct reply {
	unsigned char *bytes;
	size_t len, room;
	struct reply_message *messages;
	size_t n, messages_room;
	bool failed; /* it was too long */
};

enum { STORE_REPLY_MAX_BYTES = 24 * 1024 * 1024 };

/* A message to write fields to: one at a time in each thread. */
void reply_begin(struct writer *w, uint32_t type);
/* Adds it; fd (or -1) is taken. False: the reply would be too long. */
bool reply_add(struct reply *r, struct writer *w, int fd);
/* Sends all with this tag; r is empty then. */
void reply_send(struct reply *r, struct ipc_channel *channel, uint64_t tag);
/* Sends a copy of all, which have no descriptors. */
void reply_send_copy(const struct reply *r, struct ipc_channel *channel);
void reply_clear(struct reply *r);

#endif
