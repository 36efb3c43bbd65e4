/*
 * Access tokens that commands of the configuration print, for fetcher: which commands there are
 * only the configuration says, and which section is meant, fetcher.
 */
#ifndef MASTER_TOKEN_H
#define MASTER_TOKEN_H

#include "master/supervisor.h"

/* CONTROL_TOKEN has come: role.h. */
void token_on_request(struct supervisor *s, struct process *p, uint64_t tag, struct reader *r);
/* The process has ended: nobody waits any more. */
void token_forget_process(struct supervisor *s, const struct process *p);

#endif
