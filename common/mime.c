/*
 * Finds the parts of a message: one pass over its lines, with a stack of the boundaries that are
 * open. Keeps of the message what its header says and where its parts are.
 */
#include "common/mime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/mime_private.h"

enum { PART_FIELDS_MAX = 200, PATH_MAX_BYTES = 8 * MIME_DEPTH_MAX };

/* What cuts the parts of an open multipart from each other; a message that is attached has none. */
struct level {
	int part;
	size_t boundary_len; /* 0: of a message */
	char boundary[MIME_BOUNDARY_MAX_BYTES + 1];
};

struct scan {
	struct mime *m;
	/* lines */
	char *buffer;
	size_t have, used;
	uint64_t next; /* where the file is read on */
	bool at_line_start;
	/* what is open */
	struct level levels[MIME_DEPTH_MAX + 1];
	unsigned n_levels;
	int part; /* in which we are */
	bool in_header;
	uint64_t end; /* of the text so far, without the line end that may belong to a boundary */
	/* the header of the part */
	char *header;
	size_t header_len, header_max;
	bool header_cut;
};

/* A line, or a piece of one that is too long for the buffer. */
struct piece {
	struct span text; /* without its line end */
	uint64_t at, after;
	bool starts, ends;
};

void
mime_note(struct mime *m, const char *problem)
{
	if (m->problem == NULL)
		m->problem = problem;
}

/* ---- lines ---- */

/* 1 with more, 0 at the end, -1 with errno. */
static int
fill(struct scan *s)
{
	struct mime *m = s->m;
	size_t want;
	ssize_t got;

	memmove(s->buffer, s->buffer + s->used, s->have - s->used);
	s->have -= s->used;
	s->used = 0;
	want = MIME_READ_BYTES - s->have;
	if (want > m->at + m->len - s->next)
		want = m->at + m->len - s->next;
	if (want == 0)
		return 0;
	while ((got = pread(m->fd, s->buffer + s->have, want, s->next)) == -1 && errno == EINTR)
		continue;
	if (got <= 0)
		return got;
	s->have += got;
	s->next += got;
	return 1;
}

/* 1 with a piece, 0 at the end, -1 with errno. */
static int
next_piece(struct scan *s, struct piece *p)
{
	char *lf = memchr(s->buffer + s->used, '\n', s->have - s->used);
	uint64_t base;
	int more = 1;

	while (lf == NULL && (s->used > 0 || s->have < MIME_READ_BYTES) && more == 1) {
		size_t seen = s->have - s->used;

		if ((more = fill(s)) == 1)
			lf = memchr(s->buffer + seen, '\n', s->have - seen);
	}
	if (more == -1 || (more == 0 && s->used == s->have))
		return more;
	base = s->next - s->have;
	p->at = base + s->used;
	p->starts = s->at_line_start;
	p->ends = lf != NULL;
	p->text.at = s->buffer + s->used;
	p->text.len = lf != NULL ? lf - p->text.at : s->have - s->used;
	s->used += p->text.len + (lf != NULL);
	p->after = base + s->used;
	if (p->ends && p->text.len > 0 && p->text.at[p->text.len - 1] == '\r')
		p->text.len--;
	s->at_line_start = p->ends;
	return 1;
}

/* ---- parts open and close ---- */

static struct mime_part *
current(struct scan *s)
{
	return &s->m->parts[s->part];
}

static void
open_part(struct scan *s, int parent, uint64_t at)
{
	struct mime *m = s->m;
	struct mime_part *part;

	if (m->n_parts == m->parts_size) {
		m->parts_size = m->parts_size == 0 ? 8 : 2 * m->parts_size;
		m->parts = xrealloc(m->parts, m->parts_size * sizeof *m->parts);
	}
	part = &m->parts[m->n_parts];
	*part = (struct mime_part){.parent = parent, .header_at = at, .at = at};
	part->type = xstrdup("text/plain");
	part->path = xstrdup("");
	part->charset = xstrdup("");
	part->name = xstrdup("");
	part->content_id = xstrdup("");
	if (parent != MIME_NO_PART) {
		const struct mime_part *above = &m->parts[parent];

		m->parts[parent].children++;
		part->depth = above->depth + 1;
		part->in_message = above->in_message || strcmp(above->type, "message/rfc822") == 0;
	}
	s->part = m->n_parts++;
	s->in_header = true;
	s->header_len = 0;
	s->header_cut = false;
	s->header_max = parent == MIME_NO_PART ? MIME_HEADER_MAX_BYTES : MIME_PART_HEADER_MAX_BYTES;
}

static void
close_part(struct mime_part *part, uint64_t end)
{
	part->len = end > part->at ? end - part->at : 0;
}

/* All down to the level's own part, which stays open. */
static void
close_above(struct scan *s, unsigned level, uint64_t end)
{
	int own = s->levels[level].part;

	for (int i = s->part; i != own && i != MIME_NO_PART; i = s->m->parts[i].parent)
		close_part(&s->m->parts[i], end);
	s->part = own;
	s->n_levels = level + 1;
	s->in_header = false;
}

