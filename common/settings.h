/*
 * The settings that one program was given by master: validated strings by section and key, with the
 * manual's exact names. Sizes are bytes, durations seconds, booleans "true" or "false". docs and
 * types: conf_keys.c, sambar.ini(5).
 */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setting {
	char *section, *key, *value;
};

struct settings {
	struct setting *items;
	size_t n;
};

struct settings *settings_new(void);
void settings_free(struct settings **s);
void settings_add(struct settings *s, const char *section, const char *key, const char *value);

/* The value, "" when there is none (a key that master did not send is a programming error that
 * fatalx() reports). */
const char *settings_text(const struct settings *s, const char *section, const char *key);
uint64_t settings_u64(const struct settings *s, const char *section, const char *key);
bool settings_bool(const struct settings *s, const char *section, const char *key);
/* NULL instead of an end when it is missing. */
const char *settings_find(const struct settings *s, const char *section, const char *key);

#endif
