/*
 * What sambarctl doctor looks at on this machine: the configuration, room on the disks, the clock,
 * owners and modes. Reads; changes nothing.
 */
#ifndef MASTER_DOCTOR_LOCAL_H
#define MASTER_DOCTOR_LOCAL_H

#include <jansson.h>
#include <stdbool.h>

#include "common/config.h"

/* Errors and warnings of the files, into findings (finding.h). */
void doctor_configuration(json_t *findings, const struct config_problems *problems);
void doctor_disks(json_t *findings, const char *root, const struct config *c);
void doctor_clock(json_t *findings);
/* running: the supervisor has given the directories to their owners. */
void doctor_permissions(json_t *findings, const char *root, const struct config *c, bool running);

#endif
