/*
 * Makes the backup of a day, in a helper thread, while mail comes and goes. Private to store/.
 */
#ifndef STORE_BACKUP_MAKE_H
#define STORE_BACKUP_MAKE_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "store/backups.h"

struct backup_run {
	int mail, to;		/* the mail directory and backup/, for reading; borrowed */
	atomic_bool *stop;	/* true: end soon, with ECANCELED */
	struct backup made;	/* day and made_s are set; the rest is the result */
	atomic_ullong done;	/* mailboxes, so far */
	char odd[NAME_MAX + 1]; /* a mailbox of which something was skipped */
	const char *failed;	/* what could not be done, NULL: all is done */
	int error;		/* why: an errno */
};

/*
 * Makes .making-DAY, which must not be there, and gives it its name when all in it is durable and
 * was read back. When that fails what is there under its own name is as it was.
 */
void backup_make(struct backup_run *r);
/* At a start: gives a replaced one its name back where the new one has not got it. */
void backup_recover(int directory);

/* Whether a name in backup/ is of something that was being made or replaced. */
bool backup_is_leftover(const char *name);

/* backup_mailbox.c: one mailbox, into day/. Its counts are added. -1 with r->failed set. */
int backup_mailbox(struct backup_run *r, const char *name, int day);
/* Sets r->failed and r->error by errno. -1. */
int backup_fail(struct backup_run *r, const char *what);

#endif
