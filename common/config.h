/*
 * The configuration: config/config.ini and config/mail.ini below an instance's root, checked
 * against one table of keys (conf_keys.c). Read by master and sambarctl only; other programs are
 * sent their slice (settings.h).
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_TEXT,   /* of up to max bytes */
	CONFIG_SECRET, /* the same; never part of a message, nor printed by sambarctl */
	CONFIG_BOOL,   /* true or false (yes, no, on, off, 1, 0 are taken too); normalized to
			  true/false */
	CONFIG_NUMBER,
	CONFIG_SIZE,	  /* bytes, with K, M or G; normalized to bytes */
	CONFIG_DURATION,  /* seconds, with s, m, h or d; normalized to seconds */
	CONFIG_DURATIONS, /* a list of them */
	CONFIG_CHOICE,	  /* one of the words in `words` */
	CONFIG_DOMAIN,
	CONFIG_DOMAINS,	   /* a list of domain patterns with * */
	CONFIG_ADDRESSES,  /* a list of IP address patterns with *, or CIDR */
	CONFIG_LISTEN,	   /* a list of address:port, [v6]:port */
	CONFIG_HOST,	   /* host or address, optional :port */
	CONFIG_NAMESERVER, /* an IP address, optional :port, [v6]:port */
	CONFIG_MAILBOX,	   /* a local user name */
	CONFIG_MAIL_ADDRESS,
	CONFIG_PATH,	    /* relative to the root; normalized to an absolute path */
	CONFIG_INTERVAL,    /* a duration, or manual; normalized to seconds, 0 for manual */
	CONFIG_FINGERPRINT, /* SHA-256 in hexadecimal, with or without colons; normalized to lower
			     * case without them */
	CONFIG_URL,	    /* https://host[:port]/path */
	CONFIG_FOLDERS,	  /* names or patterns, in " where they hold blanks; one blank between them
			   */
	CONFIG_AT_SERVER, /* leave, delete, delete after TIME, seen, move FOLDER; the time in
			   * seconds */
	CONFIG_ROUTING,	  /* mailbox NAME, local or all */
	CONFIG_COMMAND	  /* command_line.h; its first word an absolute path */
};

struct config_key {
	const char *file;	   /* "config.ini" or "mail.ini" */
	const char *section, *key; /* section "fetch *": of each [fetch NAME] */
	enum config_type type;
	const char *preset;  /* the value when the key is absent or empty; NULL: none */
	const char *words;   /* CONFIG_CHOICE: separated by blanks */
	uint64_t min, max;   /* numbers, sizes, durations, bytes of texts; max 0: no limit */
	unsigned roles;	     /* role bits that receive it; ROLE_MASTER: used by master itself */
	const char *not_yet; /* the feature that will bring it into effect, NULL: it is in effect */
	const char *meaning; /* one sentence */
};

extern const struct config_key config_keys[];
extern const size_t n_config_keys;

struct config_problem {
	char *where;	     /* "config/mail.ini:12", "config/mail.ini" when it has no line */
	char *text;	     /* key, what is wrong, what would be right */
	bool warning;	     /* only worth knowing: the configuration can be used */
	size_t line, number; /* 0: of the whole file; in the order in which they were found */
};

/* By file and line. */
struct config_problems {
	struct config_problem *items;
	size_t n, n_errors;
};

struct config;

/*
 * Reads and checks both files. Never NULL: with errors in *problems the values are not to be used.
 * Free both. An empty value counts as absent. [listen] may say none, which normalizes to "";
 * addresses may say none, which stays and matches nothing. Names of [aliases] and [forward], and
 * local targets, normalize to lower case; complete addresses to their canonical text. Domains of
 * [routes] and [tls policy] normalize to lower case, their values as next_hop.h prints them.
 */
struct config *config_load(const char *root, struct config_problems *problems);
void config_free(struct config **c);
void config_problems_free(struct config_problems *problems);

/* A normalized value by section and key, its preset when absent, "" without either. A key not in
 * the table is a programming error (fatalx). A section may be "fetch NAME". */
const char *config_text(const struct config *c, const char *section, const char *key);
/* There is a section of this name, "fetch work", among those that have names. */
bool config_has_section(const struct config *c, const char *section);
/* The i-th section of a kind that has names, "certificate *", in the file's order; NULL behind the
 * last one. */
const char *config_section_at(const struct config *c, const char *kind, size_t i);
bool config_bool(const struct config *c, const char *section, const char *key);
uint64_t config_u64(const struct config *c, const char *section, const char *key);

