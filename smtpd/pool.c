/* Text of one transaction. */
#include "smtpd/pool.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 4096 };

struct pool_chunk {
	struct pool_chunk *next;
	char bytes[];
};

void
pool_start(struct pool *p, char *space, size_t size)
{
	*p = (struct pool){.at = space, .left = size};
}

static bool
add_chunk(struct pool *p, size_t least)
{
	size_t size = least > CHUNK_BYTES ? least : CHUNK_BYTES;
	struct pool_chunk *c = malloc(sizeof *c + size);

	if (c == NULL)
		return false;
	c->next = p->chunks;
	p->chunks = c;
	p->at = c->bytes;
	p->left = size;
	return true;
}

bool
pool_copy(struct pool *p, struct span text, struct span *copy)
{
	*copy = (struct span){"", 0};
	if (text.len == 0)
		return true;
	if (text.len > p->left && !add_chunk(p, text.len))
		return false;
	*copy = (struct span){memcpy(p->at, text.at, text.len), text.len};
	p->at += text.len;
	p->left -= text.len;
	return true;
}

void
pool_clear(struct pool *p)
{
	while (p->chunks != NULL) {
		struct pool_chunk *next = p->chunks->next;

		free(p->chunks);
		p->chunks = next;
	}
	p->left = 0;
}
