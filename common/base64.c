/*
 * Base64 of RFC 4648 4. Pure.
 */
#include "common/base64.h"

#include <stdint.h>

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The 24 bits of four characters, the last `padding` of which are '='. -1 for any other. */
static long
group_bits(const char *at, size_t padding)
{
	long bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(at[i]) : 0;

		if (value == -1)
			return -1;
		bits = bits << 6 | value;
	}
	return bits;
}

static size_t
count_padding(struct span text)
{
	if (text.len == 0 || text.at[text.len - 1] != '=')
		return 0;
	return text.at[text.len - 2] == '=' ? 2 : 1;
}

long
base64_decode(struct span text, unsigned char *out, size_t size)
{
	size_t padding, len = 0;

	if (text.len % 4 != 0)
		return -1;
	padding = count_padding(text);
	if (text.len / 4 * 3 - padding > size)
		return -1;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t missing = i + 4 == text.len ? padding : 0;
		long bits = group_bits(text.at + i, missing);

		/* Bits that no byte is made of must be 0: each text has one encoding only. */
		if (bits == -1 || (bits & ((1L << 8 * missing) - 1)) != 0)
			return -1;
		for (size_t j = 0; j < 3 - missing; j++)
			out[len++] = bits >> (16 - 8 * j) & 0xff;
	}
	return len;
}
