/*
 * A user's mailbox in the backup of a day (store/backups.h), as sambarctl looks into it. Private to
 * master/.
 */
#ifndef MASTER_KEPT_H
#define MASTER_KEPT_H

#include <stdbool.h>

#include "master/ctl.h"
#include "master/import_maildir.h"

struct kept {
	int maildir;
	const char *user, *day;
	struct maildir_folder_found *folders;
	size_t n_folders;
};

/* backup/ is store's: a supervisor that is not root takes its account to files until
 * file_rights_return(). */
bool kept_rights_take(const struct ctl *ctl);

/* user and day are borrowed. 0, or the exit code of what was told; to be closed in any case. */
int kept_open(const struct ctl *ctl, const char *user, const char *day, struct kept *k);
void kept_close(struct kept *k);
/* NULL: there is none of this name that can be used. */
const struct maildir_folder_found *kept_folder(const struct kept *k, const char *name);
/* Tells so: the exit code. */
int kept_no_folder(const struct kept *k, const char *name);

/*
 * From here on the process has the account of the mailbox's owner, reads below this mailbox only,
 * and connects to nobody. Ends it when that cannot be had.
 */
void kept_confine(const struct kept *k);

#endif
