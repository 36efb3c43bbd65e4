/*
 * Borrowed bytes with their length, and the small helpers that read them. Knows nothing of any
 * protocol.
 */
#include "common/span.h"

#include <string.h>
#include <strings.h>

#include "common/memory.h"

struct span
span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int
span_compare(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n > 0 ? memcmp(a.at, b.at, n) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Eight bytes at a time: whole messages pass here. */
bool
span_is_ascii(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.at, *end = p + s.len;
	uint64_t word, all = 0;

	for (; end - p >= (ptrdiff_t)sizeof word; p += sizeof word) {
		memcpy(&word, p, sizeof word);
		all |= word;
	}
	while (p < end)
		all |= *p++;
	return (all & UINT64_C(0x8080808080808080)) == 0;
}

bool
span_is(struct span s, const char *text)
{
	return span_equal(s, span_of(text));
}

static unsigned char
fold(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool
span_is_nocase(struct span s, const char *text)
{
	for (size_t i = 0; i < s.len; i++)
		if (text[i] == '\0' || fold(s.at[i]) != fold(text[i]))
			return false;
	return text[s.len] == '\0';
}

bool
span_starts_nocase(struct span s, const char *text)
{
	size_t n = strlen(text);

	return s.len >= n && span_is_nocase((struct span){s.at, n}, text);
}

bool
span_holds_nocase(struct span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= s.len; i++)
		if (span_is_nocase((struct span){s.at + i, n}, text))
			return true;
	return false;
}

bool
span_take(struct span *s, char separator, struct span *token)
{
	const char *end = s->len ? memchr(s->at, separator, s->len) : NULL;
	size_t cut;

	if (end == NULL) {
		*token = *s;
		*s = (struct span){s->at ? s->at + s->len : NULL, 0};
		return false;
	}
	*token = (struct span){s->at, end - s->at};
	cut = token->len + 1;
	*s = (struct span){s->at + cut, s->len - cut};
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span
span_trim(struct span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct span
span_take_word(struct span *s)
{
	size_t n = 0;
	struct span word;

	while (n < s->len && !is_blank(s->at[n]))
		n++;
	word = (struct span){s->at, n};
	*s = span_trim((struct span){s->at + n, s->len - n});
	return word;
}

bool
span_u64(struct span s, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.at[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*value = v;
	return true;
}

bool
span_copy(struct span s, char *out, size_t size)
{
	out[0] = '\0';
	if (s.len >= size || (s.len && memchr(s.at, '\0', s.len) != NULL))
		return false;
	if (s.len)
		memcpy(out, s.at, s.len);
	out[s.len] = '\0';
	return true;
}

struct span
span_put(char **at, struct span s)
{
	struct span copy = {*at, s.len};

	if (s.len > 0)
		memcpy(*at, s.at, s.len);
	*at += s.len;
	return copy;
}

char *
span_text(struct span s)
{
	char *copy = xmalloc(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct span
span_dup(struct span s)
{
	return (struct span){span_text(s), s.len};
}
