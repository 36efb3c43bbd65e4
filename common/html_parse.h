/*
 * An HTML document as a row of elements and texts, by libxml2's parser, which mends what strangers
 * write: whatever opens is closed again, in the right order. Keeps no tree. Bounded: what is nested
 * deeper than HTML_DEPTH_MAX is where reading stops. Pure.
 */
#ifndef COMMON_HTML_PARSE_H
#define COMMON_HTML_PARSE_H

#include <stdbool.h>

#include "common/span.h"

enum { HTML_DEPTH_MAX = 150 };

/* Names are in lower case, texts UTF-8 with their entities decoded. False stops the reading. */
struct html_events {
	/* attributes: name, value (NULL: none), ..., NULL; NULL when there are none. */
	bool (*open)(void *arg, const char *name, const char *const *attributes);
	void (*close)(void *arg, const char *name);
	/* Also what is in script and style. */
	bool (*text)(void *arg, struct span text);
};

/* html: UTF-8, whatever it says of its charset. False: it was not read to its end; the elements
 * that are open are closed all the same. */
bool html_parse(struct span html, const struct html_events *events, void *arg);

/* The value of an attribute, "" when it has none, NULL when it is not there. */
const char *html_attribute(const char *const *attributes, const char *name);

#endif
