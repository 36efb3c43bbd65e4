/*
 * One SMTP conversation (RFC 5321): what it is waiting for, its state, its timer and its replies.
 * Private to the folder.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <event2/event_struct.h>
#include <sys/socket.h>

#include "common/stream.h"
#include "smtpd/smtpd.h"

enum {
	COMMAND_LINE_MAX_BYTES = 512, /* RFC 5321 4.5.3.1.4, with its CRLF */
	PATH_LINE_MAX_BYTES = 2048,   /* MAIL and RCPT with their parameters */
	AUTH_LINE_MAX_BYTES = 12288,  /* RFC 4954 4.3 */
	REPLY_LINE_SIZE = 512,	      /* RFC 5321 4.5.3.1.5 */
	FINISH_WAIT_S = 10,	      /* for a client that does not take our last reply */
};

/* What was said so far; the verb table names the states in which a verb is allowed. */
enum session_state {
	S_NEW = 1 << 0,	    /* no EHLO or HELO yet, or forgotten after STARTTLS */
	S_GREETED = 1 << 1, /* between transactions */
	S_MAIL = 1 << 2,    /* MAIL, but no recipient was accepted yet */
	S_RCPT = 1 << 3,
	S_CHUNKS = 1 << 4, /* BDAT, but not yet LAST */
	S_ANY = S_NEW | S_GREETED | S_MAIL | S_RCPT | S_CHUNKS,
};

/* What the next bytes are. */
enum session_input {
	INPUT_COMMAND,
	INPUT_LONG_LINE, /* the rest of a line that is over every limit */
	INPUT_AUTH,	 /* an answer to a challenge */
	INPUT_DATA,
	INPUT_CHUNK,   /* of BDAT */
	INPUT_SWALLOW, /* a chunk that nobody wants */
};

struct sasl;
struct ipc_call;
struct transaction;

struct session {
	LIST_ENTRY(session) entry;
	struct smtpd *server;
	struct stream *stream;
	struct event timer;
	struct transaction *transaction; /* from MAIL to the end of the message */
	struct sasl *sasl;		 /* while AUTH goes on */
	struct ipc_call *login;
	char *helo, *user;	   /* NULL before */
	char *client;		   /* "userid-1000" of KIND_LOCAL, else NULL */
	uid_t uid;		   /* the same */
	const char *chunk_refusal; /* the reply after INPUT_SWALLOW */
	uint64_t number, chunk_left, chunk_size;
	size_t given, left; /* bytes of the current input, and behind the current command */
	unsigned errors, commands, login_failures;
	uint8_t kind, state, input;
	bool esmtp, tls, local; /* local: a loopback address or a UNIX socket */
	bool counted;		/* in the table of connections */
	bool after_cr;		/* the long line so far ends with a CR */
	bool waiting;		/* for auth, router or queue: the stream is paused */
	bool full;		/* the client does not read its replies: paused, too */
	bool handshaking;
	bool closing;  /* the last reply was given */
	bool progress; /* something was complete: the timer starts anew */
	bool chunk_last;
};

/* Owns fd and, when counted, one place in the table of connections. */
void session_new(
    struct smtpd *d, int fd, const struct sockaddr *peer, enum session_kind kind, bool counted);
/* At once. Clears the pointer. */
void session_free(struct session **s);

/* ---- for the verbs ---- */

/* A reply, without its CRLF: "250 2.0.0 Ok". Counts refusals; too many end the session. text may
 * have more lines, with CRLF between them. */
void session_reply(struct session *s, const char *text);
void
session_replyf(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last reply: then the connection is closed, the transaction forgotten. reason: for the log, or
 * NULL. */
void session_close(struct session *s, const char *text, const char *reason);

/* No more input is read until session_go_on(), which the answer's callback calls. */
void session_wait(struct session *s);
void session_go_on(struct session *s);

void session_expect(struct session *s, enum session_input input);
void session_set_state(struct session *s, enum session_state state);

/* The transaction is over, one way or the other (RSET, EHLO, a refused or accepted message). */
void session_end_transaction(struct session *s);

/* In a drain who has no transaction is told to come back. */
void session_dismiss(struct session *s);

/* Starts the server's side of TLS; afterwards all is forgotten that was said before. */
void session_start_tls(struct session *s, size_t consumed);

/* Who speaks, for the policy. Borrowed from the session. */
struct policy_client session_policy_client(const struct session *s);

/* For log lines: the client's address, its EHLO name and its user as safe text, "" before. */
const char *session_client(const struct session *s);
const char *session_helo(const struct session *s);
const char *session_user(const struct session *s);

/* Writes what came to the trace when it is on. */
void session_trace(const struct session *s, const char *mark, struct span text);

#endif
