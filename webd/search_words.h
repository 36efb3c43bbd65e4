/*
 * What a user types to search, as an expression for store (folders.h): words, "phrases", from:,
 * to:, subject:, body:, label:, before:, after:, larger:, smaller:, has:attachment, is:unread and
 * the like, - in front for "not", OR between two. Pure.
 */
#ifndef WEBD_SEARCH_WORDS_H
#define WEBD_SEARCH_WORDS_H

#include "store/folders.h"

enum { SEARCH_MAX_BYTES = 1000, SEARCH_TERMS_MAX = 60 };

struct search {
	struct folders_find nodes[FOLDERS_EXPRESSION_MAX_NODES];
	size_t n;
	char text[2 * SEARCH_MAX_BYTES]; /* what nodes point into */
	size_t text_len;
	char understood[4 * SEARCH_MAX_BYTES]; /* for people: "from: ann, not: draft" */
	char problem[200];		       /* what was left out, and why; "" */
};

/* An empty search finds everything. False: it is too long. */
bool search_parse(struct search *out, const char *words);
/* One more condition, which must hold as well. False: there are too many. */
bool search_require(struct search *s, struct folders_find condition);

#endif
