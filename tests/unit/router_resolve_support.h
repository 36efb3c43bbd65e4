/*
 * Tables, mailboxes and a resolution, by which tests look where addresses lead. For cmocka tests of
 * router; each includes it once.
 */
#ifndef TESTS_UNIT_ROUTER_RESOLVE_SUPPORT_H
#define TESTS_UNIT_ROUTER_RESOLVE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* after the ones above */
#include <cmocka.h>

#include "common/memory.h"
#include "router/resolve.h"
#include "tests/unit/router_tables_support.h"

static struct tables *tables;
static struct resolution result;

/* Which mailboxes there are, and what store says of them. */
static struct {
	const char *const *names; /* NULL ends them */
	bool know_nothing;
	const char *unclear; /* of which it cannot say; NULL: of none */
} mailboxes;

static enum mailbox_state
look(void *arg, struct span name)
{
	(void)arg;
	if (mailboxes.know_nothing)
		return MAILBOX_NOT_YET;
	if (mailboxes.unclear != NULL && span_is(name, mailboxes.unclear))
		return MAILBOX_UNCLEAR;
	for (size_t i = 0; mailboxes.names[i] != NULL; i++)
		if (span_is(name, mailboxes.names[i]))
			return MAILBOX_IS;
	return MAILBOX_NONE;
}

/* Takes the settings, in place of earlier ones. */
static void
load_settings(struct settings *s)
{
	tables_free(&tables);
	tables = tables_of(s);
}

/* Before load_settings(). */
static void
begin(const char *const *names)
{
	mailboxes.names = names;
	mailboxes.know_nothing = false;
	mailboxes.unclear = NULL;
	resolution_init(&result);
}

static int
teardown(void **state)
{
	(void)state;
	resolution_clear(&result);
	tables_free(&tables);
	return 0;
}

#endif
