/*
 * The lines of a configuration file: [section], key = value, comments with # or ; on their own.
 * Pure parsing.
 */
#include "common/config_lines.h"

#include <string.h>

/* No byte below a blank but the tab: what a terminal or a log would not show. */
static bool
has_control_bytes(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.at[i] < ' ' && s.at[i] != '\t') || s.at[i] == 0x7f)
			return true;
	return false;
}

static void
set_bad(struct config_line *line, const char *why)
{
	line->kind = LINE_BAD;
	line->why = why;
}

static void
read_section(struct config_line *line, struct span text)
{
	if (text.at[text.len - 1] != ']') {
		set_bad(line, "a section is written [name], with nothing behind it");
		return;
	}
	line->kind = LINE_SECTION;
	line->name = span_trim((struct span){text.at + 1, text.len - 2});
}

static void
read_entry(struct config_line *line, struct span text)
{
	if (!span_take(&text, '=', &line->name)) {
		set_bad(line, "a line is [section], key = value, or a comment that starts with #");
		return;
	}
	line->kind = LINE_ENTRY;
	line->name = span_trim(line->name);
	line->value = span_trim(text);
	if (line->name.len == 0)
		set_bad(line, "the key before = is missing");
}

static void
judge(struct config_line *line, struct span text)
{
	if (text.len > CONFIG_LINE_MAX_BYTES)
		set_bad(line, "the line is longer than 32768 bytes");
	else if (has_control_bytes(text))
		set_bad(line, "the line holds a control character");
	else if ((text = span_trim(text)).len == 0)
		line->kind = LINE_BLANK;
	else if (text.at[0] == '#' || text.at[0] == ';') {
		line->kind = LINE_COMMENT;
		line->value = span_trim((struct span){text.at + 1, text.len - 1});
	} else if (text.at[0] == '[')
		read_section(line, text);
	else
		read_entry(line, text);
}

bool
config_line_next(struct span *rest, struct config_line *line)
{
	struct span text;
	const char *start = rest->at;

	*line = (struct config_line){.why = ""};
	if (rest->len == 0)
		return false;
	span_take(rest, '\n', &text);
	line->whole = (struct span){start, rest->at - start};
	if (text.len > 0 && text.at[text.len - 1] == '\r')
		text.len--;
	judge(line, text);
	return true;
}

struct span
config_skip_mark(struct span text)
{
	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
		return (struct span){text.at + 3, text.len - 3};
	return text;
}

bool
config_comment_is_about(struct span comment, const char *key)
{
	struct span name;

	return span_take(&comment, '=', &name) && span_is_nocase(span_trim(name), key);
}
