/*
 * Mail addresses as SMTP carries them. Pure parsing of what strangers send: a cursor goes from left
 * to right once, nothing is copied before it was judged.
 */
#include "common/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/utf8.h"

enum { LABEL_MAX_BYTES = 63, IP_TEXT_SIZE = 64 };

/* What is left to read, and what may be in it. */
struct cursor {
	const char *at, *end;
	unsigned flags;
};

static const char unexpected[] = "unexpected character in the address";

static bool
sees(const struct cursor *c, char byte)
{
	return c->at < c->end && *c->at == byte;
}

static int
refuse(const char **why, const char *phrase)
{
	*why = phrase;
	return -1;
}

/* ---- domains and literals ---- */

static bool
is_letter_or_digit(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5321 4.1.2 sub-domain, with the underscore that Windows names have. A label in UTF-8 is
 * limited by its ASCII form, which is not known here, and by the whole domain. */
static bool
is_label(struct span label, bool utf8)
{
	bool ascii = true;

	if (label.len == 0 || label.at[0] == '-' || label.at[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len;) {
		const unsigned char *p = (const unsigned char *)label.at + i;
		size_t n = *p < 0x80 || utf8 ? utf8_length(p, label.len - i) : 0;

		if (n == 0 || (n == 1 && !is_letter_or_digit(*p) && *p != '-' && *p != '_'))
			return false;
		ascii &= n == 1;
		i += n;
	}
	return !ascii || label.len <= LABEL_MAX_BYTES;
}

static bool
is_domain(struct span text, bool utf8)
{
	struct span label;
	bool more;

	if (text.len == 0 || text.len > ADDRESS_DOMAIN_MAX_BYTES)
		return false;
	do {
		more = span_take(&text, '.', &label);
		if (!is_label(label, utf8))
			return false;
	} while (more);
	return true;
}

bool
address_is_domain(struct span text)
{
	return is_domain(text, false);
}

bool
address_is_literal(struct span text)
{
	static const char tag[] = "IPv6:";
	const size_t tag_len = sizeof tag - 1;
	unsigned char binary[sizeof(struct in6_addr)];
	char ip[IP_TEXT_SIZE];
	struct span inner;

	if (text.len < 3 || text.at[0] != '[' || text.at[text.len - 1] != ']')
		return false;
	inner = (struct span){text.at + 1, text.len - 2};
	if (inner.len > tag_len && span_is_nocase((struct span){inner.at, tag_len}, tag)) {
		inner = (struct span){inner.at + tag_len, inner.len - tag_len};
		return span_copy(inner, ip, sizeof ip) && inet_pton(AF_INET6, ip, binary) == 1;
	}
	return span_copy(inner, ip, sizeof ip) && inet_pton(AF_INET, ip, binary) == 1;
}

static bool
is_domain_byte(const struct cursor *c)
{
	unsigned char byte = *c->at;

	return is_letter_or_digit(byte) || byte == '-' || byte == '_' || byte == '.' ||
	       byte >= 0x80;
}

static struct span
take_literal(struct cursor *c)
{
	const char *start = c->at, *close = memchr(start, ']', c->end - start);

	c->at = close != NULL ? close + 1 : c->end;
	return (struct span){start, c->at - start};
}

/* Cuts a domain or literal and judges it. A trailing dot is dropped. */
static int
take_domain(struct cursor *c, struct span *domain, const char **why)
{
	const char *start = c->at;

	if (sees(c, '[')) {
		*domain = take_literal(c);
		return address_is_literal(*domain) ? 0 : refuse(why, "malformed address literal");
	}
	while (c->at < c->end && is_domain_byte(c))
		c->at++;
	*domain = (struct span){start, c->at - start};
	if (domain->len > 1 && domain->at[domain->len - 1] == '.')
		domain->len--;
	if (domain->len == 0)
		return refuse(why, "domain is missing");
	if (domain->len > ADDRESS_DOMAIN_MAX_BYTES)
		return refuse(why, "domain is longer than 255 bytes");
	return is_domain(*domain, c->flags & ADDRESS_ALLOW_UTF8) ? 0
								 : refuse(why, "malformed domain");
}

/* ---- local parts ---- */

/* The content of a local part: without quotes, which are added where it needs them. */
struct content {
	char bytes[ADDRESS_LOCAL_MAX_BYTES];
	size_t len;
};

static bool
is_atext(unsigned char c)
{
	return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static int
add_bytes(struct content *local, const char *at, size_t n, const char **why)
{
	if (local->len + n > sizeof local->bytes)
		return refuse(why, "local part is longer than 64 bytes");
	memcpy(local->bytes + local->len, at, n);
	local->len += n;
	return 0;
}

/* A character of more than one byte, if it may be here. */
static int
take_utf8(struct cursor *c, struct content *local, const char **why)
{
	size_t n = utf8_length((const unsigned char *)c->at, c->end - c->at);

	if (!(c->flags & ADDRESS_ALLOW_UTF8))
		return refuse(why, "8-bit address without SMTPUTF8");
	if (n == 0)
		return refuse(why, "malformed UTF-8");
	if (add_bytes(local, c->at, n, why) == -1)
		return -1;
	c->at += n;
	return 0;
}

static int
take_dot_string(struct cursor *c, struct content *local, const char **why)
{
	while (c->at < c->end) {
		unsigned char byte = *c->at;

		if (byte >= 0x80) {
			if (take_utf8(c, local, why) == -1)
				return -1;
		} else if (is_atext(byte) || byte == '.') {
			if (add_bytes(local, c->at++, 1, why) == -1)
				return -1;
		} else {
			break;
		}
	}
	return 0;
}

/* One character within quotes, escaped or not. */
static int
take_quoted(struct cursor *c, struct content *local, const char **why)
{
	unsigned char byte;

	if (*c->at == '\\' && ++c->at == c->end)
		return refuse(why, "quoted local part does not end");
	byte = *c->at;
	if (byte >= 0x80)
		return take_utf8(c, local, why);
	if (byte < ' ' || byte > '~')
		return refuse(why, "control character in the local part");
	return add_bytes(local, c->at++, 1, why);
}

static int
take_quoted_string(struct cursor *c, struct content *local, const char **why)
{
	c->at++;
	while (c->at < c->end && *c->at != '"')
		if (take_quoted(c, local, why) == -1)
			return -1;
	if (c->at == c->end)
		return refuse(why, "quoted local part does not end");
	c->at++;
	return 0;
}

static bool
is_dot_string(const struct content *local)
{
	char last = '.';

	for (size_t i = 0; i < local->len; i++) {
		unsigned char byte = local->bytes[i];

		if (byte == '.' ? last == '.' : byte < 0x80 && !is_atext(byte))
			return false;
		last = byte;
	}
	return last != '.';
}

/* Appends the content as it is, or in quotes. Returns the bytes written: at most twice the content
 * and two. */
static size_t
write_local(const struct content *local, char *out)
{
	size_t n = 0;

	if (is_dot_string(local)) {
		memcpy(out, local->bytes, local->len);
		return local->len;
	}
	out[n++] = '"';
	for (size_t i = 0; i < local->len; i++) {
		if (local->bytes[i] == '"' || local->bytes[i] == '\\')
			out[n++] = '\\';
		out[n++] = local->bytes[i];
	}
	out[n++] = '"';
	return n;
}

static int
take_local(struct cursor *c, char *out, size_t *len, const char **why)
{
	struct content local = {.len = 0};
	bool quoted = sees(c, '"');
	int rv = quoted ? take_quoted_string(c, &local, why) : take_dot_string(c, &local, why);

	if (rv == -1)
		return -1;
	if (!quoted && local.len == 0)
		return refuse(why, "local part is missing");
	if (!quoted && !is_dot_string(&local))
		return refuse(why, "misplaced dot in the local part");
	*len = write_local(&local, out);
	if (*len > ADDRESS_LOCAL_MAX_BYTES)
		return refuse(why, "local part is longer than 64 bytes");
	return 0;
}

/* ---- mailboxes and paths ---- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static int
take_mailbox(struct cursor *c, char *out, const char **why)
{
	struct span domain;
	size_t n;

	if (take_local(c, out, &n, why) == -1)
		return -1;
	if (!sees(c, '@')) {
		out[n] = '\0';
		return c->flags & ADDRESS_ALLOW_NO_DOMAIN ? 0 : refuse(why, "domain is missing");
	}
	c->at++;
	if (take_domain(c, &domain, why) == -1)
		return -1;
	out[n++] = '@';
	for (size_t i = 0; i < domain.len; i++)
		out[n++] = lower(domain.at[i]);
	out[n] = '\0';
	return 0;
}

/* RFC 5321 4.1.2 A-d-l: @one,@two: is read and forgotten (RFC 5321 C). */
static int
skip_route(struct cursor *c, const char **why)
{
	struct span domain;

	while (sees(c, '@')) {
		c->at++;
		if (take_domain(c, &domain, why) == -1)
			return -1;
		if (sees(c, ':')) {
			c->at++;
			return 0;
		}
		if (!sees(c, ','))
			break;
		c->at++;
	}
	return refuse(why, "malformed source route");
}

static int
take_path(struct cursor *c, char *out, const char **why)
{
	const char *start = c->at;

	if (!sees(c, '<'))
		return refuse(why, "path is not in angle brackets");
	c->at++;
	if (sees(c, '>') && (c->flags & ADDRESS_ALLOW_NULL)) {
		out[0] = '\0';
	} else {
		if (sees(c, '@') && skip_route(c, why) == -1)
			return -1;
		if (take_mailbox(c, out, why) == -1)
			return -1;
	}
	if (c->at == c->end || memchr(c->at, '>', c->end - c->at) == NULL)
		return refuse(why, "path does not end with >");
	if (!sees(c, '>'))
		return refuse(why, unexpected);
	c->at++;
	if (c->at - start > ADDRESS_PATH_MAX_BYTES)
		return refuse(why, "path is longer than 256 bytes");
	return 0;
}

int
address_parse_path(struct span *line, unsigned flags, char out[ADDRESS_TEXT_SIZE], const char **why)
{
	struct cursor c = {line->at, line->at + line->len, flags};

	if (take_path(&c, out, why) == -1) {
		out[0] = '\0';
		return -1;
	}
	*line = (struct span){c.at, c.end - c.at};
	return 0;
}

int
address_parse(struct span text, unsigned flags, char out[ADDRESS_TEXT_SIZE], const char **why)
{
	struct cursor c = {text.at, text.at + text.len, flags};
	int rv = 0;

	out[0] = '\0';
	if (text.len == 0)
		return flags & ADDRESS_ALLOW_NULL ? 0 : refuse(why, "address is empty");
	if (take_mailbox(&c, out, why) == -1)
		rv = -1;
	else if (c.at != c.end)
		rv = refuse(why, unexpected);
	else if (text.len > ADDRESS_PATH_MAX_BYTES - 2)
		rv = refuse(why, "address is longer than 254 bytes");
	if (rv == -1)
		out[0] = '\0';
	return rv;
}

struct span
address_untagged(struct span local)
{
	const char *plus = local.len ? memchr(local.at, '+', local.len) : NULL;

	return plus != NULL && plus != local.at ? (struct span){local.at, plus - local.at} : local;
}

void
address_split(struct span text, struct span *local, struct span *domain)
{
	const char *at = text.len ? memrchr(text.at, '@', text.len) : NULL;

	/* A text that ends with a quote has no domain: the @ is within the quotes. */
	if (at == NULL || text.at[text.len - 1] == '"') {
		*local = text;
		*domain = (struct span){text.at ? text.at + text.len : NULL, 0};
		return;
	}
	*local = (struct span){text.at, at - text.at};
	*domain = (struct span){at + 1, text.at + text.len - (at + 1)};
}

/* ---- patterns and names ---- */

bool
address_match(struct span pattern, struct span text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.len && lower(pattern.at[p]) == lower(text.at[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			/* The last star takes one byte more. */
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}

bool
address_match_list(struct span patterns, struct span text)
{
	struct span rest = span_trim(patterns), one;

	while (rest.len > 0) {
		size_t n = 0;

		while (n < rest.len && rest.at[n] != ' ' && rest.at[n] != '\t')
			n++;
		one = (struct span){rest.at, n};
		if (address_match(one, text))
			return true;
		rest = span_trim((struct span){rest.at + n, rest.len - n});
	}
	return false;
}

bool
address_is_user_name(struct span text)
{
	if (text.len == 0 || text.len > ADDRESS_LOCAL_MAX_BYTES || text.at[0] == '-' ||
	    span_is(text, "null"))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}
