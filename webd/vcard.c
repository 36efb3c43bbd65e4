/* vCards in and out, line by line. Pure. */
#include "webd/vcard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"

enum { LINE_MAX_BYTES = 64 * 1024, FOLD_BYTES = 75, OUT_MAX_BYTES = 64 * 1024 * 1024 };

/* ---- lines ---- */

/* A content line, unfolded, and its pieces. */
struct property {
	struct text_buffer line;
	struct span name, parameters, value;
	bool quoted_printable;
	char charset[40];
};

static struct span
take_line(struct span *rest)
{
	struct span line;

	(void)span_take(rest, '\n', &line);
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool
is_folded(struct span rest)
{
	return rest.len > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t');
}

/* At a colon outside quotes. */
static bool
split_value(struct span line, struct span *head, struct span *value)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] == '"')
			quoted = !quoted;
		else if (line.at[i] == ':' && !quoted) {
			*head = (struct span){line.at, i};
			*value = (struct span){line.at + i + 1, line.len - i - 1};
			return true;
		}
	}
	return false;
}

static void
read_parameters(struct property *p)
{
	struct span rest = p->parameters, one;

	p->quoted_printable = false;
	strlcpy(p->charset, "utf-8", sizeof p->charset);
	while (rest.len > 0) {
		struct span value, name;

		(void)span_take(&rest, ';', &one);
		value = one;
		if (!span_take(&value, '=', &name))
			value = one; /* vCard 2.1 leaves the name out */
		if (span_is_nocase(value, "QUOTED-PRINTABLE"))
			p->quoted_printable = true;
		else if (span_is_nocase(name, "CHARSET"))
			(void)span_copy(value, p->charset, sizeof p->charset);
	}
}

/* A line of 2.1 goes on behind a soft break. */
static void
join_soft_breaks(struct property *p, struct span *rest)
{
	while (rest->len > 0 && p->line.len > 0 && p->line.at[p->line.len - 1] == '=' &&
	       !p->line.full) {
		p->line.at[--p->line.len] = '\0';
		text_put(&p->line, take_line(rest));
	}
}

static void
cut_property(struct property *p)
{
	struct span head, group;

	p->name = p->parameters = p->value = (struct span){"", 0};
	if (!split_value((struct span){p->line.at, p->line.len}, &head, &p->value))
		return;
	(void)span_take(&head, ';', &p->name);
	p->parameters = head;
	head = p->name;
	if (span_take(&head, '.', &group)) /* item1.EMAIL */
		p->name = head;
	read_parameters(p);
}

/* False: the end. The line belongs to p until the next one. */
static bool
next_property(struct span *rest, struct property *p)
{
	if (rest->len == 0)
		return false;
	p->line.len = 0;
	p->line.at[0] = '\0';
	p->line.full = false;
	text_put(&p->line, take_line(rest));
	while (is_folded(*rest)) {
		struct span more = take_line(rest);

		text_put(&p->line, (struct span){more.at + 1, more.len - 1});
	}
	cut_property(p);
	if (p->quoted_printable && p->value.len > 0) {
		join_soft_breaks(p, rest);
		cut_property(p);
	}
	return true;
}

/* ---- values ---- */

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static void
put_unquoted(struct text_buffer *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == '=' && i + 2 < s.len && hex(s.at[i + 1]) >= 0 &&
		    hex(s.at[i + 2]) >= 0) {
			text_put_char(out, 16 * hex(s.at[i + 1]) + hex(s.at[i + 2]));
			i += 2;
		} else
			text_put_char(out, s.at[i]);
}

/* Up to the next separator that is not escaped, unescaped (RFC 6350 3.4). */
static void
put_component(struct text_buffer *out, struct span *rest, char separator)
{
	size_t i;

	for (i = 0; i < rest->len && (separator == '\0' || rest->at[i] != separator); i++) {
		char c = rest->at[i];

		if (c == '\\' && i + 1 < rest->len) {
			c = rest->at[++i];
			c = c == 'n' || c == 'N' ? '\n' : c;
		}
		text_put_char(out, c);
	}
	if (i < rest->len)
		i++;
	*rest = (struct span){rest->at + i, rest->len - i};
}

