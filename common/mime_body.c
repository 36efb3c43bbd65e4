/*
 * The contents of a part: decoded as they are read, in pieces; and texts in UTF-8.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/mime_private.h"
#include "common/text_buffer.h"

enum { RAW_BYTES = 16 * 1024, QUOTES_MAX = 20 };

struct mime_body {
	int fd;
	uint64_t next, end;
	bool encoded;
	GMimeEncoding decoder;
	size_t have, used;
	char *decoded;
	char raw[RAW_BYTES];
};

struct mime_body *
mime_body_open(const struct mime *m, size_t part)
{
	static const GMimeContentEncoding of[] = {[MIME_BASE64] = GMIME_CONTENT_ENCODING_BASE64,
	    [MIME_QUOTED_PRINTABLE] = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
	    [MIME_UUENCODE] = GMIME_CONTENT_ENCODING_UUENCODE};
	const struct mime_part *p = &m->parts[part];
	struct mime_body *b = xcalloc(1, sizeof *b);

	b->fd = m->fd;
	b->next = m->at + p->at;
	b->end = b->next + p->len;
	/* RFC 2046 5.1 and 5.2.1: what has parts is not encoded itself. */
	b->encoded = p->encoding != MIME_IDENTITY && p->children == 0 &&
		     strncmp(p->type, "multipart/", 10) != 0;
	if (b->encoded) {
		g_mime_encoding_init_decode(&b->decoder, of[p->encoding]);
		b->decoded = xmalloc(g_mime_encoding_outlen(&b->decoder, RAW_BYTES) + 64);
	}
	return b;
}

void
mime_body_free(struct mime_body **bp)
{
	struct mime_body *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	free(b->decoded);
	free(b);
}

static ssize_t
read_raw(struct mime_body *b, void *out, size_t size)
{
	ssize_t got;

	if (size > b->end - b->next)
		size = b->end - b->next;
	if (size == 0)
		return 0;
	while ((got = pread(b->fd, out, size, b->next)) == -1 && errno == EINTR)
		continue;
	if (got > 0)
		b->next += got;
	return got;
}

/* 1 with decoded bytes, 0 at the end, -1 with errno. */
static int
decode_more(struct mime_body *b)
{
	ssize_t got;

	b->have = b->used = 0;
	while (b->have == 0) {
		if ((got = read_raw(b, b->raw, sizeof b->raw)) <= 0)
			return got;
		b->have = g_mime_encoding_step(&b->decoder, b->raw, got, b->decoded);
	}
	return 1;
}

ssize_t
mime_body_read(struct mime_body *b, void *out, size_t size)
{
	int more;

	if (!b->encoded)
		return read_raw(b, out, size);
	if (b->used == b->have && (more = decode_more(b)) != 1)
		return more;
	if (size > b->have - b->used)
		size = b->have - b->used;
	memcpy(out, b->decoded + b->used, size);
	b->used += size;
	return size;
}

/* ---- flowed text ---- */

struct flow {
	struct text_buffer out;
	unsigned depth;
	bool joins; /* the last line goes on */
};

static void
flow_line(struct flow *f, struct span line, bool delete_sp)
{
	unsigned depth = 0;
	bool signature;

	while (line.len > 0 && line.at[0] == '>') {
		depth++;
		line = (struct span){line.at + 1, line.len - 1};
	}
	if (line.len > 0 && line.at[0] == ' ')
		line = (struct span){line.at + 1, line.len - 1};
	signature = span_is(line, "-- ");
	if (!f->joins || depth != f->depth || signature) {
		if (f->joins)
			text_put_char(&f->out, '\n');
		for (unsigned i = 0; i < depth && i < QUOTES_MAX; i++)
			text_put_char(&f->out, '>');
		if (depth > 0 && line.len > 0)
			text_put_char(&f->out, ' ');
	}
	f->depth = depth;
	f->joins = line.len > 0 && line.at[line.len - 1] == ' ' && !signature;
	if (f->joins && delete_sp)
		line.len--;
	text_put(&f->out, line);
	if (!f->joins)
		text_put_char(&f->out, '\n');
}

/* RFC 3676 4.1, 4.2 */
static char *
unflow(char *text, size_t *len, bool delete_sp)
{
	struct span rest = {text, *len}, line;
	struct flow f = {.joins = false};

	/* Each line may get a blank behind its quotes. */
	text_buffer_init(&f.out, 2 * *len + 2);
	while (rest.len > 0) {
		(void)span_take(&rest, '\n', &line);
		flow_line(&f, line, delete_sp);
	}
	free(text);
	*len = f.out.len;
	return text_buffer_take(&f.out);
}

/* ---- texts ---- */

/* What people mean by so many bytes of UTF-8. */
static size_t
raw_max(const struct mime_part *p, size_t max)
{
	bool wide =
	    strncasecmp(p->charset, "utf-16", 6) == 0 || strncasecmp(p->charset, "utf-32", 6) == 0;

	return wide ? 4 * max : max;
}

/* -1 with errno. */
static int
read_all(struct mime_body *b, struct text_buffer *to)
{
	char piece[RAW_BYTES];
	ssize_t got;

	while (!to->full && (got = mime_body_read(b, piece, sizeof piece)) != 0) {
		if (got == -1)
			return -1;
		text_put(to, (struct span){piece, got});
	}
	return 0;
}

char *
mime_part_text(const struct mime *m, size_t part, size_t max, size_t *len, bool *cut)
{
	const struct mime_part *p = &m->parts[part];
	struct mime_body *b = mime_body_open(m, part);
	struct text_buffer raw;
	char *text = NULL;

	text_buffer_init(&raw, raw_max(p, max));
	if (read_all(b, &raw) == 0) {
		text = mime_to_utf8((struct span){raw.at, raw.len}, p->charset, true, max, len);
		if (cut != NULL && raw.full)
			*cut = true;
		if (p->flowed && strcmp(p->type, "text/plain") == 0)
			text = unflow(text, len, p->delete_sp);
	}
	text_buffer_free(&raw);
	mime_body_free(&b);
	return text;
}
