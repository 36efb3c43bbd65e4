/*
 * The door to a user's folders: a session that auth had store open and handed to webd (later
 * imapd). Who holds it can read and change this one user's folders, and nothing else. A session is
 * a socket; each request has a tag, and its answers carry it. The Maildir is the truth, and
 * index.db a cache of it: a session opened for the first time, or after index.db was removed,
 * finds UIDs and summaries made anew.
 *
 * message, fields (FOLDERS_... in the enum). All answers end with one of DONE and REFUSED
 * refusal, number: of EXPUNGE how many are gone all the same, else 0. UIDS before a REFUSED of COPY
 * and MOVE say what was done until then.
 * LIST      -. Answer: FOLDER*, DONE bytes of all messages, limit (2^64-1: none)
 * CREATE    name. Answer: DONE folder
 * RENAME    folder, name. Folders below it go with it
 * REMOVE    folder, with its messages and without those below it
 * SUBSCRIBE folder, on
 * VIEW      folder (0: all but Trash and Junk), order, descending, threads, offset, limit,
 *           expression. Answer: ROW*, DONE total, modseq
 * FIND      folder, expression. Answer: UIDS folder, uid*; DONE total
 * ROWS      folder, uid*. Answer: ROW*
 * CHANGES   folder, modseq. Answer: ROW* (what has changed since), GONE uid*, DONE modseq: the one
 *           to ask with next, again when it is not yet the folder's
 * THREAD    thread. Answer: ROW* in the order of their dates, of all folders
 * GET       folder, uid. Answer: MESSAGE descriptor | REFUSED
 * FLAG      folder, add, remove (enum folders_flag), unchanged since (modseq, 0: any), number of
 *           keywords to add, keyword*, number to remove, keyword*, uid*. Answer: UIDS (those that
 *           had changed since), DONE modseq
 * COPY      folder, to, uid*. Answer: UIDS (the new ones, in the order asked; 0: it was gone)
 * MOVE      folder, to, uid*. Answer: the same
 * EXPUNGE   folder, uid*. Answer: DONE number. Removed for good
 * APPEND    folder, flags, arrival (seconds), number of keywords, keyword*, name; descriptor of a
 *           file with the message. Answer: DONE uid. Durable then, and within the mailbox's limit.
 *           name "": a new one. Else what the file is to be called, up to its flags: where any
 *           folder has a message of that name nothing is added, and uid is 0. Keywords that
 *           are none, or for which no letter is left, are then dropped instead of refused
 * KEEP      name, version, descriptor: a document of the user's (settings, contacts), durable. It
 *           replaces the one of this version (0: there is none); REFUSED when there is another.
 *           Answer: DONE version, the new one
 * DOCUMENT  name. Answer: MESSAGE descriptor, DONE version | REFUSED
 * LABELS    -. Answer: LABEL*, DONE. The keywords of all folders but Trash and Junk, with how many
 *           of the messages there have each and how many of these are unread
 * WATCH     on. From then on CHANGED notices (tag 0): folder's state, as in FOLDER
 *
 * Lists of uids are split over several requests by the client's side of this door.
 */
#ifndef STORE_FOLDERS_H
#define STORE_FOLDERS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum folders_message {
	FOLDERS_LIST = 1,
	FOLDERS_CREATE,
	FOLDERS_RENAME,
	FOLDERS_REMOVE,
	FOLDERS_SUBSCRIBE,
	FOLDERS_VIEW,
	FOLDERS_FIND,
	FOLDERS_ROWS,
	FOLDERS_CHANGES,
	FOLDERS_THREAD,
	FOLDERS_GET,
	FOLDERS_FLAG,
	FOLDERS_COPY,
	FOLDERS_MOVE,
	FOLDERS_EXPUNGE,
	FOLDERS_APPEND,
	FOLDERS_KEEP,
	FOLDERS_DOCUMENT,
	FOLDERS_WATCH,
	FOLDERS_LABELS,
	FOLDERS_REQUEST_LAST = FOLDERS_LABELS,
	FOLDERS_FOLDER = 100,
	FOLDERS_ROW,
	FOLDERS_UIDS,
	FOLDERS_GONE,
	FOLDERS_MESSAGE,
	FOLDERS_DONE,
	FOLDERS_REFUSED,
	FOLDERS_CHANGED,
	FOLDERS_LABEL
};

enum folders_flag {
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	FLAG_FORWARDED = 1 << 5, /* $Forwarded: Maildir's P */
	FLAGS_ALL = (1 << 6) - 1
};

enum folders_role { /* RFC 6154 */
	FOLDER_PLAIN,
	FOLDER_INBOX,
	FOLDER_SENT,
	FOLDER_DRAFTS,
	FOLDER_TRASH,
	FOLDER_JUNK,
	FOLDER_ARCHIVE
};

enum folders_order { ORDER_ARRIVAL, ORDER_DATE, ORDER_FROM, ORDER_SUBJECT, ORDER_SIZE };

