/*
 * The editor: sets keys and entries in config.ini and mail.ini and keeps everything else. What is
 * asked for is looked at (config_edit_look.c), spliced into the texts, judged as a whole and
 * written (config_files.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_edit_private.h"
#include "common/config_lines.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"

const char config_masked[] = "********";

int
config_refuse(struct config_changed *out, int error, char *text)
{
	if (out->why == NULL) {
		out->why = text;
		out->error = error;
	} else {
		free(text);
	}
	return -1;
}

static void
add_problem(struct config_changed *out, const struct edit *e, const char *where, const char *text)
{
	json_t *problem = json_pack("{s:o, s:b}", "text", json_text(span_of(text)), "warning", 0);

	if (where != NULL)
		json_object_set_new(problem, "where", json_text(span_of(where)));
	if (e != NULL && e->place.section != NULL)
		json_object_set_new(problem, "section", json_text(span_of(e->place.section)));
	if (e != NULL && e->place.name != NULL)
		json_object_set_new(problem, "key", json_text(span_of(e->place.name)));
	json_array_append_new(out->problems, problem);
}

int
config_edit_refuse(struct editor *ed, const struct edit *e, char *text)
{
	add_problem(ed->out, e, NULL, text);
	return config_refuse(ed->out, 0, text);
}

/* ---- is it right ---- */

static struct config *
judge(const char *root, const struct config_source *sources, struct config_problems *problems)
{
	*problems = (struct config_problems){0};
	return config_build(root, sources, problems, false);
}

/* Without regard to the numbers of lines, which a change moves. */
static bool
is_same_text(const char *a, const char *b)
{
	static const char line[] = " line ";

	for (; *a == *b && *a != '\0'; a++, b++)
		if (strncmp(a, line, sizeof line - 1) == 0 &&
		    strncmp(b, line, sizeof line - 1) == 0) {
			a += sizeof line - 1;
			b += sizeof line - 1;
			a += strspn(a, "0123456789") - 1;
			b += strspn(b, "0123456789") - 1;
		}
	return *a == *b;
}

static bool
has(const struct config_problems *problems, const struct config_problem *error)
{
	size_t file = strcspn(error->where, ":");

	for (size_t i = 0; i < problems->n; i++)
		if (!problems->items[i].warning &&
		    strncmp(problems->items[i].where, error->where, file) == 0 &&
		    is_same_text(problems->items[i].text, error->text))
			return true;
	return false;
}

/* A problem's text starts with the key's name. */
static const struct edit *
edit_of(const struct editor *ed, const char *text)
{
	for (size_t i = 0; i < ed->n; i++) {
		const char *name = ed->edits[i].place.name;
		size_t len = name != NULL ? strlen(name) : 0;

		if (len > 0 && strncasecmp(text, name, len) == 0 && text[len] == ':')
			return &ed->edits[i];
	}
	return NULL;
}

/*
 * Errors that the files have anyhow do not keep anybody from mending them one by one: those that
 * are there before, and also would be without the keys in question, are no reason to refuse.
 */
static int
check(struct editor *ed, const struct config_problems *before)
{
	struct config_problems now, without;
	int rv = 0;

	config_free(&(struct config *){judge(ed->root, ed->with, &now)});
	config_free(&(struct config *){judge(ed->root, ed->without, &without)});
	for (size_t i = 0; i < now.n; i++) {
		const struct config_problem *p = &now.items[i];

		if (p->warning || (has(before, p) && has(&without, p)))
			continue;
		add_problem(ed->out, edit_of(ed, p->text), p->where, p->text);
		rv = config_refuse(ed->out, 0,
		    xasprintf(
			"nothing was changed, since then %s would say: %s", p->where, p->text));
	}
	config_problems_free(&now);
	config_problems_free(&without);
	return rv;
}

/* ---- what has changed, for the record ---- */

static json_t *
written_value(const struct config *c, const struct edit *e)
{
	const struct config_value *v;
	const char *written, *normalized;

	if (e->key == NULL)
		return config_entry_value(c, e->place.section, e->place.name, &written, &normalized)
			   ? json_text(span_of(written))
			   : json_null();
	v = config_value_of(c, e->place.section, e->key);
	if (v->line == 0)
		return json_null();
	if (e->key->type == CONFIG_SECRET && v->written != NULL)
		return json_string(config_masked);
	return json_text(span_of(v->written != NULL ? v->written : ""));
}

