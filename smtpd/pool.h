/*
 * Text of one transaction: small copies that live together and end together. The first ones lie in
 * the transaction itself.
 */
#ifndef SMTPD_POOL_H
#define SMTPD_POOL_H

#include "common/span.h"

struct pool_chunk;
struct pool {
	struct pool_chunk *chunks;
	char *at;
	size_t left;
};

/* space: where the first copies go; lives as long as the pool. */
void pool_start(struct pool *p, char *space, size_t size);
/* False, and *copy empty, when memory has run out. */
bool pool_copy(struct pool *p, struct span text, struct span *copy);
/* Forgets all copies. */
void pool_clear(struct pool *p);

#endif
