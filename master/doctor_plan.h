/* What the child of sambarctl doctor gets to know of an instance (doctor.h), and nothing else. */
#ifndef MASTER_DOCTOR_PLAN_H
#define MASTER_DOCTOR_PLAN_H

#include <jansson.h>

#include "common/config.h"

/* try: a host[:port], or NULL. To be freed. */
json_t *doctor_plan(const struct config *c, const char *root, const char *try);

#endif
