/* Cuts headers into fields. */
#include "common/header_field.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t
line_length(struct span s)
{
	const char *end = memchr(s.at, '\n', s.len);

	return end != NULL ? (size_t)(end + 1 - s.at) : s.len;
}

static bool
is_empty_line(struct span s)
{
	return s.at[0] == '\n' || (s.len >= 2 && s.at[0] == '\r' && s.at[1] == '\n');
}

/* With its continuation lines. */
static struct span
take_field(struct span *header)
{
	struct span field = {header->at, 0}, rest = *header;

	do {
		size_t n = line_length(rest);

		field.len += n;
		rest = (struct span){rest.at + n, rest.len - n};
	} while (rest.len > 0 && is_blank(rest.at[0]));
	*header = rest;
	return field;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && strchr(" \t\r\n", s.at[0]) != NULL && s.at[0] != '\0')
		s = (struct span){s.at + 1, s.len - 1};
	while (s.len > 0 && strchr(" \t\r\n", s.at[s.len - 1]) != NULL && s.at[s.len - 1] != '\0')
		s.len--;
	return s;
}

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f)
			return false;
	return name.len > 0;
}

bool
header_field_next(struct span *header, struct span *name, struct span *value)
{
	while (header->len > 0 && !is_empty_line(*header)) {
		struct span field = take_field(header);

		if (!span_take(&field, ':', name))
			continue;
		*name = span_trim(*name); /* RFC 5322 4.5 */
		*value = trim(field);
		if (is_name(*name))
			return true;
	}
	return false;
}
