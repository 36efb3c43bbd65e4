/*
 * Search words into an expression in prefix order. Touches nothing.
 */
#include "webd/search_words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/memory.h"

/* One term as it is read, before OR and - have found their places. */
struct term {
	struct folders_find find;
	bool negated, or_next;
	char said[SEARCH_MAX_BYTES];
};

struct parser {
	struct search *out;
	struct span rest;
	struct term terms[SEARCH_TERMS_MAX];
	size_t n;
};

static void
complain(struct search *s, struct span what, const char *why)
{
	int n = what.len < 80 ? what.len : 80;

	if (s->problem[0] == '\0')
		snprintf(s->problem, sizeof s->problem, "\"%.*s\" %s", n, what.at, why);
}

/* ---- values ---- */

static bool
parse_size(struct span value, uint64_t *out)
{
	static const char units[] = "kmg";
	const char *unit;
	unsigned shift = 0;

	if (value.len > 1 && (value.at[value.len - 1] | 0x20) == 'b')
		value.len--;
	if (value.len > 1 &&
	    (unit = strchr(units, tolower((unsigned char)value.at[value.len - 1]))) &&
	    *unit != '\0') {
		shift = 10 * (unit - units + 1);
		value.len--;
	}
	if (!span_u64(value, UINT64_MAX >> 31, out))
		return false;
	*out <<= shift;
	return true;
}

/* 2026-11-30, 2026-11, 2026; also with / between. The beginning of it, in UTC. */
static bool
parse_date(struct span value, uint64_t *out)
{
	uint64_t part[3] = {1970, 1, 1};
	struct span token;
	struct tm tm = {0};
	time_t at;
	size_t n = 0;

	while (n < nitems(part) && value.len > 0) {
		char separator = memchr(value.at, '-', value.len) != NULL ? '-' : '/';

		span_take(&value, separator, &token);
		if (!span_u64(token, 9999, &part[n++]))
			return false;
	}
	if (n == 0 || value.len > 0 || part[0] < 1970 || part[1] < 1 || part[1] > 12 ||
	    part[2] < 1 || part[2] > 31)
		return false;
	tm.tm_year = part[0] - 1900;
	tm.tm_mon = part[1] - 1;
	tm.tm_mday = part[2];
	at = timegm(&tm);
	*out = at;
	return at >= 0 && tm.tm_mday == (int)part[2];
}

static struct span
keep(struct search *s, struct span text)
{
	char *at = s->text + s->text_len;

	memcpy(at, text.at, text.len);
	s->text_len += text.len;
	return (struct span){at, text.len};
}

/* ---- terms ---- */

static bool
read_text(struct search *s, struct term *t, struct span value)
{
	if (value.len == 0)
		return false;
	t->find.text = keep(s, value);
	return true;
}

static bool
read_date(struct search *s, struct term *t, struct span value)
{
	if (parse_date(value, &t->find.number))
		return true;
	complain(s, value, "is no date such as 2026-11-30");
	return false;
}

static bool
read_size(struct search *s, struct term *t, struct span value)
{
	if (parse_size(value, &t->find.number))
		return true;
	complain(s, value, "is no size such as 1M");
	return false;
}

static bool
read_has(struct search *s, struct term *t, struct span value)
{
	if (span_is_nocase(value, "attachment") || span_is_nocase(value, "attachments"))
		return true;
	(void)t;
	complain(s, value, "is not known: has:attachment is");
	return false;
}

static const struct {
	const char *word;
	unsigned flag;
	bool negated;
} states[] = {{"read", FLAG_SEEN, false}, {"seen", FLAG_SEEN, false}, {"unread", FLAG_SEEN, true},
    {"unseen", FLAG_SEEN, true}, {"flagged", FLAG_FLAGGED, false}, {"starred", FLAG_FLAGGED, false},
    {"answered", FLAG_ANSWERED, false}, {"draft", FLAG_DRAFT, false},
    {"forwarded", FLAG_FORWARDED, false}};

static bool
read_state(struct search *s, struct term *t, struct span value)
{
	for (size_t i = 0; i < nitems(states); i++)
		if (span_is_nocase(value, states[i].word)) {
			t->find.number = states[i].flag;
			t->negated ^= states[i].negated;
			return true;
		}
	complain(s, value, "is not known: is:unread, read, flagged, answered, draft are");
	return false;
}

static const struct keyword {
	const char *name;
	enum folders_op op;
	bool (*read)(struct search *s, struct term *t, struct span value);
} keywords[] = {
    {"from", FIND_FROM, read_text},
    {"to", FIND_TO, read_text},
    {"cc", FIND_TO, read_text},
    {"subject", FIND_SUBJECT, read_text},
    {"body", FIND_BODY, read_text},
    {"label", FIND_KEYWORD, read_text},
    {"before", FIND_BEFORE, read_date},
    {"after", FIND_SINCE, read_date},
    {"since", FIND_SINCE, read_date},
    {"larger", FIND_LARGER, read_size},
    {"smaller", FIND_SMALLER, read_size},
    {"has", FIND_ATTACHMENT, read_has},
    {"is", FIND_FLAG, read_state},
};

static const struct keyword *
find_keyword(struct span name)
{
	for (size_t i = 0; i < nitems(keywords); i++)
		if (span_is_nocase(name, keywords[i].name))
			return &keywords[i];
	return NULL;
}

