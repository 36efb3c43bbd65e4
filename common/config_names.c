/*
 * Names of keys and sections: exact, unique or nearly right. Knows only the table of keys.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_private.h"
#include "common/log.h"
#include "common/memory.h"

/* Names longer than this are not compared with others; as many changes may lie between two names
 * for one to be meant as the other. */
enum { NAME_MAX_BYTES = 64, CHANGES_MAX = 4 };

size_t
config_index(const char *section, const char *key)
{
	for (size_t i = 0; i < n_config_keys; i++)
		if (strcmp(config_keys[i].key, key) == 0 &&
		    (config_key_is_named(&config_keys[i])
			    ? config_section_is(config_keys[i].section, span_of(section))
			    : strcmp(config_keys[i].section, section) == 0))
			return i;
	fatalx("the configuration has no key [%s] %s", section, key);
}

const struct config_key *
config_key_in(const char *file, const char *section, struct span key)
{
	for (size_t i = 0; i < n_config_keys; i++)
		if (strcmp(config_keys[i].file, file) == 0 &&
		    config_section_is(config_keys[i].section, span_of(section)) &&
		    span_is_nocase(key, config_keys[i].key))
			return &config_keys[i];
	return NULL;
}

/* ---- the nearest name ---- */

static char
folded(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static size_t
least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters to insert, drop or replace until a is b (Levenshtein), without regard to case. */
static size_t
changes_between(struct span a, const char *b)
{
	size_t row[NAME_MAX_BYTES + 1], n = strlen(b);

	if (a.len > NAME_MAX_BYTES || n > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t same = folded(a.at[i - 1]) == folded(b[j - 1]) ? 0 : 1;
			size_t here = least(diagonal + same, row[j] + 1, row[j - 1] + 1);

			diagonal = row[j];
			row[j] = here;
		}
	}
	return row[n];
}

/* Half of a short name is another name. */
static bool
is_near(size_t changes, struct span name)
{
	return changes <= CHANGES_MAX && changes * 2 <= name.len;
}

static const struct config_key *
nearest_key(const char *section, struct span name)
{
	const struct config_key *best = NULL;
	size_t least_changes = SIZE_MAX;

	for (size_t i = 0; i < n_config_keys; i++) {
		size_t changes = changes_between(name, config_keys[i].key);
		bool here =
		    section != NULL && config_section_is(config_keys[i].section, span_of(section));

		/* of equally near ones the one in this section */
		if (changes < least_changes || (changes == least_changes && here)) {
			least_changes = changes;
			best = &config_keys[i];
		}
	}
	return is_near(least_changes, name) ? best : NULL;
}

char *
config_suggest_key(const char *section, struct span name)
{
	const struct config_key *near = nearest_key(section, name);

	if (near == NULL)
		return xstrdup("");
	if (section != NULL && config_section_is(near->section, span_of(section)))
		return xasprintf("; the nearest is \"%s\"", near->key);
	if (span_is_nocase(name, near->key))
		return xasprintf("; it belongs to [%s] of %s", near->section, near->file);
	return xasprintf(
	    "; the nearest is \"%s\" in [%s] of %s", near->key, near->section, near->file);
}

static void
consider_section(const char *name, const char *file, struct span given, const char **best,
    const char **best_file, size_t *least_changes)
{
	size_t changes = changes_between(given, name);

	if (changes < *least_changes) {
		*least_changes = changes;
		*best = name;
		*best_file = file;
	}
}

char *
config_suggest_section(const char *file, struct span name)
{
	const char *best = "", *best_file = file;
	size_t changes = SIZE_MAX;
	char *right = config_section_misnamed(name), *hint;

	if (right != NULL) {
		hint = xasprintf("; %s", right);
		free(right);
		return hint;
	}
	for (size_t i = 0; i < n_config_keys; i++)
		consider_section(
		    config_keys[i].section, config_keys[i].file, name, &best, &best_file, &changes);
	for (size_t i = 0; i < ENTRY_SECTIONS; i++)
		consider_section(
		    config_entry_sections[i], "mail.ini", name, &best, &best_file, &changes);
	if (!is_near(changes, name))
		return xstrdup("");
	if (strcmp(best_file, file) != 0)
		return xasprintf("; [%s] belongs to %s", best, best_file);
	return xasprintf("; the nearest is [%s]", best);
}

/* ---- what an administrator names ---- */

/* Without a section, no key of those that have names. */
static bool
is_meant(const struct config_key *k, const char *section)
{
	char name[CONFIG_SECTION_SIZE];

	if (config_key_is_named(k))
		return section != NULL && config_section_named(k->section, span_of(section), name);
	return section == NULL || strcasecmp(k->section, section) == 0;
}

static const struct config_key *
next_key(size_t *at, const char *section, const char *key)
{
	for (; *at < n_config_keys; ++*at) {
		const struct config_key *k = &config_keys[*at];

		if (strcasecmp(k->key, key) == 0 && is_meant(k, section)) {
			++*at;
			return k;
		}
	}
	return NULL;
}

const struct config_key *
config_find(const char *section, const char *key, char **why)
{
	size_t at = 0;
	const struct config_key *found = next_key(&at, section, key), *other;
	char *hint;

	if (found == NULL && section != NULL &&
	    (hint = config_section_misnamed(span_of(section))) != NULL) {
		*why = xasprintf("[%s] cannot be: %s", log_safe(span_of(section)), hint);
		free(hint);
		return NULL;
	}
	if (found == NULL) {
		hint = config_suggest_key(section, span_of(key));
		*why = xasprintf("there is no key \"%s\"%s%s%s%s", log_safe(span_of(key)),
		    section ? " in [" : "", section ? log_safe(span_of(section)) : "",
		    section ? "]" : "", hint);
		free(hint);
		return NULL;
	}
	if ((other = next_key(&at, section, key)) != NULL) {
		*why = xasprintf(
		    "\"%s\" is in [%s] and in [%s]: put the section in front, \"[%s] %s\"",
		    found->key, found->section, other->section, found->section, found->key);
		return NULL;
	}
	return found;
}

void
config_section_spell(
    const struct config_key *key, const char *section, char out[CONFIG_SECTION_SIZE])
{
	if (section == NULL || !config_section_named(key->section, span_of(section), out))
		strlcpy(out, key->section, CONFIG_SECTION_SIZE);
}
