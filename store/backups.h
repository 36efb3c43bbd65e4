/*
 * The backups as they lie in the instance's directory backup/. store makes and removes them;
 * sambarctl reads them, which only the owner may.
 *
 * 2026-11-26/                 of a day, whole: it appears by one rename, when all is durable
 * 2026-11-26/summary.json     what is in it; no user's name has a dot
 * 2026-11-26/<user>/          the mailbox, a Maildir++ as it was, without tmp/ and index.db,
 *                             which is made anew when missing. Messages are links to the
 *                             files in the mailbox, or copies, where links cannot be;
 *                             everything else is copied
 * .making-2026-11-26/         being made; what a start finds under such a name goes
 * .replaced-2026-11-26/       the one that is being replaced, only where the file system
 *                             cannot exchange two names. A start that finds no whole one
 *                             gives it its name back
 * .removing-*                 as in the mail directory (remover.h)
 */
#ifndef STORE_BACKUPS_H
#define STORE_BACKUPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { BACKUP_DAY_SIZE = 11, BACKUPS_KEPT = 7 };

struct backup {
	char day[BACKUP_DAY_SIZE]; /* "2026-11-26", local */
	uint64_t serial;	   /* they were made in this order, whatever the clock has said */
	uint64_t made_s, took_s;
	uint64_t mailboxes, messages, bytes;
	uint64_t copied;  /* of the messages: not links */
	uint64_t skipped; /* files that are no message or could not be read */
	bool verified;	  /* read back, and nothing was skipped or other than it should be */
};

bool backup_is_day(const char *name);
/* The day of a time in the local zone. */
void backup_day_of(time_t at, char day[BACKUP_DAY_SIZE]);

/*
 * The whole ones, in the order in which they were made. directory: backup/, borrowed. The list is
 * the caller's to free. -1 with errno. What has no right summary is not listed.
 */
int backups_read(int directory, struct backup **list, size_t *n);
json_t *backup_to_json(const struct backup *b);

#endif
