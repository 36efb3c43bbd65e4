/* Reads lists of addresses. What is malformed is passed over. */
#include "common/address_list.h"

#include <string.h>

#include "common/address.h"

struct scan {
	struct span rest;
	void (*each)(void *arg, const char *address);
	void *arg;
};

static void
offer(const struct scan *s, struct span text)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *why;

	text = span_trim(text);
	if (text.len > 2 && text.at[0] == '<' && text.at[text.len - 1] == '>')
		text = (struct span){text.at + 1, text.len - 2};
	if (text.len > 0 && memchr(text.at, '@', text.len) != NULL &&
	    address_parse(text, ADDRESS_ALLOW_UTF8, address, &why) == 0)
		s->each(s->arg, address);
}

/* How many bytes a quoted string takes (RFC 5322 3.2.4); all that is left without its end. */
static size_t
quoted_length(struct span s)
{
	size_t n = 1;

	while (n < s.len && s.at[n] != '"')
		n += s.at[n] == '\\' ? 2 : 1;
	return n < s.len ? n + 1 : s.len;
}

/* The same for a comment, which may hold others (RFC 5322 3.2.2). */
static size_t
comment_length(struct span s)
{
	size_t n = 1, depth = 1;

	for (; n < s.len && depth > 0; n++) {
		if (s.at[n] == '\\')
			n++;
		else if (s.at[n] == '(')
			depth++;
		else if (s.at[n] == ')')
			depth--;
	}
	return n < s.len ? n : s.len;
}

static size_t
bracket_length(struct span s)
{
	size_t n = 1;

	while (n < s.len && s.at[n] != '>')
		n += s.at[n] == '"' ? quoted_length((struct span){s.at + n, s.len - n}) : 1;
	return n < s.len ? n + 1 : s.len;
}

/* A run without blanks and separators, of which a quoted string can be a part. */
static size_t
word_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && strchr(" \t\r\n,;:<>(", s.at[n]) == NULL)
		n += s.at[n] == '"' ? quoted_length((struct span){s.at + n, s.len - n}) : 1;
	return n < s.len ? n : s.len;
}

void
address_list_read(struct span value, void (*each)(void *arg, const char *address), void *arg)
{
	struct scan s = {value, each, arg};

	while (s.rest.len > 0) {
		size_t n = 1;

		if (s.rest.at[0] == '(') {
			n = comment_length(s.rest);
		} else if (s.rest.at[0] == '<') {
			n = bracket_length(s.rest);
			offer(&s, (struct span){s.rest.at, n});
		} else if ((n = word_length(s.rest)) > 0) {
			offer(&s, (struct span){s.rest.at, n});
		} else {
			n = 1;
		}
		s.rest = (struct span){s.rest.at + n, s.rest.len - n};
	}
}

bool
address_list_is_bare(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(" \t,;:<>()\"", text.at[i]) != NULL)
			return false;
	return text.len > 0;
}
