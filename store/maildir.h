/*
 * One mailbox on disk: its directories, its own limit, and how full it is. Kept in memory by
 * mailboxes.c while it is in use. Touches that directory only, never through a symbolic link.
 *
 * mail/<user>/inbox.fld   makes the mailbox; empty
 * mail/<user>/new cur tmp a Maildir, made when missing. A message is written in tmp/ and renamed
 * into new/: that is the moment of its delivery mail/<user>/quota       its own limit in bytes, a
 * number in a line (set-quota); mostly missing. Written as quota.new and renamed What a restart
 * finds in tmp/ was never delivered: the repeated delivery replaces it.
 */
#ifndef STORE_MAILDIR_H
#define STORE_MAILDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/tree.h>

#include "store/store.h"

/* What a directory looked like. Equal stamps: nothing was added, removed or renamed between. */
struct stamp {
	ino_t ino;
	struct timespec changed, modified;
};

struct box;
struct usage_part;
struct session;
struct listing;
struct scan_job;
TAILQ_HEAD(session_list, session);

enum maildir_folder { MAILDIR_NEW, MAILDIR_CUR, MAILDIR_TMP, MAILDIR_FOLDERS };

struct maildir {
	RB_ENTRY(maildir) by_name, by_watch;
	TAILQ_ENTRY(maildir) used;
	char name[MAILBOX_NAME_MAX_BYTES + 1];
	unsigned refs; /* not forgotten while others point here */
	int dir;       /* O_PATH, as are the folders; -1: not open */
	int folders[MAILDIR_FOLDERS];
	dev_t dev;
	int watch; /* inotify's number, -1: not watched */

	uint64_t own_limit; /* STORE_NO_LIMIT: none */
	bool usage_known, usage_by_box;
	uint64_t usage;		  /* bytes in new/ and cur/; by the box: in all folders */
	struct usage_part *parts; /* other folders, as they were lately */
	size_t n_parts;
	uint64_t parts_ms, parts_usage;
	struct stamp usage_stamps[2];

	/* vacation.c: what the document said; known false: it is to be read */
	bool vacation_known, vacation_on;
	uint64_t vacation_from_s, vacation_until_s;

	bool told; /* router remembers what LOOKUP said: */
	uint64_t told_room;

	size_t n_sessions;	      /* of both kinds */
	struct box *box;	      /* its folders, while they have a session */
	struct session_list sessions; /* those with a maildrop */
	struct listing *listing; /* the last one made, as long as it is worth keeping; may be old */
	struct scan_job *scan;	 /* one under way that sees all that is there now */
};

/* The name of a folder: "new". */
const char *maildir_folder_name(enum maildir_folder folder);

/* Opens mail/<m->name> and reads its own limit. -1 with errno: ENOENT when there is no mailbox. */
int maildir_open(struct maildir *m, int mail);
/* 0 when inbox.fld is there. */
int maildir_check(const struct maildir *m);
/* Closes all directories and forgets the usage and the vacation reply; the rest stays. */
void maildir_close(struct maildir *m);

/* An O_PATH descriptor of a folder, which is made when missing; it stays m's. -1 with errno. */
int maildir_folder(struct maildir *m, enum maildir_folder folder);
/* A descriptor to read a folder's names with, the caller's. -1 with errno. */
int maildir_folder_open(struct maildir *m, enum maildir_folder folder);
/* All zero when it cannot be read. */
void maildir_stamp(struct maildir *m, enum maildir_folder folder, struct stamp *stamp);
bool stamp_equal(const struct stamp *a, const struct stamp *b);

/* ---- how full it is; shared is Maximum Mailbox Size, STORE_NO_LIMIT without ---- */

uint64_t maildir_limit(const struct maildir *m, uint64_t shared);
/* Bytes that still fit. Counts the mailbox when somebody else has changed it; -1 with errno. */
int maildir_room(struct maildir *m, uint64_t shared, uint64_t *room);
/* Before and after a change of ours, so that the usage stays known. */
void maildir_usage_check(struct maildir *m);
void maildir_usage_add(struct maildir *m, enum maildir_folder folder, int64_t bytes);
/* While its folders have a session, their index counts. */
void maildir_usage_set(struct maildir *m, uint64_t bytes);
void maildir_usage_unset(struct maildir *m);
void maildir_forget_parts(struct maildir *m);

/* Writes its own limit, STORE_NO_LIMIT: removes it. -1 with errno. */
int maildir_set_limit(struct maildir *m, uint64_t bytes);

/* Makes mail/<name> a mailbox. -1 with errno: EEXIST when it is one. */
int maildir_create(int mail, const char *name);

#endif
