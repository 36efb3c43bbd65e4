/*
 * A multi-line reply of POP3.
 */
#include "fetcher/pop3_body.h"

#include <string.h>

enum state {
	LINE_START, /* behind CRLF, and at the beginning */
	DOT,	    /* a dot at the start of a line, which is dropped */
	DOT_CR,	    /* that and a CR, which is not handed out yet */
	TEXT,
	CR /* a CR in the text, which was handed out */
};

/* One byte outside TEXT. True: it belongs to the text. */
static bool
step(struct pop3_body *b, char c)
{
	switch ((enum state)b->state) {
	case LINE_START:
		b->state = c == '.' ? DOT : c == '\r' ? CR : TEXT;
		return c != '.';
	case DOT:
		b->state = c == '\r' ? DOT_CR : TEXT;
		return c != '\r';
	case CR:
		b->state = c == '\n' ? LINE_START : c == '\r' ? CR : TEXT;
		return true;
	case DOT_CR:
	case TEXT:
		break;
	}
	return true;
}

/* How many of the bytes from at are text without a gap. */
static size_t
run(struct pop3_body *b, const char *at, size_t len)
{
	const char *from = at, *end = at + len;

	while (at < end) {
		if (b->state == DOT || b->state == DOT_CR || (b->state == LINE_START && *at == '.'))
			break;
		if (b->state == TEXT) {
			const char *cr = memchr(at, '\r', end - at);

			at = cr != NULL ? cr + 1 : end;
			b->state = cr != NULL ? CR : TEXT;
		} else {
			(void)step(b, *at++);
		}
	}
	return at - from;
}

struct span
pop3_body_take(struct pop3_body *b, struct span *bytes)
{
	while (bytes->len > 0 && !b->ended) {
		struct span piece = {bytes->at, 0};
		char c = *bytes->at;

		if (b->state == DOT_CR) {
			b->ended = c == '\n';
			b->state = b->ended ? LINE_START : CR;
			if (!b->ended)
				return span_of("\r");
			*bytes = (struct span){bytes->at + 1, bytes->len - 1};
			break;
		}
		if ((piece.len = run(b, bytes->at, bytes->len)) > 0) {
			*bytes = (struct span){bytes->at + piece.len, bytes->len - piece.len};
			return piece;
		}
		/* A dot to drop, or what is behind one. */
		if (step(b, c))
			piece.len = 1;
		*bytes = (struct span){bytes->at + 1, bytes->len - 1};
		if (piece.len > 0)
			return piece;
	}
	return (struct span){bytes->at, 0};
}
