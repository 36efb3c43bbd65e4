/*
 * One change of the configuration, from the file to the running programs.
 */
#include "master/ctl_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/config.h"
#include "common/memory.h"
#include "master/change.h"
#include "master/describe.h"
#include "master/history.h"

static void
load(const struct ctl *ctl, struct config_problems *problems)
{
	struct config *c;

	*problems = (struct config_problems){0};
	c = config_load(ctl->root, problems);
	config_free(&c);
}

/* Lines may have moved: the text decides. */
static bool
has(const struct config_problems *problems, const char *text)
{
	for (size_t i = 0; i < problems->n; i++)
		if (strcmp(problems->items[i].text, text) == 0)
			return true;
	return false;
}

/* What is new since before, and how many errors keep the files from being used: told, too. */
static size_t
tell_state(const struct ctl *ctl, const struct config_problems *before)
{
	struct config_problems now;
	size_t n_errors;

	load(ctl, &now);
	n_errors = now.n_errors;
	for (size_t i = 0; i < now.n; i++)
		if (now.items[i].warning && !has(before, now.items[i].text))
			fprintf(stderr, "%s: warning: %s\n", now.items[i].where, now.items[i].text);
	if (n_errors > 0)
		ctl_fail(0, "the files have %zu other error(s): sambarctl check", n_errors);
	config_problems_free(&now);
	return n_errors;
}

/* A running instance takes the files over only when they are right as a whole. */
static int
bring_into_effect(const struct ctl *ctl, size_t n_errors, bool *running)
{
	int code, sock;

	if (n_errors == 0)
		return ctl_reload_if_running(ctl, running);
	sock = ctl_connect(ctl, &code);
	*running = sock != -1;
	closefd(&sock);
	if (*running)
		code = ctl_fail(EX_CONFIG,
		    "the file was changed, but is not in effect before those are mended: the "
		    "running programs keep what they had");
	return code;
}

/* Without a record the change holds all the same. */
static void
add_record(const struct ctl *ctl, const struct config_changed *changed, uint64_t undo)
{
	if (json_array_size(changed->what) > 0 &&
	    history_add(ctl->root, describe_user(getuid()), "", undo, changed->what) == 0)
		ctl_fail(0, "the change is in no history: config/history: %s", strerror(errno));
}

static int
fail_change(const struct config_changed *changed)
{
	int code = changed->error == 0 ? EX_DATAERR
				       : ctl_code_of(changed->error,
					     changed->error == ENOENT ? EX_NOINPUT : EX_IOERR);

	return ctl_fail(code, "%s", changed->why);
}

static void
tell_kept(const struct config_change *changes, size_t n, const struct config_changed *changed)
{
	char *sentence = change_kept_domain(changes, n, changed);

	if (sentence != NULL)
		fprintf(stderr, "sambarctl: %s\n", sentence);
	free(sentence);
}

static int
refuse_to_turn_off(const struct ctl *ctl, const struct config_change *changes, size_t n)
{
	int code, sock;

	if (!change_turns_off(ctl->root, changes, n))
		return 0;
	if ((sock = ctl_connect(ctl, &code)) == -1)
		return code; /* 0: it does not run */
	closefd(&sock);
	return ctl_fail(EX_OSERR,
	    "Act As Mail Server cannot become false while the instance runs: use sambarctl stop; "
	    "nothing was changed");
}

int
ctl_change_all(const struct ctl *ctl, const struct config_change *changes, size_t n, uint64_t undo,
    bool *running)
{
	struct config_problems before;
	struct config_changed changed;
	size_t n_errors = 0;
	int code;

	*running = false;
	if ((code = refuse_to_turn_off(ctl, changes, n)) != 0)
		return code;
	load(ctl, &before);
	if (change_files(ctl->root, changes, n, &changed) == -1) {
		code = fail_change(&changed);
	} else {
		add_record(ctl, &changed, undo);
		tell_kept(changes, n, &changed);
		n_errors = tell_state(ctl, &before);
	}
	config_changed_free(&changed);
	config_problems_free(&before);
	return code != 0 ? code : bring_into_effect(ctl, n_errors, running);
}

int
ctl_change(
    const struct ctl *ctl, const char *section, const char *name, const char *value, bool *running)
{
	return ctl_change_all(ctl, &(struct config_change){section, name, value}, 1, 0, running);
}