/* The caller's. separator: the component in front of it only; lines: with line ends. */
static char *
value_text(const struct property *p, char separator, bool lines, size_t max)
{
	struct text_buffer raw, plain;
	struct span rest;
	char *text;

	text_buffer_init(&raw, LINE_MAX_BYTES);
	text_buffer_init(&plain, LINE_MAX_BYTES);
	if (p->quoted_printable)
		put_unquoted(&raw, p->value);
	else
		text_put(&raw, p->value);
	rest = (struct span){raw.at, raw.len};
	put_component(&plain, &rest, separator);
	text = mime_to_utf8((struct span){plain.at, plain.len}, p->charset, lines, max, NULL);
	text_buffer_free(&raw);
	text_buffer_free(&plain);
	return text;
}

/* "Family;Given;More;Prefix;Suffix" as people say it. */
static char *
structured_name(const struct property *p)
{
	char *whole, *parts[3] = {NULL, NULL, NULL};
	struct property one = *p;
	struct span rest = p->value;

	for (size_t i = 0; i < nitems(parts); i++) {
		struct span part = rest;
		size_t n = 0;

		while (n < rest.len && rest.at[n] != ';')
			n += rest.at[n] == '\\' && n + 1 < rest.len ? 2 : 1;
		n = n > rest.len ? rest.len : n;
		one.value = (struct span){part.at, n};
		parts[i] = value_text(&one, '\0', false, VCARD_TEXT_MAX_BYTES);
		rest = n < rest.len ? (struct span){rest.at + n + 1, rest.len - n - 1}
				    : (struct span){rest.at + n, 0};
	}
	whole = xasprintf("%s%s%s%s%s", parts[1], parts[1][0] && parts[2][0] ? " " : "", parts[2],
	    (parts[1][0] || parts[2][0]) && parts[0][0] ? " " : "", parts[0]);
	for (size_t i = 0; i < nitems(parts); i++)
		free(parts[i]);
	return whole;
}

/* ---- cards ---- */

static void
set_once(json_t *card, const char *key, char *text)
{
	if (text[0] != '\0' && json_string_length(json_object_get(card, key)) == 0)
		json_object_set_new(card, key, json_string(text));
	free(text);
}

static void
add_value(json_t *card, const char *key, char *text)
{
	const char *value = text;
	json_t *list = json_object_get(card, key);

	if (strncasecmp(value, "mailto:", 7) == 0)
		value += 7;
	else if (strncasecmp(value, "tel:", 4) == 0)
		value += 4;
	if (value[0] != '\0' && json_array_size(list) < VCARD_VALUES_MAX)
		json_array_append_new(list, json_string(value));
	free(text);
}

static void
add_property(json_t *card, const struct property *p)
{
	if (span_is_nocase(p->name, "FN"))
		set_once(card, "name", value_text(p, '\0', false, VCARD_TEXT_MAX_BYTES));
	else if (span_is_nocase(p->name, "N"))
		set_once(card, "n", structured_name(p));
	else if (span_is_nocase(p->name, "EMAIL"))
		add_value(card, "emails", value_text(p, '\0', false, VCARD_TEXT_MAX_BYTES));
	else if (span_is_nocase(p->name, "TEL"))
		add_value(card, "phones", value_text(p, '\0', false, VCARD_TEXT_MAX_BYTES));
	else if (span_is_nocase(p->name, "ORG"))
		set_once(card, "organization", value_text(p, ';', false, VCARD_TEXT_MAX_BYTES));
	else if (span_is_nocase(p->name, "NOTE"))
		set_once(card, "note", value_text(p, '\0', true, VCARD_NOTE_MAX_BYTES));
}

static json_t *
new_card(void)
{
	return json_pack("{s:s, s:[], s:[], s:s, s:s}", "name", "", "emails", "phones",
	    "organization", "", "note", "");
}

