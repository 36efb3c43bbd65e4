/*
 * Watches the header of a message go by. A line that is neither a field (RFC 5322 2.2), nor goes on
 * with one, nor is empty, ends the header as if an empty line stood before it.
 */
#include "smtpd/header_scan.h"

#include <string.h>

enum scan_state { LINE_START, IN_NAME, BEFORE_COLON, IN_VALUE, IN_BLANK };

static void
end_header(struct header_scan *h, bool blank)
{
	h->ended = true;
	h->blank = blank;
	h->end_at = h->line_start;
}

static void
note_field(struct header_scan *h)
{
	struct span name = {h->name, h->name_len};

	h->received += span_is(name, "received");
	h->has_date |= span_is(name, "date");
	h->has_message_id |= span_is(name, "message-id");
	h->has_from |= span_is(name, "from");
}

static void
add_to_name(struct header_scan *h, char c)
{
	if (h->name_len > HEADER_NAME_MAX_BYTES)
		return;
	if (h->name_len < HEADER_NAME_MAX_BYTES)
		h->name[h->name_len] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	h->name_len++; /* one too many: a longer name, which is none of ours */
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_name_byte(char c)
{
	return c > ' ' && c <= '~' && c != ':';
}

static void
start_line(struct header_scan *h, char c)
{
	h->name_len = 0;
	if (c == '\r') {
		h->state = IN_BLANK;
	} else if (is_blank(c) && h->line_start > 0) {
		h->state = IN_VALUE;
	} else if (is_name_byte(c)) {
		h->state = IN_NAME;
		add_to_name(h, c);
	} else {
		end_header(h, false);
	}
}

static void
in_name(struct header_scan *h, char c)
{
	if (c == ':') {
		if (h->name_len <= HEADER_NAME_MAX_BYTES)
			note_field(h);
		h->state = IN_VALUE;
	} else if (is_blank(c)) {
		h->state = BEFORE_COLON; /* RFC 5322 4.5 */
	} else if (h->state == IN_NAME && is_name_byte(c)) {
		add_to_name(h, c);
	} else {
		end_header(h, false);
	}
}

/* Skips to the line's end. Returns the bytes taken. */
static size_t
in_value(struct header_scan *h, const char *at, size_t len)
{
	const char *lf = memchr(at, '\n', len);

	if (lf == NULL)
		return len;
	h->state = LINE_START;
	h->line_start = h->at + (lf + 1 - at);
	return lf + 1 - at;
}

static size_t
step(struct header_scan *h, const char *at, size_t len)
{
	switch (h->state) {
	case LINE_START:
		start_line(h, *at);
		return 1;
	case IN_NAME:
	case BEFORE_COLON:
		in_name(h, *at);
		return 1;
	case IN_BLANK:
		end_header(h, true);
		return 1;
	default:
		return in_value(h, at, len);
	}
}

void
header_scan_feed(struct header_scan *h, struct span bytes)
{
	size_t n = 0;

	while (n < bytes.len && !h->ended) {
		size_t taken = step(h, bytes.at + n, bytes.len - n);

		n += taken;
		h->at += taken;
	}
}

void
header_scan_finish(struct header_scan *h)
{
	if (!h->ended)
		end_header(h, false);
}
