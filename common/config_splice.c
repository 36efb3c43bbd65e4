/*
 * Changes of a configuration file's text: finds the one place to change, keeps all other bytes.
 */
#include "common/config_splice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_lines.h"
#include "common/log.h"

/* The places of interest, as offsets; NOWHERE when there is none. */
#define NOWHERE SIZE_MAX
struct places {
	struct config_line entry; /* the key's own line; whole.at NULL: none */
	size_t behind_comment;	  /* behind "# Key = value" */
	size_t behind_last;	  /* behind the section's last entry */
	size_t section_end;	  /* where the first line of a section without entries goes */
	size_t head;		  /* where the section's own line starts */
	const char *line_end;	  /* "\n" or "\r\n", as the file has it */
};

struct scan {
	const struct splice_key *key;
	struct places *places;
	const char *start;
	bool in_section;
	size_t end;	    /* behind the section's last line that is not blank */
	size_t end_comment; /* the same before a block of comments that follows a blank line */
	bool after_blank, in_block;
};

static void
remember_end(struct scan *s, const struct config_line *line, size_t behind)
{
	if (line->kind == LINE_BLANK) {
		s->after_blank = true;
		s->in_block = false;
		s->end_comment = s->end; /* what a blank line follows is not about the next head */
		return;
	}
	if (line->kind != LINE_COMMENT)
		s->in_block = false;
	else if (s->after_blank)
		s->in_block = true;
	if (!s->in_block)
		s->end_comment = behind;
	s->after_blank = false;
	s->end = behind;
}

/* A block of comments right before the next section's head is about that section. */
static void
leave_section(struct scan *s, bool at_head)
{
	if (!s->in_section || s->places->section_end != NOWHERE)
		return;
	s->places->section_end =
	    at_head && s->in_block && !s->after_blank ? s->end_comment : s->end;
	s->in_section = false;
}

/* ";[fetch work]": what follows is no part of the section before it either. */
static bool
is_example_head(const struct config_line *line)
{
	return line->whole.len > 1 && line->whole.at[0] == ';' && line->whole.at[1] == '[';
}

static void
scan_line(struct scan *s, const struct config_line *line)
{
	size_t behind = line->whole.at + line->whole.len - s->start;

	if (line->kind == LINE_SECTION && s->places->head == NOWHERE &&
	    span_is_nocase(line->name, s->key->section))
		s->places->head = behind - line->whole.len;
	if (line->kind == LINE_COMMENT && is_example_head(line))
		leave_section(s, true);
	if (line->kind == LINE_SECTION) {
		leave_section(s, true);
		s->in_section = span_is_nocase(line->name, s->key->section);
		s->after_blank = s->in_block = false;
	}
	if (!s->in_section)
		return;
	remember_end(s, line, behind);
	if (line->kind == LINE_ENTRY)
		s->places->behind_last = behind;
	if (line->kind == LINE_ENTRY && s->key->is(s->key, line->name) &&
	    s->places->entry.whole.at == NULL)
		s->places->entry = *line;
	if (line->kind == LINE_COMMENT && s->places->behind_comment == NOWHERE &&
	    config_comment_is_about(line->value, s->key->name))
		s->places->behind_comment = behind;
}

static void
find_places(struct span text, const struct splice_key *key, struct places *p)
{
	struct span rest = config_skip_mark(text);
	struct scan s = {.key = key, .places = p, .start = text.at};
	const char *lf = text.len ? memchr(text.at, '\n', text.len) : NULL;
	struct config_line line;

	*p = (struct places){.behind_comment = NOWHERE,
	    .behind_last = NOWHERE,
	    .section_end = NOWHERE,
	    .head = NOWHERE,
	    .line_end = "\n"};
	if (lf != NULL && lf > text.at && lf[-1] == '\r')
		p->line_end = "\r\n";
	while (config_line_next(&rest, &line))
		scan_line(&s, &line);
	leave_section(&s, false);
}

/* ---- writing ---- */

static void
put(FILE *f, const char *from, const char *to)
{
	if (to > from)
		fwrite(from, 1, to - from, f);
}

