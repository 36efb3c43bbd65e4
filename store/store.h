/*
 * The door of store, guardian of the mailboxes. Two kinds of callers: router delivers; auth opens
 * sessions, which are sockets that it hands to pop3d (and later imapd, webd). Who holds a session
 * can use that one mailbox.
 *
 * On store.sock: message, fields, who may send it
 * DELIVER     id, arrival (microseconds since 1970), message offset, message size, return-path (the
 *             whole line with CRLF), mailbox*; descriptor of the spool file (router). Answer:
 *             DELIVERED durable, { end, away, text }* in the order asked;
 *             away 1: a vacation reply is on
 * VACATION    mailbox, sender (router): his message may be answered. Answer: AWAY may (0/1),
 *             subject (empty: as router has it), text, display name. may 1: noted, durably, that
 *             he gets this reply now; 0, the rest empty: it is off, or he had one within a week. A
 *             repeat hears 0: rather none than two
 * LOOKUP      mailbox (router, auth). Answer: FOUND state, room, limit (bytes; 2^64-1: no limit)
 * FORGET      mailbox ("": all). A notice to router: what LOOKUP said no longer holds
 * OPEN        mailbox, kind (enum store_kind), program, client (for the log) (auth; master's
 *             account: sambarctl, which imports and restores). Answer:
 *             SESSION descriptor | REFUSED reason (enum store_refusal)
 * CREATE      mailbox (auth). Answer: DONE | REFUSED reason
 * REMOVE      mailbox, with all mail in it (auth). Answer: DONE | REFUSED reason
 * SET_QUOTA   mailbox, bytes (2^64-1: that of Maximum Mailbox Size) (auth).
 *             Answer: DONE | REFUSED reason
 *
 * On a session with a maildrop (enum mailbox_message); those with folders: folders.h
 * LISTING     descriptor (sealed memory, struct mailbox_listing). From store, the first message,
 *             unasked
 * GET         first, count (at most MAILBOX_GET_MAX). For each, in order: MESSAGE index,
 *             descriptor | GONE index
 * DELETE      index* (at most MAILBOX_DELETE_MAX). Answer: DELETED number (of this and earlier
 *             DELETEs; files gone already count)
 * A session ends when either side closes it. Nothing is deleted by closing.
 *
 * Deliveries are idempotent: a repeat after a crash finds its own name, which is derived from the
 * time of arrival and the queue id, and replaces what is there, since a power cut may have torn it.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"
#include "queue/queue.h" /* enum delivery_end */

enum store_message {
	STORE_DELIVER = 1,
	STORE_LOOKUP,
	STORE_OPEN,
	STORE_CREATE,
	STORE_REMOVE,
	STORE_SET_QUOTA,
	STORE_VACATION,
	STORE_DELIVERED = 100,
	STORE_FOUND,
	STORE_SESSION,
	STORE_DONE,
	STORE_REFUSED,
	STORE_FORGET,
	STORE_AWAY,
};

enum mailbox_message {
	MAILBOX_GET = 1,
	MAILBOX_DELETE,
	MAILBOX_LISTING = 100,
	MAILBOX_MESSAGE,
	MAILBOX_GONE,
	MAILBOX_DELETED,
};

/* Sessions: of the inbox as a maildrop, for POP3, or of all folders. */
enum store_kind { STORE_MAILDROP = 1, STORE_FOLDERS, STORE_KIND_LAST = STORE_FOLDERS };
/* STORE_UNCLEAR: it cannot be read now, ask later. */
enum store_state { STORE_NONE, STORE_EXISTS, STORE_FULL, STORE_UNCLEAR };
enum store_refusal {
	STORE_NO_MAILBOX = 1,
	STORE_TOO_MANY_USERS,
	STORE_EXISTS_ALREADY,
	STORE_TROUBLE,
	STORE_REFUSAL_LAST = STORE_TROUBLE
};

enum {
	STORE_DELIVER_MAX_MAILBOXES = 500,
	STORE_TEXT_MAX_BYTES = 100, /* of a result: all of a DELIVER fit in one message */
	STORE_PROGRAM_MAX_BYTES = 32,
	STORE_CLIENT_MAX_BYTES = 256,
	STORE_VACATION_SUBJECT_MAX_BYTES = 400,
	STORE_VACATION_TEXT_MAX_BYTES = 20 * 1024,
	STORE_VACATION_NAME_MAX_BYTES = 200,
	MAILBOX_NAME_MAX_BYTES = 64,
	MAILBOX_UIDL_MAX_BYTES = 70, /* RFC 1939 7 */
	MAILBOX_GET_MAX = 32,
	MAILBOX_DELETE_MAX = 128
};
#define STORE_NO_LIMIT UINT64_MAX

