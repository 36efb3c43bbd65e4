/*
 * Administrators' requests that master passes on to a program (supervisor_ask() in supervisor.h),
 * and their answers.
 */
#ifndef MASTER_ASK_H
#define MASTER_ASK_H

#include "master/supervisor.h"

/* CONTROL_ADMIN_REPLY has come. */
void ask_on_reply(struct supervisor *s, struct process *p, uint64_t tag, struct reader *r);
/* The process has ended: who waits for it is told. */
void ask_forget_process(struct supervisor *s, struct process *p);
void ask_free(struct supervisor *s);

#endif
