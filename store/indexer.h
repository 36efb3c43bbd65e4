/*
 * The door to indexer: a process with neither files nor network nor sockets of its own, which looks
 * into messages for store. A connection to indexer.sock is one process: master starts it when the
 * connection waits there, and it ends when store closes it. It is handed each message as an open
 * file, and knows nothing of whose it is.
 *
 * message, fields. The tag is the one of the INDEX that is answered; answers come in that order.
 * store says:
 * INDEX     descriptor of a file that is the message, read only. At most INDEXER_WINDOW of them
 *           wait for their ROW
 * indexer says:
 * READY     -, tag 0: has accepted the connection
 * TEXT      text, at most INDEXER_TEXT_BYTES: more of what people read in the message. Any number,
 *           at most INDEXER_TEXT_MAX_BYTES in all, before its ROW
 * ROW       flags (enum indexer_flag), date, from, to, recipients, subject, message id, references,
 *           preview, problem: as in struct indexer_result. Each of it is always cut to its limit
 * RETIRE    -, tag 0: ends soon. What was not answered goes to another process
 */
#ifndef STORE_INDEXER_H
#define STORE_INDEXER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum indexer_message {
	INDEXER_INDEX = 1,
	INDEXER_READY,
	INDEXER_TEXT,
	INDEXER_ROW,
	INDEXER_RETIRE
};

enum indexer_flag {
	INDEXER_HAS_DATE = 1 << 0,
	INDEXER_HAS_ATTACHMENT = 1 << 1,
	INDEXER_FLAGS_ALL = (1 << 2) - 1
};

enum {
	INDEXER_WINDOW = 16,
	INDEXER_TEXT_BYTES = 48 * 1024,
	INDEXER_TEXT_MAX_BYTES = 4 * INDEXER_TEXT_BYTES,
	INDEXER_FROM_MAX_BYTES = 200,
	INDEXER_TO_MAX_BYTES = 400,
	INDEXER_RECIPIENTS_MAX_BYTES = 4096,
	INDEXER_SUBJECT_MAX_BYTES = 400,
	INDEXER_PREVIEW_MAX_BYTES = 200,
	INDEXER_MESSAGE_ID_MAX_BYTES = 250,
	INDEXER_REFERENCES_MAX_BYTES = 5120,
	INDEXER_PROBLEM_MAX_BYTES = 200,
	INDEXER_PATIENCE_S = 60, /* for one message; then the process is given up */
	INDEXER_IDLE_S = 30,	 /* without a message: the connection is closed */
	INDEXER_ATTEMPTS = 2	 /* as often a process may die of a message */
};

/* Texts are UTF-8 without control characters (text: but line feeds), decoded; borrowed, with no NUL
 * behind them. */
struct indexer_result {
	bool has_date;
	bool has_attachment;
	int64_t date;		/* seconds since 1970 */
	struct span from;	/* "Name <address>" or "address": the first one */
	struct span to;		/* the same, of To, with ", " between; whole ones only */
	struct span recipients; /* all of To, Cc and Bcc in the same way, for searching */
	struct span subject;
	struct span message_id; /* without < and >; empty: none, or longer than allowed */
	/* Of References and, when not among them, In-Reply-To: the first and the newest ones,
	 * oldest first, without < and >, with a blank between. */
	struct span references;
	struct span preview; /* the first words of the text, blanks made one */
	struct span text;    /* what is searched in the body: text parts, or what HTML says */
	struct span problem; /* empty, or a phrase: what was wrong with the message */
};

struct indexer;
struct indexer_call;

/*
 * path: of indexer.sock. The connection is made when there is something to do. Processes that die,
 * or do not answer in time, are replaced; the message that was in hand is then tried once more, and
 * after that answered with nothing but a problem. So each call is answered, if late.
 */
struct indexer *indexer_new(struct event_base *base, const char *path);
/* Forgets all calls. Clears the pointer; harmless on NULL; safe within a callback. */
void indexer_free(struct indexer **x);

/* Calls that wait for their answer. Each keeps a descriptor open: bound them. */
size_t indexer_load(const struct indexer *x);

typedef void (*indexer_cb)(void *arg, const struct indexer_result *result);

/* Owns fd. Answered once, later and not from within the call, in the order asked. */
struct indexer_call *indexer_ask(struct indexer *x, int fd, indexer_cb cb, void *arg);
/* It will not be answered. Clears the pointer; harmless on NULL. */
void indexer_cancel(struct indexer_call **call);

#endif