static void
put_changed(FILE *f, struct span text, const struct config_line *entry, const char *value)
{
	const char *start = entry->value.at, *end = start + entry->value.len;

	put(f, text.at, start);
	if (entry->value.len == 0) {
		while (end < text.at + text.len && (*end == ' ' || *end == '\t'))
			end++;
		fputs(value[0] != '\0' ? " " : "", f);
	}
	fputs(value, f);
	put(f, end, text.at + text.len);
}

static void
put_without(FILE *f, struct span text, struct span line)
{
	put(f, text.at, line.at);
	put(f, line.at + line.len, text.at + text.len);
}

/* Ends the line before, which may be the file's last one and open. */
static void
end_line(FILE *f, struct span text, size_t at, const char *line_end)
{
	if (at > 0 && text.at[at - 1] != '\n')
		fputs(text.at[at - 1] == '\r' ? "\n" : line_end, f);
}

static void
put_inserted(FILE *f, struct span text, size_t at, const struct splice_key *key, const char *value,
    const char *line_end)
{
	put(f, text.at, text.at + at);
	end_line(f, text, at, line_end);
	fprintf(f, "%s = %s%s", key->name, value, line_end);
	put(f, text.at + at, text.at + text.len);
}

static void
put_section(FILE *f, struct span text, const struct splice_key *key, const char *value,
    const char *line_end)
{
	put(f, text.at, text.at + text.len);
	end_line(f, text, text.len, line_end);
	if (text.len > 0)
		fputs(line_end, f);
	fprintf(f, "[%s]%s%s = %s%s", key->section, line_end, key->name, value, line_end);
}

char *
config_splice(struct span text, const struct splice_key *key, const char *value, size_t *len)
{
	struct places p;
	char *out = NULL;
	FILE *f = open_memstream(&out, len);

	if (f == NULL)
		fatalx("out of memory");
	find_places(text, key, &p);
	if (value == NULL && p.entry.whole.at != NULL)
		put_without(f, text, p.entry.whole);
	else if (value == NULL)
		put(f, text.at, text.at + text.len);
	else if (p.entry.whole.at != NULL)
		put_changed(f, text, &p.entry, value);
	else if (p.behind_comment != NOWHERE && p.behind_comment <= p.section_end)
		put_inserted(f, text, p.behind_comment, key, value, p.line_end);
	else if (p.behind_last != NOWHERE)
		put_inserted(f, text, p.behind_last, key, value, p.line_end);
	else if (p.section_end != NOWHERE)
		put_inserted(f, text, p.section_end, key, value, p.line_end);
	else
		put_section(f, text, key, value, p.line_end);
	if (fclose(f) != 0)
		fatalx("out of memory");
	return out;
}

static bool
is_no_key(const struct splice_key *key, struct span name)
{
	(void)key, (void)name;
	return false;
}

/* Where the blank line before this place starts; at itself when there is none. */
static size_t
before_blank(struct span text, size_t at)
{
	size_t start = at;

	if (start > 0 && text.at[start - 1] == '\n')
		start--;
	if (start > 0 && start < at && text.at[start - 1] == '\r')
		start--;
	return start < at && (start == 0 || text.at[start - 1] == '\n') ? start : at;
}

/* The blank line behind the section goes with it where there is one before it, too; at the file's
 * end the one before. */
static void
widen_section(struct span text, struct places *p)
{
	struct span rest = {text.at + p->section_end, text.len - p->section_end};
	size_t start = before_blank(text, p->head);
	struct config_line line;

	if (!config_line_next(&rest, &line))
		p->head = start;
	else if (line.kind == LINE_BLANK && (start < p->head || p->head == 0))
		p->section_end += line.whole.len;
}

char *
config_splice_section(struct span text, const char *section, size_t *len)
{
	const struct splice_key key = {.section = section, .name = "", .is = is_no_key};
	struct places p;
	char *out = NULL;
	FILE *f = open_memstream(&out, len);

	if (f == NULL)
		fatalx("out of memory");
	find_places(text, &key, &p);
	if (p.head == NOWHERE || p.section_end == NOWHERE) {
		put(f, text.at, text.at + text.len);
	} else {
		widen_section(text, &p);
		put(f, text.at, text.at + p.head);
		put(f, text.at + p.section_end, text.at + text.len);
	}
	if (fclose(f) != 0)
		fatalx("out of memory");
	return out;
}
