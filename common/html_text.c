/* HTML to plain text, as it goes by. Pure. */
#include "common/html_text.h"

#include <stdlib.h>
#include <string.h>

#include "common/html_parse.h"
#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"

enum { LISTS_MAX = 20, QUOTES_MAX = 10 };

struct to_text {
	struct text_buffer out;
	unsigned skipping, pre, quotes;
	unsigned lines; /* line ends that are due before the next word: at most 2 */
	bool blank;	/* and a blank */
	bool started;
	struct {
		bool ordered;
		unsigned n;
	} lists[LISTS_MAX];
	unsigned n_lists;
};

enum effect {
	INLINE_TEXT,
	SKIP = 1 << 0,
	BLOCK = 1 << 1, /* on lines of its own */
	APART = 1 << 2, /* with an empty line around */
	PRE = 1 << 3,
	QUOTE = 1 << 4,
	LIST = 1 << 5,
	ITEM = 1 << 6,
	CELL = 1 << 7,
	BREAK = 1 << 8,
	PICTURE = 1 << 9,
	RULE = 1 << 10
};

static const struct {
	const char *name;
	unsigned effect;
} elements[] = {
    {"script", SKIP},
    {"style", SKIP},
    {"head", SKIP},
    {"title", SKIP},
    {"template", SKIP},
    {"noscript", SKIP},
    {"object", SKIP},
    {"svg", SKIP},
    {"math", SKIP},
    {"select", SKIP},
    {"textarea", SKIP},
    {"iframe", SKIP},
    {"br", BREAK},
    {"hr", RULE},
    {"img", PICTURE},
    {"p", APART},
    {"h1", APART},
    {"h2", APART},
    {"h3", APART},
    {"h4", APART},
    {"h5", APART},
    {"h6", APART},
    {"blockquote", APART | QUOTE},
    {"pre", APART | PRE},
    {"ul", BLOCK | LIST},
    {"ol", BLOCK | LIST},
    {"li", BLOCK | ITEM},
    {"dl", BLOCK},
    {"dt", BLOCK},
    {"dd", BLOCK},
    {"div", BLOCK},
    {"section", BLOCK},
    {"article", BLOCK},
    {"header", BLOCK},
    {"footer", BLOCK},
    {"main", BLOCK},
    {"nav", BLOCK},
    {"address", BLOCK},
    {"center", BLOCK},
    {"form", BLOCK},
    {"fieldset", BLOCK},
    {"figure", BLOCK},
    {"figcaption", BLOCK},
    {"table", BLOCK},
    {"caption", BLOCK},
    {"tr", BLOCK},
    {"td", CELL},
    {"th", CELL},
};

static unsigned
effect_of(const char *name)
{
	for (size_t i = 0; i < nitems(elements); i++)
		if (strcmp(elements[i].name, name) == 0)
			return elements[i].effect;
	return INLINE_TEXT;
}

/* ---- output ---- */

static void
want_lines(struct to_text *t, unsigned n)
{
	if (t->lines < n)
		t->lines = n;
	t->blank = false;
}

static void
put_prefix(struct to_text *t)
{
	for (unsigned i = 0; i < t->quotes && i < QUOTES_MAX; i++)
		text_put_text(&t->out, "> ");
}

static void
put_pending(struct to_text *t)
{
	if (!t->started)
		put_prefix(t);
	for (unsigned i = 0; t->started && i < t->lines; i++) {
		text_put_char(&t->out, '\n');
		put_prefix(t);
	}
	if (t->blank && t->lines == 0 && t->started)
		text_put_char(&t->out, ' ');
	t->lines = 0;
	t->blank = false;
	t->started = true;
}

static size_t
blank_length(struct span s)
{
	if (s.at[0] == ' ' || s.at[0] == '\t' || s.at[0] == '\n' || s.at[0] == '\r' ||
	    s.at[0] == '\f')
		return 1;
	if (s.len >= 2 && memcmp(s.at, "\xc2\xa0", 2) == 0) /* no-break space */
		return 2;
	return 0;
}

/* What has no width and fills the previews of newsletters: U+00AD, U+034F, U+200B, U+FEFF. */
static size_t
filler_length(struct span s)
{
	static const char *const fillers[] = {
	    "\xc2\xad", "\xcd\x8f", "\xe2\x80\x8b", "\xef\xbb\xbf"};

	for (size_t i = 0; i < nitems(fillers); i++)
		if (s.len >= strlen(fillers[i]) &&
		    memcmp(s.at, fillers[i], strlen(fillers[i])) == 0)
			return strlen(fillers[i]);
	return 0;
}