static bool
is_secret(const struct edit *e)
{
	return e->key != NULL && e->key->type == CONFIG_SECRET;
}

static void
record(struct editor *ed, const struct edit *e, const struct config *before,
    const struct config *after)
{
	json_t *old = written_value(before, e), *new = written_value(after, e);

	if (json_equal(old, new) && !(is_secret(e) && e->value != NULL)) {
		json_decref(old);
		json_decref(new);
		return;
	}
	json_array_append_new(
	    ed->out->what, json_pack("{s:s, s:s, s:s, s:o, s:o}", "file",
			       config_source_names[e->which], "section", e->place.section, "key",
			       log_printable(span_of(e->place.name)), "old", old, "new", new));
}

/* Each key of a section that goes. */
static void
record_section(struct editor *ed, const struct edit *e, const struct config *before,
    const struct config *after)
{
	const struct config_section *s = config_section_find(before, e->place.section);

	for (size_t i = 0; s != NULL && i < s->n; i++) {
		struct edit one = *e;

		one.key = &config_keys[s->first + i];
		one.place.name = one.key->key;
		if (s->values[i].line != 0)
			record(ed, &one, before, after);
	}
}

static void
record_all(struct editor *ed, const struct config *before)
{
	struct config_problems problems;
	struct config *after = judge(ed->root, ed->with, &problems);

	for (size_t i = 0; i < ed->n; i++)
		if (ed->edits[i].place.name != NULL)
			record(ed, &ed->edits[i], before, after);
		else
			record_section(ed, &ed->edits[i], before, after);
	config_problems_free(&problems);
	config_free(&after);
}

/* ---- all changes ---- */

/* Replaces the text by what edit makes of it. */
static void
splice_one(struct config_source *s, const struct edit *e, const char *value)
{
	struct span text = {s->text, s->len};
	char *new = e->place.name != NULL ? config_splice(text, &e->place, value, &s->len)
					  : config_splice_section(text, e->place.section, &s->len);

	free(s->text);
	s->text = new;
}

static int
splice_all(struct editor *ed)
{
	for (size_t i = 0; i < ed->n; i++) {
		const struct edit *e = &ed->edits[i];

		if (ed->sources[e->which].text == NULL)
			return config_refuse(ed->out, ed->sources[e->which].error,
			    xasprintf("config/%s cannot be read: %s", config_source_names[e->which],
				strerror(ed->sources[e->which].error)));
		splice_one(&ed->with[e->which], e, e->value);
		splice_one(&ed->without[e->which], e, NULL);
	}
	for (int i = 0; i < CONFIG_SOURCES; i++)
		if (ed->with[i].len > CONFIG_FILE_MAX_BYTES)
			return config_refuse(ed->out, 0,
			    xstrdup("nothing was changed: the file would be larger than 4 MB"));
	return 0;
}

static void
copy_source(struct config_source *to, const struct config_source *from)
{
	*to = *from;
	if (from->text != NULL) {
		to->text = xmalloc(from->len + 1);
		memcpy(to->text, from->text, from->len);
	}
}

/* What is needed to take it back. */
static void
keep_files(struct editor *ed)
{
	for (int i = 0; i < CONFIG_SOURCES; i++)
		if (config_source_differs(&ed->sources[i], &ed->with[i])) {
			ed->out->old[i] = ed->sources[i].text;
			ed->out->old_len[i] = ed->sources[i].len;
			ed->out->new[i] = ed->with[i].text;
			ed->out->new_len[i] = ed->with[i].len;
			ed->sources[i].text = ed->with[i].text = NULL;
		}
}

