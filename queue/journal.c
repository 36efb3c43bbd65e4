/*
 * Encodes journal records into memory. Touches nothing; conclude.c writes them to the spool file.
 */
#include "queue/journal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/memory.h"

static unsigned char *
extend(struct journal *j, size_t n)
{
	unsigned char *at;

	if (j->size - j->len < n) {
		while (j->size - j->len < n)
			j->size = j->size ? j->size * 2 : 256;
		j->at = xrealloc(j->at, j->size);
	}
	at = j->at + j->len;
	j->len += n;
	return at;
}

static void
add_bytes(struct journal *j, const void *bytes, size_t n)
{
	if (n)
		memcpy(extend(j, n), bytes, n);
}

static void
add_u32(struct journal *j, uint32_t value)
{
	value = htole32(value);
	add_bytes(j, &value, sizeof value);
}

static void
add_u64(struct journal *j, uint64_t value)
{
	value = htole64(value);
	add_bytes(j, &value, sizeof value);
}

void
journal_string(struct journal *j, struct span text)
{
	add_u32(j, text.len);
	add_bytes(j, text.at, text.len);
}

/* Writes the head in front of what was added since start. The skipped bytes are the status bytes.
 */
static void
seal(struct journal *j, size_t start, enum journal_type type, size_t skip_at, size_t skip)
{
	unsigned char *head = j->at + start, *body = head + JOURNAL_HEAD_BYTES;
	size_t len = j->len - start - JOURNAL_HEAD_BYTES;
	uint32_t words[2] = {htole32(len), htole32(type)};
	uint32_t crc;

	memcpy(head, words, sizeof words);
	crc = crc32_z(0, head, sizeof words);
	crc = crc32_z(crc, body, skip_at);
	crc = crc32_z(crc, body + skip_at + skip, len - skip_at - skip);
	crc = htole32(crc);
	memcpy(head + sizeof words, &crc, sizeof crc);
}

static size_t
begin(struct journal *j)
{
	size_t start = j->len;

	extend(j, JOURNAL_HEAD_BYTES);
	return start;
}

void
journal_reply(struct journal *j, uint32_t recipient, struct span reply, struct span route)
{
	size_t start = begin(j);

	add_u32(j, recipient);
	journal_string(j, reply);
	journal_string(j, route);
	seal(j, start, JOURNAL_REPLY, 0, 0);
}

void
journal_attempt(struct journal *j, uint64_t attempts, uint64_t next_s, struct span last_reply)
{
	size_t start = begin(j);

	add_u64(j, attempts);
	add_u64(j, next_s);
	journal_string(j, last_reply);
	seal(j, start, JOURNAL_ATTEMPT, 0, 0);
}

void
journal_hold(struct journal *j, struct span reason)
{
	size_t start = begin(j);

	journal_string(j, reason);
	seal(j, start, JOURNAL_HOLD, 0, 0);
}

void
journal_done(
    struct journal *j, uint32_t recipient, unsigned flags, struct span reply, struct span route)
{
	size_t start = begin(j);

	add_u32(j, recipient);
	add_u32(j, flags);
	journal_string(j, reply);
	journal_string(j, route);
	seal(j, start, JOURNAL_DONE, 0, 0);
}

void
journal_told(struct journal *j, const unsigned char *told, size_t n)
{
	size_t start = begin(j), before = j->len;

	for (size_t i = 0; i < n; i++)
		if (told[i])
			add_u32(j, i);
	if (j->len > before)
		seal(j, start, JOURNAL_TOLD, 0, 0);
	else
		j->len = start;
}

void
journal_delayed(struct journal *j)
{
	seal(j, begin(j), JOURNAL_DELAYED, 0, 0);
}

void
journal_route(struct journal *j, struct span route)
{
	size_t start = begin(j);

	journal_string(j, route);
	seal(j, start, JOURNAL_ROUTE, 0, 0);
}

void
journal_expand(struct journal *j, uint32_t recipient, uint32_t count, const struct journal *strings)
{
	size_t start = begin(j);

	add_u32(j, recipient);
	add_u32(j, count);
	memset(extend(j, count), RECIPIENT_PENDING, count);
	add_bytes(j, strings->at, strings->len);
	seal(j, start, JOURNAL_EXPAND, 8, count);
}

void
journal_clear(struct journal *j)
{
	free(j->at);
	*j = (struct journal){0};
}
