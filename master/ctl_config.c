/*
 * sambarctl config: one key of config.ini or mail.ini.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/span.h"
#include "master/ctl.h"
#include "master/ctl_warnings.h"

/* What an administrator calls a key: "Use MTA" or "[smtpd] Use MTA". */
struct name {
	char section[64], key[128];
	const char *section_or_null;
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

/* NULL: the error was told. */
static const struct config_key *
find(struct name *name, const char *text)
{
	const struct config_key *key;
	char *why = NULL;

	if (parse_name(name, text) == -1 || name->key[0] == '\0') {
		ctl_fail(EX_DATAERR, "\"%s\" is no key: right is Key or [section] Key",
		    log_safe(span_of(text)));
		return NULL;
	}
	if ((key = config_find(name->section_or_null, name->key, &why)) == NULL)
		ctl_fail(EX_DATAERR, "%s", why);
	free(why);
	return key;
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

static int
get(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	const struct config_key *key;
	struct config *c;
	struct name name;
	int code = 0;

	(void)n;
	if ((key = find(&name, args[0])) == NULL)
		return EX_DATAERR;
	c = config_load(ctl->root, &problems);
	/* Nobody can say what holds then. */
	if (problems.n_errors > 0)
		code = tell_errors(&problems);
	else if (ctl->json)
		code = ctl_print_json(json_pack("{s:s, s:s, s:s, s:s, s:s}", "file", key->file,
		    "section", key->section, "key", key->key, "value", config_written(c, key),
		    "normalized", config_text(c, key->section, key->key)));
	else
		puts(config_written(c, key));
	config_problems_free(&problems);
	config_free(&c);
	return code;
}

/* value NULL: back to the default. */
static int
change(const struct ctl *ctl, const struct config_key *key, const char *value)
{
	struct config_problems before;
	char *why = NULL;
	bool running;
	int code;

	ctl_warnings_before(ctl, &before);
	if (config_set(ctl->root, key->section, key->key, value, &why) == -1) {
		code = ctl_fail(ctl_change_code(errno), "%s", why);
		config_problems_free(&before);
		free(why);
		return code;
	}
	ctl_warnings_after(ctl, &before);
	if ((code = ctl_reload_if_running(ctl, &running)) != 0)
		return code;
	return ctl_done(ctl, "[%s] %s was %s config/%s%s", key->section, key->key,
	    value != NULL ? "set in" : "removed from", key->file,
	    running ? "; the configuration was reloaded" : "");
}

static int
set(struct ctl *ctl, char **args, size_t n)
{
	const struct config_key *key;
	struct name name;

	(void)n;
	if ((key = find(&name, args[0])) == NULL)
		return EX_DATAERR;
	return change(ctl, key, args[1]);
}

/* True when it may be there, as in a file that cannot be read. */
static bool
may_be_there(const struct ctl *ctl, const struct config_key *key)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	bool there = config_is_there(c, key) || problems.n_errors > 0;

	config_problems_free(&problems);
	config_free(&c);
	return there;
}

static int
unset(struct ctl *ctl, char **args, size_t n)
{
	const struct config_key *key;
	struct name name;

	(void)n;
	if ((key = find(&name, args[0])) == NULL)
		return EX_DATAERR;
	if (!may_be_there(ctl, key))
		return ctl_done(ctl, "[%s] %s is not in config/%s: it has its default already",
		    key->section, key->key, key->file);
	return change(ctl, key, NULL);
}

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
	static const struct ctl_verb verbs[] = {
	    {"get", 1, 1, get}, {"set", 2, 2, set}, {"unset", 1, 1, unset}};
	char *joined;
	int code;

	join_section(args, &n, &joined);
	if (n > 2 && args[2][0] != '-' && (n > 3 || strcmp(args[0], "set") != 0))
		ctl_fail(EX_USAGE, "a key with blanks in its name is one argument: '%s %s'",
		    log_safe(span_of(args[1])), log_safe(span_of(args[2])));
	code = ctl_verb(ctl, verbs, nitems(verbs), args, n);
	free(joined);
	return code;
}
