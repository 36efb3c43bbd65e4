/*
 * What the parts of the configuration (loader, entries, warnings, editor) share.
 */
#ifndef COMMON_CONFIG_PRIVATE_H
#define COMMON_CONFIG_PRIVATE_H

#include "common/config.h"
#include "common/span.h"

enum {
	CONFIG_PROBLEMS_MAX = 1000,  /* more are not told */
	CONFIG_ENTRIES_MAX = 100000, /* lines of [aliases], [forward], [routes], [tls policy] */
	CONFIG_SECTIONS_MAX = 1000,  /* [fetch NAME], [certificate NAME] */
	CONFIG_SECTION_NAME_MAX_BYTES = 32
};

struct config_value {
	char *written; /* NULL: absent or empty */
	char *text;    /* normalized, preset applied */
	unsigned line; /* 0: absent */
	bool doubtful; /* its section has an error: what is absent may only be misspelled */
};

/* Sections whose lines have names of the administrator's own. */
enum config_entries {
	ENTRIES_ALIASES,
	ENTRIES_FORWARD,
	ENTRIES_ROUTES,
	ENTRIES_TLS,
	ENTRY_SECTIONS
};
extern const char *const config_entry_sections[ENTRY_SECTIONS];

/* A line of them. */
struct config_entry {
	char *name, *value;    /* as written */
	char *key, *canonical; /* normalized: what router gets */
	enum config_entries section;
	unsigned line;
};

/* One that is there under a name of its own: [fetch NAME], [certificate NAME]. */
struct config_section {
	char *name; /* with its kind, in lower case: "fetch work" */
	unsigned line;
	bool doubtful;	 /* as in struct config_value */
	size_t first, n; /* of config_keys */
	struct config_value *values;
};

struct config_name {
	const struct config_entry *entry;
};

struct config {
	char *root;
	struct config_value *values;  /* in the order of config_keys */
	struct config_entry *entries; /* in the file's order */
	struct config_name *by_name;  /* sorted by section, then by key */
	size_t n_entries;
	struct config_section *sections; /* in the file's order */
	size_t n_sections;
	unsigned entry_sections[ENTRY_SECTIONS]; /* where they start */
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

/* ---- config_sections.c ---- */

/* The key belongs to each section of a kind, which has a name: "fetch *" in the table. */
bool config_key_is_named(const struct config_key *key);
/* Whether this is the table's section, or, of a kind that has names, one with a right name. Without
 * regard to case. */
bool config_section_is(const char *table_section, struct span section);
/* The same for a kind that has names only; out: as it is kept, "fetch work". */
bool
config_section_named(const char *table_section, struct span section, char out[CONFIG_SECTION_SIZE]);
/* What is right, a phrase to be freed, where a section is of a kind that has names, and its own is
 * missing or no name; else NULL. */
char *config_section_misnamed(struct span section);
struct config_section *config_section_find(const struct config *c, const char *name);
/* It is one of this kind, "fetch *". */
bool config_section_is_a(const struct config_section *s, const char *kind);
/* With the presets of its kind. NULL: there are too many. Valid until the next one is added. */
struct config_section *
config_section_add(struct config *c, const char *table_section, const char *name, unsigned line);
void config_sections_free(struct config *c);
/* The key's value in this section; its preset where there is no such section. */
struct config_value *
config_value_of(const struct config *c, const char *section, const struct config_key *key);

/* ---- config_entries.c ---- */

/* The section of mail.ini, without regard to case; -1: it has other lines. */
int config_entries_index(struct span section);
/* Judges and adds one line of such a section. */
void config_entry_add(struct config *c, enum config_entries section, unsigned line,
    struct span name, struct span value);
/* Sorts, and reports names given twice. After the last entry. */
void config_entries_finish(struct config *c);
void config_entries_free(struct config *c);
/* By normalized name; NULL without one. */
const struct config_entry *
config_entry_in(const struct config *c, enum config_entries section, const char *name);
/* The alias of this name, or the forward. */
const struct config_entry *config_entry_find(const struct config *c, const char *name);
/* Normalizes the name of a line (ADDRESS_TEXT_SIZE bytes). -1 with *why, a phrase. */
int config_entry_name(enum config_entries section, struct span text, char *out, const char **why);

/* ---- config_listen.c ---- */

/* Reports listeners of [listen] that ask for the same port of the same address. */
void config_check_listeners(struct config *c);

/* ---- config_warnings.c ---- */

/* What can be used but is worth knowing. Looks at the files' rights, the TLS files and the mail
 * directory. */
void config_warn(struct config *c);
void config_warn_key(struct config *c, const char *section, const char *key, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* The same for a key of a section that has a name; key NULL: for the section as a whole. */
void config_problem_in(struct config *c, const struct config_section *s, const char *key,
    bool warning, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* There is neither a mailbox nor an alias or a forward of this name. False also where nobody may
 * look into the mail directory. */
bool config_names_nobody(struct config *c, const char *name);

/* ---- config_warnings_tls.c ---- */

/* The part of it that is about certificates: reads their files. */
void config_warn_certificates(struct config *c);

/* ---- config_warnings_fetch.c ---- */

/* The part of it that is about [fetch NAME]. */
void config_warn_fetching(struct config *c);

/* ---- config_warnings_relay.c ---- */

/* The part of it that is about mail for other hosts. */
void config_warn_relaying(struct config *c);

#endif
