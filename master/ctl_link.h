/*
 * sambarctl user setup-link: the address with which a browser makes the first administrator.
 */
#ifndef MASTER_CTL_LINK_H
#define MASTER_CTL_LINK_H

#include "master/ctl.h"

int ctl_link(struct ctl *ctl, char **args, size_t n);
/* The same after a start: says nothing where there is an administrator, or nobody serves HTTP. */
void ctl_link_tell(const struct ctl *ctl);

#endif
