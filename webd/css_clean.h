/*
 * Styles that strangers wrote: what is left of them changes how text looks, loads nothing, and ends
 * no element. Pure.
 */
#ifndef WEBD_CSS_CLEAN_H
#define WEBD_CSS_CLEAN_H

#include "common/text_buffer.h"

/* The declarations of a style attribute. */
void css_clean_declarations(struct text_buffer *out, struct span css);
/* A style sheet: rules, also within @media; no other at-rules, and none for first lines and
 * letters. Has no '<'. */
void css_clean_sheet(struct text_buffer *out, struct span css);

#endif
