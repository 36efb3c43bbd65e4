/*
 * A session of the SMTP client. Private to smtp_open.c, smtp_auth.c, smtp_send.c.
 */
#ifndef ROUTER_SMTP_PRIVATE_H
#define ROUTER_SMTP_PRIVATE_H

#include "common/client_wire.h"
#include "router/smtp_client.h"

enum {
	SMTP_PIECE_BYTES = 65536,
	SMTP_COMMAND_SIZE = 4096,
	SMTP_MECHANISMS_SIZE = 512,
};

/* What EHLO offered. */
struct smtp_offer {
	bool pipelining, size, eight_bit, utf8, dsn, chunking, starttls, auth;
	uint64_t size_max; /* 0: no limit */
	char mechanisms[SMTP_MECHANISMS_SIZE];
};

struct smtp_session {
	const struct smtp_target *target;
	struct client_wire *wire;
	struct smtp_offer offer;
	struct smtp_info info;
	struct smtp_reply reply;
	enum tls_client_policy policy; /* of this connection */
	bool over;		       /* nothing more is to be said or read */
	bool unfinished;	       /* a transaction may be open at the server: RSET first */
	struct transaction *ahead;     /* whose envelope has left and is not answered, or NULL */
	char piece[SMTP_PIECE_BYTES];
};

void smtp_note(const struct smtp_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends a command, without CRLF in the format. smtp_secret() shows mask in the trace instead. */
int
smtp_command(struct smtp_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int smtp_secret(struct smtp_session *s, const char *mask, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Sends what waits, and reads one reply into s->reply within so many seconds. -1: the session is
 * over, because the server said 421, or because there is no reply: then s->reply says why, as a 451
 * of ours, and where ("at MAIL"). on_line, if not NULL, gets the text of each line.
 */
typedef void (*smtp_line_cb)(struct smtp_session *s, unsigned n, struct span text);
int
smtp_read_reply(struct smtp_session *s, unsigned seconds, const char *where, smtp_line_cb on_line);
/* Before the first command of a group. -1, and the session is over: something has come that no
 * command has asked for, so that replies would be taken for those to other commands. */
int smtp_in_step(struct smtp_session *s, const char *where);
/* Puts a 4xx of ours, which quotes it, in the place of a reply that is none to what was asked, or
 * that must not fail mail for good. */
void smtp_defer_reply(struct smtp_session *s, const char *where);
/* A 451 of ours about this host: "host[address] ...". Ends the session. */
void smtp_fail_session(struct smtp_session *s, const char *status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* smtp_send.c: of a message that was announced and is not sent. Harmless without one. */
void smtp_forget_ahead(struct smtp_session *s);

/* AUTH. SMTP_USABLE also when the target names no user. */
enum smtp_state smtp_auth(struct smtp_session *s);

#endif
