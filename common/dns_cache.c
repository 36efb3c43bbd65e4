/*
 * Answers of the DNS that may still be used. A tree by type and name, so that no choice of names
 * makes it slow, and a list in the order of use.
 */
#include "common/dns_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/memory.h"

struct entry {
	RB_ENTRY(entry) node;
	TAILQ_ENTRY(entry) used;
	char *name;
	enum dns_type type;
	struct dns_answer *answer;
	uint64_t until_s;
	size_t bytes;
};

RB_HEAD(entries, entry);
TAILQ_HEAD(uses, entry);

struct dns_cache {
	struct entries entries;
	struct uses uses; /* the latest last */
	size_t n, bytes, max_entries, max_bytes;
};

static int
compare(const struct entry *a, const struct entry *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return strcmp(a->name, b->name);
}

RB_GENERATE_INTERNAL(entries, entry, node, compare, static __attribute__((unused)))

struct dns_cache *
dns_cache_new(size_t max_entries, size_t max_bytes)
{
	struct dns_cache *c = xcalloc(1, sizeof *c);

	RB_INIT(&c->entries);
	TAILQ_INIT(&c->uses);
	c->max_entries = max_entries;
	c->max_bytes = max_bytes;
	return c;
}

static void
drop(struct dns_cache *c, struct entry *e)
{
	RB_REMOVE(entries, &c->entries, e);
	TAILQ_REMOVE(&c->uses, e, used);
	c->n--;
	c->bytes -= e->bytes;
	dns_answer_free(&e->answer);
	free(e->name);
	free(e);
}

void
dns_cache_free(struct dns_cache **c)
{
	struct entry *e, *next;

	if (*c == NULL)
		return;
	TAILQ_FOREACH_SAFE (e, &(*c)->uses, used, next)
		drop(*c, e);
	free(*c);
	*c = NULL;
}

static void
drop_surplus(struct dns_cache *c)
{
	struct entry *e, *next;

	TAILQ_FOREACH_SAFE (e, &c->uses, used, next) {
		if (c->n <= c->max_entries && c->bytes <= c->max_bytes)
			return;
		drop(c, e);
	}
}

static struct entry *
find(struct dns_cache *c, const char *name, enum dns_type type)
{
	struct entry key = {.name = (char *)(uintptr_t)name, .type = type};

	return RB_FIND(entries, &c->entries, &key);
}

struct dns_answer *
dns_cache_get(struct dns_cache *c, const char *name, enum dns_type type, uint64_t now_s)
{
	struct entry *e = find(c, name, type);

	if (e == NULL)
		return NULL;
	if (now_s >= e->until_s) {
		drop(c, e);
		return NULL;
	}
	TAILQ_REMOVE(&c->uses, e, used);
	TAILQ_INSERT_TAIL(&c->uses, e, used);
	return dns_answer_keep(e->answer);
}

static uint64_t
lifetime_s(const struct dns_answer *a)
{
	uint64_t max = a->status == DNS_FOUND ? DNS_TTL_MAX_S : DNS_NEGATIVE_TTL_MAX_S;

	if (a->status == DNS_LATER)
		return DNS_FAILURE_TTL_S;
	return a->ttl < max ? a->ttl : max;
}

void
dns_cache_put(
    struct dns_cache *c, const char *name, enum dns_type type, struct dns_answer *a, uint64_t now_s)
{
	struct entry *e = find(c, name, type);
	uint64_t lifetime = lifetime_s(a);

	if (e != NULL)
		drop(c, e);
	if (lifetime == 0 || a->bytes > DNS_CACHE_ANSWER_MAX_BYTES || a->bytes > c->max_bytes)
		return;
	e = xcalloc(1, sizeof *e);
	e->name = xstrdup(name);
	e->type = type;
	e->answer = dns_answer_keep(a);
	e->until_s = now_s + lifetime;
	e->bytes = sizeof *e + strlen(name) + 1 + a->bytes;
	RB_INSERT(entries, &c->entries, e);
	TAILQ_INSERT_TAIL(&c->uses, e, used);
	c->n++;
	c->bytes += e->bytes;
	drop_surplus(c);
}

size_t
dns_cache_entries(const struct dns_cache *c)
{
	return c->n;
}
