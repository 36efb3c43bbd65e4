/*
 * The entries of [aliases] and [forward]: names and their targets. Pure; delivery by them is
 * router's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/config_private.h"
#include "common/log.h"
#include "common/memory.h"

static const unsigned flags = ADDRESS_ALLOW_NO_DOMAIN | ADDRESS_ALLOW_UTF8;

static void
lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text += 'a' - 'A';
}

int
config_entry_name(struct span text, char *out, const char **why)
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

int
config_entry_target(struct span text, char *out, const char **why)
{
	if (address_parse(text, flags, out, why) == -1)
		return -1;
	if (strchr(out, '@') == NULL)
		lower(out);
	return 0;
}

static struct span
take_word(struct span *rest)
{
	size_t n = 0;
	struct span word;

	while (n < rest->len && rest->at[n] != ' ' && rest->at[n] != '\t')
		n++;
	word = (struct span){rest->at, n};
	*rest = span_trim((struct span){rest->at + n, rest->len - n});
	return word;
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
		struct span word = take_word(&rest);

		if (config_entry_target(word, target, &why) == -1) {
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

static char *
copy_of(struct span s)
{
	char *copy = xmalloc(s.len + 1);

	span_copy(s, copy, s.len + 1);
	return copy;
}

void
config_entry_add(struct config *c, int which, unsigned line, struct span name, struct span targets)
{
	char key[ADDRESS_TEXT_SIZE], *canonical;
	const char *why;

	if (config_entry_name(name, key, &why) == -1) {
		COMPLAIN(
		    c, line, "%s: %s (right is a name or a complete address)", log_safe(name), why);
		return;
	}
	if ((canonical = read_targets(c, line, key, targets)) == NULL)
		return;
	if (c->n_entries == CONFIG_ENTRIES_MAX) {
		COMPLAIN(c, line, "more than %d aliases and forwards", CONFIG_ENTRIES_MAX);
		free(canonical);
		return;
	}
	if ((c->n_entries & (c->n_entries - 1)) == 0)
		c->entries = xrealloc(
		    c->entries, (c->n_entries ? c->n_entries * 2 : 1) * sizeof *c->entries);
	c->entries[c->n_entries++] = (struct config_entry){.name = copy_of(name),
	    .targets = copy_of(targets),
	    .key = xstrdup(key),
	    .canonical = canonical,
	    .forward = which == ENTRIES_FORWARD,
	    .line = line};
}

static int
compare(const void *a, const void *b)
{
	const struct config_entry *x = ((const struct config_name *)a)->entry;
	const struct config_entry *y = ((const struct config_name *)b)->entry;
	int order = strcmp(x->key, y->key);

	if (order == 0)
		order = x->forward - y->forward;
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

		if (strcmp(first->key, second->key) == 0 && first->forward == second->forward)
			COMPLAIN(c, second->line, "%s is there twice, first in line %u",
			    second->key, first->line);
	}
}

const struct config_entry *
config_entry_find(const struct config *c, const char *name)
{
	size_t low = 0, high = c->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->by_name[middle].entry->key, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < c->n_entries && strcmp(c->by_name[low].entry->key, name) == 0)
		return c->by_name[low].entry;
	return NULL;
}

void
config_entries_free(struct config *c)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		free(c->entries[i].name);
		free(c->entries[i].targets);
		free(c->entries[i].key);
		free(c->entries[i].canonical);
	}
	free(c->entries);
	free(c->by_name);
}
