/*
 * Queue ids as text: nine digits in base 62. Pure; knows no clock and no spool.
 */
#include "common/queue_id.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { BASE = 62, N_DIGITS = QUEUE_ID_TEXT_SIZE - 1, N_TEXTS = 8 };

void
queue_id_print(uint64_t id, char out[QUEUE_ID_TEXT_SIZE])
{
	for (int i = N_DIGITS - 1; i >= 0; i--) {
		out[i] = digits[id % BASE];
		id /= BASE;
	}
	out[N_DIGITS] = '\0';
}

const char *
queue_id_text(uint64_t id)
{
	static char texts[N_TEXTS][QUEUE_ID_TEXT_SIZE];
	static unsigned turn;
	char *text = texts[turn++ % N_TEXTS];

	queue_id_print(id, text);
	return text;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

bool
queue_id_parse(struct span text, uint64_t *id)
{
	uint64_t value = 0;

	if (text.len != N_DIGITS)
		return false;
	for (size_t i = 0; i < N_DIGITS; i++) {
		int digit = digit_value(text.at[i]);

		if (digit == -1)
			return false;
		value = value * BASE + digit;
	}
	if (value == 0)
		return false;
	*id = value;
	return true;
}
