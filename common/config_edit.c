/*
 * The editor: sets keys and entries in config.ini and mail.ini and keeps everything else. Writes
 * below config/ of an instance: new files beside the old ones, then a rename of each, which is the
 * commit point.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/config_lines.h"
#include "common/config_private.h"
#include "common/config_splice.h"
#include "common/config_values.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/write_all.h"

const char config_masked[] = "********";

/* Nobody who holds the lock needs it for long. */
enum { LOCK_TRY_MS = 10, LOCK_TRIES = 100 };

/* One of the changes, looked at. */
struct edit {
	const struct config_change *asked;
	const struct config_key *key; /* NULL: a line, or a section as a whole */
	struct splice_key place;      /* name NULL: the section */
	int which;		      /* of the files */
	char *value;		      /* NULL: removed */
	char section[CONFIG_SECTION_SIZE];
};

/* All of them on their way into the files. */
struct editor {
	const char *root;
	struct edit *edits;
	size_t n;
	struct config_source sources[CONFIG_SOURCES]; /* as they are */
	struct config_source with[CONFIG_SOURCES];    /* changed */
	struct config_source without[CONFIG_SOURCES]; /* without all that is in question */
	struct config_changed *out;
};

/* error: what the system said, 0 when the change itself is not right. The first one is told. Owns
 * text. */
static int
refuse(struct config_changed *out, int error, char *text)
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

/* A change that is not right by itself. Owns text. */
static int
refuse_edit(struct editor *ed, const struct edit *e, char *text)
{
	add_problem(ed->out, e, NULL, text);
	return refuse(ed->out, 0, text);
}

/* ---- replacing a file ---- */

/* Owner and mode of the old file, before there is anything to read in the new one. */
static int
take_over_rights(int fd, const char *old)
{
	struct stat st, mine;

	if (stat(old, &st) == -1 || fstat(fd, &mine) == -1)
		return -1;
	if ((st.st_uid != mine.st_uid || st.st_gid != mine.st_gid) &&
	    fchown(fd, st.st_uid, st.st_gid) == -1)
		return -1;
	return fchmod(fd, st.st_mode & 07777);
}

static int
sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;
	int fd, rv;

	if (strlcpy(directory, path, sizeof directory) >= sizeof directory ||
	    (slash = strrchr(directory, '/')) == NULL)
		return -1;
	*slash = '\0';
	if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	rv = fsync(fd);
	closefd(&fd);
	return rv;
}

/* A new file on its way to the old one's place. */
struct replacement {
	char *path; /* free of symbolic links, so that the file itself is replaced */
	char temporary[PATH_MAX + 16]; /* "": there is none */
};

static void
drop_replacement(struct replacement *r)
{
	int error = errno;

	if (r->temporary[0] != '\0')
		(void)unlink(r->temporary);
	free(r->path);
	*r = (struct replacement){.path = NULL};
	errno = error;
}

/* On 0 the new file is durable beside the old one. */
static int
prepare(struct replacement *r, const char *root, int which, struct span text)
{
	char path[PATH_MAX];
	int fd, rv = -1;

	snprintf(path, sizeof path, "%s/config/%s", root, config_source_names[which]);
	*r = (struct replacement){.path = realpath(path, NULL)};
	if (r->path == NULL)
		return -1;
	snprintf(r->temporary, sizeof r->temporary, "%s.XXXXXX", r->path);
	if ((fd = mkostemp(r->temporary, O_CLOEXEC)) == -1)
		r->temporary[0] = '\0';
	else if (take_over_rights(fd, r->path) == 0 && write_all(fd, text.at, text.len) == 0 &&
		 fsync(fd) == 0)
		rv = 0;
	closefd(&fd);
	return rv;
}

static int
put_in_place(struct replacement *r)
{
	if (rename(r->temporary, r->path) == -1)
		return -1;
	r->temporary[0] = '\0';
	return sync_directory_of(r->path);
}

/* ---- the files ---- */

