/*
 * Reads a Maildir++, ours or Dovecot's, for sambarctl. Never through a symbolic link. Private to
 * master/.
 */
#ifndef MASTER_IMPORT_MAILDIR_H
#define MASTER_IMPORT_MAILDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"
#include "store/folders.h"

struct maildir_folder_found {
	char name[FOLDERS_NAME_MAX_BYTES + 1]; /* as people see it; "" with why_not */
	char directory[NAME_MAX + 1];	       /* "" for INBOX */
	const char *why_not; /* it is passed over: a phrase, static. NULL: it is not */
};
/* Those of a Maildir by name, INBOX first; the caller's to free, also after a failure. -1 with
 * errno: ENOTDIR when it is no Maildir, E2BIG when there are too many. */
int maildir_list_folders(int maildir, struct maildir_folder_found **list, size_t *n);

struct maildir_message {
	char *file; /* with its flags */
	bool is_new;
	uint64_t uid; /* as Dovecot has it; UINT64_MAX: it has none */
	uint64_t arrival_s;
	uint64_t size;
};
struct maildir_contents {
	int new, cur; /* directories, or -1 */
	struct maildir_message *messages;
	size_t n;
	uint64_t odd; /* what is no regular file */
	char keywords[FOLDERS_KEYWORDS_MAX][FOLDERS_KEYWORD_MAX_BYTES + 1]; /* by their letters */
};
/* One folder's messages in the order of their UIDs, else of their arrival. -1 with errno: c is then
 * empty. */
int maildir_read(int maildir, const char *directory, struct maildir_contents *c);
void maildir_contents_free(struct maildir_contents *c);
/* For reading. -1 with errno. */
int maildir_open_message(const struct maildir_contents *c, const struct maildir_message *m);
/* What its name says; keywords point into c. Returns how many keywords there are. */
size_t maildir_flags(const struct maildir_contents *c, const struct maildir_message *m,
    unsigned *flags, struct span keywords[FOLDERS_KEYWORDS_MAX]);
/* The file's name up to its flags. */
struct span maildir_base(const struct maildir_message *m);

#endif