static void
put_words(struct to_text *t, struct span s)
{
	size_t n;

	while (s.len > 0 && !t->out.full) {
		if ((n = blank_length(s)) > 0)
			t->blank = true;
		else if ((n = filler_length(s)) == 0) {
			if (t->blank || t->lines > 0 || !t->started)
				put_pending(t);
			n = 1;
			while (n < s.len && (unsigned char)s.at[n] > ' ' &&
			       (unsigned char)s.at[n] < 0x80)
				n++;
			if ((unsigned char)s.at[0] >= 0x80)
				for (n = 1; n < s.len && ((unsigned char)s.at[n] & 0xc0) == 0x80;)
					n++;
			text_put(&t->out, (struct span){s.at, n});
		}
		s = (struct span){s.at + n, s.len - n};
	}
}

static void
put_pre(struct to_text *t, struct span s)
{
	struct span line;
	bool more;

	while (s.len > 0 && !t->out.full) {
		more = span_take(&s, '\n', &line);
		if (line.len > 0) {
			put_pending(t);
			text_put(&t->out, line);
		}
		if (more)
			t->lines++;
	}
	if (t->lines > 20)
		t->lines = 20;
}

/* ---- events ---- */

static void
start_item(struct to_text *t)
{
	put_pending(t);
	if (t->n_lists > 0 && t->n_lists <= LISTS_MAX && t->lists[t->n_lists - 1].ordered) {
		text_printf(&t->out, "%u. ", ++t->lists[t->n_lists - 1].n);
	} else
		text_put_text(&t->out, "- ");
}

static void
put_picture(struct to_text *t, const char *const *attributes)
{
	const char *alt = html_attribute(attributes, "alt");

	if (alt != NULL)
		put_words(t, span_of(alt));
}

static void
start_effects(struct to_text *t, unsigned effect, const char *name)
{
	if (effect & BLOCK)
		want_lines(t, 1);
	if (effect & APART)
		want_lines(t, 2);
	if (effect & QUOTE)
		t->quotes++;
	if (effect & PRE)
		t->pre++;
	if (effect & CELL)
		t->blank = true;
	if (effect & LIST && ++t->n_lists <= LISTS_MAX) {
		t->lists[t->n_lists - 1].ordered = strcmp(name, "ol") == 0;
		t->lists[t->n_lists - 1].n = 0;
	}
	if (effect & ITEM)
		start_item(t);
}

static bool
on_open(void *arg, const char *name, const char *const *attributes)
{
	struct to_text *t = arg;
	unsigned effect = effect_of(name);

	if (effect & SKIP)
		t->skipping++;
	if (t->skipping > 0)
		return true;
	if (effect & BREAK)
		t->lines = t->lines < 3 ? t->lines + 1 : 3;
	if (effect & RULE) {
		want_lines(t, 1);
		put_words(t, span_of("----"));
		want_lines(t, 1);
	}
	if (effect & PICTURE)
		put_picture(t, attributes);
	start_effects(t, effect, name);
	return !t->out.full;
}

static void
on_close(void *arg, const char *name)
{
	struct to_text *t = arg;
	unsigned effect = effect_of(name);

	if (t->skipping > 0) {
		t->skipping -= (effect & SKIP) != 0;
		return;
	}
	if (effect & QUOTE)
		t->quotes--;
	if (effect & PRE)
		t->pre--;
	if (effect & LIST)
		t->n_lists--;
	if (effect & APART)
		want_lines(t, 2);
	else if (effect & BLOCK)
		want_lines(t, 1);
}

static bool
on_text(void *arg, struct span text)
{
	struct to_text *t = arg;

	if (t->skipping > 0)
		return true;
	if (t->pre > 0)
		put_pre(t, text);
	else
		put_words(t, text);
	return !t->out.full;
}

char *
html_to_text(struct span html, size_t max, size_t *len)
{
	static const struct html_events events = {on_open, on_close, on_text};
	struct to_text t = {.skipping = 0};
	char *clean;

	text_buffer_init(&t.out, max);
	(void)html_parse(html, &events, &t);
	/* Character references can say any character. */
	clean = mime_to_utf8((struct span){t.out.at, t.out.len}, "utf-8", true, max, len);
	text_buffer_free(&t.out);
	return clean;
}