int
config_lock(const char *root)
{
	const struct timespec moment = {0, LOCK_TRY_MS * 1000000L};
	char path[PATH_MAX];
	int fd, tries = LOCK_TRIES;

	if (snprintf(path, sizeof path, "%s/config", root) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		if ((errno != EWOULDBLOCK && errno != EINTR) || --tries == 0)
			closefd(&fd); /* keeps errno */
		else
			(void)nanosleep(&moment, NULL);
	return fd;
}

static int
lock_directory(const char *root, struct config_changed *out)
{
	int fd = config_lock(root);

	if (fd == -1)
		refuse(out, errno,
		    errno == EWOULDBLOCK
			? xstrdup("somebody else is just changing the configuration: try again")
			: xasprintf("%s/config: %s", root, strerror(errno)));
	return fd;
}

static bool
is_other(const struct config_source *a, const struct config_source *b)
{
	return a->text != NULL && b->text != NULL &&
	       (a->len != b->len || memcmp(a->text, b->text, a->len) != 0);
}

/*
 * Replaces the files whose text is another one. When the second cannot be put in place, the first
 * goes back to what it was.
 */
static int
write_files(const char *root, const struct config_source *old, const struct config_source *new,
    struct config_changed *out)
{
	struct replacement files[CONFIG_SOURCES] = {{NULL, ""}, {NULL, ""}}, back;
	int which, last = 0, rv = 0;

	for (which = 0; which < CONFIG_SOURCES && rv == 0; last = which++)
		if (is_other(&old[which], &new[which]))
			rv = prepare(&files[which], root, which,
			    (struct span){new[which].text, new[which].len});
	for (which = 0; which < CONFIG_SOURCES && rv == 0; last = which++)
		if (files[which].temporary[0] != '\0')
			rv = put_in_place(&files[which]);
	if (rv == -1)
		refuse(out, errno,
		    xasprintf(
			"%s/config/%s: %s", root, config_source_names[last], strerror(errno)));
	if (rv == -1 && which == CONFIG_SOURCES && files[0].path != NULL &&
	    files[0].temporary[0] == '\0') {
		if (prepare(&back, root, 0, (struct span){old[0].text, old[0].len}) == 0)
			(void)put_in_place(&back);
		drop_replacement(&back);
	}
	for (which = 0; which < CONFIG_SOURCES; which++)
		drop_replacement(&files[which]);
	return rv;
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
		rv = refuse(ed->out, 0,
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
			return refuse(ed->out, ed->sources[e->which].error,
			    xasprintf("config/%s cannot be read: %s", config_source_names[e->which],
				strerror(ed->sources[e->which].error)));
		splice_one(&ed->with[e->which], e, e->value);
		splice_one(&ed->without[e->which], e, NULL);
	}
	for (int i = 0; i < CONFIG_SOURCES; i++)
		if (ed->with[i].len > CONFIG_FILE_MAX_BYTES)
			return refuse(ed->out, 0,
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
		if (is_other(&ed->sources[i], &ed->with[i])) {
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
	    (rv = write_files(ed->root, ed->sources, ed->with, ed->out)) == 0) {
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

/* ---- keys, entries and sections ---- */

/* A value must stay one line and be read back as it was given. */
static int
check_one_line(struct editor *ed, const struct edit *e, const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return refuse_edit(ed, e, xstrdup("the value holds a control character"));
	if (n <= CONFIG_LINE_MAX_BYTES)
		return 0;
	return refuse_edit(
	    ed, e, xasprintf("the value is longer than %d bytes", CONFIG_LINE_MAX_BYTES));
}

static bool
is_key(const struct splice_key *key, struct span name)
{
	return span_is_nocase(name, key->name);
}

static int
check_value(struct editor *ed, const struct edit *e)
{
	char *normalized, *phrase, *text;

	if (e->value == NULL || e->value[0] == '\0')
		return 0;
	if (config_normalize(e->key, ed->root, span_of(e->value), &normalized, &phrase) == -1) {
		text = xasprintf("%s: %s", e->key->key, phrase);
		free(phrase);
		return refuse_edit(ed, e, text);
	}
	free(normalized);
	return 0;
}

static int
file_of(const struct config_key *key)
{
	return strcmp(key->file, config_source_names[CONFIG_INI]) == 0 ? CONFIG_INI : MAIL_INI;
}

static int
look_at_key(struct editor *ed, struct edit *e)
{
	const struct config_change *asked = e->asked;
	char *why = NULL;

	e->place =
	    (struct splice_key){.section = asked->section, .name = asked->name, .is = is_key};
	if ((e->key = config_find(asked->section, asked->name, &why)) == NULL)
		return refuse_edit(ed, e, why);
	config_section_spell(e->key, asked->section, e->section);
	e->place.section = e->section;
	e->place.name = e->key->key;
	e->which = file_of(e->key);
	if (asked->value != NULL && check_one_line(ed, e, asked->value) == -1)
		return -1;
	e->value = asked->value != NULL ? span_text(span_trim(span_of(asked->value))) : NULL;
	return check_value(ed, e);
}

/* Two spellings of one name, address or domain are one entry. */
static bool
is_entry(const struct splice_key *key, struct span name)
{
	char mine[ADDRESS_TEXT_SIZE], theirs[ADDRESS_TEXT_SIZE];
	int section = config_entries_index(span_of(key->section));
	const char *why;

	return config_entry_name(section, span_of(key->name), mine, &why) == 0 &&
	       config_entry_name(section, name, theirs, &why) == 0 && strcmp(mine, theirs) == 0;
}

static int
look_at_entry(struct editor *ed, struct edit *e, const char *section)
{
	const struct config_change *asked = e->asked;
	char canonical[ADDRESS_TEXT_SIZE];
	const char *phrase;

	e->place = (struct splice_key){.section = section, .name = asked->name, .is = is_entry};
	e->which = MAIL_INI;
	if (config_entry_name(config_entries_index(span_of(section)), span_of(asked->name),
		canonical, &phrase) == -1)
		return refuse_edit(
		    ed, e, xasprintf("\"%s\": %s", log_safe(span_of(asked->name)), phrase));
	/* These characters are good in an address, but not at the start of a line, and = ends a
	 * name. */
	if (strchr("#;[", asked->name[0]) != NULL || strchr(asked->name, '=') != NULL ||
	    asked->name[strcspn(asked->name, " \t")] != '\0')
		return refuse_edit(ed, e,
		    xasprintf("\"%s\": this name cannot stand in the file",
			log_safe(span_of(asked->name))));
	if (asked->value != NULL && check_one_line(ed, e, asked->value) == -1)
		return -1;
	e->value = asked->value != NULL ? xstrdup(asked->value) : NULL;
	return 0;
}

/* Only a section with a name of its own can go as a whole. */
static int
look_at_section(struct editor *ed, struct edit *e)
{
	const char *section = e->asked->section != NULL ? e->asked->section : "";
	char *right, *text;

	for (size_t i = 0; i < n_config_keys; i++)
		if (config_section_named(config_keys[i].section, span_of(section), e->section)) {
			e->which = file_of(&config_keys[i]);
			e->place.section = e->section;
			return 0;
		}
	if ((right = config_section_misnamed(span_of(section))) != NULL) {
		text = xasprintf("[%s] cannot be: %s", log_safe(span_of(section)), right);
		free(right);
		return refuse_edit(ed, e, text);
	}
	return refuse_edit(ed, e,
	    xasprintf("[%s] is no section that can be removed: only one that has a name of its own "
		      "is, as [fetch NAME]",
		log_safe(span_of(section))));
}

static int
look_at(struct editor *ed, struct edit *e)
{
	const char *section = e->asked->section;
	const char *entries = section != NULL ? config_entries_section(section) : NULL;

	if (e->asked->name == NULL)
		return look_at_section(ed, e);
	return entries != NULL ? look_at_entry(ed, e, entries) : look_at_key(ed, e);
}

/* All that is wrong is told at once. */
static int
look_at_all(struct editor *ed, const struct config_change *changes)
{
	int rv = 0;

	for (size_t i = 0; i < ed->n; i++) {
		ed->edits[i].asked = &changes[i];
		if (look_at(ed, &ed->edits[i]) == -1)
			rv = -1;
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
		return refuse(out, errno, xasprintf("%s: %s", root, strerror(errno)));
	ed.edits = xcalloc(n, sizeof *ed.edits);
	if (look_at_all(&ed, changes) == 0 && (lock = lock_directory(absolute, out)) != -1) {
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
	int rv = -1, lock = absolute != NULL ? lock_directory(absolute, changed) : -1;

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
		rv = write_files(absolute, now, old, changed);
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
