/* Cuts terms of SPF. */
#include "master/spf_term.h"

#include <string.h>

/* "/24", "/24//64", "//64": dual-cidr-length of RFC 7208 5.6. */
static bool
read_prefix(struct spf_term *t, struct span text)
{
	struct span first;
	uint64_t bits;

	t->bits4 = 32;
	t->bits6 = 128;
	if (text.len == 0)
		return true;
	text = (struct span){text.at + 1, text.len - 1};
	if (text.len > 0 && text.at[0] != '/') {
		bool more = span_take(&text, '/', &first);

		if (!span_u64(first, 32, &bits))
			return false;
		t->bits4 = bits;
		if (!more)
			return true;
	}
	if (text.len == 0 || text.at[0] != '/' ||
	    !span_u64((struct span){text.at + 1, text.len - 1}, 128, &bits))
		return false;
	t->bits6 = bits;
	return true;
}

static size_t
span_until(struct span s, const char *stops)
{
	size_t n = 0;

	while (n < s.len && memchr(stops, s.at[n], strlen(stops)) == NULL)
		n++;
	return n;
}

struct span
spf_mechanism_name(struct span term)
{
	return (struct span){term.at, span_until(term, ":/")};
}

bool
spf_term_read(struct spf_term *t, struct span text, const char *domain, bool may_have_prefix)
{
	size_t n = span_until(text, ":/");
	struct span rest = {text.at + n, text.len - n};

	t->value = (struct span){"", 0};
	strlcpy(t->domain, domain, sizeof t->domain);
	if (rest.len > 0 && rest.at[0] == ':') {
		t->value = (struct span){rest.at + 1, rest.len - 1};
		n = may_have_prefix ? span_until(t->value, "/") : t->value.len;
		rest = (struct span){t->value.at + n, t->value.len - n};
		if (!span_copy((struct span){t->value.at, n}, t->domain, sizeof t->domain) ||
		    t->domain[0] == '\0')
			return false;
	}
	return read_prefix(t, rest) && (may_have_prefix || rest.len == 0);
}

static const char version[] = "v=spf1";

bool
spf_is_record(struct span text)
{
	size_t n = strlen(version);

	return text.len >= n && span_is_nocase((struct span){text.at, n}, version) &&
	       (text.len == n || text.at[n] == ' ');
}

/* A modifier has a '=' before any of the bytes of a mechanism's value. */
bool
spf_is_modifier(struct span term)
{
	size_t n = span_until(term, "=:/");

	return n < term.len && term.at[n] == '=';
}
