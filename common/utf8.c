/* UTF-8 of RFC 3629, strict. */
#include "common/utf8.h"

size_t
utf8_length(const unsigned char *p, size_t left)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool
utf8_is_valid(struct span text)
{
	for (size_t i = 0, n; i < text.len; i += n)
		if ((n = utf8_length((const unsigned char *)text.at + i, text.len - i)) == 0)
			return false;
	return true;
}
