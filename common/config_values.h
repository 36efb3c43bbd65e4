/*
 * The types of the configuration's values: one function a type that judges and normalizes. Private
 * to the configuration and sambarctl.
 */
#ifndef COMMON_CONFIG_VALUES_H
#define COMMON_CONFIG_VALUES_H

#include "common/address.h"
#include "common/config.h"
#include "common/span.h"

/*
 * Normalizes a value that is not empty as the key's type has it: *out (to be freed). -1 with *why
 * (to be freed): "x" is not this or that. root is what relative paths start from.
 */
int config_normalize(
    const struct config_key *key, const char *root, struct span value, char **out, char **why);

/* A domain in lower case in which * may stand for any bytes. False when it is none. */
bool config_domain_pattern(struct span text, char out[ADDRESS_DOMAIN_MAX_BYTES + 1]);

/* 500M and the like. False when it is none, or more than 64 bits. */
bool config_parse_size(struct span text, uint64_t *bytes);

/* 5m and the like, to seconds. */
bool config_parse_duration(struct span text, uint64_t *seconds);

#endif
