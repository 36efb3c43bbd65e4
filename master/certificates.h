/*
 * What is to be said of the certificates that the configuration names: [tls], its client
 * certificate and [certificate NAME]. Reads their files.
 */
#ifndef MASTER_CERTIFICATES_H
#define MASTER_CERTIFICATES_H

#include <jansson.h>
#include <stdbool.h>

#include "common/config.h"

/*
 * [{"section", "key", "file", "names", "until": seconds since 1970, null when it cannot be read,
 * "problem": a phrase or null, "unusable": bool}]. readable: without those that cannot be read.
 */
json_t *certificates_describe(const struct config *c, bool readable);

#endif
