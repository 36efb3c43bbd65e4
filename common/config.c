/*
 * The loader: reads config/config.ini and config/mail.ini, checks every line against the table of
 * keys and keeps the normalized values. Reads these two files only.
 */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "common/config_lines.h"
#include "common/config_private.h"
#include "common/config_values.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/memory.h"

const char *const config_source_names[CONFIG_SOURCES] = {"config.ini", "mail.ini"};

/* ---- problems ---- */

void
config_problem(struct config_problems *problems, bool warning, const char *file, unsigned line,
    const char *format, ...)
{
	struct config_problem p = {.warning = warning, .line = line, .number = problems->n};
	char text[4096];
	va_list ap;

	problems->n_errors += !warning;
	if (problems->n > CONFIG_PROBLEMS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	p.text = xstrdup(problems->n < CONFIG_PROBLEMS_MAX ? text : "there are more problems");
	p.where = line ? xasprintf("config/%s:%u", file, line) : xasprintf("config/%s", file);
	if ((problems->n & (problems->n - 1)) == 0)
		problems->items = xrealloc(
		    problems->items, (problems->n ? problems->n * 2 : 1) * sizeof *problems->items);
	problems->items[problems->n++] = p;
}

static int
compare_problems(const void *one, const void *another)
{
	const struct config_problem *a = one, *b = another;
	size_t file = strcspn(a->where, ":");
	int order = strncmp(a->where, b->where, file); /* config.ini sorts before mail.ini */

	/* What has no line, a default as it may be, comes last: 0 - 1 is the largest. */
	if (order == 0)
		order = (a->line - 1 > b->line - 1) - (a->line - 1 < b->line - 1);
	return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

/* That there are more comes last. */
static void
sort_problems(struct config_problems *problems)
{
	size_t n = problems->n > CONFIG_PROBLEMS_MAX ? CONFIG_PROBLEMS_MAX : problems->n;

	if (n > 1)
		qsort(problems->items, n, sizeof *problems->items, compare_problems);
}

void
config_problems_free(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->items[i].where);
		free(problems->items[i].text);
	}
	free(problems->items);
	*problems = (struct config_problems){0};
}

/* ---- files ---- */

static int
read_all(struct config_source *s, int fd)
{
	struct stat st;
	size_t size;

	if (fstat(fd, &st) == -1)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if (st.st_size > CONFIG_FILE_MAX_BYTES)
		return EFBIG;
	size = st.st_size;
	s->text = xmalloc(size + 1);
	while (s->len < size) {
		ssize_t n = read(fd, s->text + s->len, size - s->len);

		if (n == -1 && errno != EINTR)
			return errno;
		if (n == 0)
			break;
		if (n > 0)
			s->len += n;
	}
	s->text[s->len] = '\0';
	return 0;
}

void
config_source_read(struct config_source *s, const char *root, const char *name)
{
	char path[PATH_MAX];
	int fd;

	*s = (struct config_source){0};
	if (snprintf(path, sizeof path, "%s/config/%s", root, name) >= (int)sizeof path) {
		s->error = ENAMETOOLONG;
		return;
	}
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		s->error = errno;
		return;
	}
	if ((s->error = read_all(s, fd)) != 0) {
		free(s->text);
		s->text = NULL;
		s->len = 0;
	}
	closefd(&fd);
}

void
config_source_free(struct config_source *s)
{
	free(s->text);
	*s = (struct config_source){0};
}

/* ---- one file ---- */

struct loader {
	struct config *c;
	const char *file;
	unsigned line;
	const char *section; /* as the table spells it; NULL: none yet, or an unknown one */
	char shown[CONFIG_SECTION_SIZE]; /* the same for people */
	struct config_section *named;	 /* or NULL */
	int entries;			 /* enum config_entries within these sections, else -1 */
	bool unknown;			 /* what follows belongs to an unknown section: told once */
	unsigned *section_lines;
};

