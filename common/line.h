/*
 * Lines of the protocols: only CRLF ends one (RFC 5321 2.3.8). Pure.
 */
#ifndef COMMON_LINE_H
#define COMMON_LINE_H

#include <stdbool.h>

#include "common/span.h"

enum line_end {
	LINE_UNFINISHED, /* more bytes are needed */
	LINE_WHOLE,	 /* *line is set, without its CRLF */
	LINE_TOO_LONG,	 /* no end within max bytes */
	LINE_BARE_LF	 /* an LF without a CR: what follows cannot be told from lines */
};

/* The first line of bytes, which has at most max bytes with its CRLF. */
enum line_end line_cut(struct span bytes, size_t max, struct span *line);

/* Passes over the rest of a line that was too long. Returns how many bytes that are; *end says
 * LINE_UNFINISHED (all, and more are to come), LINE_WHOLE (up to its CRLF) or LINE_BARE_LF.
 * *after_cr: true when the byte before these was a CR; kept for the next call. */
size_t line_pass_over(struct span bytes, bool *after_cr, enum line_end *end);

#endif
