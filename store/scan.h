/*
 * Reads new/ and cur/ into a listing. Names are enough for files that carry their size; others are
 * read once. Small mailboxes are scanned at once, larger ones in the helper thread: a scan touches
 * nothing but its own memory and descriptors, and logs nothing.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "store/listing.h"

enum { SCAN_MESSAGES_MAX = 1000000 };

struct scan;

/* prior (may be NULL, held as long) saves reading files again. NULL with errno. */
struct scan *scan_new(struct maildir *m, struct listing *prior);
void scan_free(struct scan **s);

/* Reads on until about max names are read in this call; true when there are no more. */
bool scan_names(struct scan *s, size_t max);
/* After the last name: true when files must be read to learn their sizes. */
bool scan_is_slow(const struct scan *s);
/* The listing, the caller's reference; NULL with errno. */
struct listing *scan_finish(struct scan *s);

/* True when nothing has changed in the mailbox since the scan began. */
bool scan_is_current(const struct scan *s, struct maildir *m);
/* The mailbox holds more than SCAN_MESSAGES_MAX: the rest is listed when these are gone. */
bool scan_was_cut(const struct scan *s);
/* True when equal stamps prove equal contents: the directories had been quiet for a while. */
bool listing_is_current(const struct listing *l, struct maildir *m);

#endif
