/*
 * Which messages have come into the backup of a mailbox: a hash table. Pure.
 */
#include "store/backup_seen.h"

#include <limits.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "store/maildir_name.h"

enum { SLOTS_MIN = 1024 }; /* a power of two, as all sizes */

/* Of the first text and a second one. */
static uint64_t
hash(struct span a, const char *b)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	unsigned char text[2 * NAME_MAX + 2];
	size_t n = a.len < NAME_MAX ? a.len : NAME_MAX, len = strnlen(b, NAME_MAX);
	uint64_t value;

	memcpy(text, a.at, n);
	text[n] = '\0';
	memcpy(text + n + 1, b, len);
	SHA256(text, n + 1 + len, digest);
	memcpy(&value, digest, sizeof value);
	return value == 0 ? 1 : value;
}

struct seen_name
backup_seen_name(const char *folder, const char *file)
{
	struct maildir_name n;

	maildir_name_parse(span_of(file), &n);
	return (struct seen_name){hash(n.base, ""), hash(span_of(folder), file)};
}

static struct seen_name *
find(const struct backup_seen *s, uint64_t base)
{
	size_t at = base & (s->size - 1);

	while (s->slots[at].base != 0 && s->slots[at].base != base)
		at = (at + 1) & (s->size - 1);
	return &s->slots[at];
}

static void
grow(struct backup_seen *s)
{
	struct backup_seen old = *s;

	s->size = old.size == 0 ? SLOTS_MIN : old.size * 2;
	s->slots = xcalloc(s->size, sizeof *s->slots);
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].base != 0)
			*find(s, old.slots[i].base) = old.slots[i];
	free(old.slots);
}

bool
backup_seen_has(const struct backup_seen *s, struct seen_name name)
{
	return s->size > 0 && find(s, name.base)->name == name.name;
}

void
backup_seen_note(struct backup_seen *s, struct seen_name name)
{
	struct seen_name *slot;

	if (s->n * 2 >= s->size)
		grow(s);
	slot = find(s, name.base);
	if (slot->base == 0)
		s->n++;
	else if (slot->name != name.name)
		s->twice = true;
	*slot = name;
}

void
backup_seen_free(struct backup_seen *s)
{
	free(s->slots);
	*s = (struct backup_seen){.slots = NULL};
}
