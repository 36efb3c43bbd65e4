/*
 * Charsets: any text to UTF-8, without control characters. Touches no file once mime_prepare() has
 * made the C library load what it needs.
 */
#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/memory.h"
#include "common/mime_private.h"
#include "common/text_buffer.h"
#include "common/utf8.h"

enum { CHARSET_MAX_BYTES = 40, CONVERT_BYTES = 4096 };

/*
 * What mail is written in. Each stays open, so that the C library keeps its tables: a confined
 * process could not load them.
 */
static const char *const known[] = {"WINDOWS-1252", "ISO-8859-1", "ISO-8859-2", "ISO-8859-3",
    "ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-9",
    "ISO-8859-10", "ISO-8859-11", "ISO-8859-13", "ISO-8859-14", "ISO-8859-15", "ISO-8859-16",
    "WINDOWS-874", "WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255",
    "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "KOI8-R", "KOI8-U", "IBM437", "IBM850",
    "IBM852", "IBM866", "MACINTOSH", "TIS-620", "VISCII", "GB18030", "GBK", "GB2312", "BIG5",
    "BIG5-HKSCS", "EUC-JP", "SHIFT_JIS", "CP932", "ISO-2022-JP", "EUC-KR", "UHC", "ISO-2022-KR",
    "EUC-TW", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-7"};
static iconv_t converters[nitems(known)];

static const struct {
	const char *name, *is;
} aliases[] = {
    {"us-ascii", "WINDOWS-1252"},
    {"ascii", "WINDOWS-1252"},
    {"latin1", "WINDOWS-1252"},
    {"iso-8859-1", "WINDOWS-1252"}, /* as browsers do: nobody means C1 controls */
    {"iso8859-1", "WINDOWS-1252"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-8-e", "ISO-8859-8"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"gb2312", "GBK"},
    {"gb_2312-80", "GBK"},
    {"x-gbk", "GBK"},
    {"cp936", "GBK"},
    {"x-sjis", "CP932"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"windows-31j", "CP932"},
    {"ks_c_5601-1987", "UHC"},
    {"ksc5601", "UHC"},
    {"euc-kr", "UHC"},
    {"cp949", "UHC"},
    {"big5", "BIG5-HKSCS"},
    {"x-mac-roman", "MACINTOSH"},
    {"mac", "MACINTOSH"},
    {"unicode-1-1-utf-7", "UTF-7"},
};

static void
prepare(void)
{
	g_mime_init();
	for (size_t i = 0; i < nitems(known); i++)
		converters[i] = iconv_open("UTF-8", known[i]);
}

void
mime_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
}

void
mime_prepare(void)
{
	static const char *const words[] = {"=?iso-8859-2?Q?=B1?=", "=?koi8-r?B?0NDQ?="};

	mime_start();
	tzset();
	/* GMime asks for the charsets of its own accord, too. */
	for (size_t i = 0; i < nitems(words); i++)
		free(mime_decode(span_of(words[i]), 100));
}

/* ---- which one ---- */

static bool
is_utf8_name(const char *name)
{
	return strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0;
}

/* (iconv_t)-1: none of those. */
static iconv_t
find_converter(const char *name)
{
	for (size_t i = 0; i < nitems(aliases); i++)
		if (strcasecmp(name, aliases[i].name) == 0) {
			name = aliases[i].is;
			break;
		}
	if (strncasecmp(name, "x-", 2) == 0)
		name += 2;
	for (size_t i = 0; i < nitems(known); i++)
		if (strcasecmp(name, known[i]) == 0 ||
		    (strncasecmp(name, "cp", 2) == 0 && strncmp(known[i], "WINDOWS-", 8) == 0 &&
			strcmp(name + 2, known[i] + 8) == 0) ||
		    (strncasecmp(name, "iso8859", 7) == 0 &&
			strncmp(known[i], "ISO-8859", 8) == 0 &&
			strcmp(name + 7, known[i] + 8) == 0))
			return converters[i];
	return (iconv_t)-1;
}

/* ---- UTF-8, cleaned ---- */

/* Nothing that moves a cursor, ends a line or turns the direction of what stands around it. */
static bool
is_unwanted(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0; /* C1 */
	if (n == 3 && p[0] == 0xe2)		    /* U+2028-202E, U+2066-2069 */
		return (p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
		       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
	return n == 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf; /* byte order mark */
}

static void
put_unwanted(struct text_buffer *t, unsigned char c, bool lines)
{
	if (lines && (c == '\n' || c == '\t'))
		text_put_char(t, c);
	else if (!lines && (c == '\n' || c == '\t' || c == '\r'))
		text_put_char(t, ' ');
}

static void
put_clean(struct text_buffer *t, struct span s, bool lines)
{
	const unsigned char *p = (const unsigned char *)s.at;
	size_t left = s.len, plain = 0, n;

	while (plain < left && !t->full) {
		n = utf8_length(p + plain, left - plain);
		if (n > 0 && !is_unwanted(p + plain, n)) {
			plain += n;
			continue;
		}
		text_put(t, (struct span){(const char *)p, plain});
		if (n == 0) {
			text_put_code(t, 0xfffd);
			n = 1;
		} else
			put_unwanted(t, p[plain], lines);
		p += plain + n;
		left -= plain + n;
		plain = 0;
	}
	text_put(t, (struct span){(const char *)p, plain});
}

/* ---- conversion ---- */

/* Over what is no text in this charset, one byte at a time. False: the rest is cut off. */
static bool
skip_bad(struct text_buffer *t, char **in, size_t *left)
{
	if (errno == EINVAL || *left == 0) {
		text_put_code(t, 0xfffd);
		return false;
	}
	if (errno == EILSEQ) {
		text_put_code(t, 0xfffd);
		(*in)++;
		(*left)--;
	}
	return !t->full;
}

static void
convert(struct text_buffer *t, iconv_t cd, struct span text, bool lines)
{
	char buffer[CONVERT_BYTES], *in = (char *)text.at;
	size_t left = text.len;

	iconv(cd, NULL, NULL, NULL, NULL);
	while (left > 0 && !t->full) {
		char *out = buffer;
		size_t room = sizeof buffer, rv = iconv(cd, &in, &left, &out, &room);
		int error = errno;

		put_clean(t, (struct span){buffer, sizeof buffer - room}, lines);
		errno = error;
		if (rv == (size_t)-1 && !skip_bad(t, &in, &left))
			break;
	}
}

size_t
mime_cut(struct span text, size_t max)
{
	if (text.len <= max)
		return text.len;
	while (max > 0 && ((unsigned char)text.at[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static void
trim(struct text_buffer *t)
{
	struct span s = span_trim((struct span){t->at, t->len});

	memmove(t->at, s.at, s.len);
	t->at[t->len = s.len] = '\0';
}

char *
mime_to_utf8(struct span text, const char *charset, bool lines, size_t max, size_t *len)
{
	struct text_buffer t;
	iconv_t cd = (iconv_t)-1;

	mime_start();
	text_buffer_init(&t, max);
	if (!is_utf8_name(charset))
		cd = find_converter(charset);
	/* Plain ASCII, no charset and a wrong one: what it looks like. */
	if (!is_utf8_name(charset) && (cd == (iconv_t)-1 || cd == converters[0]) &&
	    utf8_is_valid(text))
		cd = (iconv_t)-1;
	else if (!is_utf8_name(charset) && cd == (iconv_t)-1)
		cd = converters[0];
	if (cd == (iconv_t)-1)
		put_clean(&t, text, lines);
	else
		convert(&t, cd, text, lines);
	text_end(&t);
	if (!lines)
		trim(&t);
	if (len != NULL)
		*len = t.len;
	return text_buffer_take(&t);
}
