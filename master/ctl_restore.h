/* The parts of sambarctl backup that look into one. Private to master/. */
#ifndef MASTER_CTL_RESTORE_H
#define MASTER_CTL_RESTORE_H

#include "master/ctl.h"

/* The users of a day. */
int ctl_backup_users(struct ctl *ctl, const char *day);
/* USER [FOLDER] of a day: its folders, or one folder's messages, of which --find, --before and
 * --limit choose some. day NULL: misuse. */
int ctl_backup_contents(struct ctl *ctl, char **args, size_t n, const char *day);
/* USER [FOLDER|MESSAGE] or USER FOLDER MESSAGE, --from DAY */
int ctl_backup_restore(struct ctl *ctl, char **args, size_t n);

#endif
