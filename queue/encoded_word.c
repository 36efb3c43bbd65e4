/* Decodes encoded words of RFC 2047. */
#include "queue/encoded_word.h"

#include <stdbool.h>
#include <string.h>

#include "common/base64.h"

enum { WORD_MAX_BYTES = 75 }; /* RFC 2047 2 */

struct sink {
	char *at;
	size_t len, size;
};

static void
put(struct sink *s, char c)
{
	if (s->len < s->size)
		s->at[s->len++] = c;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 4.2. -1 when malformed. */
static long
decode_q(struct span text, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '=') {
			if (text.len - i < 3 || hex_digit(text.at[i + 1]) == -1 ||
			    hex_digit(text.at[i + 2]) == -1)
				return -1;
			c = hex_digit(text.at[i + 1]) * 16 + hex_digit(text.at[i + 2]);
			i += 2;
		} else if (c == '_')
			c = ' ';
		out[len++] = c;
	}
	return len;
}

static long
decode(struct span charset, struct span encoding, struct span text, char out[WORD_MAX_BYTES])
{
	struct span language = charset;

	span_take(&language, '*', &charset); /* RFC 2231 5 */
	if (!span_is_nocase(charset, "utf-8") && !span_is_nocase(charset, "us-ascii"))
		return -1;
	if (span_is_nocase(encoding, "q"))
		return decode_q(text, out);
	if (span_is_nocase(encoding, "b"))
		return base64_decode(text, (unsigned char *)out, WORD_MAX_BYTES);
	return -1;
}

/* An encoded word at the front of text: its length, 0 when there is none that we read. */
static size_t
word_at(struct span text, char out[WORD_MAX_BYTES], size_t *out_len)
{
	size_t n = 0;
	struct span rest, charset, encoding, content;
	long len;

	while (n < text.len && n <= WORD_MAX_BYTES && strchr(" \t\r\n", text.at[n]) == NULL)
		n++;
	if (n < 8 || n > WORD_MAX_BYTES || memcmp(text.at, "=?", 2) != 0)
		return 0;
	rest = (struct span){text.at + 2, n - 2};
	if (!span_take(&rest, '?', &charset) || !span_take(&rest, '?', &encoding) ||
	    !span_take(&rest, '?', &content) || !span_is(rest, "="))
		return 0;
	if ((len = decode(charset, encoding, content, out)) == -1)
		return 0;
	*out_len = len;
	return n;
}

size_t
encoded_word_decode(struct span text, char *out, size_t size)
{
	struct sink s = {out, 0, size};
	size_t before_blanks = 0, i = 0;
	bool after_word = false, after_blank = true;

	while (i < text.len) {
		char word[WORD_MAX_BYTES], c = text.at[i];
		size_t len = 0, n = after_blank ? word_at((struct span){text.at + i, text.len - i},
						      word, &len)
						: 0;

		if (n > 0) {
			/* Blanks between two of them do not count (RFC 2047 6.2). */
			if (after_word)
				s.len = before_blanks;
			for (size_t k = 0; k < len; k++)
				put(&s, word[k]);
			before_blanks = s.len;
			after_word = true;
			after_blank = false;
			i += n;
			continue;
		}
		after_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
		after_word = after_word && after_blank;
		if (c == '\t' || c == '\n')
			c = ' ';
		if (c != '\r' && (c != ' ' || s.len == 0 || out[s.len - 1] != ' '))
			put(&s, c);
		i++;
	}
	return s.len;
}
