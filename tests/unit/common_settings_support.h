/*
 * Settings from lines of a test. For unit tests and fuzz targets.
 */
#ifndef TESTS_UNIT_COMMON_SETTINGS_SUPPORT_H
#define TESTS_UNIT_COMMON_SETTINGS_SUPPORT_H

#include <stddef.h>

#include "common/settings.h"

struct setting_line {
	const char *section, *key, *value;
};

static inline void
settings_add_lines(struct settings *s, const struct setting_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		settings_add(s, lines[i].section, lines[i].key, lines[i].value);
}

/* Those of the lines that the settings do not have yet. */
static inline void
settings_add_missing(struct settings *s, const struct setting_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (settings_find(s, lines[i].section, lines[i].key) == NULL)
			settings_add(s, lines[i].section, lines[i].key, lines[i].value);
}

#endif
