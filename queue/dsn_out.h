/*
 * Where a notification is written to: a buffer in front of a descriptor, which counts, sums up and
 * remembers its first error. And how the text of strangers becomes text that stays on its line and
 * in its field. Touches only the descriptor it is given.
 */
#ifndef QUEUE_DSN_OUT_H
#define QUEUE_DSN_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	DSN_OUT_BUFFER_BYTES = 65536,
	DSN_OUT_COLUMNS = 72,	      /* where lines are folded; RFC 5322 2.1.1 */
	DSN_OUT_WORD_MAX_BYTES = 700, /* a longer one is broken, or cut: no line passes 998 bytes */
};

struct dsn_out {
	int fd;
	uint64_t at, size; /* where the next write goes; bytes so far, without those in buf */
	uint32_t crc;
	int error; /* the first errno */
	size_t len;
	unsigned column;
	/* quoted-printable (RFC 2045 6.7) */
	bool quoted;
	unsigned quoted_column;
	char blank; /* one that waits for what follows it; 0: none */
	char buf[DSN_OUT_BUFFER_BYTES];
};

void dsn_out_start(struct dsn_out *o, int fd, uint64_t at);
/* 0 when all is written; else -1 with errno. size and crc are complete. */
int dsn_out_end(struct dsn_out *o);

/* What follows is encoded, until it is switched off. Only a CRLF within one call ends a line. */
void dsn_out_quoted(struct dsn_out *o, bool on);

/* Bytes as they are. */
void dsn_out_bytes(struct dsn_out *o, struct span bytes);
/* Our own text. */
void dsn_out_text(struct dsn_out *o, const char *text);
void
dsn_out_format(struct dsn_out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A stranger's text within a line: controls become '?' (line ends and tabs: a blank), as do bytes
 * that are no UTF-8 and characters that end or turn a line; without utf8 each that is not ASCII.
 * Cut at DSN_OUT_WORD_MAX_BYTES.
 */
void dsn_out_clean(struct dsn_out *o, struct span text, bool utf8);
/* The same, at most 4096 bytes of it, as words: a line that gets too long goes on in a new one that
 * starts with indent. */
void dsn_out_words(struct dsn_out *o, struct span text, const char *indent, bool utf8);

/* The same cleaning of at most size bytes into out. Returns the length, at most text.len. */
size_t dsn_clean(struct span text, bool utf8, char *out, size_t size);

/* True when it has a byte above 127, and is UTF-8. */
bool dsn_is_utf8_only(struct span text);

#endif
