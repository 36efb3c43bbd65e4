/*
 * What an HTML document says, as plain text: for reading, quoting and searching. Pure.
 */
#ifndef COMMON_HTML_TEXT_H
#define COMMON_HTML_TEXT_H

#include "common/span.h"

/* html is UTF-8. At most max bytes of text with LF, without control characters; the caller's, with
 * a NUL behind *len bytes. */
char *html_to_text(struct span html, size_t max, size_t *len);

#endif
