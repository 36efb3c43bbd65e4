/*
 * One change of the configuration, from the file to the running programs.
 */
#include "master/ctl_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/config.h"
#include "common/memory.h"

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

/* What became of it, from errno as config_set() leaves it. */
static int
code_of(int error)
{
	return error == 0 ? EX_DATAERR
			  : ctl_code_of(error, error == ENOENT ? EX_NOINPUT : EX_IOERR);
}

int
ctl_change(const struct ctl *ctl, ctl_setter set, const char *section, const char *name,
    const char *value, bool *running)
{
	struct config_problems before;
	size_t n_errors = 0;
	char *why = NULL;
	int code = 0;

	*running = false;
	load(ctl, &before);
	if (set(ctl->root, section, name, value, &why) == -1)
		code = ctl_fail(code_of(errno), "%s", why);
	else
		n_errors = tell_state(ctl, &before);
	free(why);
	config_problems_free(&before);
	return code != 0 ? code : bring_into_effect(ctl, n_errors, running);
}
