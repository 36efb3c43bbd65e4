/*
 * What the administration's forms ask of the supervisor: the configuration's keys, lines and
 * sections, one change of any number of them, their history, and the way back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/log.h"
#include "common/memory.h"
#include "master/change.h"
#include "master/control_private.h"
#include "master/describe.h"
#include "master/describe_config.h"
#include "master/history.h"

enum { SECTION_SIZE = 64 };

static const char *
root_of(const struct request *q)
{
	return request_supervisor(q)->instance->root;
}

/* ---- reading ---- */

static struct config *
load(const struct request *q, struct config_problems *problems)
{
	*problems = (struct config_problems){0};
	return config_load(root_of(q), problems);
}

static void
config_list(struct request *q, const char *const *words, size_t n)
{
	struct config_problems problems;
	struct config *c = load(q, &problems);
	json_t *doc = json_pack(
	    "{s:o, s:o}", "keys", describe_keys(c), "problems", describe_problems(&problems));

	(void)words, (void)n;
	config_problems_free(&problems);
	config_free(&c);
	request_answer(q, 0, doc);
}

void
control_entries(struct request *q, const char *const *words, size_t n)
{
	const char *section = n == 2 ? config_entries_section(words[1]) : NULL;
	struct config_problems problems;
	struct config *c;
	json_t *doc;

	if (section == NULL) {
		request_fail(
		    q, EX_USAGE, "right is entries aliases, forward, routes or tls policy");
		return;
	}
	c = load(q, &problems);
	doc = json_pack("{s:o}", "entries", describe_entries(c, section));
	config_problems_free(&problems);
	config_free(&c);
	request_answer(q, 0, doc);
}

/* ---- changing ---- */

static void
fail_change(struct request *q, const struct config_changed *changed)
{
	request_answer(q, changed->error == 0 ? EX_DATAERR : EX_IOERR,
	    json_pack("{s:s, s:O}", "error", log_printable(span_of(changed->why)), "problems",
		changed->problems));
}

/* Adds what has changed to the history, and its number to the answer. */
static void
add_record(struct request *q, const struct config_changed *changed, uint64_t undo, json_t *doc)
{
	const struct client *cl = q->client;
	uint64_t id = history_add(root_of(q), cl->name, cl->address, undo, changed->what);

	if (id == 0) {
		log_warn("the change is in no history: config/history: %s", strerror(errno));
		json_array_append_new(json_object_get(doc, "notices"),
		    json_sprintf("This change is in no history, and cannot be taken back: "
				 "config/history: %s",
			strerror(errno)));
	}
	json_object_set_new(doc, "change", id != 0 ? json_integer(id) : json_null());
	log_info("- configuration-changed user=%s client=%s change=%llu keys=%zu", cl->name,
	    log_safe(span_of(cl->address)), (unsigned long long)id, json_array_size(changed->what));
}

/* A port that cannot be had, and the like: the files go back, since nothing else would work with
 * them. */
static void
take_back(struct request *q, struct config_changed *changed, json_t *doc)
{
	const char *why = json_string_value(json_object_get(doc, "error"));
	json_t *problems = json_pack("[{s:s, s:b}]", "text", why, "warning", 0);
	bool back = config_change_back(root_of(q), changed) == 0;

	request_answer(q, back ? EX_DATAERR : EX_CONFIG,
	    json_pack("{s:o, s:o}", "error",
		json_sprintf("%s: %s", why,
		    back ? "nothing was changed" : "the files have it, and nothing else"),
		"problems", problems));
	json_decref(doc);
}

static void
add_kept(json_t *notices, const struct change_set *set, const struct config_changed *changed)
{
	char *sentence = change_kept_domain(set->items, set->n, changed);

	if (sentence != NULL)
		json_array_append_new(notices, json_string(sentence));
	free(sentence);
}

static void
add_notices(json_t *doc, json_t *more)
{
	json_array_extend(json_object_get(doc, "notices"), more);
}

