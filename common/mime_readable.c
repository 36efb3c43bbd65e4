/*
 * Which parts people read, and which are files. Pure but for the texts themselves. Goes down no
 * deeper than MIME_DEPTH_MAX.
 */
#include <stdlib.h>
#include <string.h>

#include "common/html_text.h"
#include "common/memory.h"
#include "common/mime_private.h"
#include "common/text_buffer.h"

enum { READABLE_MAX = 50 };

static bool
is_type(const struct mime_part *p, const char *type)
{
	return strcmp(p->type, type) == 0;
}

static bool
is_multipart(const struct mime_part *p)
{
	return strncmp(p->type, "multipart/", 10) == 0;
}

/* Text in place: also one with a name, if it says so or is where the text belongs. */
static bool
is_text_in_place(const struct mime *m, size_t i)
{
	const struct mime_part *p = &m->parts[i];

	if (!is_type(p, "text/plain") && !is_type(p, "text/html") && !is_multipart(p))
		return false;
	if (p->disposition == MIME_ATTACHMENT && i > 0)
		return false;
	if (p->name[0] == '\0' || p->disposition == MIME_INLINE || p->parent == MIME_NO_PART)
		return true;
	return is_type(&m->parts[p->parent], "multipart/alternative") || i == (size_t)p->parent + 1;
}

static bool
is_below(const struct mime *m, int part, const char *type)
{
	for (int i = m->parts[part].parent; i != MIME_NO_PART; i = m->parts[i].parent)
		if (is_type(&m->parts[i], type))
			return true;
	return false;
}

bool
mime_is_attachment(const struct mime *m, size_t i, bool *is_inline)
{
	const struct mime_part *p = &m->parts[i];

	*is_inline = false;
	if (p->in_message || (is_multipart(p) && p->children > 0) || is_text_in_place(m, i))
		return false;
	*is_inline = p->content_id[0] != '\0' && p->disposition != MIME_ATTACHMENT &&
		     strncmp(p->type, "image/", 6) == 0 &&
		     (is_below(m, i, "multipart/related") || p->disposition == MIME_INLINE) &&
		     mime_has_html(m);
	return true;
}

struct walk {
	const struct mime *m;
	bool html, messages;
	int *parts;
	size_t n, max;
};

static bool
has_text(const struct mime *m, size_t i, const char *type)
{
	/* Those below a part follow it, and are deeper. */
	for (size_t k = i; k < m->n_parts && (k == i || m->parts[k].depth > m->parts[i].depth); k++)
		if (is_type(&m->parts[k], type) && is_text_in_place(m, k) &&
		    m->parts[k].in_message == m->parts[i].in_message)
			return true;
	return false;
}

/* MIME_NO_PART: none can be read. */
static int
best_alternative(const struct walk *w, int of)
{
	const char *order[] = {"text/plain", "text/html"};

	if (w->html) {
		order[0] = "text/html";
		order[1] = "text/plain";
	}
	for (size_t o = 0; o < nitems(order); o++)
		for (size_t i = w->m->n_parts - 1; i > (size_t)of; i--)
			if (w->m->parts[i].parent == of && has_text(w->m, i, order[o]))
				return i;
	return MIME_NO_PART;
}

static void walk(struct walk *w, int i);

static void
walk_children(struct walk *w, int of, bool first_only)
{
	for (size_t i = of + 1; i < w->m->n_parts && w->m->parts[i].depth > w->m->parts[of].depth;
	     i++)
		if (w->m->parts[i].parent == of) {
			walk(w, i);
			if (first_only)
				break;
		}
}

static void
walk(struct walk *w, int i)
{
	const struct mime_part *p = &w->m->parts[i];
	int best;

	if (p->children == 0) {
		/* Without a boundary, parts are the text that they look like. */
		if (is_text_in_place(w->m, i) && w->n < w->max)
			w->parts[w->n++] = i;
	} else if (is_type(p, "multipart/alternative")) {
		if ((best = best_alternative(w, i)) != MIME_NO_PART)
			walk(w, best);
	} else if (is_multipart(p))
		walk_children(w, i, is_type(p, "multipart/related"));
	else if (w->messages)
		walk_children(w, i, true);
}

size_t
mime_readable(const struct mime *m, bool html, int *parts, size_t max)
{
	struct walk w = {.m = m, .html = html, .parts = parts, .max = max};

	walk(&w, 0);
	return w.n;
}

bool
mime_has_html(const struct mime *m)
{
	int parts[READABLE_MAX];
	size_t n = mime_readable(m, true, parts, nitems(parts));

	for (size_t i = 0; i < n; i++)
		if (is_type(&m->parts[parts[i]], "text/html"))
			return true;
	return false;
}

/* -1 with errno. */
static int
put_part(const struct mime *m, int part, struct text_buffer *out, bool *cut)
{
	/* HTML says less than it is long. */
	bool html = is_type(&m->parts[part], "text/html");
	size_t len, max = (out->max - out->len) * (html ? 4 : 1);
	char *text, *plain;

	if ((text = mime_part_text(m, part, max, &len, cut)) == NULL)
		return -1;
	if (html) {
		plain = html_to_text((struct span){text, len}, out->max - out->len, &len);
		free(text);
		text = plain;
	}
	if (out->len > 0 && out->at[out->len - 1] != '\n')
		text_put_char(out, '\n');
	text_put(out, (struct span){text, len});
	free(text);
	return 0;
}

char *
mime_text(const struct mime *m, size_t max, bool messages, size_t *len, bool *cut)
{
	int parts[READABLE_MAX];
	struct walk w = {.m = m, .messages = messages, .parts = parts, .max = nitems(parts)};
	struct text_buffer out;

	walk(&w, 0);
	text_buffer_init(&out, max);
	for (size_t i = 0; i < w.n && !out.full; i++)
		if (put_part(m, parts[i], &out, cut) == -1) {
			text_buffer_free(&out);
			return NULL;
		}
	if (cut != NULL && out.full)
		*cut = true;
	text_end(&out);
	*len = out.len;
	return text_buffer_take(&out);
}
