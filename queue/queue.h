/*
 * The door of queue, guardian of the spool: how smtpd, fetcher and router hand in messages, and how
 * router takes what is due. See docs/design.md, "The life of a message".
 *
 * message         fields, who may send it
 * TAKE            - (submitters: smtpd, fetcher, router, webd). Answer: TAKEN id, descriptor |
 *                 REFUSED errno
 * ENVELOPE_PART   id, bytes (submitters). No answer: a long envelope comes in parts before COMMIT
 * COMMIT          id, message size, message crc, bytes: the last part of the envelope (submitters).
 *                 Answer: DURABLE id | REFUSED errno
 * ABANDON         id (submitters). No answer: the file is removed
 * OWN             submitter, after (an id, 0: from the first) (webd). Answer: OWNED next (an id, 0:
 *                 that was all), JSON: {"messages": [...]} as of queue list, with "subject" and
 *                 "message_id" as the header has them: of those that this user has handed in
 * CANCEL          submitter, id (webd). Answer: CANCELLED end (enum queue_cancelled), Message-ID
 * WINDOW          messages (router). No answer: so many DUE without their finishing RESULTS
 * DUE             id, attempts so far, by order (0/1), destination, descriptor, read only (notice
 *                 to router)
 * RESULTS         id, finished, durable, { recipient, end, flags, reply, route }* (router). No
 *                 answer
 * EXPAND          id, recipient, more, address* (router). No answer: the recipient is replaced by
 *                 these once RESULTS finished the attempt; more 1: the list goes on in another
 *                 EXPAND of this recipient
 * PARK            id, destination (router). No answer: ends the attempt of a message that was not
 *                 tried for its remaining recipients, because its destination is busy
 * FETCH           destination, n (router). Brings up to n parked messages of it as DUE with their
 *                 destination, and then PARKED
 * PARKED          destination, left (notice to router)
 * FLUSH           pattern (notice to router): an administrator wants mail to go out now: all (""),
 *                 or that of a domain. Router forgets that destinations are dead
 *
 * A descriptor from TAKE is open for reading and writing; what the file holds is an earlier message
 * of this submitter, or nothing. The submitter writes the message at envelope_size() over it and
 * does not sync; queue cuts off what lies behind the message, writes the envelope in front of it
 * and makes all durable. A start believes a message only when its checksum is right. A TAKE or
 * COMMIT that is repeated after a lost connection is safe: a
 * COMMIT of an id in the spool answers DURABLE, of an unknown one REFUSED ESTALE.
 *
 * RESULTS: durable 0 says that what was delivered is visible but may not survive a power cut yet,
 * and that a sync of the spool's file system covers it: queue forgets the message only after such a
 * sync. finished 1 ends the attempt and frees one place in the window; recipients still pending are
 * tried again when their time has come. A result's flags are enum result_flags.
 *
 * CANCEL is exact: a message is either taken back, durably, before anybody has it in hand, or is
 * not touched. Only a repeat after a lost connection may hear UNKNOWN of what was taken back.
 *
 * PARK frees the place, too. It is no attempt, and costs no disk write when nothing was reported;
 * what was reported is kept. The message waits until FETCH names its destination, an administrator
 * wants it, or router's connection ends, when it is due at once. What FETCH brings takes no place
 * in the window; its DUE names the destination, which is empty otherwise. PARKED says that no FETCH
 * of this destination is unanswered (so it may stand for several), and how many are left; more may
 * have been asked for than there were.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <event2/event.h>
#include <stdint.h>

#include "queue/envelope.h"

enum queue_message {
	QUEUE_TAKE = 1,
	QUEUE_ENVELOPE_PART,
	QUEUE_COMMIT,
	QUEUE_ABANDON,
	QUEUE_WINDOW,
	QUEUE_RESULTS,
	QUEUE_EXPAND,
	QUEUE_PARK,
	QUEUE_FETCH,
	QUEUE_OWN,
	QUEUE_CANCEL,
	QUEUE_TAKEN = 100,
	QUEUE_DURABLE,
	QUEUE_REFUSED,
	QUEUE_DUE,
	QUEUE_PARKED,
	QUEUE_FLUSH,
	QUEUE_OWNED,
	QUEUE_CANCELLED,
};

enum {
	QUEUE_DESTINATION_MAX_BYTES = 1600,
	QUEUE_SUBMITTER_MAX_BYTES = 255,
	QUEUE_OWNED_MAX_BYTES = 60000
};

enum queue_cancelled {
	CANCEL_DONE,
	CANCEL_PARTLY,	/* some recipients had it; the others will not */
	CANCEL_IN_HAND, /* it is being sent: nothing was done */
	CANCEL_UNKNOWN, /* there is none of his: it has left, or was cancelled */
	CANCEL_TROUBLE,
	CANCEL_LAST = CANCEL_TROUBLE
};

