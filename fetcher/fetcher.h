/* clang-format off */
/*
 * The door between fetcher and fetch, its children: each collects one mailbox at another host. It
 * is for these two alone.
 *
 * A connection to fetch.sock is one child: master starts the process when the connection waits
 * there, and it ends when fetcher closes it. The child touches the network and the spool files that
 * it is handed; what is new, whose a message is and when it is safe, fetcher says.
 *
 * message   fields
 * from fetcher:
 * JOB       mode, section, protocol, host, port, tls, fingerprint, user, password, OAuth2 endpoint,
 *           client id, client secret, refresh token, whether a command prints a token (0/1),
 *           action, folder to move to, maximum size, idle (0/1), candidates (0/1), room,
 *           name*: patterns of folders
 * SLOT      number of the collection, id, descriptor: a place for the next message
 * KNOWN     one byte for each message of LISTED: enum fetch_want
 * TAKEN     handle, row, act (0/1), what (enum fetch_taken): of a MESSAGE
 * TOKEN     token, why: what lets in; "" and why there is none
 * AGAIN     - : to who waits for news: collect now
 * STOP      - : no further messages; what is safe is still dealt with
 * from the child:
 * ASK_TOKEN - : run the command. Answer: TOKEN. Once
 * REFRESH   token: the refresh token for the next time
 * OPENED    { name, value }*: what there is to say of the server
 * BEGIN     - : a collection starts
 * FOLDER    name, uidvalidity, messages there
 * LISTED    { id, size }*, of the folder. Answer: KNOWN
 * MESSAGE   slot, handle, size listed, size, crc, Received fields, digest, id,
 *           { source, address }*. Answer: TAKEN, later
 * ABANDON   slot: nothing was kept in it
 * OVERSIZE  size listed, id: it is larger than that, and than the maximum size
 * HEADER    size listed, id, from, subject, { source, address }* (mode DRY_RUN)
 * ACTED     row*: what was to be done with them at the server is done
 * DONE      waits (0/1), end (enum remote_end), too large, not had, why: the collection is over.
 *           waits 1: it stays there for news or AGAIN
 *
 * The child writes a message at `room` of its slot, and fetcher moves it where its envelope is
 * larger. Only after a TAKEN that says act may the child delete, move or mark the message: it, or
 * one with the same bytes, is durable here and remembered then.
 */
/* clang-format on */
#ifndef FETCHER_FETCHER_H
#define FETCHER_FETCHER_H

#include <stdint.h>

enum fetch_message {
	FETCH_JOB = 1,
	FETCH_SLOT,
	FETCH_KNOWN,
	FETCH_TAKEN,
	FETCH_AGAIN,
	FETCH_STOP,
	FETCH_TOKEN,
	FETCH_OPENED = 100,
	FETCH_BEGIN,
	FETCH_FOLDER,
	FETCH_LISTED,
	FETCH_MESSAGE,
	FETCH_ABANDON,
	FETCH_HEADER,
	FETCH_ACTED,
	FETCH_DONE,
	FETCH_REFRESH,
	FETCH_ASK_TOKEN,
	FETCH_OVERSIZE
};

enum fetch_mode {
	FETCH_COLLECT,
	FETCH_TEST,    /* connects, logs in, lists, and takes nothing */
	FETCH_DRY_RUN, /* the same, and says of each new message where it would go */
	FETCH_MODE_LAST = FETCH_DRY_RUN
};

enum fetch_want { FETCH_SKIP = '-', FETCH_GET = '+', FETCH_LARGE = 'L' };

enum fetch_taken {
	TAKEN_NEW,     /* it is durable */
	TAKEN_BEFORE,  /* it was taken earlier: these bytes are known */
	TAKEN_NOT,     /* it is not kept: it has no recipient, or loops */
	TAKEN_REFUSED, /* not now: the spool, router or the seen-list would not */
	TAKEN_LAST = TAKEN_REFUSED
};

/* What becomes of a message at the server once it is safe here. */
enum fetch_action { ACT_LEAVE, ACT_DELETE, ACT_SEEN, ACT_MOVE, ACT_LAST = ACT_MOVE };

/* Where in a header an address was, in the order in which they are believed. */
enum fetch_source {
	SOURCE_DELIVERED_TO,
	SOURCE_X_ORIGINAL_TO,
	SOURCE_ENVELOPE_TO,
	SOURCE_RESENT,
	SOURCE_TO,
	SOURCE_CC,
	SOURCE_LAST = SOURCE_CC
};

enum {
	FETCH_DIGEST_BYTES = 32,
	FETCH_ID_MAX_BYTES = 79,
	FETCH_FOLDER_MAX_BYTES = 1023,
	FETCH_NAME_MAX_BYTES = 64,
	FETCH_HOST_MAX_BYTES = 255,
	FETCH_CREDENTIAL_MAX_BYTES = 6144, /* password, token, or URL */
	FETCH_LISTED_MAX = 500,		   /* messages in one LISTED */
	FETCH_CANDIDATES_MAX = 100,	   /* addresses of one message */
	FETCH_TEXT_MAX_BYTES = 400,
	FETCH_SLOTS = 100,	/* that a child has, messages that wait for TAKEN included */
	FETCH_ROOM_BYTES = 2048 /* in front of a message, for an envelope */
};

#endif
