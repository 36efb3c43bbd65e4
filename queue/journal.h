/*
 * The journal: records that queue appends to a spool file behind the message. What they say
 * is applied by envelope_apply_journal(). Private to the folder.
 *
 * A record: u32 length of what follows the head, u32 type, u32 checksum of both and of what
 * follows, without status bytes; all little-endian. A string is u32 length, bytes.
 *
 *   REPLY     u32 recipient, string reply, string route
 *   ATTEMPT   u64 attempts made, u64 next attempt, string last reply
 *   EXPAND    u32 recipient, u32 count, count status bytes (changed in place), count strings:
 *             the recipient is replaced by these, which get the next free numbers
 *   HOLD      string "who: why"; empty: no longer held
 *   DONE      u32 recipient, u32 enum result_flags, string reply, string route: of a delivery that
 *             the sender wants to hear of
 *   TOLD      u32 recipient, any number of them: the sender was told of their end, or is not to be
 *   DELAYED   nothing: the same of the message's delay
 *   ROUTE     string host, perhaps with :port; empty: as its recipients say
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "queue/envelope.h"

enum { JOURNAL_HEAD_BYTES = 12 };

enum journal_type {
	JOURNAL_REPLY = 1,
	JOURNAL_ATTEMPT,
	JOURNAL_EXPAND,
	JOURNAL_HOLD,
	JOURNAL_DONE,
	JOURNAL_TOLD,
	JOURNAL_DELAYED,
	JOURNAL_ROUTE
};

/* Records to be appended; starts as {0}. The caller limits what it puts in. */
struct journal {
	unsigned char *at;
	size_t len, size;
};

void journal_reply(struct journal *j, uint32_t recipient, struct span reply, struct span route);
void journal_attempt(struct journal *j, uint64_t attempts, uint64_t next_s, struct span last_reply);
void journal_hold(struct journal *j, struct span reason);
void journal_done(
    struct journal *j, uint32_t recipient, unsigned flags, struct span reply, struct span route);
/* Those whose byte is not 0; no record when that is none. */
void journal_told(struct journal *j, const unsigned char *told, size_t n);
void journal_delayed(struct journal *j);
void journal_route(struct journal *j, struct span route);
/* strings: count encoded strings (journal_string) one after the other. */
void journal_expand(
    struct journal *j, uint32_t recipient, uint32_t count, const struct journal *strings);
void journal_string(struct journal *j, struct span text);
void journal_clear(struct journal *j);

#endif
