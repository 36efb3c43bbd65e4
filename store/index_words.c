/*
 * What is looked for (struct folders_find) as SQL: conditions on messages, and words as questions
 * to the full text index. Strangers' text only ever becomes a parameter.
 */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "store/index.h"

enum { DEPTH_MAX = 20, TEXT_MAX_BYTES = 1000 };

struct compiler {
	struct index *index;
	struct find_sql *out;
	struct folders_find nodes[FOLDERS_EXPRESSION_MAX_NODES];
	size_t n, at;
};

/* ---- the expression in memory ---- */

static int
read_nodes(struct compiler *c, struct reader *r)
{
	while (get_more(r)) {
		struct folders_find *f = &c->nodes[c->n];
		uint64_t op, children;

		if (c->n == FOLDERS_EXPRESSION_MAX_NODES)
			return -1;
		op = get_u64(r);
		children = get_u64(r);
		f->number = get_u64(r);
		f->number2 = get_u64(r);
		f->text = get_str(r, TEXT_MAX_BYTES);
		if (op > FIND_OP_LAST || children > FOLDERS_EXPRESSION_MAX_NODES)
			return -1;
		if (children > 0 && op > FIND_NOT)
			return -1;
		f->op = op;
		f->children = op == FIND_NOT ? 1 : children;
		c->n++;
	}
	return get_end(r);
}

/* Behind the expression at at, or 0 when it goes beyond the end or too deep. */
static size_t
end_of(const struct compiler *c, size_t at, int depth)
{
	unsigned children;

	if (at >= c->n || depth > DEPTH_MAX)
		return 0;
	children = c->nodes[at++].children;
	for (unsigned i = 0; i < children; i++)
		if ((at = end_of(c, at, depth + 1)) == 0)
			return 0;
	return at;
}

/* ---- parameters ---- */

static void
add_number(struct compiler *c, uint64_t number)
{
	struct find_sql *f = c->out;

	f->params[f->n_params].number = number > INT64_MAX ? INT64_MAX : (int64_t)number;
	f->params[f->n_params++].is_text = false;
	sqlite3_str_appendchar(f->text, 1, '?');
}

/* Takes text. */
static void
add_text(struct compiler *c, char *text)
{
	struct find_sql *f = c->out;

	f->params[f->n_params].text = text;
	f->params[f->n_params++].is_text = true;
	sqlite3_str_appendchar(f->text, 1, '?');
}

static void
compare(struct compiler *c, const char *condition, uint64_t number)
{
	sqlite3_str_appendall(c->out->text, condition);
	add_number(c, number);
}

/* ---- words ---- */

static bool
is_words(const struct folders_find *f)
{
	return f->op >= FIND_FROM && f->op <= FIND_TEXT;
}

/* Nothing but words, ANDs and ORs: one question to the index. */
static bool
is_all_words(const struct compiler *c, size_t at)
{
	size_t end = end_of(c, at, 0);

	for (; at < end; at++) {
		const struct folders_find *f = &c->nodes[at];

		if (!is_words(f) && !((f->op == FIND_AND || f->op == FIND_OR) && f->children > 0))
			return false;
	}
	return true;
}

/* A phrase whose last word may go on. What is no word in it is passed over by the index. */
static void
print_phrase(sqlite3_str *out, const struct folders_find *f)
{
	static const char *const columns[] = {
	    "sender : ", "recipients : ", "subject : ", "body : ", ""};

	sqlite3_str_appendall(out, columns[f->op - FIND_FROM]);
	sqlite3_str_appendchar(out, 1, '"');
	for (size_t i = 0; i < f->text.len; i++) {
		char byte = f->text.at[i];

		sqlite3_str_appendchar(out, 1, byte == '"' || byte == '\0' ? ' ' : byte);
	}
	sqlite3_str_appendall(out, "\" *");
}

