/*
 * A mailbox at another host, by POP3 (RFC 1939, 2449, 2595, 5034) or IMAP (RFC 3501, 9051), as a
 * sequential process sees it: one conversation, read from top to bottom. Touches the network only;
 * blocks, but never beyond its timeouts. Says nothing to the log: who calls it does.
 *
 *   r = remote_new(&target)
 *   remote_open(r)                       connect, greeting, TLS, login
 *   remote_folders(r, patterns, ...)     IMAP: which folders there are; POP3: the one
 *   remote_select(r, folder, ...)        for each folder; POP3 too
 *   remote_list(r, after, ...)           a window of messages after the other
 *   remote_fetch(r, handles, n, ...)     some of them, streamed
 *   remote_delete(), remote_mark_seen(), remote_move()
 *   remote_wait(r, names, ...)            IMAP: until there is news
 *   remote_quit(&r)                      POP3: only this deletes
 *
 * A message is known by its handle: the UID with IMAP, which stays what it is as long as the
 * folder's UIDVALIDITY does, and with POP3 its number, which is for this session only. Its id is
 * what to remember of it.
 *
 * What the other side sends is bounded: lines, tokens, counts, time. Only what a server says in
 * the right form and place counts as said.
 */
#ifndef FETCHER_REMOTE_H
#define FETCHER_REMOTE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/socket_address.h"
#include "common/span.h"

enum {
	REMOTE_ID_SIZE = 80,	      /* an id of at most 70 bytes (RFC 1939 7), and its NUL */
	REMOTE_FOLDER_SIZE = 1024,    /* a folder's name, and its NUL */
	REMOTE_FOLDERS_MAX = 1000,    /* of one mailbox; more are not looked at */
	REMOTE_MESSAGES_MAX = 500000, /* of one folder; of more, the first (POP3) or those with the
					 lowest UIDs */
	REMOTE_BATCH_MAX = 1000,      /* handles in one call, messages in a window */
	REMOTE_WHY_SIZE = 400,
	REMOTE_FINGERPRINT_BYTES = 32, /* SHA-256 of the certificate's DER form */
	REMOTE_NAME_SIZE = 256,
	REMOTE_TLS_TEXT_SIZE = 128
};

enum remote_protocol { REMOTE_POP3, REMOTE_IMAP };

enum remote_tls {
	REMOTE_TLS_NONE,    /* in clear, login too: only because the administrator says so */
	REMOTE_TLS_START,   /* STLS, STARTTLS; without it there is no login */
	REMOTE_TLS_IMPLICIT /* RFC 8314 */
};

/*
 * How a call ended. All but OK and NO_FOLDER end the session: calls that follow say the same again,
 * and remote_quit() or remote_free() is what is left to do. remote_why() says it in words.
 */
enum remote_end {
	REMOTE_OK,
	REMOTE_NO_FOLDER, /* the folder is not there, or is none that can be opened or moved to;
			     the session goes on */
	REMOTE_TEMPORARY, /* not reached, timed out, closed, busy, or it said what is no answer:
			     another time it may go well */
	REMOTE_PERMANENT, /* nothing will change until somebody changes something, here or there:
			     no TLS, a certificate that is not right, no way to log in, a server
			     for something else */
	REMOTE_LOGIN_REFUSED, /* the name with this password, or token, is not let in */
	REMOTE_STOPPED	      /* the caller's sink said so in remote_fetch() */
};

/* Seconds. A reply must be complete within its time. */
struct remote_timeouts {
	unsigned connect_s, tls_s, greeting_s, auth_s;
	unsigned reply_s; /* any other reply, and each window of a listing */
	unsigned data_s;  /* each piece of a message */
	unsigned quit_s;
	unsigned open_s; /* remote_open() in all, for each address */
	/* a message in all: so long, and a second for each so many bytes of it */
	unsigned message_s, message_bytes_per_s;
};
extern const struct remote_timeouts remote_timeouts_default;

enum remote_trace { REMOTE_TRACE_IN, REMOTE_TRACE_OUT, REMOTE_TRACE_NOTE };
/* A line of the dialogue, without CRLF, passwords and tokens masked; or what happened beside it.
 * May hold any byte: log_safe(). Not the messages. */
typedef void (*remote_trace_cb)(void *arg, enum remote_trace what, struct span line);

