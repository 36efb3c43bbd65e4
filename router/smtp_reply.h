/*
 * Replies of other hosts' SMTP servers (RFC 5321 4.2): one line after the other, bounded, and
 * cleaned, so that their text may go into a log line or a bounce. Pure.
 */
#ifndef ROUTER_SMTP_REPLY_H
#define ROUTER_SMTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"
#include "queue/envelope.h"

enum {
	/* With CRLF. RFC 5321 4.5.3.1.5 wants 512; there are servers that say more. */
	SMTP_REPLY_LINE_MAX_BYTES = 2048,
	SMTP_REPLY_LINES_MAX = 128,
	SMTP_REPLY_TEXT_SIZE = REPLY_MAX_BYTES + 1
};

/* An enhanced status code (RFC 3463); class 0: the server said none. */
struct smtp_status {
	unsigned class, subject, detail;
};

struct smtp_reply {
	unsigned code; /* 200 to 599; 0 before the first line */
	struct smtp_status status;
	unsigned n_lines;
	/* Code, status and text of all lines in one: printable ASCII only, cut where it is full. */
	char text[SMTP_REPLY_TEXT_SIZE];
};

enum smtp_reply_end {
	SMTP_REPLY_MORE,     /* it has further lines */
	SMTP_REPLY_WHOLE,    /* that was its last line */
	SMTP_REPLY_MALFORMED /* no code, another code than before, too many lines */
};

/* Before the first line of each reply. */
void smtp_reply_clear(struct smtp_reply *r);

/*
 * Takes the next line, without its CRLF. *text, unless NULL, is set to what stands behind the code,
 * as it came. After SMTP_REPLY_MALFORMED nothing that this server says can be trusted to answer
 * what was asked.
 */
enum smtp_reply_end smtp_reply_line(struct smtp_reply *r, struct span line, struct span *text);

/* A reply in our own words, as if it had come: smtp_reply_local(r, 451, "4.4.2", "..."). What the
 * format puts in is cleaned likewise, and may be the text that it replaces. */
void smtp_reply_local(struct smtp_reply *r, unsigned code, const char *status, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* The first digit of the code. */
unsigned smtp_reply_class(const struct smtp_reply *r);

bool smtp_status_is(struct smtp_status s, unsigned class, unsigned subject, unsigned detail);

#endif