static size_t
print_match(const struct compiler *c, sqlite3_str *out, size_t at)
{
	const struct folders_find *f = &c->nodes[at++];

	if (is_words(f)) {
		print_phrase(out, f);
		return at;
	}
	sqlite3_str_appendchar(out, 1, '(');
	for (unsigned i = 0; i < f->children; i++) {
		if (i > 0)
			sqlite3_str_appendall(out, f->op == FIND_AND ? " AND " : " OR ");
		at = print_match(c, out, at);
	}
	sqlite3_str_appendchar(out, 1, ')');
	return at;
}

static void
put_match(struct compiler *c, char *match)
{
	struct find_sql *f = c->out;

	sqlite3_str_appendf(f->text, "in_set(%d, m.text)", (int)f->n_matches);
	f->matches[f->n_matches++] = match;
}

static void
put_words(struct compiler *c)
{
	sqlite3_str *match = sqlite3_str_new(NULL);

	c->at = print_match(c, match, c->at);
	put_match(c, sqlite3_str_finish(match));
}

/* ---- conditions ---- */

/* One flag is written as in the partial indexes, which are used for that. */
static void
put_flags(struct compiler *c, const struct folders_find *f, bool all)
{
	unsigned flags = f->number & FLAGS_ALL;

	if ((flags & (flags - 1)) == 0 && flags != 0)
		sqlite3_str_appendf(c->out->text, "(m.flags & %u) %s 0", flags, all ? "<>" : "=");
	else
		sqlite3_str_appendf(
		    c->out->text, "(m.flags & %u) %s %u", flags, all ? "=" : "<>", flags);
}

/* A keyword has another letter in each folder. */
static void
put_keyword(struct compiler *c, struct span name)
{
	struct index *x = c->index;

	sqlite3_str_appendchar(c->out->text, 1, '0');
	for (size_t i = 0; i < x->n_folders; i++) {
		int number = keywords_number(x, x->folders[i], name, false);

		if (number != -1)
			sqlite3_str_appendf(c->out->text,
			    " OR (m.folder = %lld AND (m.keywords & %lld) <> 0)",
			    (long long)x->folders[i]->id, 1LL << number);
	}
}

static void
put_message_id(struct compiler *c, struct span id)
{
	if (id.len > 1 && id.at[0] == '<' && id.at[id.len - 1] == '>')
		id = (struct span){id.at + 1, id.len - 2};
	sqlite3_str_appendall(c->out->text,
	    "m.text IN (SELECT id FROM texts WHERE message_id <> '' AND"
	    " message_id = ");
	add_text(c, sqlite3_mprintf("%.*s", (int)id.len, id.at));
	sqlite3_str_appendchar(c->out->text, 1, ')');
}

static void
put_condition(struct compiler *c, const struct folders_find *f)
{
	sqlite3_str *out = c->out->text;

	switch (f->op) {
	case FIND_FLAG:
		put_flags(c, f, true);
		break;
	case FIND_KEYWORD:
		put_keyword(c, f->text);
		break;
	case FIND_SINCE:
		compare(c, "m.date >= ", f->number);
		break;
	case FIND_BEFORE:
		compare(c, "m.date < ", f->number);
		break;
	case FIND_ARRIVED_SINCE:
		compare(c, "m.arrival >= ", f->number);
		break;
	case FIND_ARRIVED_BEFORE:
		compare(c, "m.arrival < ", f->number);
		break;
	case FIND_LARGER:
		compare(c, "m.size > ", f->number);
		break;
	case FIND_SMALLER:
		compare(c, "m.size < ", f->number);
		break;
	case FIND_ATTACHMENT:
		sqlite3_str_appendall(out, "m.attachments = 1");
		break;
	case FIND_UIDS:
		compare(c, "m.uid BETWEEN ", f->number);
		compare(c, " AND ", f->number2);
		break;
	case FIND_MESSAGE_ID:
		put_message_id(c, f->text);
		break;
	default:
		break;
	}
}

static void put_expression(struct compiler *c);

