/*
 * Names of folders: UTF-8 here, modified UTF-7 at the server (RFC 3501 5.1.3). Pure.
 */
#include <string.h>

#include "common/utf8.h"
#include "fetcher/remote.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* Text that grows into a bounded place. */
struct text {
	char *at;
	size_t len;
	bool full;
};

static void
put(struct text *t, char c)
{
	if (t->len + 1 >= REMOTE_FOLDER_SIZE)
		t->full = true;
	else
		t->at[t->len++] = c;
}

/* ---- to the server ---- */

struct encoder {
	struct text *out;
	bool shifted;
	unsigned bits, n_bits;
};

static void
put_unit(struct encoder *e, unsigned unit)
{
	if (!e->shifted)
		put(e->out, '&');
	e->shifted = true;
	e->bits = e->bits << 16 | unit;
	e->n_bits += 16;
	while (e->n_bits >= 6) {
		e->n_bits -= 6;
		put(e->out, alphabet[e->bits >> e->n_bits & 63]);
	}
	e->bits &= (1u << e->n_bits) - 1;
}

static void
unshift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->n_bits > 0)
		put(e->out, alphabet[e->bits << (6 - e->n_bits) & 63]);
	put(e->out, '-');
	e->shifted = false;
	e->bits = e->n_bits = 0;
}

static unsigned
code_point(const unsigned char *p, size_t len)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned c = p[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static void
put_code_point(struct encoder *e, unsigned c)
{
	if (c >= ' ' && c <= '~') {
		unshift(e);
		put(e->out, c);
		if (c == '&')
			put(e->out, '-');
	} else if (c < 0x10000) {
		put_unit(e, c);
	} else {
		put_unit(e, 0xd800 + ((c - 0x10000) >> 10));
		put_unit(e, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
}

bool
remote_folder_spell(struct span utf8, char out[REMOTE_FOLDER_SIZE])
{
	struct text text = {.at = out};
	struct encoder e = {.out = &text};
	const unsigned char *p = (const unsigned char *)utf8.at;
	size_t left = utf8.len, len;

	out[0] = '\0';
	for (; left > 0; p += len, left -= len) {
		if ((len = utf8_length(p, left)) == 0 || *p == '\0' || *p == '\r' || *p == '\n')
			return false;
		put_code_point(&e, code_point(p, len));
	}
	unshift(&e);
	out[text.full ? 0 : text.len] = '\0';
	return !text.full;
}

/* ---- from the server ---- */

static void
put_utf8(struct text *t, unsigned c)
{
	if (c < 0x80) {
		put(t, c);
		return;
	}
	if (c >= 0x10000) {
		put(t, 0xf0 | c >> 18);
		put(t, 0x80 | (c >> 12 & 0x3f));
	} else if (c >= 0x800) {
		put(t, 0xe0 | c >> 12);
	}
	if (c >= 0x800)
		put(t, 0x80 | (c >> 6 & 0x3f));
	else
		put(t, 0xc0 | c >> 6);
	put(t, 0x80 | (c & 0x3f));
}

/* One unit of UTF-16; *high holds the first half of a pair. False: none that may be here. */
static bool
take_unit(struct text *t, unsigned unit, unsigned *high)
{
	bool low = unit >= 0xdc00 && unit <= 0xdfff;

	if (low != (*high != 0) || (unit < 0x80 && unit >= ' ' && unit <= '~') || unit == 0)
		return false;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	put_utf8(t, low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit);
	*high = 0;
	return true;
}

/* What is between & and -. */
static bool
take_shifted(struct text *t, struct span text)
{
	unsigned bits = 0, n_bits = 0, high = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.at[i] != '\0' ? strchr(alphabet, text.at[i]) : NULL;

		if (at == NULL)
			return false;
		bits = bits << 6 | (unsigned)(at - alphabet);
		n_bits += 6;
		if (n_bits < 16)
			continue;
		n_bits -= 16;
		if (!take_unit(t, bits >> n_bits & 0xffff, &high))
			return false;
		bits &= (1u << n_bits) - 1;
	}
	return high == 0 && n_bits < 6 && bits == 0;
}

void
remote_folder_show(struct span name, char out[REMOTE_FOLDER_SIZE])
{
	struct text text = {.at = out};
	struct span rest = name;

	while (rest.len > 0) {
		struct span shifted;
		struct text before = text;
		const char *end = rest.at[0] == '&' ? memchr(rest.at, '-', rest.len) : NULL;

		if (end == NULL) {
			put(&text, rest.at[0]);
			rest = (struct span){rest.at + 1, rest.len - 1};
			continue;
		}
		shifted = (struct span){rest.at + 1, end - rest.at - 1};
		if (shifted.len == 0) {
			put(&text, '&');
		} else if (!take_shifted(&text, shifted)) {
			text = before;
			for (const char *at = rest.at; at <= end; at++)
				put(&text, *at);
		}
		rest = (struct span){end + 1, rest.len - shifted.len - 2};
	}
	out[text.len] = '\0';
}
