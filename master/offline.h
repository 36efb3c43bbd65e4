/*
 * sambarctl's requests about users to an instance that does not run: auth and store are run for the
 * time of the request, confined as ever.
 */
#ifndef MASTER_OFFLINE_H
#define MASTER_OFFLINE_H

#include <jansson.h>
#include <stddef.h>

/* As control_request(): the exit code, and *doc (to be freed), which is an error document when the
 * code is not 0. */
int offline_request(const char *root, const char *const *words, size_t n, json_t **doc);

#endif
