/* What users.c and users_change.c share: the file as it was read. */
#ifndef AUTH_USERS_PRIVATE_H
#define AUTH_USERS_PRIVATE_H

#include <sys/stat.h>

#include "auth/users.h"

extern const char users_file[]; /* "passwd" */

/* What the file looked like. Equal stamps: it is the same, and was not written to. */
struct users_stamp {
	bool exists;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed, modified;
};

/* An account: its first line. */
struct users_entry {
	struct account account;
	const char *broken;	  /* why nobody can log in with it, or NULL */
	size_t line;		  /* where that is */
	struct users_entry *next; /* in its bucket */
};

struct users {
	int directory;
	struct users_stamp stamp;
	bool settled; /* nothing can change any more without the stamp */
	int error;    /* of the last reading, 0: none */
	char *text;   /* the whole file */
	size_t len;
	struct users_entry *entries;
	size_t n_entries, n_sound;
	struct users_entry **buckets;
	size_t n_buckets; /* a power of 2 */
	struct users_change *change;
};

/* False with errno when it cannot be looked at. */
bool users_stamp_now(int directory, struct users_stamp *stamp);
void users_stamp_of(const struct stat *st, struct users_stamp *stamp);
bool users_stamp_equal(const struct users_stamp *a, const struct users_stamp *b);

/* Takes over the text of a file that looks like this. False when it is what was known already. */
bool users_take(struct users *u, char *text, size_t len, const struct users_stamp *stamp);

/* Forgets what was read. */
void users_clear(struct users *u);

/* The text of the file with this line, or none when it is empty, for what there is of the name. To
 * be freed. */
char *users_compose(const struct users *u, struct span name, struct span line, size_t *len);
/* Forgets a change that will not be made any more; its callback is not called. */
void users_change_free(struct users *u);

#endif
