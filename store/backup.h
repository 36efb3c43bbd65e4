/*
 * Backups: when one is made, which are kept, and who waits for one. The work is done in a thread of
 * its own (backup_make.h). Private to store/.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "store/backups.h"

struct backup_keeper;

/* mail: the mail directory, open for reading, borrowed. backup: backup/, taken. After
 * role_confine(); tzset() before. */
struct backup_keeper *backup_keeper_new(struct event_base *base, int mail, int backup);
/* One that is being made is given up. */
void backup_keeper_free(struct backup_keeper **k);

/* Whether one is made each day. */
void backup_keeper_set_daily(struct backup_keeper *k, bool daily);
/* doc: backup_to_json(), the callee's. NULL: failed says what could not be done, error (an errno)
 * why; failed NULL: one is being made already. */
typedef void (*backup_made_cb)(void *arg, json_t *doc, const char *failed, int error);
/* Makes the one of today, again if there is one. */
void backup_keeper_make(struct backup_keeper *k, backup_made_cb cb, void *arg);
/* Which there are, and what is being done: "backup list" in master/control.h. The caller's; NULL
 * with errno. */
json_t *backup_keeper_list(struct backup_keeper *k);
void backup_keeper_status(struct backup_keeper *k, json_t *counters);

#endif
