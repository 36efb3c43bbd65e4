/*
 * One change of the configuration, from the file to the running programs. Writes through
 * common/config, tells on standard error what is new or wrong, and asks the supervisor to reload.
 */
#ifndef MASTER_CTL_CHANGE_H
#define MASTER_CTL_CHANGE_H

#include <stdbool.h>

#include "common/config.h"
#include "master/ctl.h"

/*
 * Makes all changes (value NULL: takes it out) or none, adds them to the history, prints warnings
 * that were not there before, and has a running instance take them over. undo: the change of the
 * history that they take back, or 0. 0, or the exit code of an error that was told; *running as
 * ctl_reload_if_running() says.
 */
int ctl_change_all(const struct ctl *ctl, const struct config_change *changes, size_t n,
    uint64_t undo, bool *running);
/* One of them. */
int ctl_change(
    const struct ctl *ctl, const char *section, const char *name, const char *value, bool *running);

#endif
