/*
 * What a user's own addresses and forwarding are by the configuration. Pure.
 */
#ifndef MASTER_OWN_H
#define MASTER_OWN_H

#include <jansson.h>
#include <stdbool.h>

#include "common/config.h"
#include "common/span.h"

enum { OWN_ADDRESSES_MAX = 200, OWN_TARGETS_MAX = 10 };

/* [address]: his name at Mail Server and at Local Domains without *, and aliases that lead to him
 * alone. Each is his by what router says of senders, too. */
json_t *own_addresses(const struct config *c, const char *user);

/* {"to": [address], "keep": bool} of his line in [forward]; without one nothing and true. */
json_t *own_forward(const struct config *c, const char *user);

/*
 * The line for such a wish, to be freed; *line NULL: none is needed. His own addresses among the
 * targets mean keep. -1 with *why, a sentence to be freed.
 */
int own_forward_line(const struct config *c, const char *user, bool keep,
    const char *const *targets, size_t n, char **line, char **why);

#endif
