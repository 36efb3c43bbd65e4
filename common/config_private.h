/*
 * What the parts of the configuration (loader, entries, warnings, editor) share.
 */
#ifndef COMMON_CONFIG_PRIVATE_H
#define COMMON_CONFIG_PRIVATE_H

#include "common/config.h"
#include "common/span.h"

enum {
	CONFIG_PROBLEMS_MAX = 1000, /* more are not told */
	CONFIG_ENTRIES_MAX = 100000 /* aliases and forwards */
};

struct config_value {
	char *written; /* NULL: absent or empty */
	char *text;    /* normalized, preset applied */
	unsigned line; /* 0: absent */
};

/* An alias or forward. */
struct config_entry {
	char *name, *targets;  /* as written */
	char *key, *canonical; /* normalized: what router gets */
	bool forward;
	unsigned line;
};

struct config_name {
	const struct config_entry *entry;
};

struct config {
	char *root;
	struct config_value *values;  /* in the order of config_keys */
	struct config_entry *entries; /* in the file's order */
	struct config_name *by_name;  /* sorted by key; an alias before a forward */
	size_t n_entries;
	unsigned entry_sections[2]; /* lines of [aliases] and [forward] */
	struct config_problems *problems;
};

/* A file's text. error: an errno when it could not be read, text NULL then. */
struct config_source {
	char *text;
	size_t len;
	int error;
};

enum { CONFIG_INI, MAIL_INI, CONFIG_SOURCES };
extern const char *const config_source_names[CONFIG_SOURCES];
enum { ENTRIES_ALIASES, ENTRIES_FORWARD };
extern const char *const config_entry_sections[2];

/* Reads a file completely, at most CONFIG_FILE_MAX_BYTES (EFBIG). Only regular files (EINVAL). */
void config_source_read(struct config_source *s, const char *root, const char *name);
void config_source_free(struct config_source *s);

/* As config_load() for texts at hand. Warnings, which look at other files, only when warnings is
 * set. */
struct config *config_build(const char *root, const struct config_source sources[CONFIG_SOURCES],
    struct config_problems *problems, bool warnings);

/* line 0: the file as a whole. */
void config_problem(struct config_problems *problems, bool warning, const char *file, unsigned line,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Position in config_keys. Ends the program when there is none. */
size_t config_index(const char *section, const char *key);
/* The key of a section of a file, without regard to case. NULL when there is none. */
const struct config_key *config_key_in(const char *file, const char *section, struct span key);
/* Where a key that is not in `section` may belong, or the name nearest to it: ", right would be
 * ...", or "". To be freed. */
char *config_suggest_key(const char *section, struct span key);
char *config_suggest_section(const char *file, struct span section);

/* ---- config_entries.c ---- */

/* Judges and adds one line of [aliases] or [forward]. */
void
config_entry_add(struct config *c, int which, unsigned line, struct span name, struct span targets);
/* Sorts, and reports names given twice. After the last entry. */
void config_entries_finish(struct config *c);
void config_entries_free(struct config *c);
/* By normalized name. */
const struct config_entry *config_entry_find(const struct config *c, const char *name);
/* Normalizes the name of an entry (ADDRESS_TEXT_SIZE bytes). -1 with *why, a phrase. */
int config_entry_name(struct span text, char *out, const char **why);
/* Normalizes one target. */
int config_entry_target(struct span text, char *out, const char **why);

/* ---- config_listen.c ---- */

/* Reports listeners of [listen] that ask for the same port of the same address. */
void config_check_listeners(struct config *c);

/* ---- config_warnings.c ---- */

/* What can be used but is worth knowing. Looks at the TLS files and the mail directory. */
void config_warn(struct config *c);

#endif
