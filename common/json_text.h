/*
 * Strangers' bytes in a JSON document. Pure.
 */
#ifndef COMMON_JSON_TEXT_H
#define COMMON_JSON_TEXT_H

#include <jansson.h>

#include "common/span.h"

/* A new string; when text is no UTF-8, with ? for each 8-bit byte. */
json_t *json_text(struct span text);

#endif
