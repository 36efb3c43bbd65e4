/*
 * sambarctl config list, history and undo. Reads config/, changes it as the other verbs do.
 */
#include "master/ctl_history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/memory.h"
#include "master/change.h"
#include "master/ctl_change.h"
#include "master/ctl_table.h"
#include "master/describe.h"
#include "master/describe_config.h"
#include "master/history.h"

/* ---- list ---- */

static void
print_keys(const json_t *keys)
{
	static const char *const headings[] = {"SECTION", "KEY", "", "VALUE"};
	struct ctl_table *t = ctl_table_new(headings, nitems(headings));
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		bool set = json_is_true(json_object_get(key, "set"));

		ctl_table_add(t, "[%s]", ctl_text(key, "section"));
		ctl_table_add(t, "%s", ctl_text(key, "key"));
		ctl_table_add(t, "%s", set ? "set" : "");
		ctl_table_add(t, "%s", ctl_text(key, set ? "value" : "preset"));
	}
	ctl_table_print(&t);
}

int
ctl_config_list(struct ctl *ctl, char **args, size_t n)
{
	struct config_problems problems = {0};
	struct config *c = config_load(ctl->root, &problems);
	json_t *sections = describe_sections(c, "certificate"),
	       *fetch = describe_sections(c, "fetch");
	json_t *doc = json_pack("{s:o, s:o, s:o}", "keys", describe_keys(c), "sections", sections,
	    "problems", describe_problems(&problems));
	const json_t *section;
	size_t n_errors = problems.n_errors, i;

	(void)args, (void)n;
	json_array_extend(sections, fetch);
	json_decref(fetch);
	config_problems_free(&problems);
	config_free(&c);
	if (ctl->json)
		return ctl_print_json(doc);
	print_keys(json_object_get(doc, "keys"));
	json_array_foreach(json_object_get(doc, "sections"), i, section)
	    print_keys(json_object_get(section, "keys"));
	json_decref(doc);
	if (n_errors == 0)
		return 0;
	return ctl_fail(EX_CONFIG, "the configuration has %zu error(s): sambarctl check", n_errors);
}

/* ---- history ---- */

static const char *
value_text(const json_t *what, const char *key)
{
	return json_is_null(json_object_get(what, key)) ? "(not set)" : ctl_text(what, key);
}

static void
print_change(const json_t *change)
{
	const json_t *what;
	size_t i;

	printf("%lld  %s  %s%s%s", (long long)ctl_number(change, "id"),
	    ctl_time(ctl_number(change, "when")), ctl_text(change, "who"),
	    ctl_text(change, "client")[0] != '\0' ? " from " : "", ctl_text(change, "client"));
	if (json_is_integer(json_object_get(change, "undo")))
		printf("  takes back %lld", (long long)ctl_number(change, "undo"));
	puts("");
	json_array_foreach(json_object_get(change, "what"), i, what)
	    printf("    [%s] %s: %s -> %s\n", ctl_text(what, "section"), ctl_text(what, "key"),
		value_text(what, "old"), value_text(what, "new"));
}

int
ctl_config_history(struct ctl *ctl, char **args, size_t n)
{
	uint64_t after = 0;
	const json_t *change;
	json_t *doc;
	size_t i;

	if (n == 1 && !span_u64(span_of(args[0]), INT64_MAX, &after))
		return ctl_usage(ctl);
	if ((doc = history_page(ctl->root, after)) == NULL)
		return ctl_fail(
		    ctl_code_of(errno, EX_NOINPUT), "config/history: %s", strerror(errno));
	if (ctl->json)
		return ctl_print_json(doc);
	json_array_foreach(json_object_get(doc, "changes"), i, change) print_change(change);
	if (json_is_integer(json_object_get(doc, "next")))
		printf("older ones: sambarctl config history %lld\n",
		    (long long)ctl_number(doc, "next"));
	json_decref(doc);
	return 0;
}

/* ---- undo ---- */

static int
undo(const struct ctl *ctl, const struct change_set *set, uint64_t id, const json_t *notices)
{
	const json_t *notice;
	bool running;
	size_t i;
	int code = ctl_change_all(ctl, set->items, set->n, id, &running);

	if (code != 0)
		return code;
	json_array_foreach(notices, i, notice)
	    fprintf(stderr, "sambarctl: %s\n", json_string_value(notice));
	return ctl_done(ctl, "change %llu was taken back%s", (unsigned long long)id,
	    running ? "; the configuration was reloaded" : "");
}

int
ctl_config_undo(struct ctl *ctl, char **args, size_t n)
{
	json_t *notices = json_array();
	struct change_set set = {.doc = NULL};
	uint64_t id;
	int code;

	(void)n;
	if (!span_u64(span_of(args[0]), INT64_MAX, &id))
		code = ctl_usage(ctl);
	else if (change_set_undo(&set, ctl->root, id, notices) == -1)
		code = ctl_fail(EX_DATAERR, "%s", set.why);
	else
		code = undo(ctl, &set, id, notices);
	change_set_free(&set);
	json_decref(notices);
	return code;
}
