/*
 * A mailbox at another host, as POP3 and IMAP share it. Private to remote*.c, pop3*.c, imap*.c.
 */
#ifndef FETCHER_REMOTE_PRIVATE_H
#define FETCHER_REMOTE_PRIVATE_H

#include "common/client_wire.h"
#include "fetcher/remote.h"

enum {
	REMOTE_LINE_MAX_BYTES = 8192, /* of a reply, with its CRLF */
	REMOTE_COMMAND_MAX_BYTES = 12288,
	/* What a server may send beyond twice the size it has announced of a message that is
	 * dropped for being too large. */
	REMOTE_DROP_MAX_BYTES = 1 << 20
};

/* What one protocol does for each call of remote.h. open: from the greeting to the login. */
struct remote_ops {
	void *(*new)(void);
	void (*free)(void *p);
	enum remote_end (*open)(struct remote *r);
	enum remote_end (*quit)(struct remote *r);
	enum remote_end (*folders)(struct remote *r, const char *const *patterns, size_t n,
	    remote_folder_cb cb, void *arg);
	enum remote_end (*select)(
	    struct remote *r, const char *name, bool change, struct remote_folder *out);
	enum remote_end (*list)(
	    struct remote *r, uint32_t after, struct remote_message *out, size_t max, size_t *n);
	enum remote_end (*fetch)(struct remote *r, const uint32_t *handles, size_t n,
	    uint64_t max_size, const struct remote_sink *sink);
	enum remote_end (*fetch_header)(
	    struct remote *r, uint32_t handle, uint64_t max_size, const struct remote_sink *sink);
	enum remote_end (*remove)(struct remote *r, const uint32_t *handles, size_t n, bool *done);
	enum remote_end (*mark_seen)(
	    struct remote *r, const uint32_t *handles, size_t n, bool *done);
	enum remote_end (*move)(
	    struct remote *r, const uint32_t *handles, size_t n, const char *folder, bool *done);
	enum remote_end (*wait)(struct remote *r, const char *const *names, size_t n, int fd,
	    uint64_t seconds, enum remote_news *news);
};
extern const struct remote_ops pop3_ops, imap_ops;

struct remote {
	const struct remote_target *target;
	const struct remote_ops *ops;
	void *p; /* the protocol's own: of ops->new() */
	struct client_wire *wire;
	bool greeted;	     /* the server has said something of its protocol */
	bool is_open;	     /* logged in */
	bool seen_a_login;   /* name and password, or token, have left */
	enum remote_end end; /* of the session: REMOTE_OK while it lives */
	struct remote_info info;
	char why[REMOTE_WHY_SIZE];
};

/* ---- how it ends ---- */

/* Ends the session, unless that has happened. Returns r->end. */
enum remote_end remote_fail(struct remote *r, enum remote_end end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The wire is of no more use. where: "at the greeting", "at RETR". */
enum remote_end remote_fail_wire(struct remote *r, const char *where);
/* Adds to the error of a greeting that did not come in time what may be the reason. */
void remote_explain_silence(struct remote *r);
/* Why something did not go well that does not end the session. */
void remote_say(struct remote *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the conversation ---- */

void
remote_note(const struct remote *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void remote_heard(const struct remote *r, struct span line);
/* Appends a command with its CRLF. mask, if not NULL, is what the trace shows of it. */
enum remote_end remote_put(struct remote *r, const char *mask, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends what waits, and sets the time for the answer. */
enum remote_end remote_flush(struct remote *r, unsigned seconds, const char *where);
/* A line that has to come within the deadline. */
enum remote_end remote_line(struct remote *r, const char *where, struct span *line);
/* Nothing may have come that no command has asked for: before TLS and a login. */
enum remote_end remote_in_step(struct remote *r, const char *where);
enum remote_end remote_handshake(struct remote *r);

/* ---- remote_login.c ---- */

struct login;
enum login_answer { LOGIN_DONE, LOGIN_GOES_ON, LOGIN_REFUSED };
/* How a protocol logs in. */
struct remote_login {
	const char *at_sasl, *at_name; /* "at AUTH", "at USER" */
	/* The command for a mechanism, with its first response where that may go along, and the
	 * answer. */
	enum remote_end (*begin)(struct remote *r, struct login *l);
	/* Sends what waits and hears the answer. */
	enum remote_end (*answer)(struct remote *r, const char *where);
	enum login_answer (*said)(const struct remote *r); /* the last answer */
	enum remote_end (*refused)(struct remote *r);	   /* ends the session for what it said */
	enum remote_end (*by_name)(struct remote *r);	   /* without SASL */
};
/* mechanisms: those offered, separated by blanks. */
enum remote_end
remote_log_in(struct remote *r, const char *mechanisms, const struct remote_login *how);

/* A stranger's text, made printable and cut. */
void remote_copy_text(struct span text, char *out, size_t size);

/* ---- one message to the sink ---- */

/* From its first byte to its end: line ends, sizes, time. */
struct remote_delivery {
	struct remote *r;
	const struct remote_sink *sink;
	uint32_t handle;
	uint64_t max_size;  /* 0: no limit */
	uint64_t announced; /* what the server has said before */
	uint64_t received;
	uint64_t started_ms;
	bool begun, stopped, too_large;
	bool held_cr, at_line_start;
};

void remote_delivery_init(
    struct remote_delivery *d, struct remote *r, const struct remote_sink *sink, uint64_t max_size);
/* Each returns how the session goes on: REMOTE_OK, or it has ended. */
enum remote_end
remote_delivery_begin(struct remote_delivery *d, uint32_t handle, uint64_t announced);
enum remote_end remote_delivery_bytes(struct remote_delivery *d, struct span bytes);
/* WHOLE becomes TOO_LARGE by itself. Also, for a message that is GONE, without a begin. */
enum remote_end
remote_delivery_end(struct remote_delivery *d, uint32_t handle, enum remote_message_end end);
/* For a message in hand when the session has ended: BROKEN, or TOO_LARGE. Returns r->end. */
enum remote_end remote_delivery_break(struct remote_delivery *d);
/* The time for the next piece, and the rest of that for the message. */
void remote_delivery_deadline(const struct remote_delivery *d);

#endif
