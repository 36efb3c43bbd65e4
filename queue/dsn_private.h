/* What the files that write a notification share: dsn.c and dsn_text.c. */
#ifndef QUEUE_DSN_PRIVATE_H
#define QUEUE_DSN_PRIVATE_H

#include "queue/dsn.h"
#include "queue/dsn_out.h"

enum { DSN_BOUNDARY_SIZE = 40 };

struct dsn_job {
	const struct dsn *d;
	size_t count[DSN_ACTIONS]; /* recipients that are told of */
	bool whole;		   /* the original is returned so */
	const char *why_not;	   /* a reason why not, when it was wanted; else NULL */
	bool text_is_utf8;	   /* people's part is not ASCII */
	bool status_is_global;	   /* an address is not ASCII */
	bool original_is_global;
	uint64_t nonce;
	char boundary[DSN_BOUNDARY_SIZE];
	char subject[ORIGINAL_SUBJECT_SIZE];
	size_t subject_len;
	struct dsn_out out;
};

/* What is told about recipient i, or DSN_NONE. */
static inline enum dsn_action
dsn_told(const struct dsn *d, size_t i)
{
	return d->fates[i] == DSN_TELL ? d->events[i] : DSN_NONE;
}

/* The part for people, without its MIME fields. */
void dsn_text_write(struct dsn_job *j);

#endif
