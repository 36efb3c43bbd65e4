/* Subjects and names as they are compared and sorted. Pure. */
#include "store/subject.h"

#include <stdint.h>
#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"

/* What people's programs put in front of an answer and of what is passed on. */
static const char *const answers[] = {"re", "aw", "antw", "sv", "odp", "rif", "r\xc3\xa9p"};
static const char *const passed_on[] = {"fwd", "fw", "wg", "tr", "vs"};

/* ---- small letters ---- */

/* Of Latin, Greek and Cyrillic: what C's own function knows depends on the machine. */
static uint32_t
to_small(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	return c;
}

static size_t
put_small(const unsigned char *p, size_t n, char *out)
{
	uint32_t c;

	memcpy(out, p, n);
	if (n > 2)
		return n;
	c = to_small(n == 1 ? p[0] : (p[0] & 0x1f) << 6 | (p[1] & 0x3f));
	if (n == 1) {
		out[0] = c;
	} else {
		out[0] = 0xc0 | c >> 6;
		out[1] = 0x80 | (c & 0x3f);
	}
	return n;
}

static void
print_small(struct span text, char *out, size_t size)
{
	const unsigned char *p = (const unsigned char *)text.at;
	size_t len = 0, at = 0, n;

	for (; at < text.len && (n = utf8_length(p + at, text.len - at)) != 0; at += n) {
		if (len + n >= size)
			break;
		len += put_small(p + at, n, out + len);
	}
	out[len] = '\0';
}

void
sort_key(struct span text, char *out, size_t size)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '"' || text.at[0] == '\'' ||
				   text.at[0] == '<')) {
		text.at++;
		text.len--;
	}
	print_small(text, out, size);
}

/* ---- the base ---- */

static void
skip(struct span *s, size_t n)
{
	s->at += n;
	s->len -= n;
}

static bool
is_one_of(struct span word, const char *const *words, size_t n)
{
	char small[8];

	if (word.len >= sizeof small)
		return false;
	print_small(word, small, sizeof small);
	for (size_t i = 0; i < n; i++)
		if (strcmp(small, words[i]) == 0)
			return true;
	return false;
}

/* "Re:", "Re[2]:", "Fwd:". False when there is none in front. */
static bool
take_prefix(struct span *s, bool *is_answer)
{
	const char *colon = s->len ? memchr(s->at, ':', s->len) : NULL;
	struct span word;
	size_t n;

	if (colon == NULL || colon - s->at > 10)
		return false;
	word = (struct span){s->at, colon - s->at};
	n = word.len;
	for (size_t i = 0; i < word.len; i++)
		if (word.at[i] == '[' || word.at[i] == '(') {
			word.len = i;
			break;
		}
	word = span_trim(word);
	if (is_one_of(word, answers, nitems(answers)))
		*is_answer = true;
	else if (!is_one_of(word, passed_on, nitems(passed_on)))
		return false;
	skip(s, n + 1);
	return true;
}

/* "[list] " in front of something else. */
static bool
take_list(struct span *s)
{
	const char *end = s->len && s->at[0] == '[' ? memchr(s->at, ']', s->len) : NULL;
	struct span rest;

	if (end == NULL)
		return false;
	rest = span_trim((struct span){end + 1, s->at + s->len - end - 1});
	if (rest.len == 0)
		return false;
	*s = rest;
	return true;
}

bool
subject_base(struct span subject, char *out, size_t size)
{
	bool is_answer = false;

	do
		subject = span_trim(subject);
	while (take_prefix(&subject, &is_answer) || take_list(&subject));
	print_small(subject, out, size);
	return is_answer;
}
