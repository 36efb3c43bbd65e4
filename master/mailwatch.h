/*
 * Watches the mail directory of an instance with separated accounts: a mailbox that the
 * administrator makes by hand belongs to root, and store could not write to it.
 */
#ifndef MASTER_MAILWATCH_H
#define MASTER_MAILWATCH_H

#include "master/supervisor.h"

/* Does nothing where accounts are not separated, or without inotify (then a reload adopts
 * mailboxes). */
void mailwatch_start(struct supervisor *s);
void mailwatch_stop(void);

#endif