/* The words of an AND are one question. */
static void
put_and(struct compiler *c, unsigned children)
{
	sqlite3_str *match = sqlite3_str_new(NULL);
	bool first = true;

	for (unsigned i = 0; i < children; i++) {
		if (is_all_words(c, c->at)) {
			sqlite3_str_appendall(match, sqlite3_str_length(match) > 0 ? " AND " : "");
			c->at = print_match(c, match, c->at);
			continue;
		}
		sqlite3_str_appendall(c->out->text, first ? "" : " AND ");
		first = false;
		put_expression(c);
	}
	if (sqlite3_str_length(match) > 0) {
		sqlite3_str_appendall(c->out->text, first ? "" : " AND ");
		first = false;
		put_match(c, sqlite3_str_finish(match));
	} else {
		sqlite3_free(sqlite3_str_finish(match));
	}
	if (first)
		sqlite3_str_appendchar(c->out->text, 1, '1');
}

static void
put_or(struct compiler *c, unsigned children)
{
	sqlite3_str_appendchar(c->out->text, 1, '0');
	for (unsigned i = 0; i < children; i++) {
		sqlite3_str_appendall(c->out->text, " OR ");
		put_expression(c);
	}
}

static void
put_expression(struct compiler *c)
{
	const struct folders_find *f = &c->nodes[c->at];
	sqlite3_str *out = c->out->text;

	sqlite3_str_appendchar(out, 1, '(');
	if (is_all_words(c, c->at)) {
		put_words(c);
	} else {
		c->at++;
		if (f->op == FIND_NOT && c->nodes[c->at].op == FIND_FLAG) {
			put_flags(c, &c->nodes[c->at++], false);
		} else if (f->op == FIND_NOT) {
			sqlite3_str_appendall(out, "NOT ");
			put_expression(c);
		} else if (f->op == FIND_AND) {
			put_and(c, f->children);
		} else if (f->op == FIND_OR) {
			put_or(c, f->children);
		} else {
			put_condition(c, f);
		}
	}
	sqlite3_str_appendchar(out, 1, ')');
}

/* One condition that each match must meet. */
static void
note_condition(struct compiler *c, size_t at)
{
	const struct folders_find *f = &c->nodes[at];

	c->out->by_last |= is_all_words(c, at);
	c->out->by_id |= f->op == FIND_MESSAGE_ID;
	c->out->by_flag |= f->op == FIND_FLAG && f->number == FLAG_FLAGGED;
	c->out->by_flag |= f->op == FIND_NOT && c->nodes[at + 1].op == FIND_FLAG &&
			   c->nodes[at + 1].number == FLAG_SEEN;
}

static void
note_conditions(struct compiler *c)
{
	size_t at = 1;

	note_condition(c, 0);
	if (c->nodes[0].op != FIND_AND)
		return;
	/* Their words are the last question: see put_and(). */
	for (unsigned i = 0; i < c->nodes[0].children; i++) {
		note_condition(c, at);
		at = end_of(c, at, 1);
	}
}

int
find_compile(struct index *x, struct reader *r, struct find_sql *f)
{
	static _Thread_local struct compiler c;

	*f = (struct find_sql){.text = sqlite3_str_new(NULL)};
	c.index = x;
	c.out = f;
	c.n = c.at = 0;
	if (read_nodes(&c, r) == -1 || (c.n > 0 && end_of(&c, 0, 0) != c.n))
		return -1;
	if (c.n == 0) {
		sqlite3_str_appendchar(f->text, 1, '1');
		f->is_all = true;
		return 0;
	}
	note_conditions(&c);
	put_expression(&c);
	return 0;
}

void
find_bind(const struct find_sql *f, sqlite3_stmt *st, int first)
{
	for (size_t i = 0; i < f->n_params; i++)
		if (f->params[i].is_text)
			sqlite3_bind_text(st, first + i, f->params[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_int64(st, first + i, f->params[i].number);
}

void
find_free(struct find_sql *f)
{
	for (size_t i = 0; i < f->n_params; i++)
		if (f->params[i].is_text)
			sqlite3_free(f->params[i].text);
	for (size_t i = 0; i < f->n_matches; i++) {
		sqlite3_free(f->matches[i]);
		id_set_clear(&f->sets[i]);
	}
	id_set_clear(&f->sets[f->n_matches]);
	sqlite3_free(sqlite3_str_finish(f->text));
}
