/*
 * Which messages have come into the backup of a mailbox, and where: their names, as digests.
 * Private to store/.
 */
#ifndef STORE_BACKUP_SEEN_H
#define STORE_BACKUP_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* base 0: none. */
struct seen_name {
	uint64_t base, name; /* what stays of a name, and all of it with its folder */
};
/* All zero is an empty one. */
struct backup_seen {
	struct seen_name *slots;
	size_t n, size;
	bool twice; /* one has come under two names */
};

struct seen_name backup_seen_name(const char *folder, const char *file);
/* Under this very name, and no later one. */
bool backup_seen_has(const struct backup_seen *s, struct seen_name name);
/* It has come under this name now. */
void backup_seen_note(struct backup_seen *s, struct seen_name name);
void backup_seen_free(struct backup_seen *s);

#endif
