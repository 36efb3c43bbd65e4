/*
 * One file of a mailbox into its backup: as a link, or as a copy that is read back later. Private
 * to store/.
 */
#ifndef STORE_BACKUP_FILE_H
#define STORE_BACKUP_FILE_H

#include "store/backup_make.h"
#include "store/copy_file.h"

enum { BACKUP_PENDING_MAX = 1000 };

struct backup_copy {
	char *path;
	unsigned char digest[FILE_DIGEST_BYTES]; /* of the file that was copied */
};

struct backup_files {
	struct backup_run *run;
	int root;	       /* of the mailbox's backup */
	const char *directory; /* below it, where messages go now: ".Name/cur" */
	bool linkless;	       /* there can be no links: copies at once */
	bool odd;	       /* something was skipped, or is not as it should be */
	size_t n_pending;
	struct backup_copy pending[BACKUP_PENDING_MAX];
};

/*
 * A message: from/name into to/name. 1: it is there; 0: it has gone meanwhile, or was skipped,
 * which is counted; -1 with run->failed.
 */
int backup_file_message(struct backup_files *f, int from, const char *name, int to);
/* A file that may be changed in place: a copy as it is now. 0, or -1 with run->failed. */
int backup_file_other(struct backup_files *f, int from, const char *name, int to);
/* Reads back what was copied. -1 with run->failed. */
int backup_file_check(struct backup_files *f);
void backup_file_end(struct backup_files *f);

#endif
