/*
 * Sections of mail.ini whose lines have names of the administrator's own: [aliases] and [forward]
 * with their targets, [routes] and [tls policy] with domains. Pure; delivery by them is router's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/config_private.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/next_hop.h"

static const unsigned flags = ADDRESS_ALLOW_NO_DOMAIN | ADDRESS_ALLOW_UTF8;

static void
lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text += 'a' - 'A';
}

/* ---- names and their targets: [aliases], [forward] ---- */

static int
read_name(struct span text, char *out, const char **why)
{
	if (text.len > 0 && memchr(text.at, '*', text.len) != NULL) {
		*why = "names take no *";
		return -1;
	}
	if (address_parse(text, flags, out, why) == -1)
		return -1;
	lower(out);
	if (strcmp(out, "null") == 0) {
		*why = "null is where mail is dropped, and cannot be another name";
		return -1;
	}
	return 0;
}

static int
read_target(struct span text, char *out, const char **why)
{
	if (address_parse(text, flags, out, why) == -1)
		return -1;
	if (strchr(out, '@') == NULL)
		lower(out);
	return 0;
}

#define COMPLAIN(c, line, ...) config_problem((c)->problems, false, "mail.ini", line, __VA_ARGS__)

/* All targets, with one blank between them. NULL when one is wrong. */
static char *
read_targets(struct config *c, unsigned line, const char *name, struct span rest)
{
	char target[ADDRESS_TEXT_SIZE], *out = NULL;
	const char *why;
	bool good = rest.len > 0;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (f == NULL)
		fatalx("out of memory");
	if (rest.len == 0)
		COMPLAIN(c, line, "%s: has no target (a user, an address or null)", name);
	for (bool first = true; rest.len > 0; first = false) {
		struct span word = span_take_word(&rest);

		if (read_target(word, target, &why) == -1) {
			COMPLAIN(c, line,
			    "%s: target %s: %s (right are users, addresses, null; "
			    "blanks between them)",
			    name, log_safe(word), why);
			good = false;
		}
		fprintf(f, "%s%s", first ? "" : " ", target);
	}
	if (fclose(f) != 0)
		fatalx("out of memory");
	if (!good) {
		free(out);
		out = NULL;
	}
	return out;
}

/* ---- domains: [routes], [tls policy] ---- */

static int
read_domain(struct span text, char *out, const char **why)
{
	if (config_domain_pattern(text, out))
		return 0;
	*why = "is no domain";
	return -1;
}

static char *
refuse_value(struct config *c, unsigned line, const char *name, struct span bad, const char *why,
    const char *right)
{
	if (bad.len == 0)
		COMPLAIN(c, line, "%s: %s (right is %s)", name, why, right);
	else
		COMPLAIN(c, line, "%s: \"%s\" %s (right is %s)", name, log_safe(bad), why, right);
	return NULL;
}

static char *
read_route(struct config *c, unsigned line, const char *name, struct span value)
{
	char text[NEXT_HOP_TEXT_SIZE];
	struct next_hop hop;
	struct span bad;
	const char *why;

	if (!next_hop_parse(value, &hop, &bad, &why))
		return refuse_value(c, line, name, bad, why,
		    "mx, smart host, or host[:port], perhaps with \"implicit tls\" behind it");
	next_hop_print(&hop, text);
	return xstrdup(text);
}

static char *
read_tls_policy(struct config *c, unsigned line, const char *name, struct span value)
{
	char text[TLS_RULE_TEXT_SIZE];
	struct tls_rule rule;
	struct span bad;
	const char *why;

	if (!tls_rule_parse(value, &rule, &bad, &why))
		return refuse_value(c, line, name, bad, why,
		    "none, may, dane, encrypt, or verify, perhaps with names behind it");
	tls_rule_print(&rule, text);
	return xstrdup(text);
}

/* ---- the sections ---- */

const char *const config_entry_sections[ENTRY_SECTIONS] = {
    [ENTRIES_ALIASES] = "aliases",
    [ENTRIES_FORWARD] = "forward",
    [ENTRIES_ROUTES] = "routes",
    [ENTRIES_TLS] = "tls policy",
};

static const struct kind {
	int (*read_name)(struct span text, char *out, const char **why);
	const char *right_name;
	/* The normalized value, NULL when it is wrong, which was told then. */
	char *(*read_value)(struct config *c, unsigned line, const char *name, struct span value);
} kinds[ENTRY_SECTIONS] = {
    [ENTRIES_ALIASES] = {read_name, "a name or a complete address", read_targets},
    [ENTRIES_FORWARD] = {read_name, "a name or a complete address", read_targets},
    [ENTRIES_ROUTES] = {read_domain, "a domain or a pattern such as *.example.org", read_route},
    [ENTRIES_TLS] = {read_domain, "a domain or a pattern such as *.example.org", read_tls_policy},
};

