/*
 * What a change of the configuration is about: a key of the table, a line with a name of its own,
 * or a section; and whether its value can be. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/config_edit_private.h"
#include "common/config_lines.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"

/* A value must stay one line and be read back as it was given. */
static int
check_one_line(struct editor *ed, const struct edit *e, const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return config_edit_refuse(
			    ed, e, xstrdup("the value holds a control character"));
	if (n <= CONFIG_LINE_MAX_BYTES)
		return 0;
	return config_edit_refuse(
	    ed, e, xasprintf("the value is longer than %d bytes", CONFIG_LINE_MAX_BYTES));
}

static bool
is_key(const struct splice_key *key, struct span name)
{
	return span_is_nocase(name, key->name);
}

static int
check_value(struct editor *ed, const struct edit *e)
{
	char *normalized, *phrase, *text;

	if (e->value == NULL || e->value[0] == '\0')
		return 0;
	if (config_normalize(e->key, ed->root, span_of(e->value), &normalized, &phrase) == -1) {
		text = xasprintf("%s: %s", e->key->key, phrase);
		free(phrase);
		return config_edit_refuse(ed, e, text);
	}
	free(normalized);
	return 0;
}

static int
file_of(const struct config_key *key)
{
	return strcmp(key->file, config_source_names[CONFIG_INI]) == 0 ? CONFIG_INI : MAIL_INI;
}

static int
look_at_key(struct editor *ed, struct edit *e)
{
	const struct config_change *asked = e->asked;
	char *why = NULL;

	e->place =
	    (struct splice_key){.section = asked->section, .name = asked->name, .is = is_key};
	if ((e->key = config_find(asked->section, asked->name, &why)) == NULL)
		return config_edit_refuse(ed, e, why);
	config_section_spell(e->key, asked->section, e->section);
	e->place.section = e->section;
	e->place.name = e->key->key;
	e->which = file_of(e->key);
	if (asked->value != NULL && check_one_line(ed, e, asked->value) == -1)
		return -1;
	e->value = asked->value != NULL ? span_text(span_trim(span_of(asked->value))) : NULL;
	return check_value(ed, e);
}

/* Two spellings of one name, address or domain are one entry. */
static bool
is_entry(const struct splice_key *key, struct span name)
{
	char mine[ADDRESS_TEXT_SIZE], theirs[ADDRESS_TEXT_SIZE];
	int section = config_entries_index(span_of(key->section));
	const char *why;

	return config_entry_name(section, span_of(key->name), mine, &why) == 0 &&
	       config_entry_name(section, name, theirs, &why) == 0 && strcmp(mine, theirs) == 0;
}

static int
look_at_entry(struct editor *ed, struct edit *e, const char *section)
{
	const struct config_change *asked = e->asked;
	char canonical[ADDRESS_TEXT_SIZE];
	const char *phrase;

	e->place = (struct splice_key){.section = section, .name = asked->name, .is = is_entry};
	e->which = MAIL_INI;
	if (config_entry_name(config_entries_index(span_of(section)), span_of(asked->name),
		canonical, &phrase) == -1)
		return config_edit_refuse(
		    ed, e, xasprintf("\"%s\": %s", log_safe(span_of(asked->name)), phrase));
	/* These characters are good in an address, but not at the start of a line, and = ends a
	 * name. */
	if (strchr("#;[", asked->name[0]) != NULL || strchr(asked->name, '=') != NULL ||
	    asked->name[strcspn(asked->name, " \t")] != '\0')
		return config_edit_refuse(ed, e,
		    xasprintf("\"%s\": this name cannot stand in the file",
			log_safe(span_of(asked->name))));
	if (asked->value != NULL && check_one_line(ed, e, asked->value) == -1)
		return -1;
	e->value = asked->value != NULL ? xstrdup(asked->value) : NULL;
	return 0;
}

/* Only a section with a name of its own can go as a whole. */
static int
look_at_section(struct editor *ed, struct edit *e)
{
	const char *section = e->asked->section != NULL ? e->asked->section : "";
	char *right, *text;

	for (size_t i = 0; i < n_config_keys; i++)
		if (config_section_named(config_keys[i].section, span_of(section), e->section)) {
			e->which = file_of(&config_keys[i]);
			e->place.section = e->section;
			return 0;
		}
	if ((right = config_section_misnamed(span_of(section))) != NULL) {
		text = xasprintf("[%s] cannot be: %s", log_safe(span_of(section)), right);
		free(right);
		return config_edit_refuse(ed, e, text);
	}
	return config_edit_refuse(ed, e,
	    xasprintf("[%s] is no section that can be removed: only one that has a name of its own "
		      "is, as [fetch NAME]",
		log_safe(span_of(section))));
}

static int
look_at(struct editor *ed, struct edit *e)
{
	const char *section = e->asked->section;
	const char *entries = section != NULL ? config_entries_section(section) : NULL;

	if (e->asked->name == NULL)
		return look_at_section(ed, e);
	return entries != NULL ? look_at_entry(ed, e, entries) : look_at_key(ed, e);
}

int
config_edit_look(struct editor *ed, const struct config_change *changes)
{
	int rv = 0;

	for (size_t i = 0; i < ed->n; i++) {
		ed->edits[i].asked = &changes[i];
		if (look_at(ed, &ed->edits[i]) == -1)
			rv = -1;
	}
	return rv;
}