/* Whom to talk to, and how. Borrowed for the session's life. */
struct remote_target {
	enum remote_protocol protocol;
	/* The name as configured, or an address: for SNI, the certificate and what is said. */
	const char *host;
	/* Of host, with ports (common/host_lookup.h); the first one that answers is taken. */
	const struct sockaddr_storage *addresses;
	size_t n_addresses;
	enum remote_tls tls;
	/* Made before the process is confined, with the issuers that are trusted
	 * (tls_client_context() in common/tls_client.h). NULL only without TLS. */
	SSL_CTX *context;
	/* REMOTE_FINGERPRINT_BYTES: the server's certificate is this one, whatever else may be said
	 * of it. NULL: it is of a trusted issuer, valid now, and for host. */
	const unsigned char *fingerprint;
	const char *user;
	/* Exactly one of them: a password (PLAIN, LOGIN, USER and PASS, IMAP's LOGIN), or an OAuth2
	 * access token (OAUTHBEARER of RFC 7628, XOAUTH2). */
	const char *password, *token;
	struct remote_timeouts timeouts;
	remote_trace_cb trace; /* or NULL */
	void *trace_arg;
};

/* What is known of the other side, for `sambarctl fetch test` and the log. All printable. */
struct remote_info {
	char address[SOCKET_ADDRESS_TEXT_SIZE];
	unsigned port;
	char tls_version[REMOTE_TLS_TEXT_SIZE]; /* "TLSv1.3", "" in clear */
	char tls_cipher[REMOTE_TLS_TEXT_SIZE];
	char tls_how[REMOTE_TLS_TEXT_SIZE]; /* "name", "fingerprint", or why it was not accepted */
	/* SHA-256 of the certificate that was shown, accepted or not: what an administrator may
	 * compare and pin. In hexadecimal, pairs separated by colons; "" when there was none. */
	char fingerprint[REMOTE_FINGERPRINT_BYTES * 3];
	char mechanism[32];		 /* that let us in: "PLAIN", "USER", ...; else "" */
	char software[REMOTE_NAME_SIZE]; /* the server's IMPLEMENTATION, ID or greeting */
	/* Valid after remote_open(). */
	bool ids;      /* messages have ids that tell them apart (IMAP, UIDL) */
	bool can_wait; /* IDLE */
	bool can_move; /* RFC 6851; without it remote_move() copies, then deletes */
	bool pipelining;
};

struct remote;

struct remote *remote_new(const struct remote_target *target);
/* Closes without a word, so that POP3 deletes nothing. Clears the pointer, harmless on NULL. */
void remote_free(struct remote **r);

enum remote_end remote_open(struct remote *r);
/*
 * POP3: QUIT, and only with its +OK were the messages deleted that remote_delete() has marked;
 * else none, some or all of them were. IMAP: LOGOUT. Clears the pointer; why, if not NULL, gets the
 * words (REMOTE_WHY_SIZE).
 */
enum remote_end remote_quit(struct remote **r, char *why);

/* Why the last call did not end with REMOTE_OK, or a message not with REMOTE_WHOLE: printable,
 * with the host and what the server said. Valid until the next call. */
const char *remote_why(const struct remote *r);
const struct remote_info *remote_info(const struct remote *r);

/* ---- folders ---- */

/* name: as remote_select() wants it, which is the server's own spelling (IMAP: modified UTF-7).
 * POP3 has one, "INBOX". */
typedef void (*remote_folder_cb)(void *arg, const char *name);
/*
 * Those that one of the patterns fits, each once, in the server's order: UTF-8, with * for
 * anything and % for anything but the separator of levels (RFC 3501 6.3.8). Those that hold no
 * messages are left out. POP3: patterns are not looked at.
 */
enum remote_end remote_folders(
    struct remote *r, const char *const *patterns, size_t n, remote_folder_cb cb, void *arg);

/* From UTF-8 to the spelling of IMAP (RFC 3501 5.1.3), and back for people; any bytes that are not
 * well-formed stay as they are on the way back. False: malformed, or out is too short. */
bool remote_folder_spell(struct span utf8, char out[REMOTE_FOLDER_SIZE]);
void remote_folder_show(struct span name, char out[REMOTE_FOLDER_SIZE]);

struct remote_folder {
	uint32_t uidvalidity; /* POP3: 0 */
	uint32_t messages;    /* how many there are, as the server says */
	bool read_only;	      /* nothing can be deleted, moved or marked */
};

/* change: something will be deleted, moved or marked (IMAP: SELECT, else EXAMINE). */
enum remote_end
remote_select(struct remote *r, const char *name, bool change, struct remote_folder *out);

/* ---- messages ---- */

