/*
 * Hashing passwords, which takes some 20 ms and 16 MB on purpose: in threads, the least busy one
 * first. Nothing else is touched. Passwords are copied and wiped.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <event2/event.h>
#include <stddef.h>

#include "common/span.h"

struct passwords;

/* After role_confine(), with one thread; see worker.h. Ends the program when crypt(3) has no
 * yescrypt. */
struct passwords *passwords_new(struct event_base *base);
/* Finishes what is being hashed, callbacks included, which must not ask for more. */
void passwords_free(struct passwords **p);

/* Fewer threads: waits until those that end have finished their hash. */
void passwords_set_threads(struct passwords *p, size_t n);

enum password_outcome {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_UNUSABLE /* crypt(3) can do nothing with this hash */
};

/* hash is what the password was compared with, borrowed; "" for nobody's. */
typedef void (*password_checked_cb)(void *arg, enum password_outcome outcome, struct span hash);
/* An empty hash is nobody's: the password is wrong, and that takes as long. */
void password_check(
    struct passwords *p, struct span password, struct span hash, password_checked_cb cb, void *arg);

/* hash is borrowed, or NULL when none could be made. */
typedef void (*password_hashed_cb)(void *arg, const char *hash);
/* A new hash of a password; goes before all that waits. */
void password_hash(struct passwords *p, struct span password, password_hashed_cb cb, void *arg);

/* Being hashed, or waiting for it. */
size_t passwords_load(const struct passwords *p);

#endif
