/*
 * A change of the configuration's files, by sambarctl or by the supervisor for a session: what is
 * checked beyond the files themselves, its record in the history, and the way back.
 */
#ifndef MASTER_CHANGE_H
#define MASTER_CHANGE_H

#include <jansson.h>

#include "common/config.h"

/* As config_change(); and a directory that nobody would make is no right value. What was Mail
 * Server becomes the Local Domains where there are none and the changes do not say which. */
int change_files(
    const char *root, const struct config_change *changes, size_t n, struct config_changed *out);
/* A sentence, to be freed, when change_files() did the latter; or NULL. */
char *change_kept_domain(
    const struct config_change *changes, size_t n, const struct config_changed *changed);
/* Whether Act As Mail Server becomes false, which a running instance cannot take over. */
bool change_turns_off(const char *root, const struct config_change *changes, size_t n);

/* Changes from a document. */
struct change_set {
	json_t *doc; /* holds the texts */
	struct config_change *items;
	size_t n;
	char *why; /* there are none: a sentence */
};

/*
 * Of [{"section", "key", "value" or null}]; key and value null: the section goes. section: for
 * those without one of their own, or NULL. -1 with set->why. The set is to be freed in any case.
 */
int change_set_parse(struct change_set *set, const char *json, const char *section);
/*
 * What takes this change of the history back: all of it, unless a key has been changed again since.
 * A password that is not known any more stays as it is: notices tells. -1 with set->why.
 */
int change_set_undo(struct change_set *set, const char *root, uint64_t id, json_t *notices);
void change_set_free(struct change_set *set);

#endif
