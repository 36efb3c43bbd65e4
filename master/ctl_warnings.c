/*
 * Compares the warnings of the configuration before and after a change. Reads the configuration.
 */
#include "master/ctl_warnings.h"

#include <stdio.h>
#include <string.h>

static void
load(const struct ctl *ctl, struct config_problems *problems)
{
	struct config *c;

	*problems = (struct config_problems){0};
	c = config_load(ctl->root, problems);
	config_free(&c);
}

void
ctl_warnings_before(const struct ctl *ctl, struct config_problems *before)
{
	load(ctl, before);
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

void
ctl_warnings_after(const struct ctl *ctl, struct config_problems *before)
{
	struct config_problems now;

	load(ctl, &now);
	for (size_t i = 0; i < now.n; i++)
		if (now.items[i].warning && !has(before, now.items[i].text))
			fprintf(stderr, "%s: warning: %s\n", now.items[i].where, now.items[i].text);
	config_problems_free(&now);
	config_problems_free(before);
}