enum delivery_end { END_DONE, END_DEFERRED, END_FAILED, END_LAST = END_FAILED };

enum result_flags {
	DSN_PASSED_ON = 1, /* the peer tells the sender what becomes of it (RFC 3461 5.2.2) */
	RESULT_FLAGS_ALL = DSN_PASSED_ON
};

/* ---- the submitter's side ---- */

struct queue_client;
struct queue_call;

/* A place in the spool: a file to be overwritten and the id the message will have. */
struct queue_slot {
	uint64_t id;
	int fd;
};

/* Connects to queue (path from role_peer_path) and keeps up to `spares` slots in hand. own_role is
 * for the greeting. */
struct queue_client *
queue_client_new(struct event_base *base, const char *path, const char *own_role, unsigned spares);
void queue_client_free(struct queue_client **q);

/* slot NULL: refused, error is an errno (ENOSPC, EROFS, EIO...). The slot and its fd are the
 * callee's. */
typedef void (*queue_slot_cb)(void *arg, const struct queue_slot *slot, int error);
/*
 * Gives a slot: from within this call (returns NULL) when one is in hand, later otherwise (returns
 * the call, which queue_call_cancel() forgets).
 */
struct queue_call *queue_take(struct queue_client *q, queue_slot_cb cb, void *arg);

/* error 0: the message survives a power cut (say 250). Otherwise an errno: nothing was kept. */
typedef void (*queue_durable_cb)(void *arg, uint64_t id, int error);
/*
 * Hands in a written message: e has id, message_size and message_crc set and is encoded here; the
 * slot's fd is closed. cb is called once, later. Cancelling forgets the answer, not the message.
 */
struct queue_call *queue_commit(struct queue_client *q, struct queue_slot *slot, struct envelope *e,
    queue_durable_cb cb, void *arg);

/* Gives up a slot, written or not, and closes its fd. */
void queue_abandon(struct queue_client *q, struct queue_slot *slot);
void queue_call_cancel(struct queue_call **call);

/* ---- what a user has handed in: webd's side; ipc_call_cancel() forgets a call ---- */

struct ipc_call;
struct ipc_client *queue_client_ipc(struct queue_client *q);
/* doc: JSON, borrowed; empty: it cannot be had now. next: after which id to go on, 0: that was all.
 */
typedef void (*queue_owned_cb)(void *arg, struct span doc, uint64_t next);
struct ipc_call *queue_own(
    struct queue_client *q, struct span submitter, uint64_t after, queue_owned_cb cb, void *arg);
typedef void (*queue_cancelled_cb)(void *arg, enum queue_cancelled end, struct span message_id);
struct ipc_call *queue_cancel(
    struct queue_client *q, struct span submitter, uint64_t id, queue_cancelled_cb cb, void *arg);

/* ---- the router's side ---- */

struct queue_due_ops {
	/* A message is due. fd (read only) is the callee's. destination: of its PARK, or empty.
	 * Repeated after a lost connection when not finished. */
	void (*on_due)(void *arg, uint64_t id, unsigned attempts, bool ordered,
	    struct span destination, int fd);
	/* The connection is lost: forget all messages in hand, they will be given again. May be
	 * NULL. */
	void (*on_lost)(void *arg);
	/* All that was fetched of a destination has come as due; so many are left. May be NULL when
	 * nothing is parked. */
	void (*on_parked)(void *arg, struct span destination, uint64_t left);
	/* An administrator's flush: empty, or a domain's pattern. May be NULL. */
	void (*on_flush)(void *arg, struct span pattern);
};

struct queue_feed;
struct queue_feed *queue_feed_new(struct event_base *base, const char *path, unsigned window,
    const struct queue_due_ops *ops, void *arg);
void queue_feed_free(struct queue_feed **f);
/* Changes the window; 0: no more messages. Those in hand stay. */
void queue_feed_window(struct queue_feed *f, unsigned window);

struct queue_result {
	uint32_t recipient;
	enum delivery_end end;
	struct span reply, route;
	unsigned flags; /* enum result_flags */
};
/* Splits long lists over several messages. */
void queue_results(struct queue_feed *f, uint64_t id, bool finished, bool durable,
    const struct queue_result *results, size_t n);
void queue_expand(
    struct queue_feed *f, uint64_t id, uint32_t recipient, const struct span *addresses, size_t n);
/* A destination has at most QUEUE_DESTINATION_MAX_BYTES. */
void queue_park(struct queue_feed *f, uint64_t id, struct span destination);
void queue_fetch(struct queue_feed *f, struct span destination, unsigned n);

#endif