struct remote_message {
	uint32_t handle;    /* never 0 */
	uint64_t size;	    /* as the server says, which may lie */
	bool seen, deleted; /* IMAP: \Seen; \Deleted, but still there */
	/*
	 * What to remember. POP3: what UIDL says; IMAP: the UID in decimal, to be remembered with
	 * the folder's name and UIDVALIDITY. Empty: this message has none that tells it apart (no
	 * UIDL at the server, a malformed one, or the same for two messages): it must be had to
	 * know whether it is new.
	 */
	char id[REMOTE_ID_SIZE];
};

/*
 * The next messages with handles above after, in the order of handles, at most max (1 to
 * REMOTE_BATCH_MAX). *n == 0: there are no more. Messages that came after remote_select() may be
 * missing. What was deleted in this session is not listed again.
 */
enum remote_end
remote_list(struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n);

enum remote_message_end {
	REMOTE_WHOLE,	  /* all of it was handed to the sink */
	REMOTE_TOO_LARGE, /* it went beyond max_size, perhaps without an end: what the sink got is
			     to be dropped */
	REMOTE_GONE,	  /* the server no longer has it, or does not give it out: remote_why() */
	REMOTE_BROKEN	  /* the session ended within it: what the sink got is to be dropped */
};

/*
 * Where messages go, one after the other: begin, any number of bytes, end. Each returns 0, or -1:
 * no more; then nothing else is called, and the session is over, for what was asked for cannot be
 * called back.
 */
struct remote_sink {
	int (*begin)(void *arg, uint32_t handle);
	/* In pieces of any size, at most 16 KB. Every line of the message ends with CRLF, also
	 * those that the server ended otherwise, and the last one; so it is the same however it is
	 * had. NULs are left as they are. */
	int (*bytes)(void *arg, struct span bytes);
	/* Without begin for a message that is GONE before its first byte. */
	int (*end)(void *arg, uint32_t handle, enum remote_message_end end);
	void *arg;
};

/*
 * The messages of these handles (1 to REMOTE_BATCH_MAX, ascending, each once), in this order if
 * the server keeps to it, pipelined. Nothing is marked as read. max_size: bytes of one message, 0:
 * no limit; beyond it bytes are read and dropped. With REMOTE_OK each handle had its end; else
 * those that had none were not begun.
 */
enum remote_end remote_fetch(struct remote *r, const uint32_t *handles, size_t n, uint64_t max_size,
    const struct remote_sink *sink);

/* The header of one message alone, at most max bytes of it, without changing anything (TOP n 0,
 * BODY.PEEK[HEADER]); the end is REMOTE_GONE when a POP3 server does not know TOP. */
enum remote_end remote_fetch_header(
    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink);

/*
 * For messages that are safe here. done, if not NULL, has n places: whether the server has agreed
 * for that one, which for a POP3 deletion is a promise until remote_quit(). One that is refused
 * does not stop the others. handles as for remote_fetch().
 *
 * remote_delete(): IMAP removes them at once, and no other: without UIDPLUS (RFC 4315) the marks
 * of other messages that are deleted but still there are taken off for the while.
 * remote_mark_seen(), remote_move(): IMAP only; POP3 ends with REMOTE_PERMANENT, and the session
 * goes on. remote_move() to a folder that is not there makes it first.
 */
enum remote_end remote_delete(struct remote *r, const uint32_t *handles, size_t n, bool *done);
enum remote_end remote_mark_seen(struct remote *r, const uint32_t *handles, size_t n, bool *done);
enum remote_end
remote_move(struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done);

/* ---- waiting ---- */

enum remote_news {
	REMOTE_NEWS,	   /* a folder has changed: remote_select() again, then list */
	REMOTE_FD,	   /* fd can be read, or has hung up */
	REMOTE_NO_NEWS,	   /* the time is over */
	REMOTE_CANNOT_WAIT /* the server has no IDLE (RFC 2177); nothing was said */
};

/*
 * For news in these folders, which were selected and listed in this session, since they were; n
 * below 2: in the selected one. At most so many seconds; fd, unless -1, is watched too. IDLE is
 * renewed before a server would tire of it (29 minutes). It is for one folder, INBOX if it is among
 * them: of the others the server tells at once if it has NOTIFY (RFC 5465), and they are looked at
 * every two minutes. *news is set with REMOTE_OK.
 */
enum remote_end remote_wait(struct remote *r, const char *const *names, size_t n, int fd,
    uint64_t seconds, enum remote_news *news);

#endif
