/*
 * Changes of a configuration file's text that leave every other byte as it is. Pure. Private to the
 * configuration's editor.
 */
#ifndef COMMON_CONFIG_SPLICE_H
#define COMMON_CONFIG_SPLICE_H

#include <stdbool.h>

#include "common/span.h"

/* What an entry is found by. */
struct splice_key {
	const char *section; /* spelled as a new section will be */
	const char *name;    /* spelled as a new line will be */
	/* Whether a line's name is this key. */
	bool (*is)(const struct splice_key *key, struct span name);
};

/*
 * The text with the key set to value, or, with value NULL, without its line. To be freed; *len is
 * set. Where the key is absent, a new line goes behind a comment "# Key = ..." of its section, else
 * behind the section's last key, else to the section's end, before the comment of the next one; an
 * absent section is appended.
 */
char *config_splice(struct span text, const struct splice_key *key, const char *value, size_t *len);

/* The text without this section, from its head to its last line; a comment right before the next
 * head stays. To be freed. */
char *config_splice_section(struct span text, const char *section, size_t *len);

#endif
