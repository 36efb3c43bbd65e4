/*
 * What the supervisor and sambarctl say alike. Looks users up, else pure.
 */
#ifndef MASTER_DESCRIBE_H
#define MASTER_DESCRIBE_H

#include <jansson.h>
#include <sys/types.h>

#include "common/config.h"

/* The login name, or the number of who has none. Valid until the next call. */
const char *describe_user(uid_t uid);

/* [{"where", "text", "warning": bool}]: all of a configuration's errors and warnings. */
json_t *describe_problems(const struct config_problems *problems);

#endif