/* Mail Server, or without one the system's name; "" when there is neither. */
enum { CONFIG_SERVER_NAME_SIZE = 256 };
void config_server_name(const struct config *c, char out[CONFIG_SERVER_NAME_SIZE]);
/* Whether mail of this domain is local: it is the server's name, or one of the Local Domains. */
bool config_is_local_domain(const struct config *c, const char *domain);

/*
 * Finds a key without regard to case. section NULL where the key's name is unique. NULL with *why,
 * a sentence to be freed that names the sections or the nearest key.
 */
const struct config_key *config_find(const char *section, const char *key, char **why);
/* The section as a file is to spell it, for a key that was found in it: the table's, or "fetch
 * name". */
enum { CONFIG_SECTION_SIZE = 64 };
void config_section_spell(
    const struct config_key *key, const char *section, char out[CONFIG_SECTION_SIZE]);
/* The value as the file has it, its preset when absent, "" without either. */
const char *
config_written(const struct config *c, const char *section, const struct config_key *key);
/* The same without the preset: "" when the key is absent or empty. */
const char *
config_written_there(const struct config *c, const char *section, const struct config_key *key);
/* Whether the file has the key, with a value or without. */
bool config_is_there(const struct config *c, const char *section, const struct config_key *key);

/*
 * Calls each() for everything that the role is to receive: the keys of its bits, those of [fetch
 * NAME] for each of these sections ("fetch name"), and for ROUTER also [aliases], [forward],
 * [routes] and [tls policy] (name, value) in the file's order. The TLS files are not read here:
 * master adds "Certificate PEM" and "Private Key PEM" to [tls] and to each [certificate NAME].
 */
void config_slice(const struct config *c, unsigned role,
    void (*each)(void *arg, const char *section, const char *key, const char *value), void *arg);

/* ---- changing the files: comments, order and spelling of everything else stay ---- */

/* One of some changes that are made together. */
struct config_change {
	const char *section; /* NULL where the key's name is unique */
	const char *name;    /* a key without regard to case, or a line of [aliases] and its like;
			      * NULL: the section as a whole goes, one that has a name */
	const char *value;   /* NULL: its line goes, if there is one */
};

enum { CONFIG_FILES = 2 };

/* What became of it. */
struct config_changed {
	char *why;	  /* not: a sentence about the first thing that is wrong */
	int error;	  /* errno then; 0 when a change is not right */
	json_t *problems; /* not: [{"text", "warning": false, and of "section", "key", "where" what
			   * is known}] */
	json_t *what; /* [{"file", "section", "key", "old", "new"}] (null: no line) of what is not
		       * as before; secrets are config_masked */
	/* private */
	char *old[CONFIG_FILES], *new[CONFIG_FILES];
	size_t old_len[CONFIG_FILES], new_len[CONFIG_FILES];
};

/* Stands for a secret that is there. */
extern const char config_masked[];

/*
 * Makes all changes or none. The new files are checked before they replace the old ones (written
 * beside them, synced, renamed; owner and mode kept): an error that the files have anyhow stays
 * there. 0, or -1 and *out says why. *out is to be freed in any case.
 */
int config_change(
    const char *root, const struct config_change *changes, size_t n, struct config_changed *out);
/* Puts the files back to what they were, unless others have changed them meanwhile. -1: not. */
int config_change_back(const char *root, struct config_changed *changed);
void config_changed_free(struct config_changed *out);

/* Writers of one instance's files wait for each other, for a second at most: closing the
 * descriptor lets the next one in. -1 with errno (EWOULDBLOCK: another holds it). */
int config_lock(const char *root);

/* One key. -1 with *why, a sentence to be freed, and errno: 0 when the change is not right. */
int
config_set(const char *root, const char *section, const char *key, const char *value, char **why);

/* ---- [aliases], [forward], [routes], [tls policy]: their lines have names of their own ---- */

/* The section as the file is to spell it, NULL when it has keys of the table, or is none. */
const char *config_entries_section(const char *section);
/* As config_set() for such a line; value NULL removes it. */
int config_set_entry(
    const char *root, const char *section, const char *name, const char *value, char **why);
/* Calls each() for every line of the section in the file's order, spelled as there. */
void config_entries(const struct config *c, const char *section,
    void (*each)(void *arg, const char *name, const char *value), void *arg);
/* One of them, as written and normalized. False when it is not there, also because name is none
 * that may be there. */
bool config_entry_value(const struct config *c, const char *section, const char *name,
    const char **written, const char **normalized);
/* Whether a line of [aliases] or [forward] leaves nothing to the mailbox of its own name. False
 * when there is none, or it cannot be looked for. */
bool config_takes_all_mail(struct config *c, const char *section, const char *name);

#endif