enum folders_refusal {
	FOLDERS_GRANTED = 0,
	FOLDERS_NO_FOLDER,
	FOLDERS_NO_MESSAGE,
	FOLDERS_EXISTS,
	FOLDERS_BAD_NAME,
	FOLDERS_BAD_REQUEST, /* an expression that is too deep, a role that cannot be removed... */
	FOLDERS_FORGOTTEN,   /* CHANGES since a modseq that is too old, or unknown: view anew */
	FOLDERS_OTHER,	     /* KEEP: another has replaced this version of the document */
	FOLDERS_FULL,	     /* the mailbox's limit, or the disk's */
	FOLDERS_TROUBLE,     /* try later; also: the session is lost */
	FOLDERS_REFUSAL_LAST = FOLDERS_TROUBLE
};

enum {
	FOLDERS_NAME_MAX_BYTES = 200,	 /* UTF-8, '/' between levels, "INBOX" */
	FOLDERS_KEYWORD_MAX_BYTES = 60,	 /* a label: an IMAP keyword's characters */
	FOLDERS_KEYWORDS_MAX = 26,	 /* of a folder: a Maildir has no more letters */
	FOLDERS_LABELS_MAX = 1000,	 /* of a mailbox are told of */
	FOLDERS_SUBJECT_MAX_BYTES = 400, /* what rows hold is cut to these */
	FOLDERS_FROM_MAX_BYTES = 200,
	FOLDERS_TO_MAX_BYTES = 400,
	FOLDERS_PREVIEW_MAX_BYTES = 200,
	FOLDERS_MESSAGE_ID_MAX_BYTES = 250,
	FOLDERS_FILE_NAME_MAX_BYTES = 200,
	FOLDERS_VIEW_MAX = 500,	 /* rows of one VIEW */
	FOLDERS_UIDS_MAX = 5000, /* of one request on the socket */
	FOLDERS_DOCUMENT_MAX_BYTES = 8 * 1024 * 1024,
	FOLDERS_EXPRESSION_MAX_NODES = 200
};

struct folder_info {
	uint64_t id; /* of the folder, as long as index.db lives; a renamed one keeps it */
	const char *name;
	enum folders_role role;
	bool subscribed;
	uint64_t total, unread, uid_validity, uid_next, modseq;
};

/* One message. Texts are UTF-8 without control characters, decoded; borrowed. */
struct folder_row {
	uint64_t folder, uid, thread, modseq;
	unsigned flags;
	bool attachments;
	bool is_read; /* false: the message was not looked at yet, the texts are empty */
	uint64_t size, arrival;
	int64_t date;	     /* seconds; arrival when the message has no usable Date */
	const char *from;    /* "Name <address>", "address" */
	const char *to;	     /* the same, with ", " between */
	const char *subject; /* as it is, with Re: */
	const char *preview; /* the first words of the text */
	const char *message_id;
	const char *keywords;		      /* with a blank between */
	uint64_t thread_total, thread_unread; /* of a VIEW by threads; else 0 */
};

/* A keyword of a mailbox's folders, whichever letter it has in each. */
struct folder_label {
	const char *name;
	uint64_t total, unread;
};

/*
 * What to look for, in prefix order: an AND or OR is followed by `children` subexpressions, a NOT
 * by one. An empty expression is everything. At most FOLDERS_EXPRESSION_MAX_NODES, nested at most
 * 20 deep.
 */
enum folders_op {
	FIND_AND,
	FIND_OR,
	FIND_NOT,
	FIND_FLAG,    /* number: enum folders_flag, all of these */
	FIND_KEYWORD, /* text */
	FIND_FROM,    /* text: words that begin so, of the header and of names and addresses */
	FIND_TO,      /* To, Cc and Bcc */
	FIND_SUBJECT,
	FIND_BODY,  /* the text's words */
	FIND_TEXT,  /* any of the four */
	FIND_SINCE, /* number: Date, seconds, at or after */
	FIND_BEFORE,
	FIND_ARRIVED_SINCE,
	FIND_ARRIVED_BEFORE,
	FIND_LARGER, /* number: bytes */
	FIND_SMALLER,
	FIND_ATTACHMENT,
	FIND_UIDS,	 /* number to number2 */
	FIND_MESSAGE_ID, /* text, exact */
	FIND_OP_LAST = FIND_MESSAGE_ID
};
struct folders_find {
	enum folders_op op;
	unsigned children;
	uint64_t number, number2;
	struct span text;
};

struct folders;
struct folders_call;

struct folders_ops {
	/* After folders_watch(): a folder is new, or what is in it has changed. gone: it was
	 * removed (then only its id is set). */
	void (*on_changed)(void *arg, const struct folder_info *f, bool gone);
	/* The session is lost: all calls were answered FOLDERS_TROUBLE; free it. */
	void (*on_close)(void *arg);
};

/* Owns session_fd. ops is not copied. */
struct folders *
folders_new(struct event_base *base, int session_fd, const struct folders_ops *ops, void *arg);
/* Forgets all calls. Clears the pointer; safe within any callback. */
void folders_free(struct folders **f);
void folders_watch(struct folders *f, bool on);

