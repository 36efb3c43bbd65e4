/* What completes a command line of sambarctl in a shell: made from the table of commands. */
#ifndef MASTER_CTL_COMPLETION_H
#define MASTER_CTL_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

#include "master/ctl.h"

/* Prints a script for "bash" or "zsh" on standard output. False: there is none for this shell. */
bool ctl_completion_print(const char *shell, const struct ctl_command *commands, size_t n);

#endif
