/*
 * The fields of a header and what they say. GMime reads encoded words, addresses, parameters and
 * dates; each value is bounded before it gets one. Pure.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/mime_private.h"
#include "common/text_buffer.h"

enum { COLONS_MAX = 200, COMMENTS_MAX = 50, TYPE_MAX_BYTES = 127, SHORT_MAX_BYTES = 250 };

GMimeParserOptions *
mime_options(void)
{
	mime_start();
	return g_mime_parser_options_get_default();
}

/* ---- cutting a header into fields ---- */

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] == 127)
			return false;
	return s.len > 0;
}

/* Without the CR. */
static struct span
take_line(char **at, char *end)
{
	char *lf = memchr(*at, '\n', end - *at), *stop = lf == NULL ? end : lf;
	struct span line = {*at, stop - *at};

	*at = lf == NULL ? end : lf + 1;
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Appends a line to the value that ends at *to, in front of it. */
static void
unfold(char **to, struct span line)
{
	memmove(*to, line.at, line.len);
	*to += line.len;
}

size_t
mime_cut_fields(char *header, size_t len, struct mime_field *fields, size_t max)
{
	char *at = header, *end = header + len;
	size_t n = 0;

	while (at < end) {
		struct span line = take_line(&at, end), name, value = line;
		char *to = header + (line.at - header) + line.len;

		if (!span_take(&value, ':', &name) || !is_name(name = span_trim(name)))
			continue; /* no field: not for us to mend */
		while (at < end && (*at == ' ' || *at == '\t'))
			unfold(&to, take_line(&at, end));
		if (n == max)
			return max + 1;
		fields[n].name = name;
		fields[n++].value = span_trim((struct span){value.at, to - value.at});
	}
	return n;
}

struct span
mime_field(const struct mime *m, const char *name, size_t nth)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (span_is_nocase(m->fields[i].name, name) && nth-- == 0)
			return m->fields[i].value;
	return (struct span){NULL, 0};
}

/* ---- decoding ---- */

/* Bounded, with a NUL, and without NULs and line ends in it. */
static char *
plain_copy(struct span value)
{
	char *text;

	if (value.len > MIME_FIELD_MAX_BYTES)
		value.len = MIME_FIELD_MAX_BYTES;
	text = xmalloc(value.len + 1);
	for (size_t i = 0; i < value.len; i++)
		text[i] = value.at[i] == '\0' || value.at[i] == '\r' || value.at[i] == '\n'
			      ? ' '
			      : value.at[i];
	text[value.len] = '\0';
	return text;
}

static char *
clean(const char *text, size_t max)
{
	return mime_to_utf8(span_of(text == NULL ? "" : text), "utf-8", false, max, NULL);
}

/* Raw 8-bit bytes first become UTF-8, then encoded words are read. */
static char *
plain_utf8(struct span value)
{
	char *raw = plain_copy(value), *text;

	text = mime_to_utf8(span_of(raw), "us-ascii", false, MIME_FIELD_MAX_BYTES, NULL);
	free(raw);
	return text;
}

char *
mime_decode(struct span value, size_t max)
{
	char *raw = plain_utf8(value), *decoded, *text;

	decoded = g_mime_utils_header_decode_text(mime_options(), raw);
	text = clean(decoded, max);
	g_free(decoded);
	free(raw);
	return text;
}

char *
mime_field_text(const struct mime *m, const char *name, size_t max)
{
	struct span value = mime_field(m, name, 0);

	return value.at == NULL ? xstrdup("") : mime_decode(value, max);
}

/* ---- dates ---- */

bool
mime_date(const struct mime *m, int64_t *seconds)
{
	struct span value = mime_field(m, "Date", 0);
	GDateTime *date;
	char *text;

	if (value.at == NULL || value.len > SHORT_MAX_BYTES)
		return false;
	mime_start();
	text = plain_copy(value);
	date = g_mime_utils_header_decode_date(text);
	free(text);
	if (date == NULL)
		return false;
	*seconds = g_date_time_to_unix(date);
	g_date_time_unref(date);
	return *seconds >= 0;
}

/* ---- addresses ---- */

void
mime_addresses_add(struct mime_addresses *to, const char *name, const char *address)
{
	struct mime_address *a;
	char *clean_address = clean(address, SHORT_MAX_BYTES);

	if (to->n >= MIME_ADDRESSES_MAX || clean_address[0] == '\0') {
		free(clean_address);
		return;
	}
	to->list = xrealloc(to->list, (to->n + 1) * sizeof *to->list);
	a = &to->list[to->n++];
	a->name = clean(name, SHORT_MAX_BYTES);
	a->address = clean_address;
}

