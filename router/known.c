/*
 * What store has said about mailboxes. A tree, not a hash table: strangers choose the names.
 */
#include "router/known.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <sys/tree.h>

#include "common/memory.h"

/* That store could not say is believed for a moment, so that whoever asked learns of it. */
enum { UNCLEAR_MS = 2000 };

struct record {
	RB_ENTRY(record) node;
	TAILQ_ENTRY(record) used;
	struct known_mailbox mailbox;
	int64_t until_ms; /* 0: until store says so */
	size_t len;
	char name[MAILBOX_NAME_MAX_BYTES];
};

static int
compare(const struct record *a, const struct record *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->name, b->name, a->len);
}

RB_HEAD(records, record);
RB_GENERATE_INTERNAL(records, record, node, compare, static __attribute__((unused)))
TAILQ_HEAD(by_use, record);

struct known {
	struct event_base *base;
	struct store_client *store;
	struct records records;
	struct by_use used; /* the longest unused first */
	size_t n;
	LIST_HEAD(, question) questions;
};

/* One question of a known_ask(); each ends with its answer, whether somebody waits or not. */
struct question {
	struct known *known;
	struct known_wait *wait;    /* NULL: cancelled */
	LIST_ENTRY(question) entry; /* of its wait */
	LIST_ENTRY(question) every; /* of all */
	size_t len;
	char name[MAILBOX_NAME_MAX_BYTES];
};

struct known_wait {
	LIST_HEAD(, question) questions;
	known_cb cb;
	void *arg;
};

/* ---- records ---- */

static bool
make_key(struct record *key, struct span name)
{
	if (name.len == 0 || name.len > sizeof key->name)
		return false;
	key->len = name.len;
	memcpy(key->name, name.at, name.len);
	return true;
}

static struct record *
find(struct known *k, struct span name)
{
	struct record key;

	return make_key(&key, name) ? RB_FIND(records, &k->records, &key) : NULL;
}

static void
drop(struct known *k, struct record *r)
{
	RB_REMOVE(records, &k->records, r);
	TAILQ_REMOVE(&k->used, r, used);
	k->n--;
	free(r);
}

static int64_t
now_ms(struct known *k)
{
	struct timeval now;

	event_base_gettimeofday_cached(k->base, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void
learn(struct known *k, struct span name, const struct known_mailbox *m)
{
	struct record *r = find(k, name);

	if (r == NULL) {
		if (k->n >= KNOWN_MAX)
			drop(k, TAILQ_FIRST(&k->used));
		r = xcalloc(1, sizeof *r);
		make_key(r, name);
		RB_INSERT(records, &k->records, r);
		TAILQ_INSERT_TAIL(&k->used, r, used);
		k->n++;
	}
	r->mailbox = *m;
	r->until_ms = m->state == STORE_UNCLEAR ? now_ms(k) + UNCLEAR_MS : 0;
}

bool
known_get(struct known *k, struct span name, struct known_mailbox *m)
{
	struct record *r = find(k, name);

	if (r == NULL)
		return false;
	if (r->until_ms != 0 && (now_ms(k) > r->until_ms || now_ms(k) < r->until_ms - UNCLEAR_MS)) {
		drop(k, r);
		return false;
	}
	if (r != TAILQ_LAST(&k->used, by_use)) {
		TAILQ_REMOVE(&k->used, r, used);
		TAILQ_INSERT_TAIL(&k->used, r, used);
	}
	*m = r->mailbox;
	return true;
}

void
known_forget(struct known *k, struct span name)
{
	struct record *r = find(k, name);

	if (r != NULL)
		drop(k, r);
}

static void
on_forget(void *arg, const char *name)
{
	struct known *k = arg;

	if (*name != '\0') {
		known_forget(k, span_of(name));
		return;
	}
	while (!TAILQ_EMPTY(&k->used))
		drop(k, TAILQ_FIRST(&k->used));
}

/* ---- asking ---- */

static void
on_found(void *arg, enum store_state state, uint64_t room, uint64_t limit)
{
	struct question *q = arg;
	struct known_wait *w = q->wait;
	const struct known_mailbox m = {state, room, limit};

	learn(q->known, (struct span){q->name, q->len}, &m);
	LIST_REMOVE(q, every);
	if (w != NULL)
		LIST_REMOVE(q, entry);
	free(q);
	if (w != NULL && LIST_EMPTY(&w->questions)) {
		known_cb cb = w->cb;
		void *cb_arg = w->arg;

		free(w);
		cb(cb_arg);
	}
}

struct known_wait *
known_ask(struct known *k, const struct span *names, size_t n, known_cb cb, void *arg)
{
	struct known_wait *w = xcalloc(1, sizeof *w);

	w->cb = cb;
	w->arg = arg;
	LIST_INIT(&w->questions);
	for (size_t i = 0; i < n; i++) {
		struct question *q = xcalloc(1, sizeof *q);

		q->known = k;
		q->wait = w;
		q->len = names[i].len < sizeof q->name ? names[i].len : sizeof q->name;
		memcpy(q->name, names[i].at, q->len);
		LIST_INSERT_HEAD(&w->questions, q, entry);
		LIST_INSERT_HEAD(&k->questions, q, every);
		store_lookup(k->store, names[i], on_found, q);
	}
	return w;
}

void
known_cancel(struct known_wait **wp)
{
	struct known_wait *w = *wp;
	struct question *q;

	if (w == NULL)
		return;
	*wp = NULL;
	while ((q = LIST_FIRST(&w->questions)) != NULL) {
		LIST_REMOVE(q, entry);
		q->wait = NULL;
	}
	free(w);
}

/* ---- life ---- */

struct known *
known_new(struct event_base *base, const char *path)
{
	struct known *k = xcalloc(1, sizeof *k);

	k->base = base;
	RB_INIT(&k->records);
	TAILQ_INIT(&k->used);
	LIST_INIT(&k->questions);
	k->store = store_client_new(base, path, "router", on_forget, k);
	return k;
}

void
known_free(struct known **kp)
{
	struct known *k = *kp;
	struct question *q;

	if (k == NULL)
		return;
	*kp = NULL;
	store_client_free(&k->store);
	while ((q = LIST_FIRST(&k->questions)) != NULL) {
		LIST_REMOVE(q, every);
		free(q);
	}
	on_forget(k, "");
	free(k);
}

struct store_client *
known_store(struct known *k)
{
	return k->store;
}

size_t
known_count(const struct known *k)
{
	return k->n;
}
