/*
 * The escapes of xtext. Pure.
 */
#include "common/xtext.h"

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
xtext_escape(struct span text)
{
	int high, low;

	if (text.len < XTEXT_ESCAPE_BYTES || text.at[0] != '+')
		return -1;
	high = hex_digit(text.at[1]);
	low = hex_digit(text.at[2]);
	return high == -1 || low == -1 ? -1 : high * 16 + low;
}
