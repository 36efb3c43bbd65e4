/*
 * The client's side of SMTP (RFC 5321), as a sequential process runs it: one conversation, read
 * from top to bottom. Touches the network and the message's descriptor only; blocks, but never
 * beyond its timeouts. Says nothing to the log: who calls it does.
 *
 *   s = smtp_session_new(&target)
 *   smtp_open(s)                 connect, greeting, EHLO, STARTTLS, AUTH
 *   smtp_send(s, &message, ...)  any number of times while it answers SMTP_USABLE
 *   smtp_quit(&s)
 *
 * Only a failure that the other server declared (5xx) fails a recipient; whatever else goes wrong
 * defers it. A message is failed by ourselves when this server can never take it: larger than its
 * SIZE (5.3.4), 8-bit text without 8BITMIME (5.6.3: nothing is converted, for that would break
 * signatures), UTF-8 in addresses or header without SMTPUTF8 (5.6.7), and lines that do not end
 * with CRLF only (5.6.0), which could end the message early at the next host, and NUL (5.6.0),
 * which no text has (RFC 5322 3.5).
 */
#ifndef ROUTER_SMTP_CLIENT_H
#define ROUTER_SMTP_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/socket_address.h"
#include "common/span.h"
#include "common/tls_client.h"
#include "queue/queue.h"
#include "router/smtp_reply.h"

enum {
	SMTP_RECIPIENTS_MAX = 1000, /* in one smtp_send() */
	SMTP_NAME_SIZE = 256
};

/* Seconds; RFC 5321 4.5.3.2. A reply must be complete within its time. */
struct smtp_timeouts {
	unsigned connect_s, tls_s;
	unsigned greeting_s, ehlo_s, auth_s, mail_s, rcpt_s;
	unsigned data_s;  /* the reply to DATA */
	unsigned block_s; /* each piece of the message */
	unsigned end_s;	  /* the reply to the end of the message */
	unsigned quit_s;
	unsigned open_s; /* smtp_open() in all; once more if it begins anew in clear */
	/* smtp_send() in all: so long, and a second for each so many bytes of the message */
	unsigned message_s, message_bytes_per_s;
};
extern const struct smtp_timeouts smtp_timeouts_default;

enum smtp_trace { SMTP_TRACE_IN, SMTP_TRACE_OUT, SMTP_TRACE_NOTE };
/* A line of the dialogue, without CRLF, passwords masked; or what happened beside it. Not the
 * message. */
typedef void (*smtp_trace_cb)(void *arg, enum smtp_trace what, struct span line);

struct smtp_message {
	int fd; /* read with pread() only */
	uint64_t offset, size;
	struct span reverse_path; /* canonical text, empty: null sender */
	unsigned flags;		  /* ENVELOPE_SMTPUTF8; whether it is 8-bit is looked at */
	unsigned ret;		  /* RET_* */
	struct span envid;	  /* xtext */
	/* Nothing of it leaves before MAIL and RCPT are answered, so that a server which hangs up
	 * there cannot have it. */
	bool after_replies;
};

struct smtp_recipient {
	struct span address;  /* canonical text */
	struct span original; /* ORCPT as given */
	unsigned notify;      /* NOTIFY_* */
};

struct smtp_result {
	enum delivery_end end;
	/* DONE: the server offers DSN, was told what the sender wants to know, and reports itself
	 * (RFC 3461 5.2.2). False: it is us who must say "relayed". */
	bool dsn_passed_on;
	/* DEFERRED: the server did not get as far as to judge it; at another host, or connection,
	 * it may be tried at once. */
	bool untried;
	/* DEFERRED: the reply to the end of the message was lost; the server may have it (RFC
	 * 1047). */
	bool maybe_sent;
	struct smtp_status status;
	char reply[SMTP_REPLY_TEXT_SIZE]; /* "250 2.0.0 Ok: queued as 12345" */
};

/* One message to n recipients, 1 to SMTP_RECIPIENTS_MAX, each with a result. All is borrowed. */
struct smtp_mail {
	const struct smtp_message *message;
	const struct smtp_recipient *to;
	struct smtp_result *results;
	size_t n;
};

/* Whom to talk to, and how. Borrowed for the session's life. */
struct smtp_target {
	const char *host;		 /* the name of the MX or the smart host, or an address */
	struct sockaddr_storage address; /* with port */
	const char *helo;		 /* our own name */
	/* RFC 8314: TLS at once, without STARTTLS. The policy is at least ENCRYPT then. */
	bool implicit_tls;
	struct tls_client tls;
	/* Without a user nobody logs in. With one, a server that will not let us log in gets no
	 * mail. */
	const char *user, *password;
	/* Those that may be used, in the order of preference, separated by blanks; NULL: "PLAIN
	 * LOGIN CRAM-MD5", and in clear CRAM-MD5 first. */
	const char *mechanisms;
	bool auth_in_clear; /* log in even without TLS */
	struct smtp_timeouts timeouts;
	smtp_trace_cb trace; /* or NULL */
	void *trace_arg;
	/*
	 * Called when all of a message has left but for the server's reply to it: is there one that
	 * comes next? Its envelope then leaves in the same write (RFC 2920 3.1), which saves a
	 * round trip. It must be what the next smtp_send() gets, as long as the session is usable.
	 * False: not known yet. NULL: never.
	 */
	bool (*next)(void *arg, struct smtp_mail *out);
	void *next_arg;
};

/* What is known of the other side, for the log and for whoever decides. */
struct smtp_info {
	char address[SOCKET_ADDRESS_TEXT_SIZE];
	unsigned port;
	char name[SMTP_NAME_SIZE]; /* what the server calls itself, printable; is it we? */
	struct tls_client_result tls;
	char
	    tls_failure[TLS_CLIENT_VERIFIED_SIZE]; /* MAY: why it is in clear though TLS was offered
						    */
	bool authenticated; /* it has taken our login; else no mail goes there, if one is wanted */
};

enum smtp_state {
	SMTP_USABLE,	/* the session can go on */
	SMTP_NEXT_HOST, /* it is over; another host or address, or a new connection, may do better
			 */
	SMTP_BROKEN	/* it is over, and to try again at once is of no use */
};

struct smtp_session;

struct smtp_session *smtp_session_new(const struct smtp_target *target);
/* Closes without QUIT. Clears the pointer, harmless on NULL. */
void smtp_session_free(struct smtp_session **s);
/* QUIT, and a short wait for its reply. */
void smtp_quit(struct smtp_session **s);

/*
 * SMTP_BROKEN: our login was refused, by this or any other host of the destination. smtp_reply()
 * then says what went wrong, with a 4xx code, or 521 and 556 (RFC 7504), which are for good if all
 * hosts of the destination say so.
 */
enum smtp_state smtp_open(struct smtp_session *s);
/* The last reply, or what we say in its place. Valid until the next call. */
const struct smtp_reply *smtp_reply(const struct smtp_session *s);
const struct smtp_info *smtp_info(const struct smtp_session *s);
/* False: the server has said something, or hung up, while the session was idle; it is of no more
 * use. */
bool smtp_is_usable(struct smtp_session *s);

/*
 * Sends one message, and sets a result for each recipient, whatever happens. More than the server
 * takes at once (452 after others) go into further transactions. SMTP_NEXT_HOST: some results are
 * untried.
 */
enum smtp_state smtp_send(struct smtp_session *s, const struct smtp_mail *mail);

#endif