void
mime_addresses_free(struct mime_addresses *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].name);
		free(a->list[i].address);
	}
	free(a->list);
	*a = (struct mime_addresses){0};
}

static void
add_list(struct mime_addresses *to, InternetAddressList *list, unsigned depth)
{
	for (int i = 0, n = internet_address_list_length(list); i < n; i++) {
		InternetAddress *a = internet_address_list_get_address(list, i);

		if (INTERNET_ADDRESS_IS_GROUP(a) && depth < 3)
			add_list(to, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(a)),
			    depth + 1);
		else if (INTERNET_ADDRESS_IS_MAILBOX(a))
			mime_addresses_add(to, internet_address_get_name(a),
			    internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(a)));
	}
}

/* GMime goes into groups and comments as deep as they are. */
static void
bound_nesting(char *text)
{
	unsigned colons = 0, comments = 0;

	for (char *c = text; *c != '\0'; c++)
		if ((*c == ':' && ++colons > COLONS_MAX) ||
		    (*c == '(' && ++comments > COMMENTS_MAX))
			*c = ' ';
}

void
mime_addresses_parse(struct span text, struct mime_addresses *to)
{
	InternetAddressList *list;
	char *raw = plain_utf8(text);

	bound_nesting(raw);
	if (raw[0] != '\0' && (list = internet_address_list_parse(mime_options(), raw)) != NULL) {
		add_list(to, list, 0);
		g_object_unref(list);
	}
	free(raw);
}

void
mime_field_addresses(const struct mime *m, const char *name, struct mime_addresses *to)
{
	struct span value;

	for (size_t i = 0; i < 20 && (value = mime_field(m, name, i)).at != NULL; i++)
		mime_addresses_parse(value, to);
}

static bool
needs_quotes(const char *name)
{
	return strpbrk(name, "()<>[]:;@\\,\"") != NULL;
}

char *
mime_address_text(const struct mime_address *a)
{
	struct text_buffer t;

	text_buffer_init(&t, 4 * SHORT_MAX_BYTES);
	if (a->name[0] == '\0') {
		text_put_text(&t, a->address);
		return text_buffer_take(&t);
	}
	if (!needs_quotes(a->name))
		text_put_text(&t, a->name);
	else {
		text_put_char(&t, '"');
		for (const char *c = a->name; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				text_put_char(&t, '\\');
			text_put_char(&t, *c);
		}
		text_put_char(&t, '"');
	}
	text_printf(&t, " <%s>", a->address);
	return text_buffer_take(&t);
}

bool
mime_is_id(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if ((unsigned char)id.at[i] <= ' ' || (unsigned char)id.at[i] >= 127 ||
		    id.at[i] == '<' || id.at[i] == '>')
			return false;
	return id.len > 0 && id.len <= MIME_ID_MAX_BYTES;
}

/* False: nothing more in brackets. */
static bool
next_in_brackets(struct span *value, struct span *text)
{
	const char *open = value->len > 0 ? memchr(value->at, '<', value->len) : NULL, *close;

	if (open == NULL)
		return false;
	close = memchr(open, '>', value->at + value->len - open);
	if (close == NULL)
		return false;
	*text = span_trim((struct span){open + 1, close - open - 1});
	*value = (struct span){close + 1, value->at + value->len - close - 1};
	return true;
}

bool
mime_next_id(struct span *value, struct span *id)
{
	while (next_in_brackets(value, id))
		if (mime_is_id(*id))
			return true;
	value->len = 0;
	return false;
}

/* ---- a part's fields ---- */

char *
mime_file_name(const char *name)
{
	char *text = clean(name, MIME_NAME_MAX_BYTES);

	for (char *c = text; *c != '\0'; c++)
		if (*c == '/' || *c == '\\')
			*c = '_';
	return text;
}

static char *
lower(const char *text, size_t max)
{
	char *copy = clean(text, max);

	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return copy;
}

static void
set(char **text, char *to)
{
	free(*text);
	*text = to;
}

static bool
is_token(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 127 || strchr("()<>@,;:\\\"[]?=", *s) != NULL)
			return false;
	return true;
}