#define COMPLAIN(l, ...) \
	(doubt(l), config_problem((l)->c->problems, false, (l)->file, (l)->line, __VA_ARGS__))

/* From an error on, nothing is warned of that the section only seems to lack. */
static void
doubt(struct loader *l)
{
	if (l->named != NULL) {
		l->named->doubtful = true;
		return;
	}
	for (size_t i = 0; l->section != NULL && i < n_config_keys; i++)
		if (strcmp(config_keys[i].section, l->section) == 0)
			l->c->values[i].doubtful = true;
}

/* The first key of a section stands for it: where the section was seen is kept there. */
static size_t
find_section(const char *file, struct span name)
{
	size_t i = 0;

	while (i < n_config_keys && (strcmp(config_keys[i].file, file) != 0 ||
					!config_section_is(config_keys[i].section, name)))
		i++;
	return i;
}

static void
enter_section(struct loader *l, unsigned *seen, const char *name)
{
	if (*seen != 0)
		COMPLAIN(l, "section [%s] is there twice, first in line %u", name, *seen);
	else
		*seen = l->line;
}

static void
enter_named(struct loader *l, const char *table_section, struct span name)
{
	const struct config_section *before;
	char *hint;

	if (!config_section_named(table_section, name, l->shown)) {
		hint = config_section_misnamed(name);
		COMPLAIN(l, "[%s] cannot be: %s", log_safe(name), hint);
		free(hint);
		l->unknown = true;
	} else if ((before = config_section_find(l->c, l->shown)) != NULL) {
		COMPLAIN(
		    l, "section [%s] is there twice, first in line %u", l->shown, before->line);
		l->unknown = true;
	} else if ((l->named = config_section_add(l->c, table_section, l->shown, l->line)) ==
		   NULL) {
		COMPLAIN(l, "there are more than %d such sections", CONFIG_SECTIONS_MAX);
		l->unknown = true;
	}
}

static void
on_section(struct loader *l, struct span name)
{
	size_t i = find_section(l->file, name);
	char *hint;

	l->section = NULL;
	l->named = NULL;
	l->entries = strcmp(l->file, "mail.ini") == 0 ? config_entries_index(name) : -1;
	l->unknown = false;
	if (l->entries != -1) {
		enter_section(
		    l, &l->c->entry_sections[l->entries], config_entry_sections[l->entries]);
	} else if (i < n_config_keys) {
		l->section = config_keys[i].section;
		if (config_key_is_named(&config_keys[i])) {
			enter_named(l, l->section, name);
			return;
		}
		strlcpy(l->shown, l->section, sizeof l->shown);
		enter_section(l, &l->section_lines[i], l->section);
	} else {
		l->unknown = true;
		hint = config_suggest_section(l->file, name);
		COMPLAIN(l, "there is no section [%s]%s", log_safe(name), hint);
		free(hint);
	}
}

static void
set_value(struct loader *l, const struct config_key *key, struct span value)
{
	struct config_value *v = l->named != NULL
				     ? &l->named->values[key - config_keys - l->named->first]
				     : &l->c->values[key - config_keys];
	char *text, *why;

	if (v->line != 0) {
		COMPLAIN(l, "%s is there twice, first in line %u", key->key, v->line);
		return;
	}
	v->line = l->line;
	if (value.len == 0)
		return;
	if (config_normalize(key, l->c->root, value, &text, &why) == -1) {
		COMPLAIN(l, "%s: %s", key->key, why);
		free(why);
		return;
	}
	free(v->text);
	v->text = text;
	v->written = span_text(value);
}

static void
on_key(struct loader *l, struct span name, struct span value)
{
	const struct config_key *key;
	char *hint;

	if (l->entries != -1) {
		config_entry_add(l->c, l->entries, l->line, name, value);
		return;
	}
	if (l->unknown)
		return;
	if (l->section == NULL) {
		COMPLAIN(l, "%s stands before the first [section]", log_safe(name));
		return;
	}
	if ((key = config_key_in(l->file, l->section, name)) != NULL) {
		set_value(l, key, value);
		return;
	}
	hint = config_suggest_key(l->section, name);
	COMPLAIN(l, "there is no key \"%s\" in [%s]%s", log_safe(name), l->shown, hint);
	free(hint);
}

