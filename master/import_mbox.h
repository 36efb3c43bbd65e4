/*
 * The mbox format (RFC 4155, mboxo, mboxrd), read piece by piece. A message begins with a line
 * "From SENDER DATE" at the beginning or after an empty line; ">From " and ">>From " in the text
 * lose one '>'. Content-Length is not trusted. Pure: knows nothing of files.
 */
#ifndef MASTER_IMPORT_MBOX_H
#define MASTER_IMPORT_MBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct mbox_ops {
	/* A message: offset of its From line, and what that says of its arrival. */
	void (*on_begin)(void *arg, uint64_t offset, uint64_t arrival_s);
	/* Parts of it, lines with the ends they have. */
	void (*on_text)(void *arg, struct span text);
	void (*on_end)(void *arg);
	/* What is no message, and is passed over up to the next one. why: a phrase. */
	void (*on_damage)(void *arg, uint64_t offset, const char *why);
};

struct mbox;
/* ops is not copied. */
struct mbox *mbox_new(const struct mbox_ops *ops, void *arg);
void mbox_free(struct mbox **m);
void mbox_put(struct mbox *m, struct span bytes);
/* There is no more. */
void mbox_end(struct mbox *m);

/* The date of a line "From ...". False: it is none. */
bool mbox_from_line(struct span line, uint64_t *arrival_s);

#endif
