/*
 * Mailboxes of other kinds, and of backups, into a user's folders. Private to master/.
 */
#ifndef MASTER_IMPORT_RUN_H
#define MASTER_IMPORT_RUN_H

#include "master/import_maildir.h"
#include "master/import_session.h"

/* All messages of an mbox, read to its end, into one folder. What is damaged is told by its offset.
 * False: it cannot be read on, which was told. */
bool import_mbox(struct import *im, int fd, const char *folder);

/*
 * A folder of a Maildir into another one. as_is: the messages keep the names of their files, which
 * then stand for them, and their bytes; else, and where a name is none for store, names are derived
 * from what they hold. only NULL: all of them. False: the folder cannot be read or made, which was
 * told.
 */
bool import_maildir_folder(struct import *im, int maildir, const char *directory, const char *to,
    bool as_is, bool (*only)(void *arg, const struct maildir_contents *c, size_t at), void *arg);

#endif
