/*
 * From what a client calls itself to the user it means. Pure.
 */
#ifndef AUTH_LOGIN_NAME_H
#define AUTH_LOGIN_NAME_H

#include <stdbool.h>

#include "auth/auth.h"
#include "common/span.h"

/*
 * name is a user's name or name@domain, in upper or lower case; without an @ the last * stands for
 * it. The domain must be server or match one of the blank-separated patterns. False, and user
 * empty, when no user can be meant.
 */
bool login_name_user(
    struct span name, const char *server, struct span patterns, char user[AUTH_USER_SIZE]);

#endif
