/* Printing what is to be published in the DNS (publish.h). */
#ifndef MASTER_CTL_PUBLISH_H
#define MASTER_CTL_PUBLISH_H

#include "master/ctl.h"

/* As lines of a zone file, notes and what only its owner knows as comments. */
void ctl_publish_print(const json_t *records);

#endif
