/* A text that grows up to its limit. Pure. */
#include "common/text_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"

enum { FIRST_SIZE = 256 };

void
text_buffer_init(struct text_buffer *t, size_t max)
{
	t->size = max < FIRST_SIZE ? max + 1 : FIRST_SIZE;
	t->at = xmalloc(t->size);
	t->at[0] = '\0';
	t->len = 0;
	t->max = max;
	t->full = false;
}

void
text_buffer_free(struct text_buffer *t)
{
	free(t->at);
	t->at = NULL;
}

char *
text_buffer_take(struct text_buffer *t)
{
	char *at = t->at;

	t->at = NULL;
	return at;
}

void
text_put(struct text_buffer *t, struct span s)
{
	if (t->full)
		return;
	if (s.len > t->max - t->len) {
		s.len = t->max - t->len;
		t->full = true;
	}
	if (s.len == 0)
		return;
	if (t->len + s.len >= t->size) {
		while (t->len + s.len >= t->size)
			t->size = t->size > t->max / 2 ? t->max + 1 : 2 * t->size;
		t->at = xrealloc(t->at, t->size);
	}
	memcpy(t->at + t->len, s.at, s.len);
	t->len += s.len;
	t->at[t->len] = '\0';
}

void
text_put_text(struct text_buffer *t, const char *s)
{
	text_put(t, span_of(s));
}

void
text_put_char(struct text_buffer *t, char c)
{
	text_put(t, (struct span){&c, 1});
}

void
text_printf(struct text_buffer *t, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len == -1) {
		t->full = true;
		return;
	}
	text_put(t, (struct span){text, len});
	free(text);
}

void
text_put_whole(struct text_buffer *t, struct span s)
{
	if (s.len > t->max - t->len)
		t->full = true;
	else
		text_put(t, s);
}

void
text_put_code(struct text_buffer *t, uint32_t code)
{
	char c[4];
	size_t n;

	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		code = 0xfffd;
	if (code < 0x80) {
		c[0] = code;
		n = 1;
	} else if (code < 0x800) {
		c[0] = 0xc0 | (code >> 6);
		n = 2;
	} else if (code < 0x10000) {
		c[0] = 0xe0 | (code >> 12);
		n = 3;
	} else {
		c[0] = 0xf0 | (code >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		c[i] = 0x80 | ((code >> (6 * (n - 1 - i))) & 0x3f);
	text_put_whole(t, (struct span){c, n});
}

void
text_end(struct text_buffer *t)
{
	size_t start = t->len;

	while (start > 0 && t->len - start < 3 && ((unsigned char)t->at[start - 1] & 0xc0) == 0x80)
		start--;
	if (t->full && start > 0 &&
	    utf8_length((unsigned char *)t->at + start - 1, t->len - start + 1) == 0)
		t->at[t->len = start - 1] = '\0';
}
