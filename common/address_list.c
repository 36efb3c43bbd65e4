/* Reads lists of addresses. What is malformed is passed over. */
#include "common/address_list.h"

#include <stdbool.h>
#include <string.h>

#include "common/address.h"

struct scan {
	struct span rest;
	void (*each)(void *arg, const char *address);
	void *arg;
};

static void
offer(const struct scan *s, struct span text)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *why;

	text = span_trim(text);
	if (text.len > 2 && text.at[0] == '<' && text.at[text.len - 1] == '>')
		text = (struct span){text.at + 1, text.len - 2};
	if (text.len > 0 && memchr(text.at, '@', text.len) != NULL &&
	    address_parse(text, ADDRESS_ALLOW_UTF8, address, &why) == 0)
		s->each(s->arg, address);
}

/* How many bytes a quoted string takes (RFC 5322 3.2.4); all that is left without its end. */
static size_t
quoted_length(struct span s)
{
	size_t n = 1;

	while (n < s.len && s.at[n] != '"')
		n += s.at[n] == '\\' ? 2 : 1;
	return n < s.len ? n + 1 : s.len;
}

/* The same for a comment, which may hold others (RFC 5322 3.2.2). */
static size_t
comment_length(struct span s)
{
	size_t n = 1, depth = 1;

	for (; n < s.len && depth > 0; n++) {
		if (s.at[n] == '\\')
			n++;
		else if (s.at[n] == '(')
			depth++;
		else if (s.at[n] == ')')
			depth--;
	}
	return n < s.len ? n : s.len;
}

static size_t
bracket_length(struct span s)
{
	size_t n = 1;

	while (n < s.len && s.at[n] != '>')
		n += s.at[n] == '"' ? quoted_length((struct span){s.at + n, s.len - n}) : 1;
	return n < s.len ? n + 1 : s.len;
}

/* A domain literal, as [IPv6:2001:db8::1]; 1: the bracket is none's. */
static size_t
literal_length(struct span s)
{
	size_t n = 1;

	while (n < s.len && strchr(" \t\r\n,;<>()\"[]", s.at[n]) == NULL)
		n++;
	return n < s.len && s.at[n] == ']' ? n + 1 : 1;
}

/* A run without blanks and separators, of which a quoted string or a literal can be a part. */
static size_t
word_length(struct span s)
{
	size_t n = 0;

	while (n < s.len && strchr(" \t\r\n,;:<>(", s.at[n]) == NULL)
		n += s.at[n] == '"'   ? quoted_length((struct span){s.at + n, s.len - n})
		     : s.at[n] == '[' ? literal_length((struct span){s.at + n, s.len - n})
				      : 1;
	return n < s.len ? n : s.len;
}

void
address_list_read(struct span value, void (*each)(void *arg, const char *address), void *arg)
{
	struct scan s = {value, each, arg};

	while (s.rest.len > 0) {
		size_t n = 1;

		if (s.rest.at[0] == '(') {
			n = comment_length(s.rest);
		} else if (s.rest.at[0] == '<') {
			n = bracket_length(s.rest);
			offer(&s, (struct span){s.rest.at, n});
		} else if ((n = word_length(s.rest)) > 0) {
			offer(&s, (struct span){s.rest.at, n});
		} else {
			n = 1;
		}
		s.rest = (struct span){s.rest.at + n, s.rest.len - n};
	}
}

/* ---- members ---- */

/* One member, between separators. */
struct member {
	struct span text;    /* without blanks around it */
	struct span bracket; /* in < and >; at is NULL without them */
	size_t words, with_at;
	struct span last; /* word */
};

typedef void (*member_cb)(void *arg, struct span member, struct span address);

/* The next piece of s: a comment, brackets, a word, or one byte. */
static size_t
piece_length(struct span s)
{
	size_t n = s.at[0] == '('   ? comment_length(s)
		   : s.at[0] == '<' ? bracket_length(s)
				    : word_length(s);

	return n > 0 ? n : 1;
}

static void
note_piece(struct member *m, struct span piece)
{
	char c = piece.at[0];

	if (c == '<') {
		bool closed = piece.len > 1 && piece.at[piece.len - 1] == '>';

		/* One that is open to the end is left as it is, and so no address. */
		m->bracket = closed ? (struct span){piece.at + 1, piece.len - 2} : piece;
	} else if (strchr(" \t\r\n(>", c) == NULL) {
		m->words++;
		m->with_at += memchr(piece.at, '@', piece.len) != NULL;
		m->last = piece;
	}
}

static void
offer_words(struct span text, member_cb each, void *arg)
{
	while (text.len > 0) {
		size_t n = piece_length(text);

		if (strchr(" \t\r\n(>", text.at[0]) == NULL)
			each(arg, (struct span){text.at, n}, (struct span){text.at, n});
		text = (struct span){text.at + n, text.len - n};
	}
}

/* RFC 5321 4.1.1.3: a source route is ignored. */
static struct span
without_route(struct span address)
{
	struct span rest = address, route;

	address = span_trim(address);
	if (address.len > 0 && address.at[0] == '@' && span_take(&rest, ':', &route))
		return span_trim(rest);
	return address;
}

static void
end_member(struct member *m, const char *end, member_cb each, void *arg)
{
	struct span text = span_trim((struct span){m->text.at, end - m->text.at});

	if (m->bracket.at != NULL)
		each(arg, text, without_route(m->bracket));
	else if (m->words == 1)
		each(arg, text, span_trim(m->last)); /* a quote may be open to the end */
	else if (m->words > 1 && m->with_at == m->words)
		offer_words(text, each, arg);
	else if (m->words > 1)
		each(arg, text, text);
	*m = (struct member){.text = {.at = end + 1}};
}

void
address_list_members(struct span value, member_cb each, void *arg)
{
	const char *end = value.at + value.len;
	struct member m = {.text = value};

	while (value.len > 0) {
		size_t n = piece_length(value);
		char c = value.at[0];

		if (c == ',' || c == ';' || (c == ':' && m.with_at > 0))
			end_member(&m, value.at, each, arg);
		else if (c == ':') /* what was there is the name of a group */
			m = (struct member){.text = {.at = value.at + 1}};
		else
			note_piece(&m, (struct span){value.at, n});
		value = (struct span){value.at + n, value.len - n};
	}
	if (m.bracket.at != NULL || m.words > 0)
		end_member(&m, end, each, arg);
}
