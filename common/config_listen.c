/*
 * The listeners of all keys together: no two may ask for the same port of the same address. Pure.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_private.h"
#include "common/memory.h"

enum { LISTENERS_MAX = 1024, HOST_SIZE = 64 };

/* One address:port of one key. */
struct wish {
	size_t key; /* position in config_keys */
	struct span text;
	uint64_t port;
	int family;
	unsigned char address[sizeof(struct in6_addr)];
};

struct wishes {
	struct config *c;
	struct wish *items;
	size_t n;
};

/* text is normalized: its last colon stands before the port. */
static bool
read_wish(struct wish *w, size_t key, struct span text)
{
	const char *colon = memrchr(text.at, ':', text.len);
	struct span host, port;
	char copy[HOST_SIZE];

	*w = (struct wish){.key = key, .text = text};
	if (colon == NULL)
		return false;
	host = (struct span){text.at, colon - text.at};
	port = (struct span){colon + 1, text.len - host.len - 1};
	w->family = host.len > 0 && host.at[0] == '[' ? AF_INET6 : AF_INET;
	if (w->family == AF_INET6)
		host = (struct span){host.at + 1, host.len - 2};
	return span_u64(port, 65535, &w->port) && span_copy(host, copy, sizeof copy) &&
	       inet_pton(w->family, copy, w->address) == 1;
}

static bool
is_any(const struct wish *w)
{
	static const unsigned char zeros[sizeof w->address];

	return memcmp(w->address, zeros, sizeof zeros) == 0;
}

/* An IPv6 socket takes no IPv4 connections: the families do not meet. */
static bool
meet(const struct wish *a, const struct wish *b)
{
	return a->port == b->port && a->family == b->family &&
	       (is_any(a) || is_any(b) || memcmp(a->address, b->address, sizeof a->address) == 0);
}

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

	if (!read_wish(w, key, text))
		return;
	for (size_t i = 0; i < all->n; i++)
		if (meet(&all->items[i], w)) {
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
