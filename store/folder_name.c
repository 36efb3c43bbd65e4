/* Names of folders, as people see them and as directories of a Maildir++. Pure. */
#include "store/folder_name.h"

#include <string.h>
#include <strings.h>

#include "common/memory.h"
#include "common/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
static const char inbox[] = "INBOX";

static const char *const role_names[] = {
    [FOLDER_INBOX] = inbox,
    [FOLDER_SENT] = "Sent",
    [FOLDER_DRAFTS] = "Drafts",
    [FOLDER_TRASH] = "Trash",
    [FOLDER_JUNK] = "Junk",
    [FOLDER_ARCHIVE] = "Archive",
};

const char *
folder_role_name(enum folders_role role)
{
	return role_names[role];
}

enum folders_role
folder_name_role(const char *name)
{
	for (size_t i = FOLDER_INBOX; i < nitems(role_names); i++)
		if (strcmp(role_names[i], name) == 0)
			return i;
	return FOLDER_PLAIN;
}

bool
folder_name_within(const char *name, const char *outer)
{
	size_t n = strlen(outer);

	return strncmp(name, outer, n) == 0 && (name[n] == '\0' || name[n] == '/');
}

/* ---- what is a name ---- */

/* The character at s, of which it takes the bytes. False for bad UTF-8. */
static bool
take_character(struct span *s, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s->at;
	size_t n = utf8_length(p, s->len);

	if (n == 0)
		return false;
	*c = n == 1 ? p[0] : p[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	s->at += n;
	s->len -= n;
	return true;
}

/* Controls, what is drawn as a line end, and what turns the text around it. */
static bool
is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c & 0xfffe) == 0xfffe;
}

static bool
is_level(struct span level)
{
	uint32_t c;

	if (level.len == 0 || level.at[0] == ' ' || level.at[level.len - 1] == ' ')
		return false;
	while (level.len > 0)
		if (!take_character(&level, &c) || is_harmful(c) || c == '.')
			return false;
	return true;
}

static bool
is_name(struct span name)
{
	struct span level, first;
	bool more;

	if (name.len == 0 || name.len > FOLDERS_NAME_MAX_BYTES)
		return false;
	first = name;
	if (span_take(&first, '/', &level) && span_is_nocase(level, inbox))
		return false;
	do {
		more = span_take(&name, '/', &level);
		if (!is_level(level))
			return false;
	} while (more);
	return true;
}

/* ---- modified UTF-7 ---- */

struct encoder {
	char *out;
	size_t len;
	bool shifted, full;
	uint32_t bits;
	unsigned n_bits;
};

static void
put(struct encoder *e, char c)
{
	e->full |= e->len >= FOLDER_DIRECTORY_SIZE - 1;
	if (!e->full)
		e->out[e->len++] = c;
}

static void
put_unit(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	for (e->n_bits += 16; e->n_bits >= 6; e->n_bits -= 6)
		put(e, digits[e->bits >> (e->n_bits - 6) & 0x3f]);
	e->bits &= (1u << e->n_bits) - 1;
}

static void
leave_shift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->n_bits > 0)
		put(e, digits[e->bits << (6 - e->n_bits) & 0x3f]);
	put(e, '-');
	e->shifted = false;
	e->bits = e->n_bits = 0;
}

static void
put_character(struct encoder *e, uint32_t c)
{
	if (c >= 0x20 && c < 0x7f) {
		leave_shift(e);
		put(e, c == '/' ? '.' : c);
		if (c == '&')
			put(e, '-');
		return;
	}
	if (!e->shifted)
		put(e, '&');
	e->shifted = true;
	if (c < 0x10000) {
		put_unit(e, c);
	} else {
		put_unit(e, 0xd800 + ((c - 0x10000) >> 10));
		put_unit(e, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
}

bool
folder_name_directory(struct span name, char directory[FOLDER_DIRECTORY_SIZE])
{
	struct encoder e = {.out = directory};
	uint32_t c;

	directory[0] = '\0';
	if (span_is_nocase(name, inbox))
		return true;
	if (!is_name(name))
		return false;
	put(&e, '.');
	while (name.len > 0 && take_character(&name, &c))
		put_character(&e, c);
	leave_shift(&e);
	directory[e.len] = '\0';
	return !e.full;
}

struct decoder {
	char *out;
	size_t len;
	bool full;
	uint32_t high; /* the first half of a pair */
};

static void
put_byte(struct decoder *d, uint32_t c)
{
	d->full |= d->len >= FOLDERS_NAME_MAX_BYTES;
	if (!d->full)
		d->out[d->len++] = c;
}

static void
put_utf8(struct decoder *d, uint32_t c)
{
	if (c < 0x80) {
		put_byte(d, c);
		return;
	}
	if (c >= 0x10000) {
		put_byte(d, 0xf0 | c >> 18);
		put_byte(d, 0x80 | (c >> 12 & 0x3f));
	} else if (c >= 0x800) {
		put_byte(d, 0xe0 | c >> 12);
	}
	if (c >= 0x800)
		put_byte(d, 0x80 | (c >> 6 & 0x3f));
	else
		put_byte(d, 0xc0 | c >> 6);
	put_byte(d, 0x80 | (c & 0x3f));
}

/* What is no pair becomes bad UTF-8, which is no name. */
static void
take_unit(struct decoder *d, uint32_t unit)
{
	if ((unit & 0xfc00) == 0xd800) {
		d->high = unit;
	} else if ((unit & 0xfc00) == 0xdc00 && d->high != 0) {
		put_utf8(d, 0x10000 + ((d->high & 0x3ff) << 10 | (unit & 0x3ff)));
		d->high = 0;
	} else {
		put_utf8(d, unit);
	}
}

/* After '&'. NULL: no modified UTF-7. */
static const char *
decode_shifted(struct decoder *d, const char *at)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;

	for (; *at != '-'; at++) {
		const char *digit = *at != '\0' ? strchr(digits, *at) : NULL;

		if (digit == NULL)
			return NULL;
		bits = bits << 6 | (uint32_t)(digit - digits);
		if ((n_bits += 6) >= 16) {
			n_bits -= 16;
			take_unit(d, bits >> n_bits & 0xffff);
			bits &= (1u << n_bits) - 1;
		}
	}
	return at + 1;
}

/* That it is the only way to write the name is seen by writing it. */
bool
folder_name_of(const char *directory, char name[FOLDERS_NAME_MAX_BYTES + 1])
{
	struct decoder d = {.out = name};
	char again[FOLDER_DIRECTORY_SIZE];
	const char *at = directory;

	if (*at == '\0')
		return strlcpy(name, inbox, FOLDERS_NAME_MAX_BYTES + 1) > 0;
	if (*at++ != '.')
		return false;
	while (at != NULL && *at != '\0' && !d.full) {
		char c = *at++;

		if (c == '&' && *at != '-') {
			at = decode_shifted(&d, at);
			continue;
		}
		at += c == '&';
		put_byte(&d, c == '.' ? '/' : (unsigned char)c);
	}
	name[d.len] = '\0';
	return at != NULL && !d.full && folder_name_directory((struct span){name, d.len}, again) &&
	       strcmp(again, directory) == 0;
}
