/*
 * The program sendmail: hands in mail for users and programs of this machine, as Unix has always
 * had it. Runs as its caller, with no rights but his: it speaks SMTP to smtpd over its UNIX socket,
 * where the kernel says who calls. Private to the files sendmail*.c.
 */
#ifndef SMTPD_SENDMAIL_H
#define SMTPD_SENDMAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/address.h"
#include "common/span.h"

enum sendmail_mode {
	SENDMAIL_DELIVER, /* -bm */
	SENDMAIL_SMTP,	  /* -bs: SMTP on standard input and output */
	SENDMAIL_LIST,	  /* -bp, mailq */
	SENDMAIL_VERIFY,  /* -bv */
	SENDMAIL_ALIASES, /* -bi, newaliases */
	SENDMAIL_QUEUE	  /* -q: try now what waits */
};

struct sendmail_options {
	enum sendmail_mode mode;
	const char *sender;	 /* -f, -r; NULL: the caller */
	const char *full_name;	 /* -F; NULL: as the account has it */
	const char *notify;	 /* -N: "never", or success, failure and delay with commas; NULL */
	const char *ret;	 /* -R: "full" or "hdrs"; NULL */
	const char *envelope_id; /* -V; NULL */
	bool from_header;	 /* -t: recipients are those of To, Cc and Bcc */
	bool dot_is_text;	 /* -i: a line of one dot does not end the message */
	bool verbose;		 /* -v */
	bool seven_bit;		 /* -B 7BIT */
	char **recipients;	 /* of the command line */
	size_t n_recipients;
};

/* By the rules of all sendmails; unknown ones of theirs are taken and ignored. name: as it was
 * called. 0, or a code of sysexits.h that was told on standard error. */
int sendmail_options(struct sendmail_options *o, int argc, char **argv);

/* ---- addresses ---- */

struct sendmail_list {
	char **addresses; /* canonical texts; a name without a domain has that of the server */
	size_t n;
	bool utf8; /* one of them needs SMTPUTF8 */
};

/* Adds the addresses of a text with commas (RFC 5322 3.4), which may hold none, as a group without
 * members. EX_DATAERR when one is none: told. */
int sendmail_list_add(struct sendmail_list *l, struct span text, const char *server);
void sendmail_list_free(struct sendmail_list *l);

/* ---- the message ---- */

struct sendmail_message;

/* Reads the header. 0, or a code that was told. */
int sendmail_message_read(struct sendmail_message **m, FILE *in, const struct sendmail_options *o);
void sendmail_message_free(struct sendmail_message **m);

/* The recipients of To, Cc and Bcc, or of Resent-To, -Cc and -Bcc when there is one. */
int sendmail_message_recipients(
    const struct sendmail_message *m, struct sendmail_list *l, const char *server);

/*
 * Gives the message in pieces, as DATA has it: lines with CRLF, none over 998 bytes, dots stuffed,
 * without its end. Bcc fields are left out, From is added when there is none. -1 with errno when
 * it cannot be read; 1 when put has failed, which ends it.
 */
int sendmail_message_send(struct sendmail_message *m, const char *sender, const char *full_name,
    int (*put)(void *arg, struct span bytes), void *arg);

/* ---- smtpd ---- */

struct sendmail_server;

/* Connects and greets. NULL and *code (EX_TEMPFAIL: it does not run), told. */
struct sendmail_server *sendmail_connect(const char *path, bool verbose, int *code);
void sendmail_disconnect(struct sendmail_server **s);
/* Its name, for addresses without a domain. */
const char *sendmail_server_name(const struct sendmail_server *s);

/* The message goes to all or to none. 0, or a code that was told. */
int sendmail_submit(struct sendmail_server *s, const struct sendmail_options *o, const char *sender,
    const char *full_name, const struct sendmail_list *to, struct sendmail_message *m);
/* Prints what becomes of each. */
int sendmail_verify(struct sendmail_server *s, const char *sender, const struct sendmail_list *to);
/* Copies standard input to the socket and back, until both are at their ends. */
int sendmail_pump(const char *path);

/* A line on standard error, "sendmail: ...". Returns code. */
int sendmail_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
