/*
 * Sections that may be there any number of times, each under a name of its own: [fetch NAME] and
 * [certificate NAME]. The table of keys has the keys of each kind once, in a section "fetch *".
 * Pure.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_private.h"
#include "common/memory.h"

/* What stands in front of the name, with its blank; 0: no such section of the table. */
static size_t
prefix_length(const char *table_section)
{
	size_t n = strlen(table_section);

	return n > 2 && strcmp(table_section + n - 2, " *") == 0 ? n - 1 : 0;
}

bool
config_key_is_named(const struct config_key *key)
{
	return prefix_length(key->section) > 0;
}

static bool
is_name(struct span text)
{
	if (text.len == 0 || text.len > CONFIG_SECTION_NAME_MAX_BYTES || text.at[0] == '-')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!(text.at[i] >= 'a' && text.at[i] <= 'z') &&
		    !(text.at[i] >= 'A' && text.at[i] <= 'Z') &&
		    !(text.at[i] >= '0' && text.at[i] <= '9') && text.at[i] != '-')
			return false;
	return true;
}

/* What follows the prefix of a section of the table, and the blanks behind it. */
static bool
take_name(const char *table_section, struct span section, struct span *name)
{
	size_t n = prefix_length(table_section);

	if (n == 0 || section.len < n || strncasecmp(section.at, table_section, n) != 0)
		return false;
	*name = span_trim((struct span){section.at + n, section.len - n});
	return true;
}

bool
config_section_is(const char *table_section, struct span section)
{
	struct span name;

	return span_is_nocase(section, table_section) ||
	       (take_name(table_section, section, &name) && is_name(name));
}

bool
config_section_named(const char *table_section, struct span section, char out[CONFIG_SECTION_SIZE])
{
	struct span name;
	size_t n = prefix_length(table_section);

	if (!take_name(table_section, section, &name) || !is_name(name))
		return false;
	memcpy(out, table_section, n);
	for (size_t i = 0; i < name.len; i++)
		out[n + i] =
		    name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] + ('a' - 'A') : name.at[i];
	out[n + name.len] = '\0';
	return true;
}

char *
config_section_misnamed(struct span section)
{
	struct span rest = section, kind = span_take_word(&rest);
	const char *before = "";

	for (size_t i = 0; i < n_config_keys; i++) {
		const char *of = config_keys[i].section;
		size_t n = prefix_length(of);

		if (n == 0 || strcmp(of, before) == 0)
			continue;
		before = of;
		if (n == kind.len + 1 && strncasecmp(of, kind.at, kind.len) == 0 &&
		    !is_name(span_trim(rest)))
			return xasprintf("right is [%.*s NAME], NAME: up to %d letters, digits and "
					 "hyphens, none of them in front",
			    (int)(n - 1), of, CONFIG_SECTION_NAME_MAX_BYTES);
	}
	return NULL;
}

struct config_section *
config_section_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_sections; i++)
		if (strcasecmp(c->sections[i].name, name) == 0)
			return &c->sections[i];
	return NULL;
}

bool
config_section_is_a(const struct config_section *s, const char *kind)
{
	return strcmp(config_keys[s->first].section, kind) == 0;
}

const char *
config_section_at(const struct config *c, const char *kind, size_t i)
{
	for (size_t at = 0; at < c->n_sections; at++)
		if (config_section_is_a(&c->sections[at], kind) && i-- == 0)
			return c->sections[at].name;
	return NULL;
}

static size_t
first_key(const char *table_section, size_t *n)
{
	size_t first = 0;

	while (first < n_config_keys && strcmp(config_keys[first].section, table_section) != 0)
		first++;
	for (*n = 0; first + *n < n_config_keys &&
		     strcmp(config_keys[first + *n].section, table_section) == 0;)
		++*n;
	return first;
}

struct config_section *
config_section_add(struct config *c, const char *table_section, const char *name, unsigned line)
{
	struct config_section *s;

	if (c->n_sections == CONFIG_SECTIONS_MAX)
		return NULL;
	if ((c->n_sections & (c->n_sections - 1)) == 0)
		c->sections = xrealloc(
		    c->sections, (c->n_sections ? c->n_sections * 2 : 1) * sizeof *c->sections);
	s = &c->sections[c->n_sections++];
	*s = (struct config_section){.name = xstrdup(name), .line = line};
	s->first = first_key(table_section, &s->n);
	s->values = xcalloc(s->n, sizeof *s->values);
	for (size_t i = 0; i < s->n; i++)
		s->values[i].text = xstrdup(c->values[s->first + i].text); /* its preset */
	return s;
}

void
config_sections_free(struct config *c)
{
	for (size_t i = 0; i < c->n_sections; i++) {
		for (size_t k = 0; k < c->sections[i].n; k++) {
			free(c->sections[i].values[k].text);
			free(c->sections[i].values[k].written);
		}
		free(c->sections[i].values);
		free(c->sections[i].name);
	}
	free(c->sections);
}

struct config_value *
config_value_of(const struct config *c, const char *section, const struct config_key *key)
{
	const struct config_section *s;

	if (!config_key_is_named(key) || strcmp(section, key->section) == 0)
		return &c->values[key - config_keys];
	s = config_section_find(c, section);
	return s != NULL ? &s->values[key - config_keys - s->first] : &c->values[key - config_keys];
}
