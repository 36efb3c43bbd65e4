/*
 * The table of verbs of a protocol of commands and replies (SMTP, POP3): how the verb of a line is
 * found, and what is checked of every command before it runs. Pure.
 */
#ifndef COMMON_COMMAND_TABLE_H
#define COMMON_COMMAND_TABLE_H

#include <stddef.h>

#include "common/span.h"

struct session; /* the program's own */

struct command {
	const char *verb;
	unsigned states;   /* in which it is allowed */
	unsigned line_max; /* bytes with CRLF */
	enum { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST } argument;
	void (*run)(struct session *s, struct span argument);
};

struct command_line {
	struct span line;	       /* all of it, without its CRLF */
	struct span argument;	       /* what follows the verb and a blank */
	const struct command *command; /* NULL: nobody knows the verb */
};

enum command_fault {
	COMMAND_RIGHT,
	COMMAND_TOO_LONG,
	COMMAND_HAS_CONTROL, /* a control character that is no tab */
	COMMAND_UNKNOWN,
	COMMAND_OUT_OF_ORDER, /* not in this state */
	COMMAND_NO_ARGUMENT_ALLOWED,
	COMMAND_ARGUMENT_MISSING,
};

/* Finds the verb of line, without regard to case, in a table of n. Borrows line. */
struct command_line command_read(const struct command *table, size_t n, struct span line);

/* state: one of the bits that the table's states are made of. unknown_max: the limit of a line with
 * an unknown verb, bytes with CRLF. */
enum command_fault command_check(const struct command_line *l, unsigned state, size_t unknown_max);

#endif
