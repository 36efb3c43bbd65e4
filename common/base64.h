/* Base64 of RFC 4648 4, strict: no blanks, padding required, no stray bits. For SASL. */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include <stddef.h>

#include "common/span.h"

/* Decodes into out (size bytes). The number of bytes, or -1 when malformed or too long. */
long base64_decode(struct span text, unsigned char *out, size_t size);

#endif
