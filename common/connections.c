/*
 * Connections of a service, in all and from one address, counted in memory that its workers share.
 *
 * A row counts one worker's connections from each address in two arrays of counters, at the places
 * that two hashes of the address give. Others' addresses may share a place, but hardly both: the
 * smaller of the two sums over all rows is the number of the address. It never is too small, so the
 * limit holds; it is too large by chance only, since nobody can choose addresses without the key.
 */
#include "common/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/socket_address.h"

enum { HASHES = 2, PLACES = 16384, PAGE_BYTES = 4096, ROWS_MAX = 1024 };

/* At the front of the memory: the first worker that comes makes the key. */
union head {
	struct {
		_Atomic uint64_t key;
		_Atomic uint64_t
		    used[ROWS_MAX / 64]; /* a bit for each row that ever had a worker */
	};
	char page[PAGE_BYTES];
};

union row {
	struct {
		_Atomic uint32_t all;
		_Atomic uint32_t places[HASHES][PLACES];
	};
	char pages[PAGE_BYTES * (1 + HASHES * PLACES * sizeof(uint32_t) / PAGE_BYTES)];
};

struct connections {
	union head *head;
	union row *rows;
	unsigned own, workers;
};

size_t
connections_size(unsigned workers)
{
	return sizeof(union head) + workers * sizeof(union row);
}

static void
make_key(union head *head)
{
	uint64_t none = 0, key = 0;

	while (key == 0)
		arc4random_buf(&key, sizeof key);
	atomic_compare_exchange_strong(&head->key, &none, key);
}

void
connections_clear(int fd, unsigned worker)
{
	/* A hole reads as zeros, and its pages go back. */
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		sizeof(union head) + worker * sizeof(union row), sizeof(union row)) == -1)
		log_warn("cannot clear the counts of a worker: %s", strerror(errno));
}

struct connections *
connections_open(int fd, unsigned worker, unsigned workers)
{
	struct connections *c = xcalloc(1, sizeof *c);
	void *memory;

	if (worker >= workers || workers > ROWS_MAX)
		fatalx("worker %u of %u: master is confused", worker, workers);
	connections_clear(fd, worker);
	memory = mmap(NULL, connections_size(workers), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fatal("cannot map the table of connections");
	close(fd);
	c->head = memory;
	c->rows = (union row *)(c->head + 1);
	c->own = worker;
	c->workers = workers;
	make_key(c->head);
	atomic_fetch_or(&c->head->used[worker / 64], UINT64_C(1) << worker % 64);
	return c;
}

void
connections_close(struct connections **c)
{
	if (*c == NULL)
		return;
	munmap((*c)->head, connections_size((*c)->workers));
	free(*c);
	*c = NULL;
}

/* ---- addresses ---- */

static bool
has_number(const struct sockaddr *address)
{
	return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static uint64_t
fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void
find_places(const struct connections *c, const struct sockaddr *address, unsigned at[HASHES])
{
	uint64_t key = atomic_load_explicit(&c->head->key, memory_order_relaxed);
	uint64_t h = fold(socket_address_number(address) ^ key, key | 1);

	h = fold(h ^ 0x9e3779b97f4a7c15u, key ^ 0xbf58476d1ce4e5b9u);
	at[0] = h % PLACES;
	at[1] = (h >> 32) % PLACES;
}

/* ---- counting ---- */

static uint32_t
get(const _Atomic uint32_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Only the row's own worker writes: no locked instruction is needed. */
static void
change_counter(_Atomic uint32_t *counter, int by)
{
	uint32_t n = get(counter);

	/* Never below nothing, whoever has cleared the row. */
	if (by > 0 || n > 0)
		atomic_store_explicit(counter, n + by, memory_order_relaxed);
}

/* The first row from i on that is in use, or c->workers: rows of nobody are not even looked at. */
static unsigned
next_row(const struct connections *c, unsigned i)
{
	for (; i < c->workers; i++) {
		uint64_t used = atomic_load_explicit(&c->head->used[i / 64], memory_order_relaxed);

		used >>= i % 64;
		if (used & 1)
			break;
		if (used == 0)
			i |= 63;
	}
	return i < c->workers ? i : c->workers;
}

static unsigned
count_all(const struct connections *c)
{
	unsigned n = 0;

	for (unsigned i = next_row(c, 0); i < c->workers; i = next_row(c, i + 1))
		n += get(&c->rows[i].all);
	return n;
}

static unsigned
count_address(const struct connections *c, const unsigned at[HASHES])
{
	unsigned n[HASHES] = {0};

	for (unsigned i = next_row(c, 0); i < c->workers; i = next_row(c, i + 1))
		for (unsigned h = 0; h < HASHES; h++)
			n[h] += get(&c->rows[i].places[h][at[h]]);
	return n[0] < n[1] ? n[0] : n[1];
}

static void
change(struct connections *c, const struct sockaddr *address, int by)
{
	union row *own = &c->rows[c->own];
	unsigned at[HASHES];

	change_counter(&own->all, by);
	if (!has_number(address))
		return;
	find_places(c, address, at);
	for (unsigned h = 0; h < HASHES; h++)
		change_counter(&own->places[h][at[h]], by);
}

enum connections_verdict
connections_enter(
    struct connections *c, const struct sockaddr *address, unsigned max_all, unsigned max_each)
{
	unsigned at[HASHES];

	if (count_all(c) >= max_all)
		return CONNECTIONS_FULL;
	if (max_each > 0 && has_number(address)) {
		find_places(c, address, at);
		if (count_address(c, at) >= max_each)
			return CONNECTIONS_ADDRESS_FULL;
	}
	change(c, address, 1);
	return CONNECTIONS_OK;
}

void
connections_leave(struct connections *c, const struct sockaddr *address)
{
	change(c, address, -1);
}

unsigned
connections_own(const struct connections *c)
{
	return get(&c->rows[c->own].all);
}
