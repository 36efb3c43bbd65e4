/*
 * Passwords that were right lately, so that a client that polls does not cost a hash each time: of
 * user, address, password and the hash in the users file there is a keyed hash (secret.h) in
 * memory. Another password in the file, another password or another address: not remembered.
 */
#ifndef AUTH_REMEMBERED_H
#define AUTH_REMEMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/secret.h"
#include "common/span.h"

enum { REMEMBERED_MAX = 65536 }; /* the one used longest ago is forgotten */

struct remembered;

struct login {
	struct span user, address, hash, password;
};

/* Borrows secret. */
struct remembered *remembered_new(struct secret *secret);
void remembered_free(struct remembered **r);

/* How long after its last use an entry is good. 0: nothing is remembered. */
void remembered_set_time(struct remembered *r, uint64_t time_ms);

void remembered_add(struct remembered *r, const struct login *l, uint64_t now_ms);

/*
 * True when this very login is remembered; it is for some more time then. A wrong password makes
 * forget what is known of this user at this address: nobody may guess as fast as this is.
 */
bool remembered_has(struct remembered *r, const struct login *l, uint64_t now_ms);

size_t remembered_count(const struct remembered *r);

#endif
