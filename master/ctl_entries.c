/*
 * sambarctl alias, sambarctl forward: the entries of [aliases] and [forward] in mail.ini.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/ctl.h"
#include "master/ctl_change.h"
#include "master/ctl_table.h"

/* "alias" to "aliases". */
static const char *
section_of(const struct ctl *ctl)
{
	return strcmp(ctl->command->name, "alias") == 0 ? "aliases" : "forward";
}

/* ---- list ---- */

static void
add_row(void *arg, const char *name, const char *targets)
{
	struct ctl_table *t = arg;

	ctl_table_add(t, "%s", log_printable(span_of(name)));
	ctl_table_add(t, "%s", targets);
}

static json_t *
describe_targets(const char *targets)
{
	json_t *list = json_array();
	char *copy = xstrdup(targets), *rest = copy, *target;

	while ((target = strsep(&rest, " \t")) != NULL)
		if (target[0] != '\0')
			json_array_append_new(list, json_string(target));
	free(copy);
	return list;
}

static void
add_document(void *arg, const char *name, const char *targets)
{
	json_array_append_new(
	    arg, json_pack("{s:s, s:o}", "name", name, "targets", describe_targets(targets)));
}

static int
list(struct ctl *ctl, char **args, size_t n)
{
	static const char *const headings[] = {"NAME", "TARGETS"};
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	json_t *entries = json_array();
	struct ctl_table *t;
	int code = 0;

	(void)args, (void)n;
	if (ctl->json) {
		config_entries(c, section_of(ctl), add_document, entries);
		code = ctl_print_json(json_pack("{s:O}", section_of(ctl), entries));
	} else {
		t = ctl_table_new(headings, nitems(headings));
		config_entries(c, section_of(ctl), add_row, t);
		ctl_table_print(&t);
	}
	if (problems.n_errors > 0)
		code = ctl_fail(EX_CONFIG,
		    "the configuration has %zu error(s), and more entries may be in it (sambarctl "
		    "check)",
		    problems.n_errors);
	json_decref(entries);
	config_problems_free(&problems);
	config_free(&c);
	return code;
}

/* ---- changes ---- */

static int
change(struct ctl *ctl, const char *name, const char *targets, const char *done)
{
	bool running;
	int code = ctl_change(ctl, section_of(ctl), name, targets, &running);

	if (code != 0)
		return code;
	return ctl_done(ctl, "%s %s was %s%s", ctl->command->name, log_printable(span_of(name)),
	    done, running ? " and is in effect" : "");
}

/* Nothing to be warned of at every check, as the same of an alias is: this time it is worth saying.
 */
static void
tell_forwarded_mailbox(const struct ctl *ctl, const char *name)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);

	if (config_takes_all_mail(c, "forward", name))
		fprintf(stderr, "sambarctl: %s is a mailbox, which gets no more mail\n",
		    log_printable(span_of(name)));
	config_problems_free(&problems);
	config_free(&c);
}

static int
set(struct ctl *ctl, char **args, size_t n)
{
	char *targets = ctl_join(args + 1, n - 1);
	int code = change(ctl, args[0], targets, "set");

	free(targets);
	if (code == 0 && strcmp(section_of(ctl), "forward") == 0)
		tell_forwarded_mailbox(ctl, args[0]);
	return code;
}

static int
del(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	const char *written, *normalized;
	/* A file that cannot be read may hold it: the change says why it is not made. */
	bool there = config_entry_value(c, section_of(ctl), args[0], &written, &normalized) ||
		     problems.n_errors > 0;

	(void)n;
	config_problems_free(&problems);
	config_free(&c);
	if (!there)
		return ctl_fail(EX_DATAERR, "there is no %s \"%s\"", ctl->command->name,
		    log_printable(span_of(args[0])));
	return change(ctl, args[0], NULL, "removed");
}

static const struct ctl_verb verbs[] = {
    {"list", 0, 0, list},
    {"set", 2, SIZE_MAX, set},
    {"del", 1, 1, del},
};

int
ctl_alias(struct ctl *ctl, char **args, size_t n)
{
	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}

int
ctl_forward(struct ctl *ctl, char **args, size_t n)
{
	return ctl_verb(ctl, verbs, nitems(verbs), args, n);
}
