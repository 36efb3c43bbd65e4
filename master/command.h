/*
 * A command, run for what it prints: no shell, a clean environment, nothing on its standard input,
 * its standard error in a log. One of the administrator's runs under an account without rights, and
 * cannot get others; it is not confined beside that, for it has to reach what it needs.
 */
#ifndef MASTER_COMMAND_H
#define MASTER_COMMAND_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/span.h"

enum { COMMAND_OUTPUT_MAX_BYTES = 8192, COMMAND_WHY_SIZE = 120 };

struct command_order {
	const char *line;   /* command_line.h */
	char *const *words; /* instead of it: argv, the first one a path */
	const char *log;    /* whose log its standard error goes to: "fetcher" */
	uid_t uid;	    /* (uid_t)-1: our own account */
	bool keeps_rights;  /* it is ours: it changes to that account, and gives up the rest, itself
			     */
	unsigned limit_s;   /* then it is killed */
	size_t output_max;  /* bytes; 0: COMMAND_OUTPUT_MAX_BYTES. Killed when it prints more */
};

struct command;
/* It has ended. why: it did not go well, and there is no output; else NULL. Borrowed. */
typedef void (*command_cb)(void *arg, struct span output, const char *why);

/* order is not kept. NULL with errno: it was not started. */
struct command *
command_start(struct event_base *base, const struct command_order *order, command_cb cb, void *arg);
/* Kills it, and whatever it has started; cb is not called. Clears the pointer, harmless on NULL. */
void command_drop(struct command **c);
/* After waitpid(): true when that was a command. */
bool command_on_death(pid_t pid, int status);

#endif
