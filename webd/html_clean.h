/*
 * HTML of strangers, and of our own users' editors, made harmless: what is left is written anew
 * from an allow-list of elements, attributes and CSS. No script, form, frame, object, refresh, or
 * anything that loads by itself but pictures. Pure.
 */
#ifndef WEBD_HTML_CLEAN_H
#define WEBD_HTML_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

enum { HTML_CLEAN_IN_MAX_BYTES = 768 * 1024, HTML_CLEAN_OUT_MAX_BYTES = 24 * 1024 * 1024 };

struct html_clean_options {
	bool remote; /* pictures from elsewhere stay */
	bool styles; /* style sheets, classes and ids stay: for a document of its own only */
	/* The data: address for a picture that is a part of the message, to be freed, or NULL. May
	 * be NULL: cid: addresses are then kept as they are. */
	char *(*picture)(void *arg, const char *content_id);
	void *arg;
};

struct html_cleaned {
	char *html; /* what is to stand in a body; UTF-8, ASCII's markup balanced */
	size_t len;
	bool had_remote; /* there are pictures from elsewhere, shown or not */
	bool cut;	 /* it was too long or too deep: the rest is missing */
};

/* html is UTF-8. The result's html is the caller's. */
void
html_clean(struct span html, const struct html_clean_options *options, struct html_cleaned *result);

/* Appends text with &, <, >, " and ' as references, and without control characters. */
struct text_buffer;
void html_escape(struct text_buffer *out, struct span text);

#endif
