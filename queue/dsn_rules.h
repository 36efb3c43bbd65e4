/*
 * Who is told what about a message, and in which words of RFC 3463: the rules of delivery status
 * notifications (RFC 3461 4 and 5). Pure; the notification itself is written by dsn.c.
 */
#ifndef QUEUE_DSN_RULES_H
#define QUEUE_DSN_RULES_H

#include "queue/envelope.h"

/* What happened to a recipient, or is told about it: the Action of RFC 3464 2.3.3. */
enum dsn_action {
	DSN_NONE,
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED, /* here */
	DSN_RELAYED,   /* handed to a peer without DSN; to one with it: DSN_NONE */
	DSN_EXPANDED,  /* replaced by what it is an alias or a forward of */
	DSN_ACTIONS
};

enum dsn_fate {
	DSN_IGNORE, /* nobody wants to know */
	DSN_TELL,   /* the sender gets a notification */
	DSN_KEEP    /* a failure that cannot be told: for the directory of failures */
};

struct dsn_decision {
	size_t n_tell, n_keep;
};

/*
 * What becomes of one event.
 *
 * message                     event      NOTIFY                 fate
 * null sender, or automatic   failed     any                    KEEP
 *                             others     any                    IGNORE
 * other                       failed     unset, has FAILURE     TELL
 *                             delayed    unset, has DELAY       TELL
 *                             others     has SUCCESS            TELL
 *                             any        else, and NEVER        IGNORE
 *
 * automatic: original_is_automatic(). Unset allows DELAY (RFC 3461 4.1). NEVER wins over what
 * stands beside it.
 */
enum dsn_fate dsn_fate(bool null_sender, bool automatic, unsigned notify, enum dsn_action event);

/*
 * Decides for each recipient: events and fates hold an enum dsn_action, and an enum dsn_fate, for
 * each. A recipient that was expanded passes its NOTIFY on (RFC 3461 5.2.7): to a single address
 * all of it, and nothing is told; to several without SUCCESS, since "expanded" is told instead.
 * -1 with ENOMEM.
 */
int dsn_decide(const struct envelope *e, bool automatic, const unsigned char *events,
    unsigned char *fates, struct dsn_decision *decision);

/* The notification may not be sent (bounce_limit.h): what was to be told is kept, or ignored. */
void dsn_withhold(
    size_t n, const unsigned char *events, unsigned char *fates, struct dsn_decision *decision);

/* The recipient that the sender named, of which recipient i is an expansion; or i. */
size_t dsn_root(const struct envelope *e, size_t i);

/* True when the notice of delay is due: the message has waited for so long (0: never told). Who was
 * told before is the caller's to know. */
bool dsn_is_late(uint64_t arrival_s, uint64_t now_s, uint64_t notice_after_s);

enum { DSN_STATUS_SIZE = 12 };

/* A reply as journal and DSN have it, taken apart. Spans borrow from it. */
struct dsn_reply {
	struct span text;   /* without our own words in front */
	bool given_up;	    /* these were "given up after N attempts" */
	bool is_smtp;	    /* it starts with a reply code */
	char code_class;    /* '2' to '5', 0 without a code */
	struct span status; /* "5.1.1", empty without a sound one */
};
void dsn_reply_parse(struct span reply, struct dsn_reply *out);

/*
 * The Status field (RFC 3463): the enhanced code of the reply when it is sound, agrees with the
 * reply code (RFC 2034 4) and with the action; 4.4.7 when it was given up for its age; else 5.0.0,
 * 4.0.0 or 2.0.0.
 */
void dsn_status(enum dsn_action action, struct span reply, char out[DSN_STATUS_SIZE]);

/* The host of a route "smtp:HOST", behind which a port or an address may stand; empty without a
 * sound one. */
struct span dsn_remote(struct span route);

/*
 * The envelope of a notification about e: from the null sender to e's, by program "queue", with
 * NOTIFY=NEVER (RFC 3461 6.1: nobody could be told). out borrows from e and r, which is its only
 * recipient: no envelope_clear(). Message size, checksum and flags are still to be set. -1 with
 * EINVAL when the sender is null or no address.
 */
int dsn_envelope(const struct envelope *e, uint64_t id, uint64_t now_us, struct envelope *out,
    struct recipient *r);

#endif