static bool
is_message(const struct mime_part *part)
{
	return strcmp(part->type, "message/rfc822") == 0 && part->encoding == MIME_IDENTITY;
}

/* What is in a part that has parts. */
static void
open_level(struct scan *s, const char *boundary)
{
	struct mime *m = s->m;
	struct level *level = &s->levels[s->n_levels];
	int part = s->part;
	uint64_t at = current(s)->at;
	bool message = is_message(current(s));

	if (boundary[0] == '\0' && !message)
		return;
	if (s->n_levels == MIME_DEPTH_MAX || (message && m->n_parts == MIME_PARTS_MAX)) {
		mime_note(m, "parts nested too deep");
		return;
	}
	level->part = part;
	level->boundary_len = message ? 0 : strlen(boundary);
	strlcpy(level->boundary, boundary, sizeof level->boundary);
	s->n_levels++;
	if (message)
		open_part(s, part, at);
}

/* ---- headers ---- */

static void
keep_header(struct mime *m, char *header, size_t len)
{
	size_t n;

	m->header = xmalloc(len + 1);
	memcpy(m->header, header, len);
	m->header_len = len;
	m->fields = xcalloc(MIME_FIELDS_MAX, sizeof *m->fields);
	n = mime_cut_fields(m->header, len, m->fields, MIME_FIELDS_MAX);
	if (n > MIME_FIELDS_MAX) {
		mime_note(m, "too many header fields");
		n = MIME_FIELDS_MAX;
	}
	m->n_fields = n;
}

static bool
is_in_digest(struct scan *s, const struct mime_part *part)
{
	return part->parent != MIME_NO_PART &&
	       strcmp(s->m->parts[part->parent].type, "multipart/digest") == 0;
}

static void
end_header(struct scan *s, uint64_t body_at)
{
	struct mime_field fields[PART_FIELDS_MAX];
	char boundary[MIME_BOUNDARY_MAX_BYTES + 1];
	struct mime *m = s->m;
	struct mime_part *part = current(s);
	size_t n;

	s->in_header = false;
	part->at = body_at;
	if (s->header_cut)
		mime_note(m, "a header that is too long");
	if (s->part == 0) {
		keep_header(m, s->header, s->header_len);
		mime_read_part_header(m, part, m->fields, m->n_fields, false, boundary);
	} else {
		n = mime_cut_fields(s->header, s->header_len, fields, PART_FIELDS_MAX);
		n = n > PART_FIELDS_MAX ? PART_FIELDS_MAX : n;
		mime_read_part_header(m, part, fields, n, is_in_digest(s, part), boundary);
	}
	open_level(s, boundary);
}

static void
add_to_header(struct scan *s, struct span text)
{
	if (s->header_cut || text.len > s->header_max - s->header_len) {
		s->header_cut = true;
		return;
	}
	memcpy(s->header + s->header_len, text.at, text.len);
	s->header_len += text.len;
}

static bool
is_field(struct span line)
{
	const char *colon = memchr(line.at, ':', line.len);

	if (line.len == 0 || colon == line.at || colon == NULL)
		return false;
	for (const char *c = line.at; c < colon; c++)
		if (*c < '!' || *c == 127)
			return c > line.at && (*c == ' ' || *c == '\t') &&
			       span_trim((struct span){c, colon - c}).len == 0;
	return true;
}

/* A line of a mailbox file in front of the first field. */
static bool
is_from_line(const struct scan *s, const struct piece *p)
{
	return s->header_len == 0 && p->text.len > 5 && memcmp(p->text.at, "From ", 5) == 0;
}

static void
on_header_piece(struct scan *s, const struct piece *p)
{
	if (p->starts && p->text.len == 0 && p->ends)
		end_header(s, p->after);
	else if (p->starts && p->text.at[0] != ' ' && p->text.at[0] != '\t' && !is_field(p->text) &&
		 !is_from_line(s, p)) {
		mime_note(s->m, "a line in a header that is no field");
		end_header(s, p->at);
	} else {
		add_to_header(s, p->text);
		if (p->ends)
			add_to_header(s, (struct span){"\n", 1});
	}
}

/* ---- boundaries ---- */

/* The level whose boundary this line is, or -1. closes: it is the last one. */
static int
find_level(const struct scan *s, struct span line, bool *closes)
{
	struct span text = {line.at + 2, line.len - 2};

	for (int i = s->n_levels - 1; i >= 0; i--) {
		const struct level *l = &s->levels[i];
		struct span rest = {text.at + l->boundary_len, text.len - l->boundary_len};

		if (l->boundary_len == 0 || text.len < l->boundary_len ||
		    memcmp(text.at, l->boundary, l->boundary_len) != 0)
			continue;
		*closes = rest.len >= 2 && rest.at[0] == '-' && rest.at[1] == '-';
		if (*closes)
			rest = (struct span){rest.at + 2, rest.len - 2};
		if (span_trim(rest).len == 0)
			return i;
	}
	return -1;
}

