/* An allow-list of CSS: properties by name, values by their characters and functions. Pure. */
#include "webd/css_clean.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { NAME_MAX_BYTES = 40, VALUE_MAX_BYTES = 500, PRELUDE_MAX_BYTES = 1000 };

/* With '-' at its end: all that begin so. */
static const char *const properties[] = {"color", "background-color", "background", "font", "font-",
    "text-", "line-height", "letter-spacing", "word-spacing", "white-space", "vertical-align",
    "margin", "margin-", "padding", "padding-", "border", "border-", "width", "height", "min-width",
    "min-height", "max-width", "max-height", "display", "float", "clear", "list-style",
    "list-style-", "table-layout", "caption-side", "empty-cells", "direction", "unicode-bidi",
    "overflow", "overflow-wrap", "word-wrap", "word-break", "hyphens", "tab-size", "visibility",
    "opacity", "box-sizing", "outline", "outline-", "box-shadow", "flex", "flex-", "gap",
    "justify-content", "align-items", "align-content", "align-self", "object-fit"};

static const char *const functions[] = {"rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp",
    "linear-gradient", "radial-gradient"};

static bool
is_property(struct span name)
{
	for (size_t i = 0; i < nitems(properties); i++) {
		size_t len = strlen(properties[i]);

		if (span_is_nocase(name, properties[i]) ||
		    (properties[i][len - 1] == '-' && name.len > len &&
			span_is_nocase((struct span){name.at, len}, properties[i])))
			return true;
	}
	return false;
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_word(s.at[i]))
			return false;
	return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

/* The word in front of an opening bracket; a bracket alone only groups. */
static bool
is_function_allowed(struct span before)
{
	size_t start = before.len;

	while (start > 0 && is_word(before.at[start - 1]))
		start--;
	if (start == before.len)
		return true;
	for (size_t i = 0; i < nitems(functions); i++)
		if (span_is_nocase(
			(struct span){before.at + start, before.len - start}, functions[i]))
			return true;
	return false;
}

static bool
is_value(struct span s)
{
	char quote = '\0';
	int depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if ((unsigned char)c < ' ' || c == 127 || strchr("\\<>{}@;&`", c) != NULL)
			return false;
		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '(' && (++depth > 10 || !is_function_allowed((struct span){s.at, i})))
			return false;
		else if (c == ')' && --depth < 0)
			return false;
		else if (c == ':')
			return false;
	}
	return quote == '\0' && depth == 0 && s.len > 0 && s.len <= VALUE_MAX_BYTES;
}

/* Blanks: also line ends. */
static struct span
trim(struct span s)
{
	while (s.len > 0 && strchr(" \t\r\n\f", s.at[0]) != NULL)
		s = (struct span){s.at + 1, s.len - 1};
	while (s.len > 0 && strchr(" \t\r\n\f", s.at[s.len - 1]) != NULL)
		s.len--;
	return s;
}

/* Cuts a declaration off, at a semicolon outside quotes and brackets. */
static struct span
take_declaration(struct span *css)
{
	struct span all = *css;
	char quote = '\0';
	int depth = 0;
	size_t i;

	for (i = 0; i < all.len; i++) {
		char c = all.at[i];

		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		else if (c == ';' && depth <= 0)
			break;
	}
	*css = i < all.len ? (struct span){all.at + i + 1, all.len - i - 1}
			   : (struct span){all.at + i, 0};
	return (struct span){all.at, i};
}

/* Comments are one blank, line ends too: what is left is looked at as it is written. */
static char *
without_comments(struct span css, size_t *len)
{
	char *out = xmalloc(css.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < css.len; i++) {
		char c = css.at[i];

		if (c == '/' && i + 1 < css.len && css.at[i + 1] == '*') {
			struct span rest = {css.at + i + 2, css.len - i - 2};
			const char *end = memmem(rest.at, rest.len, "*/", 2);

			i = end == NULL ? css.len : (size_t)(end + 1 - css.at);
			c = ' ';
		}
		out[n++] = c == '\n' || c == '\r' || c == '\t' || c == '\f' ? ' ' : c;
	}
	*len = n;
	return out;
}

static void
put_declarations(struct text_buffer *out, struct span css)
{
	bool first = true;

	while (css.len > 0 && !out->full) {
		struct span value = take_declaration(&css), name;

		if (!span_take(&value, ':', &name))
			continue;
		name = trim(name);
		value = trim(value);
		if (!is_name(name) || !is_property(name) || !is_value(value))
			continue;
		if (!first)
			text_put_text(out, "; ");
		first = false;
		text_put(out, name);
		text_put_text(out, ": ");
		text_put(out, value);
	}
}

void
css_clean_declarations(struct text_buffer *out, struct span css)
{
	size_t len;
	char *plain = without_comments(css, &len);

	put_declarations(out, (struct span){plain, len});
	free(plain);
}

/* ---- sheets ---- */

/* No first line or letter of an element: what looks so cannot be undone in the element itself, and
 * there are elements of ours in the same document (message_document.h). */
static bool
is_prelude(struct span s, bool media)
{
	const char *others = media ? " :(),.-" : " .#,>+~*:()=[]\"'";

	if (span_holds_nocase(s, ":first-l"))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_word(s.at[i]) && strchr(others, s.at[i]) == NULL)
			return false;
	return s.len > 0 && s.len <= PRELUDE_MAX_BYTES && s.at[0] != '\0';
}

/* Up to the '}' that ends the block, which is dropped. */
static struct span
take_block(struct span *css)
{
	struct span all = *css;
	int depth = 0;
	size_t i;

	for (i = 0; i < all.len; i++) {
		if (all.at[i] == '{')
			depth++;
		else if (all.at[i] == '}' && depth-- == 0)
			break;
	}
	*css = i < all.len ? (struct span){all.at + i + 1, all.len - i - 1}
			   : (struct span){all.at + i, 0};
	return (struct span){all.at, i};
}

static void put_rules(struct text_buffer *out, struct span css, bool in_media);

static void
put_rule(struct text_buffer *out, struct span prelude, struct span block, bool in_media)
{
	bool media =
	    !in_media && prelude.len > 7 && span_is_nocase((struct span){prelude.at, 7}, "@media ");

	if (media) {
		prelude = trim((struct span){prelude.at + 7, prelude.len - 7});
		if (!is_prelude(prelude, true))
			return;
		text_put_text(out, "@media ");
	} else if (!is_prelude(prelude, false) || memchr(block.at, '{', block.len) != NULL)
		return;
	text_put(out, prelude);
	text_put_text(out, " { ");
	if (media)
		put_rules(out, block, true);
	else
		put_declarations(out, block);
	text_put_text(out, " }\n");
}

static void
put_rules(struct text_buffer *out, struct span css, bool in_media)
{
	while (css.len > 0 && !out->full) {
		size_t n = 0;
		struct span prelude;
		bool block;

		while (n < css.len && css.at[n] != '{' && css.at[n] != ';' && css.at[n] != '}')
			n++;
		prelude = trim((struct span){css.at, n});
		block = n < css.len && css.at[n] == '{';
		css = n < css.len ? (struct span){css.at + n + 1, css.len - n - 1}
				  : (struct span){css.at + n, 0};
		if (block)
			put_rule(out, prelude, take_block(&css), in_media);
	}
}

void
css_clean_sheet(struct text_buffer *out, struct span css)
{
	size_t len;
	char *plain = without_comments(css, &len);

	put_rules(out, (struct span){plain, len}, false);
	free(plain);
}
