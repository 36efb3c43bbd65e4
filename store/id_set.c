/* Sets of row ids. Pure. */
#include "store/id_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { WORD_BITS = 64, PAGE_WORDS = 512, PAGE_IDS = WORD_BITS * PAGE_WORDS };

static const int64_t id_max = INT64_C(1) << 33;

static void
make_room(struct id_set *s, size_t page)
{
	size_t n = s->n_pages ? s->n_pages : 16;

	while (n <= page)
		n *= 2;
	s->pages = xrealloc(s->pages, n * sizeof *s->pages);
	memset(s->pages + s->n_pages, 0, (n - s->n_pages) * sizeof *s->pages);
	s->n_pages = n;
}

bool
id_set_add(struct id_set *s, int64_t id)
{
	size_t page, word;
	uint64_t bit;

	if (id <= 0 || id > id_max)
		return false;
	page = id / PAGE_IDS;
	word = id % PAGE_IDS / WORD_BITS;
	bit = UINT64_C(1) << id % WORD_BITS;
	if (page >= s->n_pages)
		make_room(s, page);
	if (s->pages[page] == NULL)
		s->pages[page] = xcalloc(PAGE_WORDS, sizeof **s->pages);
	if (s->pages[page][word] & bit)
		return false;
	s->pages[page][word] |= bit;
	s->n++;
	return true;
}

bool
id_set_has(const struct id_set *s, int64_t id)
{
	size_t page = id / PAGE_IDS;

	if (id <= 0 || id > id_max || page >= s->n_pages || s->pages[page] == NULL)
		return false;
	return s->pages[page][id % PAGE_IDS / WORD_BITS] >> id % WORD_BITS & 1;
}

void
id_set_clear(struct id_set *s)
{
	for (size_t i = 0; i < s->n_pages; i++)
		free(s->pages[i]);
	free(s->pages);
	*s = (struct id_set){0};
}
