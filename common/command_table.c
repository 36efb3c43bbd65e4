/*
 * Finds verbs and checks commands. Pure.
 */
#include "common/command_table.h"

#include <stdbool.h>

struct command_line
command_read(const struct command *table, size_t n, struct span line)
{
	struct command_line l = {.line = line, .argument = line};
	struct span verb;

	span_take(&l.argument, ' ', &verb);
	for (size_t i = 0; i < n && l.command == NULL; i++)
		if (span_is_nocase(verb, table[i].verb))
			l.command = &table[i];
	return l;
}

static bool
has_control(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.at[i] < ' ' && line.at[i] != '\t')
			return true;
	return false;
}

enum command_fault
command_check(const struct command_line *l, unsigned state, size_t unknown_max)
{
	const struct command *c = l->command;
	struct span argument = span_trim(l->argument);

	if (l->line.len + 2 > (c != NULL ? c->line_max : unknown_max))
		return COMMAND_TOO_LONG;
	if (has_control(l->line))
		return COMMAND_HAS_CONTROL;
	if (c == NULL)
		return COMMAND_UNKNOWN;
	if (!(c->states & state))
		return COMMAND_OUT_OF_ORDER;
	if (c->argument == ARGUMENT_NONE && argument.len > 0)
		return COMMAND_NO_ARGUMENT_ALLOWED;
	if (c->argument == ARGUMENT_MUST && argument.len == 0)
		return COMMAND_ARGUMENT_MISSING;
	return COMMAND_RIGHT;
}