int
config_entries_index(struct span section)
{
	for (int i = 0; i < ENTRY_SECTIONS; i++)
		if (span_is_nocase(section, config_entry_sections[i]))
			return i;
	return -1;
}

const char *
config_entries_section(const char *section)
{
	int i = config_entries_index(span_of(section));

	return i == -1 ? NULL : config_entry_sections[i];
}

int
config_entry_name(enum config_entries section, struct span text, char *out, const char **why)
{
	return kinds[section].read_name(text, out, why);
}

/* ---- all of them ---- */

void
config_entry_add(struct config *c, enum config_entries section, unsigned line, struct span name,
    struct span value)
{
	const struct kind *kind = &kinds[section];
	char key[ADDRESS_TEXT_SIZE], *canonical;
	const char *why;

	if (kind->read_name(name, key, &why) == -1) {
		COMPLAIN(c, line, "%s: %s (right is %s)", log_safe(name), why, kind->right_name);
		return;
	}
	if ((canonical = kind->read_value(c, line, key, value)) == NULL)
		return;
	if (c->n_entries == CONFIG_ENTRIES_MAX) {
		COMPLAIN(c, line,
		    "more than %d lines in [aliases], [forward], [routes] and "
		    "[tls policy] together",
		    CONFIG_ENTRIES_MAX);
		free(canonical);
		return;
	}
	if ((c->n_entries & (c->n_entries - 1)) == 0)
		c->entries = xrealloc(
		    c->entries, (c->n_entries ? c->n_entries * 2 : 1) * sizeof *c->entries);
	c->entries[c->n_entries++] = (struct config_entry){.name = span_text(name),
	    .value = span_text(value),
	    .key = xstrdup(key),
	    .canonical = canonical,
	    .section = section,
	    .line = line};
}

static int
compare(const void *a, const void *b)
{
	const struct config_entry *x = ((const struct config_name *)a)->entry;
	const struct config_entry *y = ((const struct config_name *)b)->entry;
	int order = (int)x->section - (int)y->section;

	if (order == 0)
		order = strcmp(x->key, y->key);
	return order != 0 ? order : x->line < y->line ? -1 : x->line > y->line;
}

void
config_entries_finish(struct config *c)
{
	c->by_name = xcalloc(c->n_entries, sizeof *c->by_name);
	for (size_t i = 0; i < c->n_entries; i++)
		c->by_name[i].entry = &c->entries[i];
	qsort(c->by_name, c->n_entries, sizeof *c->by_name, compare);
	for (size_t i = 1; i < c->n_entries; i++) {
		const struct config_entry *first = c->by_name[i - 1].entry;
		const struct config_entry *second = c->by_name[i].entry;

		if (strcmp(first->key, second->key) == 0 && first->section == second->section)
			COMPLAIN(c, second->line, "%s is there twice, first in line %u",
			    second->key, first->line);
	}
}

static int
compare_with(const struct config_entry *e, enum config_entries section, const char *name)
{
	return e->section != section ? (int)e->section - (int)section : strcmp(e->key, name);
}

const struct config_entry *
config_entry_in(const struct config *c, enum config_entries section, const char *name)
{
	size_t low = 0, high = c->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_with(c->by_name[middle].entry, section, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < c->n_entries && compare_with(c->by_name[low].entry, section, name) == 0)
		return c->by_name[low].entry;
	return NULL;
}

const struct config_entry *
config_entry_find(const struct config *c, const char *name)
{
	const struct config_entry *e = config_entry_in(c, ENTRIES_ALIASES, name);

	return e != NULL ? e : config_entry_in(c, ENTRIES_FORWARD, name);
}

bool
config_entry_value(const struct config *c, const char *section, const char *name,
    const char **written, const char **normalized)
{
	int i = config_entries_index(span_of(section));
	const struct config_entry *e = NULL;
	char key[ADDRESS_TEXT_SIZE];
	const char *why;

	if (i != -1 && config_entry_name(i, span_of(name), key, &why) == 0)
		e = config_entry_in(c, i, key);
	if (e == NULL)
		return false;
	*written = e->value;
	*normalized = e->canonical;
	return true;
}

void
config_entries_free(struct config *c)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		free(c->entries[i].name);
		free(c->entries[i].value);
		free(c->entries[i].key);
		free(c->entries[i].canonical);
	}
	free(c->entries);
	free(c->by_name);
}
