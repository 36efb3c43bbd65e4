/*
 * The listeners of all keys together: no two may ask for the same port of the same address. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "common/config_private.h"
#include "common/host_port.h"
#include "common/memory.h"

enum { LISTENERS_MAX = 1024 };

/* One address:port of one key. */
struct wish {
	size_t key; /* position in config_keys */
	struct span text;
	struct host_port at;
};

struct wishes {
	struct config *c;
	struct wish *items;
	size_t n;
};

static unsigned
line_of(const struct wishes *all, const struct wish *w)
{
	return all->c->values[w->key].line;
}

/* Told at the later line: a key without one has its default. */
static void
complain(const struct wishes *all, const struct wish *a, const struct wish *b)
{
	const struct wish *late = line_of(all, a) > line_of(all, b) ? a : b;
	const struct wish *early = late == a ? b : a;
	unsigned line = line_of(all, early);
	char *where;

	if (early->key == late->key)
		where = xstrdup("the same key");
	else if (line != 0)
		where = xasprintf("%s in line %u", config_keys[early->key].key, line);
	else
		where = xasprintf("the default of %s", config_keys[early->key].key);
	config_problem(all->c->problems, false, config_keys[late->key].file, line_of(all, late),
	    "%s: %.*s meets %.*s of %s: a port of an address can have one listener",
	    config_keys[late->key].key, (int)late->text.len, late->text.at, (int)early->text.len,
	    early->text.at, where);
	free(where);
}

static void
add(struct wishes *all, size_t key, struct span text)
{
	struct wish *w = &all->items[all->n];

	*w = (struct wish){.key = key, .text = text};
	if (!host_port_parse(text, &w->at))
		return;
	for (size_t i = 0; i < all->n; i++)
		if (host_port_meet(&all->items[i].at, &w->at)) {
			complain(all, &all->items[i], w);
			break;
		}
	all->n++;
}

static void
add_all(struct wishes *all, size_t key)
{
	struct span rest = span_of(all->c->values[key].text), one;

	while (rest.len > 0) {
		span_take(&rest, ' ', &one);
		if (all->n == LISTENERS_MAX) {
			config_problem(all->c->problems, false, config_keys[key].file,
			    all->c->values[key].line, "%s: all keys together may have %d listeners",
			    config_keys[key].key, LISTENERS_MAX);
			return;
		}
		add(all, key, one);
	}
}

void
config_check_listeners(struct config *c)
{
	struct wishes all = {.c = c, .items = xcalloc(LISTENERS_MAX, sizeof *all.items)};

	for (size_t i = 0; i < n_config_keys; i++)
		if (config_keys[i].type == CONFIG_LISTEN)
			add_all(&all, i);
	free(all.items);
}