/* A quoted text, or all up to the next blank. */
static struct span
take_value(struct span *rest)
{
	struct span value;

	if (rest->len == 0 || rest->at[0] != '"') {
		size_t n = 0;

		while (n < rest->len && rest->at[n] != ' ')
			n++;
		value = (struct span){rest->at, n};
		*rest = (struct span){rest->at + n, rest->len - n};
		return value;
	}
	*rest = (struct span){rest->at + 1, rest->len - 1};
	span_take(rest, '"', &value);
	return span_trim(value);
}

static const struct keyword *
take_keyword(struct span *rest)
{
	struct span word = *rest, name;
	const struct keyword *k;
	size_t n = 0;

	while (n < word.len && word.at[n] != ' ' && word.at[n] != '"')
		n++;
	word.len = n;
	if (!span_take(&word, ':', &name) || (k = find_keyword(name)) == NULL)
		return NULL;
	*rest = (struct span){rest->at + name.len + 1, rest->len - name.len - 1};
	return k;
}

static void
read_term(struct parser *p, struct term *t)
{
	const struct keyword *k;
	struct span value;

	if (p->rest.at[0] == '-' && p->rest.len > 1 && p->rest.at[1] != ' ') {
		t->negated = true;
		p->rest = (struct span){p->rest.at + 1, p->rest.len - 1};
	}
	k = take_keyword(&p->rest);
	value = take_value(&p->rest);
	t->find.op = k != NULL ? k->op : FIND_TEXT;
	snprintf(t->said, sizeof t->said, "%s%s%.*s", k != NULL ? k->name : "",
	    k != NULL ? ": " : "", (int)value.len, value.at);
	if (k != NULL ? k->read(p->out, t, value) : read_text(p->out, t, value))
		p->n++;
}

/* True for "OR" as a word of its own between two terms. */
static bool
take_or(struct parser *p)
{
	struct span r = p->rest;

	if (p->n == 0 || r.len < 3 || memcmp(r.at, "OR ", 3) != 0)
		return false;
	p->rest = (struct span){r.at + 3, r.len - 3};
	p->terms[p->n - 1].or_next = true;
	return true;
}

/* ---- the expression ---- */

static void
put(struct search *s, struct folders_find node)
{
	if (s->n < nitems(s->nodes))
		s->nodes[s->n++] = node;
}

static void
say(struct search *s, const char *text)
{
	strlcat(s->understood, text, sizeof s->understood);
}

/* Terms joined by OR, from first. How many they are. */
static size_t
group_size(const struct parser *p, size_t first)
{
	size_t n = 1;

	while (first + n < p->n && p->terms[first + n - 1].or_next)
		n++;
	return n;
}

static void
put_group(struct parser *p, size_t first, size_t n)
{
	if (n > 1)
		put(p->out, (struct folders_find){.op = FIND_OR, .children = n});
	for (size_t i = first; i < first + n; i++) {
		const struct term *t = &p->terms[i];

		if (t->negated)
			put(p->out, (struct folders_find){.op = FIND_NOT, .children = 1});
		put(p->out, t->find);
		say(p->out, i > first ? " or " : first > 0 ? ", " : "");
		/* is:unread is a "not" that nobody has typed. */
		say(p->out, t->negated && t->find.op != FIND_FLAG ? "not " : "");
		say(p->out, t->said);
	}
}

static void
put_all(struct parser *p)
{
	size_t groups = 0;

	for (size_t i = 0; i < p->n; i += group_size(p, i))
		groups++;
	if (groups > 1)
		put(p->out, (struct folders_find){.op = FIND_AND, .children = groups});
	for (size_t i = 0, n; i < p->n; i += n) {
		n = group_size(p, i);
		put_group(p, i, n);
	}
}

bool
search_parse(struct search *out, const char *words)
{
	struct parser p = {.out = out, .rest = span_of(words)};

	memset(out, 0, sizeof *out);
	if (p.rest.len > SEARCH_MAX_BYTES)
		return false;
	while ((p.rest = span_trim(p.rest)).len > 0) {
		if (p.n == SEARCH_TERMS_MAX) {
			complain(out, p.rest, "and what follows was left out");
			break;
		}
		p.terms[p.n] = (struct term){0};
		if (!take_or(&p))
			read_term(&p, &p.terms[p.n]);
	}
	put_all(&p);
	return true;
}

bool
search_require(struct search *s, struct folders_find condition)
{
	bool negated = condition.op == FIND_NOT;
	size_t more = negated ? 2 : 1, room = nitems(s->nodes);
	bool has_and = s->n > 0 && s->nodes[0].op == FIND_AND;

	if (s->n + more + 1 > room)
		return false;
	if (s->n > 0 && !has_and) {
		memmove(s->nodes + 1, s->nodes, s->n++ * sizeof s->nodes[0]);
		s->nodes[0] = (struct folders_find){.op = FIND_AND, .children = 1};
		has_and = true;
	}
	if (has_and)
		s->nodes[0].children++;
	if (negated) {
		put(s, (struct folders_find){.op = FIND_NOT, .children = 1});
		condition.op = FIND_FLAG;
	}
	put(s, condition);
	return true;
}
