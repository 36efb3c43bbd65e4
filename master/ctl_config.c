/*
 * sambarctl config: one key of config.ini or mail.ini, or one line of the sections of mail.ini
 * whose lines have names of their own ([aliases], [forward], [routes], [tls policy]).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/address.h"
#include "common/config.h"
#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sasl.h"
#include "common/span.h"
#include "master/contents.h"
#include "master/ctl.h"
#include "master/ctl_change.h"
#include "master/ctl_history.h"
#include "master/instance.h"

/* What an administrator calls a key: "Use MTA", "[smtpd] Use MTA", "[routes] example.org". */
struct name {
	char section[64], key[ADDRESS_TEXT_SIZE];
	const char *section_or_null;
};

/* What it stands for: a key of the table, or a line of such a section. */
struct item {
	const struct config_key *key; /* NULL: a line */
	const char *file, *section, *name;
	char spelled[CONFIG_SECTION_SIZE];
	struct name asked;
};

static int
parse_name(struct name *out, const char *text)
{
	struct span rest = span_trim(span_of(text)), section;

	*out = (struct name){.section_or_null = NULL};
	if (rest.len > 0 && rest.at[0] == '[') {
		rest = (struct span){rest.at + 1, rest.len - 1};
		if (!span_take(&rest, ']', &section) ||
		    !span_copy(span_trim(section), out->section, sizeof out->section))
			return -1;
		out->section_or_null = out->section;
	}
	return span_copy(span_trim(rest), out->key, sizeof out->key) ? 0 : -1;
}

static bool
find_line(struct item *out)
{
	const char *section = out->asked.section_or_null;

	if (section == NULL || (section = config_entries_section(section)) == NULL)
		return false;
	out->file = "mail.ini";
	out->section = section;
	out->name = out->asked.key;
	return true;
}

/* -1: the error was told. */
static int
find(struct item *out, const char *text)
{
	char *why = NULL;

	*out = (struct item){.key = NULL};
	if (parse_name(&out->asked, text) == -1 || out->asked.key[0] == '\0') {
		ctl_fail(EX_DATAERR, "\"%s\" is no key: right is Key or [section] Key",
		    log_printable(span_of(text)));
		return -1;
	}
	if (find_line(out))
		return 0;
	out->key = config_find(out->asked.section_or_null, out->asked.key, &why);
	if (out->key == NULL) {
		ctl_fail(EX_DATAERR, "%s", why);
		free(why);
		return -1;
	}
	out->file = out->key->file;
	config_section_spell(out->key, out->asked.section_or_null, out->spelled);
	out->section = out->spelled;
	out->name = out->key->key;
	return 0;
}

static int
tell_errors(const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (!problems->items[i].warning)
			fprintf(
			    stderr, "%s: %s\n", problems->items[i].where, problems->items[i].text);
	return ctl_fail(EX_CONFIG, "the configuration has %zu error(s)", problems->n_errors);
}

/* ---- get ---- */

/* Who looks over the shoulder learns only whether there is one. */
static const char *
masked(const struct item *item, const char *value)
{
	bool secret = item->key != NULL && item->key->type == CONFIG_SECRET;

	return secret && value[0] != '\0' ? "********" : value;
}

static int
print(const struct ctl *ctl, const struct item *item, const char *value, const char *normalized)
{
	value = masked(item, value);
	if (!ctl->json) {
		puts(value);
		return 0;
	}
	return ctl_print_json(
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "file", item->file, "section", item->section,
		"key", item->name, "value", value, "normalized", masked(item, normalized)));
}

static int
print_of(const struct ctl *ctl, const struct item *item, const struct config *c)
{
	const char *value, *normalized;

	if (item->key != NULL)
		return print(ctl, item, config_written(c, item->section, item->key),
		    config_text(c, item->section, item->name));
	if (config_entry_value(c, item->section, item->name, &value, &normalized))
		return print(ctl, item, value, normalized);
	return ctl_fail(EX_DATAERR, "[%s] of config/%s has no line for \"%s\"", item->section,
	    item->file, log_printable(span_of(item->name)));
}

static int
get(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	struct config *c;
	struct item item;
	int code;

	(void)n;
	if (find(&item, args[0]) == -1)
		return EX_DATAERR;
	c = config_load(ctl->root, &problems);
	/* Nobody can say what holds then. */
	code = problems.n_errors > 0 ? tell_errors(&problems) : print_of(ctl, &item, c);
	config_problems_free(&problems);
	config_free(&c);
	return code;
}

/* ---- directories ---- */

static bool
is_directory(const struct item *item)
{
	static const char *const names[] = {
	    "Spool Directory", "Failures Directory", "Mail Directory"};

	for (size_t i = 0; i < nitems(names) && item->key != NULL; i++)
		if (strcmp(item->name, names[i]) == 0)
			return true;
	return false;
}

/* The path of such a key's directory, to be freed; NULL for another key. */
static char *
directory_of(const struct ctl *ctl, const struct item *item)
{
	struct config_problems problems = {0};
	struct config *c;
	char *path = NULL;

	if (!is_directory(item))
		return NULL;
	c = config_load(ctl->root, &problems);
	if (problems.n_errors == 0)
		path = xstrdup(config_text(c, item->section, item->name));
	config_problems_free(&problems);
	config_free(&c);
	return path;
}