/* Takes card. A name is what it has, or is made of what else it has. */
static void
end_card(json_t *cards, json_t *card)
{
	static const char *const instead[] = {"n", "organization"};
	const char *email = json_string_value(json_array_get(json_object_get(card, "emails"), 0));

	for (size_t i = 0; i < nitems(instead); i++) {
		const char *text = json_string_value(json_object_get(card, instead[i]));

		set_once(card, "name", xstrdup(text == NULL ? "" : text));
	}
	json_object_del(card, "n");
	if ((json_string_length(json_object_get(card, "name")) > 0 || email != NULL) &&
	    json_array_size(cards) < VCARD_CONTACTS_MAX)
		json_array_append(cards, card);
	json_decref(card);
}

json_t *
vcard_read(struct span text)
{
	struct property p;
	json_t *cards = json_array(), *card = NULL;
	bool any = false;

	if (text.len > VCARD_IN_MAX_BYTES)
		text.len = VCARD_IN_MAX_BYTES;
	text_buffer_init(&p.line, LINE_MAX_BYTES);
	while (next_property(&text, &p)) {
		bool begins = span_is_nocase(p.name, "BEGIN"), ends = span_is_nocase(p.name, "END");

		if ((begins || ends) && span_is_nocase(span_trim(p.value), "VCARD")) {
			any = true;
			if (card != NULL)
				end_card(cards, card);
			card = begins ? new_card() : NULL;
		} else if (card != NULL)
			add_property(card, &p);
	}
	if (card != NULL)
		end_card(cards, card);
	text_buffer_free(&p.line);
	if (!any) {
		json_decref(cards);
		return NULL;
	}
	return cards;
}

/* ---- out ---- */

static void
put_escaped(struct text_buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\,;", *text) != NULL)
			text_put_char(out, '\\');
		if (*text == '\n')
			text_put_text(out, "\\n");
		else if ((unsigned char)*text >= ' ' && *text != 127)
			text_put_char(out, *text);
	}
}

/* Folded between characters (RFC 6350 3.2). */
static void
put_folded(struct text_buffer *out, struct span line)
{
	bool first = true;

	while (line.len > 0) {
		size_t n = mime_cut(line, FOLD_BYTES - !first);

		if (!first)
			text_put_text(out, "\r\n ");
		text_put(out, (struct span){line.at, n});
		line = (struct span){line.at + n, line.len - n};
		first = false;
	}
	text_put_text(out, "\r\n");
}

static void
put_property(struct text_buffer *out, const char *name, const char *value)
{
	struct text_buffer line;

	if (value == NULL || (value[0] == '\0' && strcmp(name, "FN") != 0))
		return;
	text_buffer_init(&line, LINE_MAX_BYTES);
	text_printf(&line, "%s:", name);
	put_escaped(&line, value);
	text_end(&line);
	put_folded(out, (struct span){line.at, line.len});
	text_buffer_free(&line);
}

static void
put_list(struct text_buffer *out, const char *name, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		put_property(out, name, json_string_value(json_array_get(list, i)));
}

char *
vcard_write(const json_t *contacts, size_t *len)
{
	struct text_buffer out;

	text_buffer_init(&out, OUT_MAX_BYTES);
	for (size_t i = 0; i < json_array_size(contacts); i++) {
		const json_t *c = json_array_get(contacts, i);
		const char *name = json_string_value(json_object_get(c, "name"));

		text_put_text(&out, "BEGIN:VCARD\r\nVERSION:4.0\r\n");
		put_property(&out, "FN", name == NULL ? "" : name);
		put_list(&out, "EMAIL", json_object_get(c, "emails"));
		put_list(&out, "TEL", json_object_get(c, "phones"));
		put_property(&out, "ORG", json_string_value(json_object_get(c, "organization")));
		put_property(&out, "NOTE", json_string_value(json_object_get(c, "note")));
		text_put_text(&out, "END:VCARD\r\n");
	}
	*len = out.len;
	return text_buffer_take(&out);
}
