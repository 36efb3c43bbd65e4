/*
 * One change of the configuration, from the file to the running programs. Writes through
 * common/config, tells on standard error what is new or wrong, and asks the supervisor to reload.
 */
#ifndef MASTER_CTL_CHANGE_H
#define MASTER_CTL_CHANGE_H

#include <stdbool.h>

#include "master/ctl.h"

/* config_set() or config_set_entry(). */
typedef int (*ctl_setter)(
    const char *root, const char *section, const char *name, const char *value, char **why);

/*
 * Sets it (value NULL: takes it out), prints warnings that were not there before it, and has a
 * running instance take it over. 0, or the exit code of an error that was told; *running as
 * ctl_reload_if_running() says.
 */
int ctl_change(const struct ctl *ctl, ctl_setter set, const char *section, const char *name,
    const char *value, bool *running);

#endif
