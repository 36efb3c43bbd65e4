/* The escapes of xtext (RFC 3461 4): "+" and two upper case hexadecimal digits. Pure. */
#ifndef COMMON_XTEXT_H
#define COMMON_XTEXT_H

#include "common/span.h"

enum { XTEXT_ESCAPE_BYTES = 3 };

/* The byte that an escape at the front of text stands for; -1 when there is none. */
int xtext_escape(struct span text);

#endif
