/*
 * The program mailit: makes a message of its arguments and sends it to a server, as scripts want
 * it. Runs as its caller, needs no instance, and shares the SMTP client of deliver. Private to the
 * files mailit*.c.
 */
#ifndef ROUTER_MAILIT_H
#define ROUTER_MAILIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mime.h"

/* Texts as the command line has them. */
struct mailit_letter {
	struct mime_addresses from, to; /* one; at least one. Canonical addresses */
	const char *subject;
	const char *body;	/* a file, "-" for standard input; NULL or "": no text */
	const char *attachment; /* a file; NULL: none */
};

/*
 * Makes the message (RFC 5322, RFC 2045): in ASCII, with CRLF and no long line, so that every
 * server can take it. *fd: an open file without a name that holds it, *size its bytes. 0, or a code
 * of sysexits.h that was told.
 */
int mailit_compose(const struct mailit_letter *letter, int *fd, uint64_t *size);

/*
 * Sends it to the server, a host with or without a port, at the first of its addresses that takes
 * it. 0 when all recipients were accepted, or a code that was told, with the server's replies.
 * verbose: the dialogue goes to standard output.
 */
int mailit_send(
    const char *server, const struct mailit_letter *letter, int fd, uint64_t size, bool verbose);

/* A line on standard error, "mailit: ...". Returns code. */
int mailit_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