static void
set_type(struct mime_part *part, GMimeContentType *type)
{
	char *text = g_mime_content_type_get_mime_type(type);
	const char *slash = strchr(text, '/');

	if (slash != NULL && strlen(text) <= TYPE_MAX_BYTES && slash != text && slash[1] != '\0') {
		char *low = lower(text, TYPE_MAX_BYTES);

		*strchr(low, '/') = '.'; /* there is one, and no other */
		if (is_token(low)) {
			low[slash - text] = '/';
			set(&part->type, low);
		} else
			free(low);
	}
	g_free(text);
}

static bool
says(GMimeContentType *type, const char *parameter, const char *value)
{
	const char *is = g_mime_content_type_get_parameter(type, parameter);

	return is != NULL && strcasecmp(is, value) == 0;
}

static void
read_type(struct mime *m, struct mime_part *part, const char *value, char *boundary)
{
	GMimeContentType *type = g_mime_content_type_parse(mime_options(), value);
	const char *text;

	if (type == NULL)
		return;
	set_type(part, type);
	if ((text = g_mime_content_type_get_parameter(type, "charset")) != NULL)
		set(&part->charset, clean(text, SHORT_MAX_BYTES));
	if (part->name[0] == '\0' &&
	    (text = g_mime_content_type_get_parameter(type, "name")) != NULL)
		set(&part->name, mime_file_name(text));
	part->flowed = says(type, "format", "flowed");
	part->delete_sp = says(type, "delsp", "yes");
	if (strncmp(part->type, "multipart/", 10) == 0) {
		text = g_mime_content_type_get_parameter(type, "boundary");
		if (text == NULL || text[0] == '\0' || strlen(text) > MIME_BOUNDARY_MAX_BYTES)
			mime_note(m, "parts without a boundary between them");
		else
			strlcpy(boundary, text, MIME_BOUNDARY_MAX_BYTES + 1);
	}
	g_object_unref(type);
}

static void
read_disposition(struct mime_part *part, const char *value)
{
	GMimeContentDisposition *d = g_mime_content_disposition_parse(mime_options(), value);
	const char *text;

	if (d == NULL)
		return;
	text = g_mime_content_disposition_get_disposition(d);
	part->disposition =
	    text != NULL && strcasecmp(text, "inline") == 0 ? MIME_INLINE : MIME_ATTACHMENT;
	if ((text = g_mime_content_disposition_get_parameter(d, "filename")) != NULL)
		set(&part->name, mime_file_name(text));
	g_object_unref(d);
}

static enum mime_encoding
encoding_of(const char *value)
{
	switch (g_mime_content_encoding_from_string(value)) {
	case GMIME_CONTENT_ENCODING_BASE64:
		return MIME_BASE64;
	case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
		return MIME_QUOTED_PRINTABLE;
	case GMIME_CONTENT_ENCODING_UUENCODE:
		return MIME_UUENCODE;
	default:
		return MIME_IDENTITY;
	}
}

/* The first field of each name counts. */
static char *
find(const struct mime_field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (span_is_nocase(fields[i].name, name) && fields[i].value.len > 0) {
			struct span value = fields[i].value;

			if (value.len > MIME_PART_HEADER_MAX_BYTES)
				value.len = MIME_PART_HEADER_MAX_BYTES;
			return plain_copy(value);
		}
	return NULL;
}

static void
read_id(struct mime_part *part, const char *value)
{
	struct span rest = span_of(value), id;
	char *copy;

	if (!next_in_brackets(&rest, &id))
		id = span_trim(span_of(value));
	copy = span_text(id);
	set(&part->content_id, clean(copy, SHORT_MAX_BYTES));
	free(copy);
}

void
mime_read_part_header(struct mime *m, struct mime_part *part, const struct mime_field *fields,
    size_t n, bool digest, char boundary[MIME_BOUNDARY_MAX_BYTES + 1])
{
	char *type = find(fields, n, "Content-Type");
	char *disposition = find(fields, n, "Content-Disposition");
	char *encoding = find(fields, n, "Content-Transfer-Encoding");
	char *id = find(fields, n, "Content-ID");

	boundary[0] = '\0';
	if (digest)
		set(&part->type, xstrdup("message/rfc822"));
	if (type != NULL)
		read_type(m, part, type, boundary);
	if (disposition != NULL)
		read_disposition(part, disposition);
	if (encoding != NULL)
		part->encoding = encoding_of(encoding);
	if (id != NULL)
		read_id(part, id);
	free(type);
	free(disposition);
	free(encoding);
	free(id);
}
