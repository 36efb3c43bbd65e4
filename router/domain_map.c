/*
 * Which line of a section holds for a domain. Pure.
 */
#include "router/domain_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/memory.h"

struct line {
	char *domain, *value;
	size_t place;	 /* in the file */
	size_t literals; /* of a pattern: its bytes that are no star */
};

struct lines {
	struct line *items;
	size_t n;
};

struct domain_map {
	struct lines domains;  /* sorted by name */
	struct lines patterns; /* the most exact first */
};

/* ---- reading ---- */

static void
add(struct lines *l, const struct setting *s, size_t place)
{
	struct line line = {.domain = xstrdup(s->key), .value = xstrdup(s->value), .place = place};

	for (const char *at = s->key; *at != '\0'; at++)
		line.literals += *at != '*';
	if ((l->n & (l->n - 1)) == 0)
		l->items = xrealloc(l->items, (l->n ? l->n * 2 : 1) * sizeof *l->items);
	l->items[l->n++] = line;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->domain, ((const struct line *)b)->domain);
}

static int
by_exactness(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->literals != y->literals)
		return x->literals > y->literals ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static void
sort(struct lines *l, int (*compare)(const void *a, const void *b))
{
	if (l->n > 0)
		qsort(l->items, l->n, sizeof *l->items, compare);
}

struct domain_map *
domain_map_new(const struct settings *settings, const char *section)
{
	struct domain_map *m = xcalloc(1, sizeof *m);

	for (size_t i = 0; i < settings->n; i++) {
		const struct setting *s = &settings->items[i];

		if (strcmp(s->section, section) == 0)
			add(strchr(s->key, '*') != NULL ? &m->patterns : &m->domains, s, i);
	}
	sort(&m->domains, by_name);
	sort(&m->patterns, by_exactness);
	return m;
}

static void
free_lines(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].domain);
		free(l->items[i].value);
	}
	free(l->items);
}

void
domain_map_free(struct domain_map **m)
{
	if (*m == NULL)
		return;
	free_lines(&(*m)->domains);
	free_lines(&(*m)->patterns);
	free(*m);
	*m = NULL;
}

/* ---- looking up ---- */

static const char *
find_domain(const struct lines *l, struct span domain)
{
	char name[ADDRESS_DOMAIN_MAX_BYTES + 1];
	const struct line key = {.domain = name}, *found;

	if (l->n == 0 || !span_copy(domain, name, sizeof name))
		return NULL;
	found = bsearch(&key, l->items, l->n, sizeof *l->items, by_name);
	return found != NULL ? found->value : NULL;
}

const char *
domain_map_find(const struct domain_map *m, struct span domain)
{
	const char *value = find_domain(&m->domains, domain);

	for (size_t i = 0; i < m->patterns.n && value == NULL; i++)
		if (address_match(span_of(m->patterns.items[i].domain), domain))
			value = m->patterns.items[i].value;
	return value;
}
