/*
 * A text that grows up to a limit it is born with: what is more is dropped, and remembered, so that
 * a run of writes is checked once, at its end. Always has a NUL behind it.
 */
#ifndef COMMON_TEXT_BUFFER_H
#define COMMON_TEXT_BUFFER_H

#include <stdbool.h>

#include "common/span.h"

struct text_buffer {
	char *at;
	size_t len, size, max;
	bool full; /* something was dropped; nothing is put any more */
};

/* max: bytes without the NUL. */
void text_buffer_init(struct text_buffer *t, size_t max);
void text_buffer_free(struct text_buffer *t);
/* Gives the text away; the buffer is then as after free. */
char *text_buffer_take(struct text_buffer *t);

/* All of it, or what of it fits. */
void text_put(struct text_buffer *t, struct span s);
void text_put_text(struct text_buffer *t, const char *s);
void text_put_char(struct text_buffer *t, char c);
void
text_printf(struct text_buffer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All of it, or nothing and full. */
void text_put_whole(struct text_buffer *t, struct span s);
/* At the end of a text in UTF-8: what was dropped may have begun within a character, which goes. */
void text_end(struct text_buffer *t);
/* A character as UTF-8, whole. */
void text_put_code(struct text_buffer *t, uint32_t code);

#endif