/* Hands the changed files to the programs. */
static void
bring_into_effect(struct request *q, struct config_changed *changed, uint64_t undo, json_t *notices)
{
	json_t *doc;
	int code = control_reload(request_supervisor(q), &doc);

	if (code == EX_OSERR) {
		take_back(q, changed, doc);
		return;
	}
	if (code != 0) {
		json_object_del(doc, "error");
		json_array_append_new(json_object_get(doc, "notices"),
		    json_string("Saved, but not in effect before the other errors are mended: the "
				"programs keep what they had."));
	}
	add_notices(doc, notices);
	add_record(q, changed, undo, doc);
	if (code != 0) {
		request_answer(q, 0, doc);
		return;
	}
	q->is_reload = true;
	request_answer_settled(q, doc);
}

/* A command runs as a program of this machine: who has only a password of ours may take one away,
 * and no more. NULL: none is set. */
static const char *
sets_command(const struct change_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct config_change *item = &set->items[i];
		const struct config_key *key = NULL;
		char *why = NULL;

		if (item->name != NULL && item->value != NULL && item->value[0] != '\0')
			key = config_find(item->section, item->name, &why);
		free(why);
		if (key != NULL && key->type == CONFIG_COMMAND)
			return key->key;
	}
	return NULL;
}

/* undo: the change that is taken back, or 0. notices: what is known already; borrowed, and added
 * to. */
static void
make(struct request *q, const struct change_set *set, uint64_t undo, json_t *notices)
{
	struct config_changed changed;
	const char *command = q->client->scope != SCOPE_OWNER ? sets_command(set) : NULL;

	if (command != NULL) {
		request_fail(q, EX_NOPERM,
		    "%s runs a program: it can be set on the machine only, by sambarctl config set",
		    command);
		return;
	}
	if (change_files(root_of(q), set->items, set->n, &changed) == -1)
		fail_change(q, &changed);
	else if (json_array_size(changed.what) == 0)
		request_answer(
		    q, 0, json_pack("{s:[], s:O, s:n}", "problems", "notices", notices, "change"));
	else {
		add_kept(notices, set, &changed);
		bring_into_effect(q, &changed, undo, notices);
	}
	config_changed_free(&changed);
}

void
control_make_change(struct request *q, const struct config_change *changes, size_t n)
{
	const struct change_set set = {.items = (struct config_change *)(uintptr_t)changes, .n = n};
	json_t *notices = json_array();

	q->is_users = true;
	make(q, &set, 0, notices);
	json_decref(notices);
}

static void
config_set_all(struct request *q, const char *const *words, size_t n)
{
	json_t *notices = json_array();
	struct change_set set;

	(void)n;
	if (change_set_parse(&set, words[2], NULL) == -1)
		request_fail(q, EX_DATAERR, "%s", set.why);
	else
		make(q, &set, 0, notices);
	change_set_free(&set);
	json_decref(notices);
}

/* ---- the history ---- */

static void
config_history(struct request *q, const char *const *words, size_t n)
{
	uint64_t after = 0;
	json_t *doc;

	if (n == 3 && (strncmp(words[2], "after=", 6) != 0 ||
			  !span_u64(span_of(words[2] + 6), INT64_MAX, &after)))
		request_fail(q, EX_USAGE, "right is config history [after=ID]");
	else if ((doc = history_page(root_of(q), after)) == NULL)
		request_fail(q, EX_IOERR, "config/history: %s", strerror(errno));
	else
		request_answer(q, 0, doc);
}

static void
config_undo(struct request *q, const char *const *words, size_t n)
{
	json_t *notices = json_array();
	struct change_set set = {.doc = NULL};
	uint64_t id;

	(void)n;
	if (!span_u64(span_of(words[2]), INT64_MAX, &id))
		request_fail(q, EX_USAGE, "right is config undo ID");
	else if (change_set_undo(&set, root_of(q), id, notices) == -1)
		request_fail(q, EX_DATAERR, "%s", set.why);
	else
		make(q, &set, id, notices);
	change_set_free(&set);
	json_decref(notices);
}

