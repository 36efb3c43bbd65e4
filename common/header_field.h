/* The fields of a message's header (RFC 5322 2.2), as they stand. Pure. */
#ifndef COMMON_HEADER_FIELD_H
#define COMMON_HEADER_FIELD_H

#include <stdbool.h>

#include "common/span.h"

/*
 * Cuts the next field from the front of *header, which ends at an empty line or at its end. value
 * is folded as it is, without its last line end and blanks at both ends. What is no field is
 * passed over. False at the end.
 */
bool header_field_next(struct span *header, struct span *name, struct span *value);

#endif
