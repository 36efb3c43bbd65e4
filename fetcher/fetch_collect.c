/*
 * A collection: folder for folder. Of each the whole listing comes first, for only who knows all of
 * it can say what is new; then the messages; then what becomes of those at the server that are safe
 * here. See collect_private.h.
 */
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "fetcher/collect_private.h"

/* ---- folders ---- */

bool
collect_changes_something(const struct collect *c)
{
	return c->job->mode == FETCH_COLLECT && c->job->action != ACT_LEAVE;
}

static enum remote_end
collect_folder(struct collect *c, const char *name)
{
	char shown[REMOTE_FOLDER_SIZE];
	struct remote_folder folder;
	enum remote_end end = remote_select(c->remote, name, collect_changes_something(c), &folder);
	struct writer w;

	if (end != REMOTE_OK)
		return collect_keep_why(c, end);
	remote_folder_show(span_of(name), shown);
	ipc_write(&w, FETCH_FOLDER, 0);
	put_text(&w, shown);
	put_u64(&w, folder.uidvalidity);
	put_u64(&w, folder.messages);
	fetch_link_send(c->link, &w);
	end = collect_list_folder(c);
	if (end != REMOTE_OK || c->job->mode == FETCH_TEST)
		return end;
	return c->job->mode == FETCH_DRY_RUN ? collect_show_wanted(c) : collect_fetch_wanted(c);
}

void
collect_add_folder(void *arg, const char *name)
{
	struct collect *c = arg;

	c->folders = xrealloc(c->folders, (c->n_folders + 1) * sizeof *c->folders);
	c->folders[c->n_folders++] = xstrdup(name);
}

static void
name_folder(void *arg, const char *name)
{
	struct collect *c = arg;
	char shown[REMOTE_FOLDER_SIZE];
	size_t len = strlen(c->why);

	remote_folder_show(span_of(name), shown);
	snprintf(
	    c->why + len, sizeof c->why - len, "%s%s", c->why[len - 1] == ':' ? " " : ", ", shown);
}

/* None of Folders is there: says which are, as many as find room. */
static enum remote_end
tell_folders(struct collect *c)
{
	static const char *const all = "*";
	enum remote_end end;

	strlcpy(c->why, "Folders names none that is there; there are:", sizeof c->why);
	end = remote_folders(c->remote, &all, 1, name_folder, c);
	return collect_keep_why(c, end);
}

enum remote_end
collect_all(struct collect *c)
{
	enum remote_end end = REMOTE_OK, missing = REMOTE_OK;

	c->n_large = c->n_gone = c->n_new = 0;
	c->why[0] = '\0';
	fetch_link_begin(c->link);
	for (size_t i = 0; i < c->n_folders && end == REMOTE_OK && !c->link->stop; i++) {
		end = collect_folder(c, c->folders[i]);
		if (end == REMOTE_NO_FOLDER) {
			missing = end; /* the others are collected */
			end = REMOTE_OK;
		}
	}
	collect_wait_for_answers(c);
	if (end == REMOTE_OK && c->n_folders == 0 && !c->link->stop) {
		end = tell_folders(c);
		missing = REMOTE_NO_FOLDER;
	}
	return end == REMOTE_OK ? missing : end;
}