/* ---- [fetch NAME], [certificate NAME]: the first word is the kind ---- */

static void
sections(struct request *q, const char *const *words, size_t n)
{
	struct config_problems problems;
	struct config *c = load(q, &problems);
	json_t *doc = json_pack("{s:o, s:o}", "sections", describe_sections(c, words[0]), "keys",
	    describe_section_keys(words[0]));

	(void)n;
	config_problems_free(&problems);
	config_free(&c);
	request_answer(q, 0, doc);
}

static bool
has_section(const struct request *q, const char *const *words)
{
	struct config_problems problems;
	struct config *c = load(q, &problems);
	json_t *list = describe_sections(c, words[0]), *one;
	size_t i;
	bool has = false;

	json_array_foreach(list, i, one) has |=
	    strcasecmp(json_string_value(json_object_get(one, "name")), words[2]) == 0;
	json_decref(list);
	config_problems_free(&problems);
	config_free(&c);
	return has;
}

/* False: it is too long for one. */
static bool
name_section(const char *const *words, char section[SECTION_SIZE])
{
	return snprintf(section, SECTION_SIZE, "%s %s", words[0], words[2]) < SECTION_SIZE;
}

static void
add_section(struct request *q, const char *const *words, size_t n)
{
	char section[SECTION_SIZE];
	json_t *notices = json_array();
	struct change_set set = {.doc = NULL};

	(void)n;
	if (!name_section(words, section) || has_section(q, words))
		request_fail(q, EX_DATAERR, "there is a section [%s %s] already, or it cannot be",
		    words[0], log_printable(span_of(words[2])));
	else if (change_set_parse(&set, words[3], section) == -1)
		request_fail(q, EX_DATAERR, "%s", set.why);
	else
		make(q, &set, 0, notices);
	change_set_free(&set);
	json_decref(notices);
}

static void
delete_section(struct request *q, const char *const *words, size_t n)
{
	char section[SECTION_SIZE];
	struct config_change one = {.section = section};
	struct change_set set = {.items = &one, .n = 1};
	json_t *notices = json_array();

	(void)n;
	if (!name_section(words, section) || !has_section(q, words))
		request_fail(q, EX_DATAERR, "there is no section [%s %s]", words[0],
		    log_printable(span_of(words[2])));
	else
		make(q, &set, 0, notices);
	json_decref(notices);
}

/* ---- verbs ---- */

struct verb {
	const char *name;
	size_t min, max; /* words, with both first ones */
	void (*run)(struct request *q, const char *const *words, size_t n);
};

static bool
run_verb(
    const struct verb *verbs, size_t n_verbs, struct request *q, const char *const *words, size_t n)
{
	for (size_t i = 0; n > 1 && i < n_verbs; i++)
		if (strcmp(verbs[i].name, words[1]) == 0 && n >= verbs[i].min &&
		    n <= verbs[i].max) {
			verbs[i].run(q, words, n);
			return true;
		}
	return false;
}

void
control_config(struct request *q, const char *const *words, size_t n)
{
	static const struct verb verbs[] = {{"list", 2, 2, config_list},
	    {"set", 3, 3, config_set_all}, {"history", 2, 3, config_history},
	    {"undo", 3, 3, config_undo}};

	if (!run_verb(verbs, nitems(verbs), q, words, n))
		request_fail(q, EX_USAGE, "right is config list, set, history or undo");
}

static bool
run_section_verb(struct request *q, const char *const *words, size_t n)
{
	static const struct verb verbs[] = {{"sections", 2, 2, sections},
	    {"add", 4, 4, add_section}, {"del", 3, 3, delete_section}};

	return run_verb(verbs, nitems(verbs), q, words, n);
}

bool
control_fetch(struct request *q, const char *const *words, size_t n)
{
	return run_section_verb(q, words, n);
}

void
control_certificate(struct request *q, const char *const *words, size_t n)
{
	if (!run_section_verb(q, words, n))
		request_fail(q, EX_USAGE, "right is certificate sections, add or del");
}
