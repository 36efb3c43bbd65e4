/*
 * An IMAP session. Private to imap*.c.
 */
#ifndef FETCHER_IMAP_PRIVATE_H
#define FETCHER_IMAP_PRIVATE_H

#include "fetcher/imap_reader.h"
#include "fetcher/remote_private.h"

enum {
	IMAP_TEXT_SIZE = 1024,
	IMAP_MECHANISMS_SIZE = 512,
	IMAP_SET_SIZE = 4000, /* a set of UIDs in a command */
	IMAP_STRING_SIZE = 2 * REMOTE_FOLDER_SIZE + 3
};

/* CAPABILITY */
struct imap_offer {
	bool known, imap4, starttls, login_disabled, sasl_ir, id, idle, move, uidplus, notify;
	char mechanisms[IMAP_MECHANISMS_SIZE]; /* of AUTH=, separated by blanks */
};

/* A folder as it was when it was selected last. 0: not said. */
struct imap_watched {
	char *name;
	uint32_t uidvalidity, uidnext, exists;
};

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_MORE /* "+" */ };

struct imap_uids {
	uint32_t *at;
	size_t n, room;
};

struct imap {
	struct imap_offer offer;
	struct imap_reader in;
	unsigned tag;
	enum imap_status status;   /* of the command */
	char text[IMAP_TEXT_SIZE]; /* behind it, printable: "[TRYCREATE] no such folder" */
	bool preauth, leaving;
	/* of the selected folder */
	bool selected, read_only, sticky;
	uint32_t uidvalidity, uidnext, exists;
	bool news; /* something has come since it was selected, or to another one that is watched */
	bool watching;		      /* what STATUS says of others counts */
	bool overflow;		      /* NOTIFY: there is more than it can tell */
	struct imap_watched *watched; /* each that was selected */
	size_t n_watched;
	/*
	 * What the command in hand wants to know; NULL: nobody does. Each reads the response to its
	 * end, from behind FETCH, LIST, SEARCH, ESEARCH, ID; -1 as imap_next().
	 */
	int (*on_fetch)(struct remote *r, void *arg);
	int (*on_list)(struct remote *r, void *arg);
	int (*on_id)(struct remote *r, void *arg);
	struct imap_uids *found; /* by SEARCH */
	void *arg;
	/* of the selected folder, above listed_after, sorted */
	bool listed;
	uint32_t listed_after;
	struct imap_uids uids;
};

/* ---- imap.c: the dialogue ---- */

/* Appends a command with a new tag. */
enum remote_end imap_put(struct remote *r, const char *mask, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends, and reads until the tagged response, or a "+", has set status and text. */
enum remote_end imap_answer(struct remote *r, unsigned seconds, const char *where);
/* Both, where no "+" may come. */
enum remote_end imap_do(struct remote *r, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One response that has come, in IDLE and as the greeting; *tagged: it was the answer. */
enum remote_end imap_read(struct remote *r, const char *where, bool *tagged);
/* BAD, or something else that no behaving server says. */
enum remote_end imap_puzzled(struct remote *r, const char *where);
/* The response code of text: "[TRYCREATE]". */
bool imap_has_code(const struct imap *i, const char *code);
/* As a quoted string. False: it has what no string may have. */
bool imap_quote(const char *text, char out[IMAP_STRING_SIZE]);

/* The next handles of n, from *from on, as a set; *from is behind them then. */
void imap_set(const uint32_t *handles, size_t n, size_t *from, char out[IMAP_SET_SIZE]);
int imap_uids_add(struct imap_uids *u, uint32_t first, uint32_t last);
/* Sorted, each once. */
void imap_uids_sort(struct imap_uids *u);
bool imap_uids_has(const uint32_t *at, size_t n, uint32_t uid, size_t *index);

/* A folder's name, of which kind ever; out is empty when it is too long, or has what no name has.
 * -1 as imap_next(). */
int imap_name(struct imap_reader *in, const struct imap_token *t, char out[REMOTE_FOLDER_SIZE]);
enum remote_end
imap_select(struct remote *r, const char *name, bool change, struct remote_folder *out);

/* ---- imap_wait.c ---- */

enum remote_end imap_wait(struct remote *r, const char *const *names, size_t n, int fd,
    uint64_t seconds, enum remote_news *news);
/* It was selected just now. */
void imap_note_selected(struct remote *r, const char *name);
/* A STATUS response, from behind STATUS. -1 as imap_next(). */
int imap_on_status(struct remote *r);

/* ---- imap_open.c ---- */

enum remote_end imap_open(struct remote *r);
/* Of a CAPABILITY response, or code. */
void imap_take_capabilities(struct remote *r, struct span words);

/* ---- imap_fetch.c, imap_change.c: as in remote.h ---- */

enum remote_end
imap_list(struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n);
enum remote_end imap_fetch(struct remote *r, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink);
enum remote_end imap_fetch_header(
    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink);
/* UIDs of the selected folder that fit these keys. */
enum remote_end imap_search(struct remote *r, struct imap_uids *found, const char *keys);
enum remote_end imap_delete(struct remote *r, const uint32_t *handles, size_t n, bool *done);
enum remote_end imap_mark_seen(struct remote *r, const uint32_t *handles, size_t n, bool *done);
enum remote_end
imap_move(struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done);

#endif
