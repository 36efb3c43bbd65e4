/*
 * Files that belong to others, for a supervisor that is not root: it may take every account
 * (CAP_SETUID), and uses that to look at named files as their owner does, root included, for as
 * long as it takes to open them. Where all files are open anyhow, or no account can be taken, these
 * do nothing.
 */
#ifndef COMMON_FILE_RIGHTS_H
#define COMMON_FILE_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* What the process opens from now on it opens as this account, in its own group. True: it does,
 * until file_rights_return(). */
bool file_rights_take(uid_t uid);
/* The same with root's account, when path cannot be read without. */
bool file_rights_take_for(const char *path);
/* Back to its own, when taken. Keeps errno. */
void file_rights_return(bool taken);

#endif
