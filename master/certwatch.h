/*
 * Watches the certificates and keys of [tls] and [certificate NAME]: a renewed pair is handed to
 * the programs without a reload, and one that is about to end, or is of no use, is told in the log
 * once a day.
 */
#ifndef MASTER_CERTWATCH_H
#define MASTER_CERTWATCH_H

#include "master/supervisor.h"

void certwatch_start(struct supervisor *s);
/* After a reload, which has handed out what the files hold now, and may have named others. */
void certwatch_renew(void);
void certwatch_stop(void);

#endif
