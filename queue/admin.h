/* Answers sambarctl queue VERB: lists, and orders about messages. The documents are described in
 * master/control.h. */
#ifndef QUEUE_ADMIN_H
#define QUEUE_ADMIN_H

#include "queue/server.h"

void admin_request(struct queue *q, uint64_t tag, char **words, size_t n);

#endif
