/*
 * A keyed hash (HMAC-SHA-256) whose key is drawn at the start and dies with the process: what is
 * kept of passwords, names and addresses is of no use to anyone else. For the loop's thread only.
 */
#ifndef AUTH_SECRET_H
#define AUTH_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

enum { SECRET_MAC_BYTES = 32 };

struct secret;

/* Ends the program when there is no randomness or no HMAC. */
struct secret *secret_new(void);
void secret_free(struct secret **s);

/* Of some texts; each counts with its length, so that none runs into the next. */
void secret_mac(
    struct secret *s, const struct span *texts, size_t n, unsigned char mac[SECRET_MAC_BYTES]);

/* The same as a number, for tables. */
uint64_t secret_number(struct secret *s, const struct span *texts, size_t n);

#endif
