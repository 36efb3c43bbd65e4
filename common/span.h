/*
 * Borrowed bytes with their length, and the small helpers that read them. Knows nothing of any
 * protocol.
 */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed: lives as long as the buffer it points into. May hold any byte, NUL included. */
struct span {
	const char *at;
	size_t len;
};

/* A span over a NUL-terminated string. */
struct span span_of(const char *text);

/* True when both hold the same bytes; span_is_nocase folds ASCII letters only. */
bool span_is(struct span s, const char *text);
bool span_is_nocase(struct span s, const char *text);
bool span_equal(struct span a, struct span b);

/* True when text stands at the front of s, or anywhere in it; both fold ASCII letters. */
bool span_starts_nocase(struct span s, const char *text);
bool span_holds_nocase(struct span s, const char *text);

/* Below 0, 0 or above 0, byte by byte as memcmp() and then by length. */
int span_compare(struct span a, struct span b);

/* No byte above 127. */
bool span_is_ascii(struct span s);

/* Cuts *token from the front of *s up to the separator, which is dropped. False, and all of *s
 * taken, without one. */
bool span_take(struct span *s, char separator, struct span *token);

/* Without blanks (space and tab) at both ends. */
struct span span_trim(struct span s);

/* Cuts a word from the front of *s, which has no blanks in front, and the blanks behind it and at
 * the end. Empty when there is none. */
struct span span_take_word(struct span *s);

/* Decimal digits only, at most max. False for an empty span, another byte or a larger number. */
bool span_u64(struct span s, uint64_t max, uint64_t *value);

/* Copies into out with a NUL. False, and out empty, when it does not fit or s holds a NUL. */
bool span_copy(struct span s, char *out, size_t size);

/* Copies its bytes to *at, behind which *at points then. Returns the copy, borrowed from there. */
struct span span_put(char **at, struct span s);

/* A copy of all its bytes, with a NUL behind them. The caller frees it: with span_dup() its at. */
char *span_text(struct span s);
struct span span_dup(struct span s);

#endif
