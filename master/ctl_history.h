/*
 * Verbs of sambarctl config about the configuration as a whole, and about its changes.
 */
#ifndef MASTER_CTL_HISTORY_H
#define MASTER_CTL_HISTORY_H

#include "master/ctl.h"

int ctl_config_list(struct ctl *ctl, char **args, size_t n);
int ctl_config_history(struct ctl *ctl, char **args, size_t n);
int ctl_config_undo(struct ctl *ctl, char **args, size_t n);

#endif
