/*
 * Delivery status notifications (RFC 3464, RFC 3461 6, in a report of RFC 6522): one message that
 * tells a sender what became of some recipients of his message. dsn_rules.h says who is told. Reads
 * the original from its spool file, writes to the descriptor it is given; for helper threads, logs
 * nothing.
 *
 * Its parts: text for people; message/delivery-status, or message/global-delivery-status (RFC 6533)
 * when an address is not ASCII; the original message, or its header.
 *
 * The whole is returned when a recipient failed, RET is not HDRS, and it is not too large or made
 * of bytes that 8bit cannot carry; else the header (RFC 3461 4.3). An original that is not ASCII
 * makes the notification 8bit; its header alone is quoted-printable (RFC 6522 4), or a
 * message/global-headers when the original came with SMTPUTF8.
 *
 * Auto-Submitted is auto-replied, as other servers have it: a notification answers a message (RFC
 * 3834 5.2), whereas auto-generated is what comes without one, and auto-notified (RFC 5436) is for
 * people's own filters. From is MAILER-DAEMON, which mail programs know; replies go to postmaster
 * (RFC 3464 2).
 *
 * No text of strangers (addresses, replies, header values) can add a line, a field or a part: it is
 * cleaned, folded, and never starts a line; the boundary occurs nowhere in the original. Lines end
 * with CRLF and have at most 998 bytes.
 */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H

#include "queue/dsn_rules.h"
#include "queue/original.h"

struct dsn {
	uint64_t id;		  /* its own queue id: Message-ID */
	uint64_t nonce;		  /* random, for the boundary */
	uint64_t now_s;		  /* Date, Last-Attempt-Date */
	uint64_t retry_until_s;	  /* for delays; 0: not said */
	uint64_t whole_max_bytes; /* a larger original is not returned whole */
	const char *server;	  /* our host name */
	/* the message it is about, the caller's: */
	const struct envelope *envelope;
	const unsigned char *events, *fates; /* dsn_decide(): it is about those with DSN_TELL */
	struct original *original;
};

struct dsn_written {
	uint64_t size;
	uint32_t crc;	/* envelope.message_crc */
	unsigned flags; /* envelope.flags: ENVELOPE_8BITMIME, ENVELOPE_SMTPUTF8 */
};

/*
 * Writes the notification into fd at this offset: envelope_size() of dsn_envelope(), so that it is
 * a spool file's message. Takes some 200 KB of memory for the time, whatever the original. Nothing
 * is synced. -1 with errno (ENOSPC, EIO, ENOMEM; EPROTO: no boundary, only with a nonce that
 * strangers can guess); what was written then is no message.
 */
int dsn_write(const struct dsn *d, int fd, uint64_t at, struct dsn_written *out);

#endif
