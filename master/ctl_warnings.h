/* What a change of the configuration gives cause to say: warnings that were not there before it. */
#ifndef MASTER_CTL_WARNINGS_H
#define MASTER_CTL_WARNINGS_H

#include "common/config.h"
#include "master/ctl.h"

/* Notes the warnings that there are. */
void ctl_warnings_before(const struct ctl *ctl, struct config_problems *before);
/* Prints the new ones on standard error, and frees what was noted. */
void ctl_warnings_after(const struct ctl *ctl, struct config_problems *before);

#endif