/* Borrowed, in the callback only. What an answer does not have is 0 or NULL. */
struct folders_answer {
	enum folders_refusal refusal;
	const struct folder_info *folders; /* LIST */
	size_t n_folders;
	const struct folder_label *labels; /* LABELS: by their names */
	size_t n_labels;
	const struct folder_row *rows; /* VIEW, ROWS, CHANGES, THREAD */
	size_t n_rows;
	const uint64_t *uids; /* FIND, COPY, MOVE: the new ones; FLAG: the refused ones; CHANGES:
				 those gone */
	const uint64_t *uid_folders; /* FIND: of each one */
	size_t n_uids;
	uint64_t number; /* LIST: bytes of all messages; CREATE: folder; VIEW, FIND: total; EXPUNGE:
			    number; APPEND: uid; KEEP, DOCUMENT: version */
	uint64_t modseq; /* LIST: the largest size in bytes, UINT64_MAX: any */
	int fd;		 /* GET, DOCUMENT: read only, the callee's; else -1 */
};
typedef void (*folders_answer_cb)(void *arg, const struct folders_answer *a);

/* Each is answered once, later and not from within the call; in the order asked. */
struct folders_call *folders_list(struct folders *f, folders_answer_cb cb, void *arg);
struct folders_call *folders_labels(struct folders *f, folders_answer_cb cb, void *arg);
struct folders_call *
folders_create(struct folders *f, struct span name, folders_answer_cb cb, void *arg);
struct folders_call *folders_rename(
    struct folders *f, uint64_t folder, struct span name, folders_answer_cb cb, void *arg);
struct folders_call *
folders_remove(struct folders *f, uint64_t folder, folders_answer_cb cb, void *arg);
struct folders_call *
folders_subscribe(struct folders *f, uint64_t folder, bool on, folders_answer_cb cb, void *arg);

struct folders_view {
	uint64_t folder;
	enum folders_order order;
	bool descending;
	bool threads; /* one row a thread, its newest message that matches; in that one's place */
	uint64_t offset, limit;
	const struct folders_find *find;
	size_t n_find;
};
struct folders_call *
folders_view(struct folders *f, const struct folders_view *v, folders_answer_cb cb, void *arg);
struct folders_call *folders_find(struct folders *f, uint64_t folder,
    const struct folders_find *find, size_t n, folders_answer_cb cb, void *arg);
struct folders_call *folders_rows(struct folders *f, uint64_t folder, const uint64_t *uids,
    size_t n, folders_answer_cb cb, void *arg);
struct folders_call *folders_changes(
    struct folders *f, uint64_t folder, uint64_t modseq, folders_answer_cb cb, void *arg);
struct folders_call *
folders_thread(struct folders *f, uint64_t thread, folders_answer_cb cb, void *arg);
struct folders_call *
folders_get(struct folders *f, uint64_t folder, uint64_t uid, folders_answer_cb cb, void *arg);

struct folders_flags {
	unsigned add, remove;
	const struct span *add_keywords, *remove_keywords;
	size_t n_add, n_remove;
	uint64_t unchanged_since; /* 0: any */
};
struct folders_call *
folders_flag(struct folders *f, uint64_t folder, const struct folders_flags *change,
    const uint64_t *uids, size_t n, folders_answer_cb cb, void *arg);
struct folders_call *folders_copy(struct folders *f, uint64_t folder, uint64_t to,
    const uint64_t *uids, size_t n, folders_answer_cb cb, void *arg);
struct folders_call *folders_move(struct folders *f, uint64_t folder, uint64_t to,
    const uint64_t *uids, size_t n, folders_answer_cb cb, void *arg);
struct folders_call *folders_expunge(struct folders *f, uint64_t folder, const uint64_t *uids,
    size_t n, folders_answer_cb cb, void *arg);
/* fd is borrowed; its whole contents are the message, lines end with CRLF. */
struct folders_call *
folders_append(struct folders *f, uint64_t folder, unsigned flags, uint64_t arrival,
    const struct span *keywords, size_t n_keywords, int fd, folders_answer_cb cb, void *arg);
/* The same, once: with a name that stands for this message (FOLDERS_FILE_NAME_MAX_BYTES). Answer's
 * number 0: a folder has it already. */
struct folders_call *folders_import(struct folders *f, uint64_t folder, unsigned flags,
    uint64_t arrival, const struct span *keywords, size_t n_keywords, struct span name, int fd,
    folders_answer_cb cb, void *arg);
/* name: letters, digits and '-', up to 40. fd is borrowed. */
struct folders_call *folders_keep(
    struct folders *f, const char *name, uint64_t version, int fd, folders_answer_cb cb, void *arg);
struct folders_call *
folders_document(struct folders *f, const char *name, folders_answer_cb cb, void *arg);
/* Forgets a call: what it changes is changed all the same. Clears the pointer. */
void folders_call_cancel(struct folders_call **call);

#endif
