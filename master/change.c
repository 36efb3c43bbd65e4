/*
 * Changes of the configuration's files. Touches config/ of an instance through common/config and
 * history.c.
 */
#include "master/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_values.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/history.h"
#include "master/instance.h"

enum { CHANGES_MAX = 2000 };

/* ---- directories ---- */

static bool
is_directory(const struct config_key *key)
{
	static const char *const names[] = {
	    "Spool Directory", "Failures Directory", "Mail Directory"};

	for (size_t i = 0; i < nitems(names); i++)
		if (strcmp(key->key, names[i]) == 0)
			return true;
	return false;
}

/* The key of a change; NULL: it is about a line or a section, or is not right, which others say. */
static const struct config_key *
key_of(const struct config_change *change)
{
	const struct config_key *key;
	char *why = NULL;

	if (change->name == NULL ||
	    (change->section != NULL && config_entries_section(change->section) != NULL))
		return NULL;
	key = config_find(change->section, change->name, &why);
	free(why);
	return key;
}

static const struct config_key *
directory_key(const struct config_change *change)
{
	const struct config_key *key = key_of(change);

	if (key == NULL || change->value == NULL || span_trim(span_of(change->value)).len == 0)
		return NULL;
	return is_directory(key) ? key : NULL;
}

/* A sentence, to be freed, about a directory that the supervisor would not make; or NULL. */
static char *
why_no_directory(const char *root, const struct config_change *change)
{
	const struct config_key *key = directory_key(change);
	char *path, *why = NULL, *sentence = NULL;

	if (key == NULL)
		return NULL;
	if (config_normalize(key, root, span_trim(span_of(change->value)), &path, &why) == -1) {
		free(why);
		return NULL;
	}
	if (instance_lacks_parent(root, path, &why))
		sentence = xasprintf("%s: %s", key->key, why);
	free(why);
	free(path);
	return sentence;
}

/* ---- the name that mail comes to ---- */

static const struct config_change *
find_change(const struct config_change *changes, size_t n, const char *section, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const struct config_key *key = key_of(&changes[i]);

		if (key != NULL && strcmp(key->section, section) == 0 &&
		    strcmp(key->key, name) == 0)
			return &changes[i];
	}
	return NULL;
}

/*
 * Where there are no Local Domains, Mail Server is the domain of all addresses: under another name
 * their mail would be refused. To be freed; NULL: nothing is lost.
 */
static char *
domain_to_keep(const char *root, const struct config_change *changes, size_t n)
{
	const struct config_change *server = find_change(changes, n, "mail", "Mail Server");
	struct config_problems problems = {0};
	char *keep = NULL;
	struct config *c;

	if (server == NULL || find_change(changes, n, "smtpd", "Local Domains") != NULL)
		return NULL;
	c = config_load(root, &problems);
	if (config_text(c, "mail", "Mail Server")[0] != '\0' &&
	    config_text(c, "smtpd", "Local Domains")[0] == '\0' &&
	    (server->value == NULL || !span_is_nocase(span_trim(span_of(server->value)),
					  config_text(c, "mail", "Mail Server"))))
		keep = xstrdup(config_text(c, "mail", "Mail Server"));
	config_problems_free(&problems);
	config_free(&c);
	return keep;
}

static int
change_and_keep(
    const char *root, const struct config_change *changes, size_t n, struct config_changed *out)
{
	char *keep = domain_to_keep(root, changes, n);
	struct config_change *all = xcalloc(n + 1, sizeof *all);
	int rv;

	memcpy(all, changes, n * sizeof *all);
	all[n] = (struct config_change){"smtpd", "Local Domains", keep};
	rv = config_change(root, all, keep != NULL ? n + 1 : n, out);
	free(all);
	free(keep);
	return rv;
}

char *
change_kept_domain(
    const struct config_change *changes, size_t n, const struct config_changed *changed)
{
	const json_t *one;
	size_t i;

	if (find_change(changes, n, "smtpd", "Local Domains") != NULL)
		return NULL;
	json_array_foreach(changed->what, i, one)
	{
		const char *section = json_string_value(json_object_get(one, "section"));
		const char *key = json_string_value(json_object_get(one, "key"));
		const char *new = json_string_value(json_object_get(one, "new"));

		if (section != NULL && key != NULL && new != NULL &&strcmp(section, "smtpd") == 0 &&
		    strcmp(key, "Local Domains") == 0)
			return xasprintf("[smtpd] Local Domains was set to %s, too: mail to it, "
					 "which was Mail Server, stays local",
			    new);
	}
	return NULL;
}

bool
change_turns_off(const char *root, const struct config_change *changes, size_t n)
{
	const struct config_change *c = find_change(changes, n, "common", "Act As Mail Server");
	char *text, *why = NULL;
	bool off;

	if (c == NULL || c->value == NULL)
		return false;
	if (config_normalize(key_of(c), root, span_trim(span_of(c->value)), &text, &why) == -1) {
		free(why);
		return false;
	}
	off = strcmp(text, "false") == 0;
	free(text);
	return off;
}

/* ---- the files ---- */

