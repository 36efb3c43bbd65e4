/*
 * What is to be published in the DNS for the local domains and for the host: by the configuration,
 * and for the listeners that it has. Asks nobody.
 */
#ifndef MASTER_PUBLISH_H
#define MASTER_PUBLISH_H

#include <jansson.h>

#include "common/config.h"

/*
 * [{"domain", "name", "type", "value", "note"}]: the value as in a zone file, null where only its
 * owner knows it; the note, a phrase or null, says what is to be known of it. domain NULL: of all
 * local domains that have a name. addresses: of machine_public_addresses(), may be NULL.
 */
json_t *publish_records(const struct config *c, const char *domain, const json_t *addresses);

#endif
