/* Flags in the name of a message's file. Pure. */
#include "store/message_flags.h"

#include <string.h>

#include "common/memory.h"
#include "store/folders.h"

/* In the order of ASCII. */
static const struct {
	char letter;
	unsigned flag;
} letters[] = {
    {'D', FLAG_DRAFT},
    {'F', FLAG_FLAGGED},
    {'P', FLAG_FORWARDED},
    {'R', FLAG_ANSWERED},
    {'S', FLAG_SEEN},
    {'T', FLAG_DELETED},
};
static const char start[] = ":2,";

void
message_flags_parse(struct span tail, unsigned *flags, uint32_t *keywords)
{
	const size_t n = sizeof start - 1;

	*flags = *keywords = 0;
	if (tail.len < n || memcmp(tail.at, start, n) != 0)
		return;
	for (size_t i = n; i < tail.len && tail.at[i] != ','; i++) {
		char c = tail.at[i];

		if (c >= 'a' && c <= 'z')
			*keywords |= 1u << (c - 'a');
		for (size_t f = 0; f < nitems(letters); f++)
			if (letters[f].letter == c)
				*flags |= letters[f].flag;
	}
}

void
message_flags_print(unsigned flags, uint32_t keywords, char tail[MESSAGE_TAIL_SIZE])
{
	size_t n = strlcpy(tail, start, MESSAGE_TAIL_SIZE);

	for (size_t f = 0; f < nitems(letters); f++)
		if (flags & letters[f].flag)
			tail[n++] = letters[f].letter;
	for (int k = 0; k < FOLDERS_KEYWORDS_MAX; k++)
		if (keywords & 1u << k)
			tail[n++] = 'a' + k;
	tail[n] = '\0';
}