int
change_files(
    const char *root, const struct config_change *changes, size_t n, struct config_changed *out)
{
	for (size_t i = 0; i < n; i++) {
		char *why = why_no_directory(root, &changes[i]);

		if (why == NULL)
			continue;
		*out = (struct config_changed){.why = why, .what = json_array()};
		out->problems = json_pack("[{s:s, s:b, s:s}]", "text", why, "warning", 0, "key",
		    directory_key(&changes[i])->key);
		return -1;
	}
	return change_and_keep(root, changes, n, out);
}

/* ---- sets ---- */

static int
fail(struct change_set *set, char *why)
{
	set->why = why;
	return -1;
}

static int
add_parsed(struct change_set *set, const json_t *one, const char *section)
{
	struct config_change *c = &set->items[set->n++];
	const json_t *own = json_object_get(one, "section"), *value = json_object_get(one, "value");
	const json_t *key = json_object_get(one, "key");

	c->section = own != NULL && section == NULL ? json_string_value(own) : section;
	c->name = json_string_value(key);
	c->value = json_string_value(value);
	if (json_is_null(key) && json_is_null(value) && c->section != NULL && section == NULL)
		return 0; /* the section as a whole goes */
	if (c->name == NULL || c->name[0] == '\0' ||
	    (section == NULL && own != NULL && !json_is_string(own) && !json_is_null(own)) ||
	    (!json_is_string(value) && !json_is_null(value)))
		return fail(set, xasprintf("change %zu is malformed: right is {\"section\": text, "
					   "\"key\": text, \"value\": text or null}, both null "
					   "for a section that goes",
				     set->n));
	return 0;
}

int
change_set_parse(struct change_set *set, const char *json, const char *section)
{
	size_t n;

	*set = (struct change_set){.doc = json_loads(json, JSON_REJECT_DUPLICATES, NULL)};
	if (!json_is_array(set->doc))
		return fail(set, xstrdup("the changes are no JSON list"));
	n = json_array_size(set->doc);
	if (n == 0 || n > CHANGES_MAX)
		return fail(
		    set, xasprintf("there are %zu changes: right are 1 to %d", n, CHANGES_MAX));
	set->items = xcalloc(n, sizeof *set->items);
	for (size_t i = 0; i < n; i++)
		if (add_parsed(set, json_array_get(set->doc, i), section) == -1)
			return -1;
	return 0;
}

/* ---- undo ---- */

/* What the files say now; NULL: nothing. */
static const char *
value_now(const struct config *c, const char *section, const char *name, bool *secret)
{
	const struct config_key *key;
	const char *written, *normalized;
	char *why = NULL;

	*secret = false;
	if (config_entries_section(section) != NULL)
		return config_entry_value(c, section, name, &written, &normalized) ? written : NULL;
	key = config_find(section, name, &why);
	free(why);
	if (key == NULL || !config_is_there(c, section, key))
		return NULL;
	*secret = key->type == CONFIG_SECRET;
	return config_written_there(c, section, key);
}

static bool
is_text(const json_t *value, const char *text)
{
	if (text == NULL || !json_is_string(value))
		return text == NULL && json_is_null(value);
	return strcmp(json_string_value(value), text) == 0;
}

static int
add_undone(struct change_set *set, const struct config *c, const json_t *one, json_t *notices)
{
	const char *section = json_string_value(json_object_get(one, "section"));
	const char *name = json_string_value(json_object_get(one, "key")), *now;
	const json_t *old = json_object_get(one, "old"), *new = json_object_get(one, "new");
	bool secret;

	if (section == NULL || name == NULL || old == NULL || new == NULL)
		return fail(set, xstrdup("config/history has a malformed line"));
	now = value_now(c, section, name, &secret);
	if ((secret || is_text(old, config_masked)) && json_is_string(old)) {
		json_array_append_new(notices,
		    json_sprintf("[%s] %s stays as it is: what it was is not kept", section, name));
		return 0;
	}
	if (!secret && !is_text(new, now))
		return fail(
		    set, xasprintf("[%s] %s has been changed again since: nothing was taken back",
			     section, log_printable(span_of(name))));
	set->items[set->n++] = (struct config_change){section, name, json_string_value(old)};
	return 0;
}

/* Its passwords alone may be all that it was about. */
static int
undo_all(struct change_set *set, const char *root, json_t *notices)
{
	const json_t *what = json_object_get(set->doc, "what");
	struct config_problems problems = {0};
	struct config *c = config_load(root, &problems);
	int rv = 0;

	set->items = xcalloc(json_array_size(what) + 1, sizeof *set->items);
	for (size_t i = 0; i < json_array_size(what) && rv == 0; i++)
		rv = add_undone(set, c, json_array_get(what, i), notices);
	config_problems_free(&problems);
	config_free(&c);
	if (rv == 0 && set->n == 0)
		return fail(set, xstrdup("nothing of this change can be taken back: passwords that "
					 "were are not kept"));
	return rv;
}

int
change_set_undo(struct change_set *set, const char *root, uint64_t id, json_t *notices)
{
	*set = (struct change_set){.doc = history_find(root, id)};
	if (set->doc == NULL)
		return fail(set, errno == ENOENT
				     ? xasprintf("there is no change %llu in config/history",
					   (unsigned long long)id)
				     : xasprintf("config/history: %s", strerror(errno)));
	return undo_all(set, root, notices);
}

void
change_set_free(struct change_set *set)
{
	json_decref(set->doc);
	free(set->items);
	free(set->why);
	*set = (struct change_set){.doc = NULL};
}
