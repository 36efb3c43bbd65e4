/*
 * Bytes for an IMAP reader, some at a time. For a cmocka test and a fuzz target, which look at what
 * is consumed each in its own way.
 */
#ifndef TESTS_UNIT_FETCHER_IMAP_READER_SUPPORT_H
#define TESTS_UNIT_FETCHER_IMAP_READER_SUPPORT_H

#include "fetcher/imap_reader.h"

struct feed {
	const char *at;
	size_t left, step;
};

static inline int
feed_bytes(void *arg, struct span *out)
{
	struct feed *f = arg;

	*out = (struct span){f->at, f->left < f->step ? f->left : f->step};
	return f->left == 0 ? -1 : 0;
}

static inline void
feed_skip(struct feed *f, size_t n)
{
	f->at += n;
	f->left -= n;
}

#endif
