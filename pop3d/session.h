/*
 * One POP3 conversation (RFC 1939): what it is waiting for, its state, its timer and its replies.
 * Private to the folder.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include <event2/event_struct.h>
#include <netinet/in.h>

#include "common/sasl.h"
#include "common/stream.h"
#include "pop3d/pop3d.h"

enum {
	COMMAND_LINE_MAX_BYTES = 255, /* RFC 2449 4, with its CRLF */
	LOGIN_LINE_MAX_BYTES = 520,   /* USER and PASS */
	AUTH_LINE_MAX_BYTES = SASL_LINE_MAX_BYTES,
	REPLY_MAX_SIZE = 512, /* RFC 2449 4 */
	ANSWER_WAIT_S =
	    11 * 60,	    /* for auth, which may hold a failure back for 10 minutes, and store */
	DRAIN_WAIT_S = 5,   /* for the next command of a client that has marked messages */
	FINISH_WAIT_S = 10, /* for a client that does not take our last reply */
};

enum session_kind { KIND_POP3, KIND_POP3S };

/* The verb table names the states in which a verb is allowed. */
enum session_state {
	S_NEW = 1 << 0,	  /* not logged in, or forgotten after STLS */
	S_NAMED = 1 << 1, /* USER was said */
	S_TRANSACTION = 1 << 2,
	S_UPDATE = 1 << 3, /* QUIT was said, marked messages are being removed */
	S_LOGIN = S_NEW | S_NAMED,
	S_ANY = S_LOGIN | S_TRANSACTION,
};

/* What the next bytes are. */
enum session_input {
	INPUT_COMMAND,
	INPUT_LONG_LINE, /* the rest of a line that is over every limit */
	INPUT_AUTH,	 /* an answer to a challenge */
};

struct ipc_call;
struct maildrop;
struct session;

/* Writes the next piece of a long answer. True: that was all. */
typedef bool (*producer)(struct session *s);

struct session {
	LIST_ENTRY(session) entry;
	struct pop3d *server;
	struct stream *stream; /* NULL: the client went while messages are being removed */
	struct event timer;
	struct maildrop *drop; /* from the login to the last reply */
	struct sasl *sasl;     /* while AUTH goes on */
	struct ipc_call *login;
	char *name;	    /* of USER or AUTH, then the account's own; NULL before */
	producer producer;  /* a long answer under way */
	const char *reason; /* of the end, for the log */
	uint64_t number;
	uint64_t login_by_ms, waiting_since_ms;
	size_t given, left; /* bytes of the current input, and behind the current command */
	unsigned errors, login_failures;
	uint8_t kind, state, input;
	bool tls, local; /* local: a loopback address or a UNIX socket */
	bool counted;	 /* in the table of connections */
	bool after_cr;	 /* the long line so far ends with a CR */
	bool waiting;	 /* for auth or store: the stream is paused */
	bool full;	 /* the client does not take its answers: paused, too */
	bool handshaking;
	bool closing;  /* the last reply was given */
	bool progress; /* something was complete: the timer starts anew */
	char client[INET6_ADDRSTRLEN];
};

/* Owns fd and, when counted, one place in the table of connections. */
void session_new(
    struct pop3d *d, int fd, const struct sockaddr *peer, enum session_kind kind, bool counted);
/* At once. Clears the pointer. Marked messages are kept. */
void session_free(struct session **s);

/* Everybody is told to come back: at once, after the answer under way, or, who has marked
 * messages, after QUIT. d->on_empty is called when the last session has gone. */
void sessions_drain(struct pop3d *d);

/* ---- for the verbs ---- */

/* A reply without its CRLF: "+OK 2 messages". Counts refusals; too many end the session. text may
 * have more lines, with CRLF between them. */
void session_reply(struct session *s, const char *text);
void
session_replyf(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A refusal that is not the client's fault: it does not count. */
void session_sorry(struct session *s, const char *text);

/* The last reply: then the mailbox and the connection are closed. reason: for the log. */
void session_close(struct session *s, const char *text, const char *reason);
/* Closes in the middle of an answer, which the client sees as not complete. */
void session_cut(struct session *s, const char *reason);

/* The rest of an answer: calls p until it returns true, as fast as the client takes it. */
void session_produce(struct session *s, producer p);
/* For producers: bytes of an answer. */
void session_write(struct session *s, struct span bytes);

/* No more input is read until session_go_on(), which the answer's callback calls. */
void session_wait(struct session *s);
void session_go_on(struct session *s);

/* Between two commands: ends a session that has lost its mailbox, or that is to come back (drain)
 * and has no marked messages to lose. */
void session_dismiss(struct session *s);

void session_expect(struct session *s, enum session_input input);
void session_set_state(struct session *s, enum session_state state);

/* Starts the server's side of TLS; afterwards all is forgotten that was said before. */
void session_start_tls(struct session *s, size_t consumed);

/* May a password be said on this connection? Only where nobody can overhear it. */
bool session_may_login(const struct session *s);
/* Can STLS be said now or, before, on this connection? */
bool session_may_stls(const struct session *s);

/* Writes what came or went to the trace when it is on. */
void session_trace(const struct session *s, const char *mark, struct span text);
/* Instead of text: "[3 lines]". */
void
session_trace_count(const struct session *s, const char *mark, uint64_t n, const char *of_what);

#endif