static void
load_text(struct config *c, const char *file, struct span text, unsigned *section_lines)
{
	struct loader l = {.c = c, .file = file, .entries = -1, .section_lines = section_lines};
	struct span rest = config_skip_mark(text);
	struct config_line line;

	while (config_line_next(&rest, &line)) {
		l.line++;
		if (line.kind == LINE_BAD)
			COMPLAIN(&l, "%s", line.why);
		else if (line.kind == LINE_SECTION)
			on_section(&l, line.name);
		else if (line.kind == LINE_ENTRY)
			on_key(&l, line.name, line.value);
	}
}

static const char *
describe_read_error(int error)
{
	switch (error) {
	case ENOENT:
		return "the file does not exist (sambarctl init makes an instance)";
	case EINVAL:
		return "not a regular file";
	case EFBIG:
		return "the file is larger than 4 MB";
	default:
		return strerror(error);
	}
}

/* ---- all ---- */

static void
set_presets(struct config *c)
{
	char *why;

	c->values = xcalloc(n_config_keys, sizeof *c->values);
	for (size_t i = 0; i < n_config_keys; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->preset == NULL)
			c->values[i].text = xstrdup("");
		else if (config_normalize(
			     key, c->root, span_of(key->preset), &c->values[i].text, &why) == -1)
			fatalx("the preset of %s: %s", key->key, why);
	}
}

/* True when the directory inner is outer or lies in it. */
static bool
lies_in(const char *inner, const char *outer)
{
	size_t n = strlen(outer);

	return strncmp(inner, outer, n) == 0 && (inner[n] == '\0' || inner[n] == '/');
}

/* Each guardian is the only one in its directory. */
static void
check_directories(struct config *c)
{
	const char *mail = config_text(c, "mail", "Mail Directory");
	static const char *const keys[] = {"Spool Directory", "Failures Directory"};

	for (size_t i = 0; i < nitems(keys); i++) {
		const char *path = config_text(c, "smtpd", keys[i]);
		unsigned line = c->values[config_index("smtpd", keys[i])].line;

		if (lies_in(path, mail) || lies_in(mail, path))
			config_problem(c->problems, false, "mail.ini", line,
			    "%s: must lie neither in nor around the Mail Directory (%s)", keys[i],
			    mail);
	}
	if (strcmp(config_text(c, "smtpd", keys[0]), config_text(c, "smtpd", keys[1])) == 0)
		config_problem(c->problems, false, "mail.ini",
		    c->values[config_index("smtpd", keys[1])].line,
		    "%s: must be another one than the %s", keys[1], keys[0]);
}

struct config *
config_build(const char *root, const struct config_source sources[CONFIG_SOURCES],
    struct config_problems *problems, bool warnings)
{
	struct config *c = xcalloc(1, sizeof *c);
	unsigned *section_lines;
	bool all_read = true;

	c->root = xstrdup(root);
	c->problems = problems;
	set_presets(c);
	for (size_t i = 0; i < CONFIG_SOURCES; i++) {
		if (sources[i].text == NULL) {
			config_problem(problems, false, config_source_names[i], 0, "%s",
			    describe_read_error(sources[i].error));
			all_read = false;
			continue;
		}
		section_lines = xcalloc(n_config_keys, sizeof *section_lines);
		load_text(c, config_source_names[i], (struct span){sources[i].text, sources[i].len},
		    section_lines);
		free(section_lines);
	}
	config_entries_finish(c);
	check_directories(c);
	config_check_listeners(c);
	if (warnings && all_read)
		config_warn(c);
	sort_problems(problems);
	c->problems = NULL; /* the caller's, who may free them first */
	return c;
}

