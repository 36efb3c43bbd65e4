/*
 * The one-time link that makes the first administrator: config/users/setup holds the SHA-256 of its
 * token, in hexadecimal, and until when it is good (seconds since 1970). Touches this file only.
 *
 * setup       the newest link; missing: there is none
 * setup.new   being written, or left by a crash: the next one replaces it
 */
#ifndef AUTH_SETUP_H
#define AUTH_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { SETUP_TOKEN_SIZE = 44, SETUP_LIFE_S = 24 * 3600 }; /* 32 random bytes, base64url, a NUL */

/* Makes a token, which from now on is the only one. directory (borrowed) may be O_PATH. -1 with
 * errno. */
int setup_make(int directory, int64_t now, char token[SETUP_TOKEN_SIZE]);
/* Whether this is it. now: seconds since 1970. */
bool setup_is(int directory, int64_t now, struct span token);
void setup_remove(int directory);

#endif
