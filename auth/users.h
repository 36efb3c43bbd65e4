/*
 * The accounts: config/users/passwd in memory, read again whenever it has changed on disk, by
 * whomever. Touches the directory of users only, never through a symbolic link.
 *
 * passwd      one line an account (account.h, sambar-users(5)); missing: there are none
 * passwd.new  being written, or left by a crash: the next change replaces it
 *
 * A change writes the whole file anew with all other lines as they were, and syncs it: the rename
 * to passwd commits it, and it is answered when the directory was synced too. A restart finds the
 * old file or the new one. Whoever changes it holds a lock (flock) on the directory.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/account.h"
#include "common/worker.h"

enum { USERS_FILE_MAX_BYTES = 256 * 1024 * 1024 };

struct users;

/* directory (may be O_PATH) is owned by the callee. Reads the file. */
struct users *users_new(int directory);
void users_free(struct users **u);

/* Reads the file again if it has changed. -1 with errno, logged, when it cannot be read. */
int users_refresh(struct users *u);

enum users_state {
	USERS_NONE,
	USERS_FOUND,
	USERS_BROKEN, /* there is a line, but it is malformed, or there are two: logged when read */
	USERS_TROUBLE /* the file cannot be read now: logged, errno is set */
};

/* a's texts are borrowed until the next call of any function here. Unless USERS_FOUND a is not
 * set. */
enum users_state users_find(struct users *u, struct span name, struct account *a);

/* Sound accounts, as last read. */
size_t users_count(const struct users *u);
/* One after the other, in the file's order: *at starts with 0; a is borrowed as above. False at the
 * end. */
bool users_next(const struct users *u, size_t *at, struct account *a);

/* error 0: it is on disk, and users_find() knows it. */
typedef void (*users_changed_cb)(void *arg, int error);
/*
 * Writes this account's line, replacing what there is of that name, in a thread. One change at a
 * time: not before cb was called. cb may be called before this returns, with an error.
 */
void users_put(
    struct users *u, struct worker *w, const struct account *a, users_changed_cb cb, void *arg);
/* The same: removes all lines of that name. */
void
users_remove(struct users *u, struct worker *w, struct span name, users_changed_cb cb, void *arg);

#endif