struct config *
config_load(const char *root, struct config_problems *problems)
{
	struct config_source sources[CONFIG_SOURCES];
	char *absolute = realpath(root, NULL);
	struct config *c;

	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_read(&sources[i], root, config_source_names[i]);
	c = config_build(absolute != NULL ? absolute : root, sources, problems, true);
	for (size_t i = 0; i < CONFIG_SOURCES; i++)
		config_source_free(&sources[i]);
	free(absolute);
	return c;
}

void
config_free(struct config **cp)
{
	struct config *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	for (size_t i = 0; i < n_config_keys; i++) {
		free(c->values[i].text);
		free(c->values[i].written);
	}
	free(c->values);
	config_sections_free(c);
	config_entries_free(c);
	free(c->root);
	free(c);
}

/* ---- what it says ---- */

const char *
config_text(const struct config *c, const char *section, const char *key)
{
	return config_value_of(c, section, &config_keys[config_index(section, key)])->text;
}

bool
config_has_section(const struct config *c, const char *section)
{
	return config_section_find(c, section) != NULL;
}

bool
config_bool(const struct config *c, const char *section, const char *key)
{
	return strcmp(config_text(c, section, key), "true") == 0;
}

uint64_t
config_u64(const struct config *c, const char *section, const char *key)
{
	uint64_t value = 0;

	(void)span_u64(span_of(config_text(c, section, key)), UINT64_MAX, &value);
	return value;
}

void
config_server_name(const struct config *c, char out[CONFIG_SERVER_NAME_SIZE])
{
	const char *name = config_text(c, "mail", "Mail Server");

	out[0] = '\0';
	if (name[0] != '\0')
		strlcpy(out, name, CONFIG_SERVER_NAME_SIZE);
	else if (gethostname(out, CONFIG_SERVER_NAME_SIZE) == 0)
		out[CONFIG_SERVER_NAME_SIZE - 1] = '\0';
}

bool
config_is_local_domain(const struct config *c, const char *domain)
{
	char server[CONFIG_SERVER_NAME_SIZE];

	config_server_name(c, server);
	return strcasecmp(domain, server) == 0 ||
	       address_match_list(
		   span_of(config_text(c, "smtpd", "Local Domains")), span_of(domain));
}

const char *
config_written(const struct config *c, const char *section, const struct config_key *key)
{
	const char *written = config_value_of(c, section, key)->written;

	if (written != NULL)
		return written;
	return key->preset != NULL ? key->preset : "";
}

const char *
config_written_there(const struct config *c, const char *section, const struct config_key *key)
{
	const char *written = config_value_of(c, section, key)->written;

	return written != NULL ? written : "";
}

bool
config_is_there(const struct config *c, const char *section, const struct config_key *key)
{
	return config_value_of(c, section, key)->line != 0;
}

static void
slice_section(const struct config_section *s, unsigned role,
    void (*each)(void *arg, const char *section, const char *key, const char *value), void *arg)
{
	for (size_t i = 0; i < s->n; i++)
		if (config_keys[s->first + i].roles & role)
			each(arg, s->name, config_keys[s->first + i].key, s->values[i].text);
}

void
config_slice(const struct config *c, unsigned role,
    void (*each)(void *arg, const char *section, const char *key, const char *value), void *arg)
{
	for (size_t i = 0; i < n_config_keys; i++)
		if ((config_keys[i].roles & role) && !config_key_is_named(&config_keys[i]))
			each(arg, config_keys[i].section, config_keys[i].key, c->values[i].text);
	for (size_t i = 0; i < c->n_sections; i++)
		slice_section(&c->sections[i], role, each, arg);
	if (!(role & ROLE_ROUTER))
		return;
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct config_entry *e = &c->entries[i];

		each(arg, config_entry_sections[e->section], e->key, e->canonical);
	}
}

void
config_entries(const struct config *c, const char *section,
    void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct config_entry *e = &c->entries[i];

		if (strcmp(config_entry_sections[e->section], section) == 0)
			each(arg, e->name, e->value);
	}
}