/* ---- deliver: router's side; look up: both; create, remove, open: auth's side ---- */

struct store_client;
struct ipc_call;

typedef void (*store_forget_cb)(void *arg, const char *mailbox);
/* on_forget may be NULL. After a lost connection it is called with "". own_role is not copied. */
struct store_client *store_client_new(struct event_base *base, const char *path,
    const char *own_role, store_forget_cb on_forget, void *arg);
void store_client_free(struct store_client **s);

struct store_result {
	enum delivery_end end;
	bool away; /* a vacation reply is on */
	struct span text;
};
/* durable false: see QUEUE_RESULTS. results has one entry a mailbox, borrowed. n 0: the answer was
 * malformed, all are deferred. */
typedef void (*store_delivered_cb)(
    void *arg, bool durable, const struct store_result *results, size_t n);
/* At most STORE_DELIVER_MAX_MAILBOXES. fd is borrowed (a duplicate is sent). */
struct ipc_call *store_deliver(struct store_client *s, uint64_t id, uint64_t arrival_us, int fd,
    uint64_t offset, uint64_t size, struct span return_path, const struct span *mailboxes, size_t n,
    store_delivered_cb cb, void *arg);

struct store_vacation {
	struct span subject, text, name;
};
/* v NULL: none is to be sent. Borrowed. */
typedef void (*store_vacation_cb)(void *arg, const struct store_vacation *v);
struct ipc_call *store_vacation(struct store_client *s, struct span mailbox, struct span sender,
    store_vacation_cb cb, void *arg);

/* room: bytes free now. limit: the largest size the mailbox may have. */
typedef void (*store_found_cb)(void *arg, enum store_state state, uint64_t room, uint64_t limit);
struct ipc_call *
store_lookup(struct store_client *s, struct span mailbox, store_found_cb cb, void *arg);

/* All calls may be cancelled by ipc_call_cancel(): nothing leaks.
 * refusal 0: done; session is the descriptor for OPEN (the callee's), -1 otherwise. */
typedef void (*store_done_cb)(void *arg, int refusal, int session);
struct ipc_call *store_open(struct store_client *s, struct span mailbox, enum store_kind kind,
    const char *program, struct span client, store_done_cb cb, void *arg);
struct ipc_call *
store_create(struct store_client *s, struct span mailbox, store_done_cb cb, void *arg);
struct ipc_call *
store_remove(struct store_client *s, struct span mailbox, store_done_cb cb, void *arg);
/* bytes: this mailbox's own limit instead of Maximum Mailbox Size; STORE_NO_LIMIT: no own one. */
struct ipc_call *store_set_quota(
    struct store_client *s, struct span mailbox, uint64_t bytes, store_done_cb cb, void *arg);

/* ---- a session: pop3d's side ---- */

/* The listing as it lies in shared memory: this head, then the entries, then the names. */
struct mailbox_listing {
	uint64_t count, total_bytes;
};
struct mailbox_entry {
	/* as POP3 sends it, without dot-stuffing: a bare LF counts as CRLF, and a last line
	 * without its end as if it had one */
	uint64_t size;
	uint32_t uidl, uidl_len; /* offset from the start of the memory; 1 to 70 printable bytes */
};

struct mailbox;
struct mailbox_ops {
	/* The listing is there (mailbox_count() works). */
	void (*on_listing)(void *arg);
	/* A message asked for: its descriptor (read only, the callee's; the file is the message),
	 * or -1: gone. In the order asked. */
	void (*on_message)(void *arg, uint64_t index, int fd);
	void (*on_deleted)(void *arg, uint64_t count);
	/* The session is lost: free it. */
	void (*on_close)(void *arg);
};

/* Owns session_fd. ops is not copied. Every callback but on_close may call mailbox_free(). */
struct mailbox *
mailbox_new(struct event_base *base, int session_fd, const struct mailbox_ops *ops, void *arg);
void mailbox_free(struct mailbox **m);
uint64_t mailbox_count(const struct mailbox *m);
uint64_t mailbox_total_bytes(const struct mailbox *m);
/* index from 0; must be below mailbox_count(). Checked against the memory's bounds: a bad entry
 * reads as empty. */
uint64_t mailbox_size(const struct mailbox *m, uint64_t index);
struct span mailbox_uidl(const struct mailbox *m, uint64_t index);
/* One at a time: not before the last message of an earlier one has come; a call within its
 * on_message() is in time. Asks in portions, so any count will do. */
void mailbox_get(struct mailbox *m, uint64_t first, uint64_t count);
/* on_deleted is called once when all are gone from disk, with how many are (fewer: a disk's
 * trouble). One at a time; indexes is copied. */
void mailbox_delete(struct mailbox *m, const uint64_t *indexes, size_t n);

#endif
