/*
 * The seen-list: what was taken from which remote mailbox, in one SQLite file, fetcher.db. Its
 * calls may wait for the disk: they are made in the helper thread.
 *
 * A row is a message that was taken, or one that was reported and left (too large, looping). It
 * has the section of the configuration, folder, UIDVALIDITY and id (UIDL, UID) under which the
 * server lists it, the size that is listed, and the digest of its bytes. An id alone proves
 * nothing, for servers begin anew with theirs: a message is known when its id and size are, and
 * before one is deleted or moved at the server its digest must be.
 *
 * Each row stands for one message: what a listing has accounted for (enum seen_want, a digest) is
 * not found again in the same collection, so that equal messages, and equal ids, are as many here
 * as there.
 *
 * Transactions are durable when they return (WAL, synchronous). After a crash SQLite has all of
 * those and nothing of others.
 */
#ifndef FETCHER_SEEN_H
#define FETCHER_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"
#include "fetcher/fetcher.h"

enum {
	SEEN_FORGET_S = 90 * 86400 /* a row that was not listed for so long goes */
};

struct seen;

/* Opens or makes the file in a directory, which stays open as long. NULL with *why, static. */
struct seen *seen_open(int directory, const char *name, const char **why);
void seen_close(struct seen **s);
/* What the last call that failed said. */
const char *seen_why(const struct seen *s);

/* One collection: the rows that are accounted for. */
struct seen_pass;
struct seen_pass *seen_pass_new(void);
void seen_pass_free(struct seen_pass **p);

/* Where messages are listed. */
struct seen_place {
	const char *section, *folder;
	uint32_t validity;
};

/* What decides about messages that are there still. */
struct seen_policy {
	uint64_t max_size;    /* of a message; larger ones are left */
	bool acts;	      /* something is done at the server once they are safe */
	uint64_t act_after_s; /* that long after they were taken */
	uint64_t now_s;
	bool look_only; /* nothing is written */
};

struct seen_listed {
	const char *id; /* "": the server has none */
	uint64_t size;
	enum fetch_want want; /* set by seen_list() */
	bool reported;	      /* LARGE: for the first time */
};

/* Says of each message whether it is to be had. -1: the database fails. */
int seen_list(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, struct seen_listed *listed, size_t n);

struct seen_found {
	int64_t row; /* 0: it is new */
	bool same;   /* the row has this id, validity and size already, and was listed today; else
			it is to be RENAMED: what is had again and again is not forgotten */
	bool act, refused;
};
/* Looks for a message that was had, by its digest, among what is not accounted for, and accounts
 * for it. -1: the database fails. */
int seen_find(struct seen *s, struct seen_pass *p, const struct seen_place *at,
    const struct seen_policy *policy, const char *id, uint64_t size,
    const unsigned char digest[FETCH_DIGEST_BYTES], struct seen_found *found);

/* One change. */
struct seen_change {
	enum { SEEN_TAKEN, SEEN_LEFT, SEEN_RENAMED, SEEN_ACTED, SEEN_OVERSIZE } what;
	int64_t row;		/* RENAMED, ACTED; set for TAKEN and LEFT */
	struct seen_pass *pass; /* TAKEN, LEFT: accounts for it; or NULL */
	struct seen_place at;
	const char *id;
	uint64_t size;
	const unsigned char *digest;
	uint64_t real; /* OVERSIZE: so many bytes at least, though size is listed */
};
/* All or none, durable. -1: the database fails. */
int seen_record(struct seen *s, struct seen_change *const *changes, size_t n, uint64_t now_s);

/*
 * The refresh token of a section: the one that was kept last in the place of the configured one,
 * else that. From any thread.
 */
void seen_token(struct seen *s, const char *section, const char *configured,
    char out[FETCH_CREDENTIAL_MAX_BYTES + 1]);
int seen_keep_token(struct seen *s, const char *section, const char *configured, const char *token);

/* What is to be known of a section after a restart, or a change of its settings, of which this is
 * the digest. text: to be freed, NULL without one, or when the database fails. same: it was kept
 * under these settings. */
int seen_keep_state(struct seen *s, const char *section,
    const unsigned char settings[FETCH_DIGEST_BYTES], const char *text);
char *seen_state(struct seen *s, const char *section,
    const unsigned char settings[FETCH_DIGEST_BYTES], bool *same);

/* Drops the rows of a section that its last collections have not listed. */
int seen_prune(struct seen *s, const char *section, uint64_t now_s);
/* All messages of a section, and its state. *n: how many messages there were. */
int seen_forget(struct seen *s, const char *section, uint64_t *n);

#endif
