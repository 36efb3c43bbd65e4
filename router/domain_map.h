/*
 * A section of the configuration whose lines are named by domains ([routes], [tls policy]): which
 * line holds for a domain. Pure.
 *
 * The line of the domain itself comes first; then the pattern that has the most bytes besides its
 * stars, and of such the first one in the file. So a line can be added anywhere.
 */
#ifndef ROUTER_DOMAIN_MAP_H
#define ROUTER_DOMAIN_MAP_H

#include "common/settings.h"
#include "common/span.h"

struct domain_map;

/* Of the settings of one section, which are normalized. */
struct domain_map *domain_map_new(const struct settings *settings, const char *section);
void domain_map_free(struct domain_map **m);

/* domain in lower case, or an address literal, which only a pattern of nothing but stars matches.
 * The line's value, NULL when none holds. */
const char *domain_map_find(const struct domain_map *m, struct span domain);

#endif
