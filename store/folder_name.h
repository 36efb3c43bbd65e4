/*
 * Names of folders, as people see them and as directories of a Maildir++: "Projects/Häuser" is
 * ".Projects.H&AOQ-user", in IMAP's modified UTF-7 (RFC 3501 5.1.3) with a '.' between levels, as
 * Dovecot writes them. INBOX is the mailbox's own directory. Pure.
 */
#ifndef STORE_FOLDER_NAME_H
#define STORE_FOLDER_NAME_H

#include <stdbool.h>

#include "common/span.h"
#include "store/folders.h"

enum { FOLDER_DIRECTORY_SIZE = 250 }; /* with NUL; leaves room for what stands in front */

/*
 * The directory's name; "" for INBOX, however it is written. False for what is no name of a folder:
 * bad UTF-8, control characters, '.', empty levels, blanks around a level, one below INBOX, too
 * long.
 */
bool folder_name_directory(struct span name, char directory[FOLDER_DIRECTORY_SIZE]);
/* The name of such a directory. False for what folder_name_directory() would not make. */
bool folder_name_of(const char *directory, char name[FOLDERS_NAME_MAX_BYTES + 1]);

/* By its name (RFC 6154). */
enum folders_role folder_name_role(const char *name);
/* The name that is made for it, NULL for FOLDER_PLAIN. */
const char *folder_role_name(enum folders_role role);

/* True for outer itself and for what is below it. */
bool folder_name_within(const char *name, const char *outer);

#endif
