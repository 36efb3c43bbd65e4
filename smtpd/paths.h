/*
 * The addresses of MAIL and RCPT, as a client or sambarctl explain gives them. Pure.
 */
#ifndef SMTPD_PATHS_H
#define SMTPD_PATHS_H

#include "common/address.h"

enum { PATH_REPLY_SIZE = 200 };

/*
 * Cuts a path in angle brackets from the front of *line; out is its canonical text. -1, and the
 * reply that says why. Non-ASCII is taken: who did not say SMTPUTF8 is told so by the caller.
 */
int path_sender(struct span *line, char out[ADDRESS_TEXT_SIZE], char reply[PATH_REPLY_SIZE]);
/* <postmaster> without a domain gets server's. */
int path_recipient(struct span *line, const char *server, char out[ADDRESS_TEXT_SIZE],
    char reply[PATH_REPLY_SIZE]);

#endif
