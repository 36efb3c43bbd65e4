/*
 * The table of logins that are remembered: one entry for a user at an address, a tree to find it
 * and a list to forget the one used longest ago.
 */
#include "auth/remembered.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/memory.h"

struct entry {
	RB_ENTRY(entry) by_key;
	TAILQ_ENTRY(entry) by_use;
	uint64_t key; /* of user and address */
	uint64_t used_ms;
	unsigned char mac[SECRET_MAC_BYTES];
};

static int
compare(const struct entry *a, const struct entry *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_HEAD(entry_tree, entry);
RB_GENERATE_INTERNAL(entry_tree, entry, by_key, compare, static __attribute__((unused)))

struct remembered {
	struct secret *secret;
	struct entry_tree tree;
	TAILQ_HEAD(entry_list, entry) list; /* the one used last at the end */
	size_t n;
	uint64_t time_ms;
};

struct remembered *
remembered_new(struct secret *secret)
{
	struct remembered *r = xcalloc(1, sizeof *r);

	r->secret = secret;
	RB_INIT(&r->tree);
	TAILQ_INIT(&r->list);
	return r;
}

static void
forget(struct remembered *r, struct entry *e)
{
	RB_REMOVE(entry_tree, &r->tree, e);
	TAILQ_REMOVE(&r->list, e, by_use);
	r->n--;
	explicit_bzero(e, sizeof *e);
	free(e);
}

static bool
is_over(const struct remembered *r, const struct entry *e, uint64_t now_ms)
{
	return now_ms - e->used_ms >= r->time_ms;
}

static void
forget_old(struct remembered *r, uint64_t now_ms)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&r->list)) != NULL && is_over(r, e, now_ms))
		forget(r, e);
}

void
remembered_free(struct remembered **r)
{
	if (*r == NULL)
		return;
	remembered_set_time(*r, 0);
	free(*r);
	*r = NULL;
}

void
remembered_set_time(struct remembered *r, uint64_t time_ms)
{
	r->time_ms = time_ms;
	while (time_ms == 0 && !TAILQ_EMPTY(&r->list))
		forget(r, TAILQ_FIRST(&r->list));
}

static uint64_t
key_of(struct remembered *r, const struct login *l)
{
	return secret_number(r->secret, (struct span[]){l->user, l->address}, 2);
}

static void
mac_of(struct remembered *r, const struct login *l, unsigned char mac[SECRET_MAC_BYTES])
{
	const struct span texts[] = {l->user, l->address, l->hash, l->password};

	secret_mac(r->secret, texts, nitems(texts), mac);
}

static struct entry *
find(struct remembered *r, uint64_t key)
{
	struct entry wanted = {.key = key};

	return RB_FIND(entry_tree, &r->tree, &wanted);
}

static void
use(struct remembered *r, struct entry *e, uint64_t now_ms)
{
	TAILQ_REMOVE(&r->list, e, by_use);
	TAILQ_INSERT_TAIL(&r->list, e, by_use);
	e->used_ms = now_ms;
}

static struct entry *
make(struct remembered *r, uint64_t key)
{
	struct entry *e = xcalloc(1, sizeof *e);

	if (r->n >= REMEMBERED_MAX)
		forget(r, TAILQ_FIRST(&r->list));
	e->key = key;
	RB_INSERT(entry_tree, &r->tree, e);
	TAILQ_INSERT_TAIL(&r->list, e, by_use);
	r->n++;
	return e;
}

void
remembered_add(struct remembered *r, const struct login *l, uint64_t now_ms)
{
	struct entry *e;
	uint64_t key;

	if (r->time_ms == 0)
		return;
	forget_old(r, now_ms);
	key = key_of(r, l);
	if ((e = find(r, key)) == NULL)
		e = make(r, key);
	mac_of(r, l, e->mac);
	use(r, e, now_ms);
}

bool
remembered_has(struct remembered *r, const struct login *l, uint64_t now_ms)
{
	unsigned char mac[SECRET_MAC_BYTES];
	struct entry *e = r->n > 0 ? find(r, key_of(r, l)) : NULL;

	if (e == NULL)
		return false;
	mac_of(r, l, mac);
	if (is_over(r, e, now_ms) || CRYPTO_memcmp(mac, e->mac, sizeof mac) != 0) {
		forget(r, e);
		return false;
	}
	use(r, e, now_ms);
	return true;
}

size_t
remembered_count(const struct remembered *r)
{
	return r->n;
}
