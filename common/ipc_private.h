/*
 * What the three parts of ipc (messages and channels, the side that answers, the side that asks)
 * share.
 */
#ifndef COMMON_IPC_PRIVATE_H
#define COMMON_IPC_PRIVATE_H

#include "common/ipc.h"

/* The first message of every connection to a guardian: the client's role. Also the first type of no
 * other protocol. */
enum { IPC_GREETING = 0 };

/* Reads type and tag. -1 when the message is too short. */
int ipc_read_head(struct reader *r, uint32_t *type, uint64_t *tag);
/* Queues an encoded message. A descriptor that is not owned must stay open until the message was
 * sent. */
void ipc_channel_send_bytes(
    struct ipc_channel *ch, const unsigned char *bytes, size_t len, int fd, bool owned);

#endif
