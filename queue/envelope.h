/*
 * The envelope of a message in its spool file. Part of queue's door: the submitter encodes it,
 * queue keeps it, the router and sambarctl's lists read it.
 *
 * A spool file:
 *   header     ENVELOPE_HEADER_BYTES, fixed: magic, version, id, lengths, checksums (envelope.c)
 *   status     one byte a recipient, changed in place by queue only
 *   fields     length-prefixed, written once; zeros behind them, if there was more room
 *   message    at message_offset, message_size bytes: CRLF, dots unstuffed, our Received: first
 *   journal    records appended by queue: replies, added recipients, attempts, hold, route, what
 *              the sender was told (journal.h)
 */
#ifndef QUEUE_ENVELOPE_H
#define QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	ENVELOPE_HEADER_BYTES = 64,
	ENVELOPE_RECIPIENTS_MAX = 100000,
	ENVELOPE_MAX_BYTES = 64 * 1024 * 1024,
	ENVELOPE_FIELD_MAX_BYTES = 4096,
	ENVELOPE_JOURNAL_MAX_BYTES = 64 * 1024 * 1024,
	REPLY_MAX_BYTES = 1000,
};

enum recipient_status {
	RECIPIENT_PENDING = 'p',
	RECIPIENT_DONE = 'd',	/* delivered, or dropped into null */
	RECIPIENT_FAILED = 'f', /* for good */
	RECIPIENT_EXPANDED =
	    'x', /* replaced by recipients that were added (a forward with remote targets); follows
		    from the journal and is never a status byte in the file */
};

/* DSN NOTIFY (RFC 3461 4.1); 0: the sender did not say. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
/* DSN RET (RFC 3461 4.3) */
enum { RET_UNSET = 0, RET_FULL = 1, RET_HDRS = 2 };
enum envelope_flags {
	ENVELOPE_8BITMIME = 1,
	ENVELOPE_SMTPUTF8 = 2,
	ENVELOPE_TLS = 4,
	ENVELOPE_AUTHENTICATED = 8
};

struct recipient {
	struct span address; /* canonical text */
	struct span
	    original; /* ORCPT as given (RFC 3461 4.2, "rfc822;..." in xtext), empty without */
	unsigned notify;
	enum recipient_status status;
	uint64_t status_at; /* where its status byte is in the file */
	/* from the journal: */
	struct span reply; /* the last one, with why it was deferred or failed */
	struct span route; /* where it went: "store", "smtp:host" */
	int32_t parent;	   /* the recipient this one was expanded from, or -1 */
	bool told;	   /* nothing more is to be told of it */
	bool has_done;	   /* reply, route and flags are those of its delivery */
	unsigned flags;	   /* enum result_flags (queue.h) of a delivery */
};

struct envelope {
	uint64_t id;
	uint64_t arrival_us; /* since 1970 */
	uint64_t release_s;  /* not before; 0: at once */
	uint64_t message_offset, message_size;
	/* The message's offset is at least this: of who writes it before its recipients are known.
	 * Not kept. */
	uint64_t room;
	uint32_t message_crc; /* crc32 (zlib) of the message's bytes */
	unsigned flags, ret;
	struct span reverse_path;		 /* canonical text, empty: null sender */
	struct span submitter;			 /* who: the authenticated user, or "" */
	struct span program;			 /* "smtpd", "fetcher", "router" */
	struct span client_address, client_name; /* from where: address text and EHLO name */
	struct span protocol;			 /* "ESMTPSA" (RFC 3848) */
	struct span envid;			 /* DSN ENVID, empty without */
	struct recipient *recipients;
	size_t n_recipients;
	/* from the journal: */
	struct span hold; /* "who: why"; empty: it is not held */
	/* An administrator's: the host that takes it for all recipients that are not local, written
	 * as in [routes] (common/next_hop.h); empty: none */
	struct span route_override;
	bool delay_told;
	uint64_t attempts, next_attempt_s;
	struct span last_reply; /* of the whole message */
	size_t journal_len;	/* its sound records, set by envelope_read() */
};

/* Bytes that header, status and fields take, or room: message_offset of a new message. Depends on
 * the spans, the recipients and room only. */
size_t envelope_size(const struct envelope *e);

/* Encodes header, status (all pending) and fields into out, which holds exactly envelope_size(e)
 * bytes; e->message_offset is set to it. */
void envelope_encode(struct envelope *e, unsigned char *out);

/*
 * Parses what envelope_encode() wrote, with the current status bytes. Spans borrow from head;
 * recipients is allocated (envelope_clear). -1 with *why; nothing is left allocated.
 */
int envelope_parse(struct envelope *e, struct span head, const char **why);
/* Applies the journal, the file's bytes behind the message. A torn last record is ignored (it was
 * never promised). Returns the length of the sound records: where the next one goes. */
size_t envelope_apply_journal(struct envelope *e, struct span journal);
void envelope_clear(struct envelope *e);

/* "to=<a> to=<b>" for a log: the recipients from *at on that a line has room for, at least one.
 * *at goes behind them; the text is static. */
const char *envelope_recipients_text(const struct envelope *e, size_t *at);

/*
 * Reads envelope and journal of a spool file with pread. *storage is allocated and must live as
 * long as e; free it after envelope_clear(). -1 with errno (EPROTO with *why: not a sound spool
 * file).
 */
int envelope_read(struct envelope *e, int fd, unsigned char **storage, const char **why);

#endif
