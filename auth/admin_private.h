/*
 * What the parts of admin.h share: admin.c (requests one after the other, answers, the account in
 * question, lists) and admin_change.c (each change).
 */
#ifndef AUTH_ADMIN_PRIVATE_H
#define AUTH_ADMIN_PRIVATE_H

#include "auth/admin.h"
#include "auth/auth.h"

enum { LOOKUPS_MAX = 32, DONE_SIZE = 200 };

struct request;

/* A question to store whether a listed user has a mailbox. */
struct lookup {
	struct request *request;
	json_t *user; /* borrowed from the list; NULL: free for the next */
};

struct request {
	STAILQ_ENTRY(request) link;
	struct admin *admin;
	uint64_t tag;
	admin_done_cb on_done; /* of auth's own; else NULL */
	void *done_arg;
	char **words;
	size_t n_words;
	/* the account in question; its texts are in the arrays */
	struct account account;
	char name[AUTH_USER_SIZE], hash[ACCOUNT_HASH_SIZE];
	char done[DONE_SIZE]; /* a log line for the time when it is */
	bool is_first;	      /* of the first administrator */
	bool revokes;	      /* what the user has open with master ends then */
	/* of a list */
	json_t *users;
	size_t next;
	struct lookup lookups[LOOKUPS_MAX];
	size_t n_lookups;
};

struct admin {
	struct auth *auth;
	struct worker *writer;
	admin_reply_cb on_reply;
	void *arg;
	STAILQ_HEAD(, request) waiting;
	struct request *current;
	bool closed;
};

/* ---- admin.c ---- */

/* Why the users file is of no use. */
extern const char admin_unreadable[];
/* Ends the request with a sentence. */
void admin_fail(struct request *r, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void admin_fail_at_store(struct request *r);
/* That in the request's words; cb gets the request. */
void admin_hash_password(struct request *r, password_hashed_cb cb);
/* Fills r->account from the file. -1 when the request has failed, and is gone. */
int admin_load(struct request *r);
/* The account was written, or not: ends the request. */
void admin_on_changed(void *arg, int error);
/* Reads a word that is one of two. -1 when the request has failed, and is gone. */
int
admin_read_switch(struct request *r, size_t index, const char *on, const char *off, bool *is_on);
/* Ends the request. Owns doc. */
void admin_reply(struct request *r, int code, json_t *doc);
/* Writes r->account; admin_on_changed() follows. */
void admin_save(struct request *r);
/* Ends the request, and logs r->done. */
void admin_succeed(struct request *r);
/* -1 when the request has failed, and is gone. */
int admin_take_hash(struct request *r, const char *hash);

/* ---- admin_change.c ---- */

/* Each begins what a request asks for; it ends the request, now or later. */
void admin_add(struct request *r);
/* Requests are run one by one, so that a link makes one administrator only. */
void admin_add_first(struct request *r);
void admin_del(struct request *r);
/* Its name cannot be one. */
void admin_fail_name(struct request *r);
void admin_make_link(struct request *r);
void admin_passwd(struct request *r);
void admin_set_admin(struct request *r);
void admin_set_mailbox(struct request *r);
void admin_set_quota(struct request *r);

#endif
