/*
 * While sambarctl acts as a supervisor, the log lines of that are not for its user. Should the
 * program end meanwhile, what it said last is.
 */
#ifndef MASTER_CTL_QUIET_H
#define MASTER_CTL_QUIET_H

/* Keeps standard error in memory, and restores it. Not nested. */
void ctl_quiet_begin(void);
void ctl_quiet_end(void);

#endif
