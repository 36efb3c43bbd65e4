/*
 * Messages into a mailbox, for sambarctl: a session with its folders, which store gives to master's
 * account, and many messages on their way at a time, so that they become durable in groups. Private
 * to master/.
 */
#ifndef MASTER_IMPORT_SESSION_H
#define MASTER_IMPORT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"
#include "master/ctl.h"
#include "store/folders.h"

struct import;

struct import_counts {
	uint64_t added, there, failed; /* there: the mailbox had it already */
};

/* A session with the user's folders. NULL: told, *code is set. */
struct import *import_open(const struct ctl *ctl, const char *user, int *code);
/* Waits for what is on its way, and forgets the session. Clears the pointer. */
void import_close(struct import **im);

/* The folder of this name, made when missing. 0: it cannot be had, which was told. */
uint64_t import_folder(struct import *im, const char *name);

struct import_message {
	uint64_t folder, arrival;
	unsigned flags; /* enum folders_flag */
	const struct span *keywords;
	size_t n_keywords;
	const char *name;  /* of its file, up to the flags: what stands for it (folders_import()) */
	const char *label; /* how the user knows it: "at offset 512" */
};
/*
 * Sends it, and waits while too many are on their way. fd is borrowed. False: the session is lost
 * or the mailbox full, which was told: no more can be added.
 */
bool import_add(struct import *im, const struct import_message *m, int fd);
/* No more can be added: why was told. */
bool import_is_over(const struct import *im);
/* A document, unless there is one of that name. False: it cannot be kept, which was told. */
bool import_document(struct import *im, const char *name, int fd);
/* Waits until all are durable or refused. 0, or the exit code of what was told. */
int import_finish(struct import *im);
/* One that was not even sent was told of by the caller. */
void import_count_failure(struct import *im);
const struct import_counts *import_counts(const struct import *im);

#endif
