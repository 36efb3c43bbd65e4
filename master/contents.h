/*
 * What lies in the directories of queue and store, seen from outside: for who lists it, and for who
 * leaves it behind. Reads names, and the first byte of spool files.
 */
#ifndef MASTER_CONTENTS_H
#define MASTER_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>

/* Calls found() for each mailbox below the mail directory: those with an inbox.fld. None when it
 * cannot be read. */
void contents_mailboxes(int mail, void (*found)(void *arg, const char *name), void *arg);

/* Whether there is one of this user. False also when it cannot be looked for. */
bool contents_has_mailbox(int mail, const char *user);
/* The messages in it; 0 also when they cannot be counted. */
size_t contents_messages(int mail, const char *user);

/*
 * What the directory of a key, "Spool Directory" or "Mail Directory", holds, for a time when
 * another one is used: a sentence to be freed, NULL when it is empty or cannot be read. dir may be
 * an O_PATH descriptor.
 */
char *contents_left_behind(const char *key, int dir, const char *path);

#endif
