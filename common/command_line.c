/* Commands of the configuration. Pure. */
#include "common/command_line.h"

#include <stdbool.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Moves the word at *from to the front of what it takes, without quotes; *from is behind it then.
 * False: a quote has no end. */
static bool
take_word(char **from)
{
	char *in = *from, *out = in, quote = '\0';

	for (; *in != '\0' && (quote != '\0' || !is_blank(*in)); in++)
		if (*in == quote)
			quote = '\0';
		else if (quote == '\0' && (*in == '\'' || *in == '"'))
			quote = *in;
		else
			*out++ = *in;
	*from = *in != '\0' ? in + 1 : in;
	*out = '\0';
	return quote == '\0';
}

size_t
command_line_split(char *text, char *words[COMMAND_WORDS_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		while (is_blank(*text))
			text++;
		if (*text == '\0')
			break;
		if (n == COMMAND_WORDS_MAX)
			return 0;
		words[n++] = text;
		if (!take_word(&text))
			return 0;
	}
	words[n] = NULL;
	return n;
}