/* before: what directory_of() said; freed. A running supervisor says so itself. */
static void
warn_left_behind(const struct ctl *ctl, const struct item *item, char *before, bool running)
{
	char *now = directory_of(ctl, item), *sentence = NULL;
	int dir = -1;

	if (!running && before != NULL && now != NULL && strcmp(before, now) != 0 &&
	    (dir = open(before, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1)
		sentence = contents_left_behind(item->name, dir, before);
	if (sentence != NULL)
		fprintf(stderr, "sambarctl: %s\n", sentence);
	closefd(&dir);
	free(sentence);
	free(now);
	free(before);
}

/* ---- changes ---- */

/* value NULL: back to the default. */
static int
change(const struct ctl *ctl, const struct item *item, const char *value)
{
	char *directory = directory_of(ctl, item);
	bool running;
	int code = ctl_change(ctl, item->section, item->name, value, &running);
	warn_left_behind(ctl, item, directory, running);
	if (code != 0)
		return code;
	return ctl_done(ctl, "[%s] %s was %s config/%s%s", item->section,
	    log_printable(span_of(item->name)), value != NULL ? "set in" : "removed from",
	    item->file, running ? "; the configuration was reloaded" : "");
}

/* Every user of the host can see an argument. */
static int
set_from_input(const struct ctl *ctl, const struct item *item)
{
	char password[SASL_PASSWORD_SIZE];
	int code;

	if (item->key == NULL || item->key->type != CONFIG_SECRET)
		return ctl_fail(EX_USAGE, "config set: the value is missing");
	if ((code = ctl_password(password)) == 0)
		code = change(ctl, item, password);
	explicit_bzero(password, sizeof password);
	return code;
}

static int
set(struct ctl *ctl, char **args, size_t n)
{
	struct item item;

	if (find(&item, args[0]) == -1)
		return EX_DATAERR;
	return n == 1 ? set_from_input(ctl, &item) : change(ctl, &item, args[1]);
}

/* True when it may be there, as in a file that cannot be read. */
static bool
may_be_there(const struct ctl *ctl, const struct item *item)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	const char *value, *normalized;
	bool there = problems.n_errors > 0;

	if (item->name == NULL)
		there |= config_has_section(c, item->section);
	else if (item->key != NULL)
		there |= config_is_there(c, item->section, item->key);
	else
		there |= config_entry_value(c, item->section, item->name, &value, &normalized);
	config_problems_free(&problems);
	config_free(&c);
	return there;
}

/* A section as a whole: "[fetch work]". */
static bool
is_section(struct item *out, const char *text)
{
	*out = (struct item){.key = NULL};
	if (parse_name(&out->asked, text) == -1 || out->asked.section_or_null == NULL ||
	    out->asked.key[0] != '\0')
		return false;
	out->section = out->asked.section_or_null;
	return true;
}

static int
unset_section(const struct ctl *ctl, const struct item *item)
{
	bool running, there = may_be_there(ctl, item);
	int code = ctl_change(ctl, item->section, NULL, NULL, &running);

	if (code != 0)
		return code;
	return ctl_done(ctl,
	    there ? "the section [%s] was removed%s" : "there is no section [%s]%s",
	    log_printable(span_of(item->section)),
	    running ? "; the configuration was reloaded" : "");
}

static int
unset(struct ctl *ctl, char **args, size_t n)
{
	struct item item;

	(void)n;
	if (is_section(&item, args[0]))
		return unset_section(ctl, &item);
	if (find(&item, args[0]) == -1)
		return EX_DATAERR;
	if (may_be_there(ctl, &item))
		return change(ctl, &item, NULL);
	return ctl_done(ctl, "[%s] %s is not in config/%s%s", item.section,
	    log_printable(span_of(item.name)), item.file,
	    item.key != NULL ? ": it has its default already" : "");
}

/* ---- the command ---- */

/*
 * "[section]" "Key" may be two arguments, for whoever does not put both in quotes. The first one is
 * the key's whole name then; *joined is to be freed.
 */
static void
join_section(char **args, size_t *n, char **joined)
{
	size_t len = *n > 1 ? strlen(args[1]) : 0;

	*joined = NULL;
	if (*n < 3 || len < 2 || args[1][0] != '[' || args[1][len - 1] != ']')
		return;
	*joined = xasprintf("%s %s", args[1], args[2]);
	args[1] = *joined;
	memmove(args + 2, args + 3, (*n - 3) * sizeof *args);
	--*n;
}

int
ctl_config(struct ctl *ctl, char **args, size_t n)
{
	static const struct ctl_verb verbs[] = {{"get", 1, 1, get}, {"set", 1, 2, set},
	    {"unset", 1, 1, unset}, {"list", 0, 0, ctl_config_list},
	    {"history", 0, 1, ctl_config_history}, {"undo", 1, 1, ctl_config_undo}};
	char *joined;
	int code;

	join_section(args, &n, &joined);
	if (n > 2 && args[2][0] != '-' && (n > 3 || strcmp(args[0], "set") != 0))
		ctl_fail(EX_USAGE, "a key with blanks in its name is one argument: '%s %s'",
		    log_printable(span_of(args[1])), log_printable(span_of(args[2])));
	code = ctl_verb(ctl, verbs, nitems(verbs), args, n);
	free(joined);
	return code;
}