/* False: enough parts. */
static bool
on_boundary(struct scan *s, unsigned level, bool closes, const struct piece *p)
{
	if (s->in_header)
		end_header(s, s->end > current(s)->header_at ? s->end : current(s)->header_at);
	close_above(s, level, s->end);
	if (closes) {
		s->n_levels = level; /* what follows belongs to the part above */
		return true;
	}
	if (s->m->n_parts == MIME_PARTS_MAX) {
		mime_note(s->m, "too many parts");
		return false;
	}
	open_part(s, s->levels[level].part, p->after);
	return true;
}

static bool
on_piece(struct scan *s, const struct piece *p)
{
	bool closes;
	int level;

	if (p->starts && s->n_levels > 0 && p->text.len > 2 && p->text.at[0] == '-' &&
	    p->text.at[1] == '-' && (level = find_level(s, p->text, &closes)) != -1)
		return on_boundary(s, level, closes, p);
	if (s->in_header)
		on_header_piece(s, p);
	s->end = p->at + p->text.len;
	return true;
}

/* ---- the whole ---- */

static bool
is_within_parts(const struct scan *s)
{
	for (unsigned i = 0; i < s->n_levels; i++)
		if (s->levels[i].boundary_len > 0)
			return true;
	return false;
}

static int
scan_all(struct scan *s)
{
	struct piece p;
	uint64_t end;
	int more;

	open_part(s, MIME_NO_PART, s->m->at);
	s->end = s->m->at;
	while ((more = next_piece(s, &p)) == 1)
		if (!on_piece(s, &p)) {
			close_part(&s->m->parts[0], s->m->at + s->m->len);
			break;
		}
	if (more == -1)
		return -1;
	end = more == 0 ? s->next : s->end;
	if (more == 0 && is_within_parts(s))
		mime_note(s->m, "the end of its parts is missing");
	if (s->in_header)
		end_header(s, end);
	for (int i = s->part; i != MIME_NO_PART; i = s->m->parts[i].parent)
		close_part(&s->m->parts[i], end);
	return 0;
}

/* As IMAP has them (RFC 9051 6.4.5): a message's parts are numbered below the number of the message
 * itself, and a text that is all of a message is its part 1. */
static void
number_parts(struct mime *m)
{
	unsigned *given = xcalloc(m->n_parts, sizeof *given);
	char path[PATH_MAX_BYTES];

	for (size_t i = 0; i < m->n_parts; i++) {
		struct mime_part *part = &m->parts[i];
		const struct mime_part *above = part->parent >= 0 ? &m->parts[part->parent] : NULL;
		bool many = strncmp(part->type, "multipart/", 10) == 0;
		bool whole = above == NULL || strncmp(above->type, "multipart/", 10) != 0;
		const char *prefix = above == NULL ? "" : above->path;

		if (whole && many)
			strlcpy(path, prefix, sizeof path);
		else
			snprintf(path, sizeof path, "%s%s%u", prefix, prefix[0] == '\0' ? "" : ".",
			    above == NULL ? 1 : ++given[part->parent]);
		free(part->path);
		part->path = xstrdup(path);
	}
	free(given);
}

static void
make_relative(struct mime *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		m->parts[i].at -= m->at;
		m->parts[i].header_at -= m->at;
	}
}

struct mime *
mime_open(int fd, uint64_t at, uint64_t len)
{
	struct mime *m = xcalloc(1, sizeof *m);
	struct scan *s = xcalloc(1, sizeof *s);
	int rv;

	mime_start();
	m->fd = fd;
	m->at = at;
	m->len = len;
	s->m = m;
	s->next = at;
	s->at_line_start = true;
	s->buffer = xmalloc(MIME_READ_BYTES);
	s->header = xmalloc(MIME_HEADER_MAX_BYTES);
	rv = scan_all(s);
	free(s->header);
	free(s->buffer);
	free(s);
	if (rv == -1) {
		mime_free(&m);
		return NULL;
	}
	number_parts(m);
	make_relative(m);
	return m;
}

struct mime *
mime_open_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	return mime_open(fd, 0, st.st_size);
}

struct mime *
mime_sub(const struct mime *m, const struct mime_part *part)
{
	return mime_open(m->fd, m->at + part->at, part->len);
}

void
mime_free(struct mime **mp)
{
	struct mime *m = *mp;
	int error = errno;

	if (m == NULL)
		return;
	*mp = NULL;
	for (size_t i = 0; i < m->n_parts; i++) {
		free(m->parts[i].path);
		free(m->parts[i].type);
		free(m->parts[i].charset);
		free(m->parts[i].name);
		free(m->parts[i].content_id);
	}
	free(m->parts);
	free(m->fields);
	free(m->header);
	free(m);
	errno = error;
}

const char *
mime_problem(const struct mime *m)
{
	return m->problem;
}

size_t
mime_n_parts(const struct mime *m)
{
	return m->n_parts;
}

const struct mime_part *
mime_part(const struct mime *m, size_t i)
{
	return &m->parts[i];
}

int
mime_find(const struct mime *m, struct span path)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].path[0] != '\0' && span_is(path, m->parts[i].path))
			return i;
	return MIME_NO_PART;
}
