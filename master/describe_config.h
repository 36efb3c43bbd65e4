/*
 * The configuration as sambarctl config list and the administration's forms have it
 * (master/control.h). Secrets are masked.
 */
#ifndef MASTER_DESCRIBE_CONFIG_H
#define MASTER_DESCRIBE_CONFIG_H

#include <jansson.h>

#include "common/config.h"

/* "keys" of config list: all but those of sections with names of their own. */
json_t *describe_keys(const struct config *c);
/* "sections" of fetch sections or certificate sections; kind: "fetch" or "certificate". */
json_t *describe_sections(const struct config *c, const char *kind);
/* Its "keys": those of a section that is not there yet. */
json_t *describe_section_keys(const char *kind);
/* "entries" of [aliases] and its like. */
json_t *describe_entries(const struct config *c, const char *section);

#endif
