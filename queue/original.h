/*
 * The message that a notification is about: its header, what of it may be quoted, and how it can be
 * returned. Reads it from a spool file in pieces; trusts no byte of it.
 */
#ifndef QUEUE_ORIGINAL_H
#define QUEUE_ORIGINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	ORIGINAL_HEADER_MAX_BYTES = 65536, /* more is neither searched nor returned */
	ORIGINAL_MESSAGE_ID_MAX_BYTES = 250,
	ORIGINAL_SUBJECT_SIZE = 512,
};

struct original {
	int fd; /* the caller's */
	uint64_t at, size;
	char *head;	    /* the first bytes, allocated */
	struct span header; /* whole lines without the empty one; borrows from head */
	bool header_cut;    /* it is longer */
	/* of the whole message, after original_scan() */
	bool has_8bit;
	bool is_strange; /* NUL, CR or LF alone, a line over 998 bytes: no 8bit (RFC 2045 2.8) */
	bool has_boundary;
};

/* Reads the header. -1 with errno: ENOMEM, EIO (also: the file ends before the message does). */
int original_open(struct original *o, int fd, uint64_t at, uint64_t size);
/* Frees; harmless when repeated. */
void original_close(struct original *o);

/* Judges the bytes up to limit (from the start), with bounded memory. boundary: text of which it
 * notes whether it occurs. -1 with errno. */
int original_scan(struct original *o, uint64_t limit, const char *boundary);
/* Calls each() with all bytes, piece by piece. -1 with errno. */
int original_read(const struct original *o, uint64_t limit,
    void (*each)(void *arg, struct span bytes), void *arg);

/* With its < and >, only printable ASCII; empty unless it is a sound one (RFC 5322 3.6.4). */
struct span original_message_id(const struct original *o);

/* The Subject as text in UTF-8 on one line, cut if need be, encoded words (RFC 2047) of UTF-8 and
 * US-ASCII decoded. Returns its length: 0 without one that is fit for reading. */
size_t original_subject(const struct original *o, char out[ORIGINAL_SUBJECT_SIZE]);

/*
 * A message that answers another one by itself and is not to be answered: a report of delivery or
 * disposition (RFC 6522), or Auto-Submitted: auto-replied (RFC 3834 5). What a machine sent of its
 * own accord (auto-generated, lists) is not meant: somebody waits for its failures.
 */
bool original_is_automatic(const struct original *o);

#endif