static int
change_files(struct editor *ed)
{
	struct config_problems before;
	struct config *old;
	int rv = -1;

	for (int i = 0; i < CONFIG_SOURCES; i++) {
		config_source_read(&ed->sources[i], ed->root, config_source_names[i]);
		copy_source(&ed->with[i], &ed->sources[i]);
		copy_source(&ed->without[i], &ed->sources[i]);
	}
	old = judge(ed->root, ed->sources, &before);
	if (splice_all(ed) == 0 && check(ed, &before) == 0 &&
	    (rv = config_files_write(ed->root, ed->sources, ed->with, ed->out)) == 0) {
		record_all(ed, old);
		keep_files(ed);
	}
	config_problems_free(&before);
	config_free(&old);
	for (int i = 0; i < CONFIG_SOURCES; i++) {
		config_source_free(&ed->sources[i]);
		config_source_free(&ed->with[i]);
		config_source_free(&ed->without[i]);
	}
	return rv;
}

int
config_change(
    const char *root, const struct config_change *changes, size_t n, struct config_changed *out)
{
	char *absolute = realpath(root, NULL);
	struct editor ed = {.root = absolute, .n = n, .out = out};
	int rv = -1, lock;

	*out = (struct config_changed){.problems = json_array(), .what = json_array()};
	if (absolute == NULL)
		return config_refuse(out, errno, xasprintf("%s: %s", root, strerror(errno)));
	ed.edits = xcalloc(n, sizeof *ed.edits);
	if (config_edit_look(&ed, changes) == 0 &&
	    (lock = config_files_lock(absolute, out)) != -1) {
		rv = change_files(&ed);
		closefd(&lock);
	}
	for (size_t i = 0; i < n; i++) {
		if (ed.edits[i].value != NULL)
			explicit_bzero(ed.edits[i].value, strlen(ed.edits[i].value));
		free(ed.edits[i].value);
	}
	free(ed.edits);
	free(absolute);
	return rv;
}

/* Whether the files still are what the change made of them. */
static bool
is_untouched(const struct config_source *now, const struct config_changed *changed)
{
	for (int i = 0; i < CONFIG_SOURCES; i++)
		if (changed->new[i] != NULL &&
		    (now[i].text == NULL || now[i].len != changed->new_len[i] ||
			memcmp(now[i].text, changed->new[i], now[i].len) != 0))
			return false;
	return true;
}

int
config_change_back(const char *root, struct config_changed *changed)
{
	struct config_source now[CONFIG_SOURCES], old[CONFIG_SOURCES];
	char *absolute = realpath(root, NULL);
	int rv = -1, lock = absolute != NULL ? config_files_lock(absolute, changed) : -1;

	if (lock == -1) {
		free(absolute);
		return -1;
	}
	for (int i = 0; i < CONFIG_SOURCES; i++) {
		config_source_read(&now[i], absolute, config_source_names[i]);
		old[i] = now[i];
		if (changed->old[i] != NULL)
			old[i] = (struct config_source){changed->old[i], changed->old_len[i], 0};
	}
	if (is_untouched(now, changed))
		rv = config_files_write(absolute, now, old, changed);
	for (int i = 0; i < CONFIG_SOURCES; i++)
		config_source_free(&now[i]);
	closefd(&lock);
	free(absolute);
	return rv;
}

static void
wipe(char **text, size_t len)
{
	if (*text != NULL)
		explicit_bzero(*text, len); /* there may be passwords in it */
	free(*text);
	*text = NULL;
}

void
config_changed_free(struct config_changed *out)
{
	for (int i = 0; i < CONFIG_SOURCES; i++) {
		wipe(&out->old[i], out->old_len[i]);
		wipe(&out->new[i], out->new_len[i]);
	}
	free(out->why);
	json_decref(out->problems);
	json_decref(out->what);
	*out = (struct config_changed){.why = NULL};
}

/* ---- one change ---- */

static int
change_one(const char *root, const struct config_change *change, char **why)
{
	struct config_changed out;
	int rv = config_change(root, change, 1, &out), error = out.error;

	if (rv == -1) {
		*why = out.why;
		out.why = NULL;
	}
	config_changed_free(&out);
	errno = error;
	return rv;
}

int
config_set(const char *root, const char *section, const char *key, const char *value, char **why)
{
	return change_one(root, &(struct config_change){section, key, value}, why);
}

int
config_set_entry(
    const char *root, const char *section, const char *name, const char *value, char **why)
{
	if (config_entries_section(section) == NULL)
		fatalx("[%s] has no lines with names of their own", section);
	return change_one(root, &(struct config_change){section, name, value}, why);
}
