/*
 * What webd asks for a user who has logged in: his own messages that wait, and taking one back. He
 * is the submitter of their envelopes. To find them without reading every file, each message in the
 * table has a mark of its submitter, which is not known of those that an earlier run has left.
 */
#ifndef QUEUE_OWN_H
#define QUEUE_OWN_H

#include "queue/server.h"

/* Never 0, which is "not known". */
uint32_t own_mark(struct span submitter);

void own_on_list(struct ipc_peer *p, uint64_t tag, struct reader *r);
void own_on_cancel(struct ipc_peer *p, uint64_t tag, struct reader *r);
/* A peer has gone: nobody is answered. */
void own_lost(struct queue *q, struct ipc_peer *p);

#endif
