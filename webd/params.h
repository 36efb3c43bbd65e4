/*
 * What a request says in its query and its body, and what is often said in answers. A function that
 * returns false or NULL has answered the request. Private to the folder.
 */
#ifndef WEBD_PARAMS_H
#define WEBD_PARAMS_H

#include "store/folders.h"
#include "webd/http.h"

enum { ITEMS_MAX = 200, ITEMS_UIDS_MAX = 500000 };

/* ---- the query; a parameter that is not there is preset, "" for texts ---- */

bool query_u64(struct request *q, const char *name, uint64_t preset, uint64_t *out);
bool query_text(struct request *q, const char *name, char *out, size_t size);
/* One of the blank-separated words: its index. */
bool
query_word(struct request *q, const char *name, const char *words, unsigned preset, unsigned *out);

/* ---- the body ---- */

bool body_u64(struct request *q, const char *name, uint64_t *out);
bool body_bool(struct request *q, const char *name, bool *out);
/* Borrowed; at most max bytes. Without NUL and line ends. */
const char *body_text(struct request *q, const char *name, size_t max);

/* Messages of several folders: [{folder, uids: [number, ...]}, ...]. */
struct items {
	struct item {
		uint64_t folder;
		uint64_t *uids;
		size_t n;
	} * at;
	size_t n;
};
bool body_items(struct request *q, struct items *out);
void items_free(struct items *items);

/* ---- answers ---- */

struct refusal_words {
	int status;
	const char *code, *sentence;
};
const struct refusal_words *refusal_words(enum folders_refusal refusal);
/* What store has refused, in words. */
void reply_refusal(struct request *q, enum folders_refusal refusal);
/* {name, address} of "Name <address>". */
json_t *json_mailbox(struct span text);
/* The same of each in a list with ", " between. */
json_t *json_mailboxes(const char *text);
json_t *json_row(const struct folder_row *row);
json_t *json_rows(const struct folders_answer *a);
json_t *json_folder(const struct folder_info *f);
json_t *json_uids(const uint64_t *uids, size_t n);

/* The bit of "seen", "answered"...; 0: none. */
unsigned flag_of_name(const char *name);

#endif
