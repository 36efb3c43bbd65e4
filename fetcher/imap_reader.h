/*
 * What an IMAP server says, as tokens (RFC 3501 4, 9051 4): atoms, strings, literals, parentheses,
 * the end of a response. Bounded: a token, and all of a response but its literals, which are handed
 * out piece by piece. Reads from whatever hands it bytes; pure otherwise.
 *
 * Blanks between tokens are dropped. Brackets belong to atoms: BODY[] is one.
 */
#ifndef FETCHER_IMAP_READER_H
#define FETCHER_IMAP_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	IMAP_TOKEN_MAX_BYTES = 8192,	    /* also of a line of text */
	IMAP_RESPONSE_MAX_BYTES = 16 << 20, /* without literals: 500,000 UIDs fit */
	IMAP_ECHO_SIZE = 256
};

enum imap_kind { IMAP_ATOM, IMAP_QUOTED, IMAP_LITERAL, IMAP_OPEN, IMAP_CLOSE, IMAP_END };

struct imap_token {
	enum imap_kind kind;
	struct span text; /* ATOM, QUOTED: valid until the next call */
	uint64_t size;	  /* LITERAL */
};

struct imap_source {
	/* At least one byte; -1: there will be none. */
	int (*bytes)(void *arg, struct span *out);
	void (*consume)(void *arg, size_t n);
	void *arg;
};

struct imap_reader {
	struct imap_source source;
	const char *why; /* what is malformed; NULL while nothing is. Then nothing more is read */
	char echo[IMAP_ECHO_SIZE]; /* the first bytes of the response, without line ends, for a
				      trace */
	size_t echo_len;
	/* private */
	uint64_t literal_left;
	size_t response_bytes;
	size_t len;
	char text[IMAP_TOKEN_MAX_BYTES];
};

void imap_reader_init(struct imap_reader *d, const struct imap_source *source);
/* Before the first token of each response. */
void imap_response(struct imap_reader *d);

/* All return -1 when the source ends or what came is malformed. */

/* What is left of a literal is dropped first. Behind IMAP_END comes the next response. */
int imap_next(struct imap_reader *d, struct imap_token *t);
/* The next piece of the literal that was the last token; empty at its end. */
int imap_literal(struct imap_reader *d, struct span *piece);
/* What is left of the line, without blanks in front and CRLF: in place of all its tokens. */
int imap_rest(struct imap_reader *d, struct span *line);
/* The value that begins with t, to its end: a list with all that is in it, a literal. */
int imap_skip_value(struct imap_reader *d, const struct imap_token *t);
/* To the end of the response. */
int imap_skip(struct imap_reader *d);

/* True for an atom that is this word, in any case. */
bool imap_is(const struct imap_token *t, const char *word);
/* A number, as an atom. */
bool imap_number(const struct imap_token *t, uint64_t max, uint64_t *value);

#endif
