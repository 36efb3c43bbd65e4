/*
 * The directory of failures: a message that could not be delivered to some recipient ends there as
 * ID.eml, its bytes, and ID.txt, which says when, from, to whom and why. For helper threads.
 */
#ifndef QUEUE_FAILURES_H
#define QUEUE_FAILURES_H

#include "queue/dsn_rules.h"
#include "queue/spool.h"

/* Writes both durably; safe to repeat. fd is the spool file, e its envelope with the journal. It is
 * about the recipients whose enum dsn_fate is DSN_KEEP. -1 with errno. */
int failures_write(struct spool *sp, int fd, const struct envelope *e, const unsigned char *fates,
    const char *server, uint64_t now_s);

#endif
