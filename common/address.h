/*
 * Mail addresses as SMTP carries them (RFC 5321 4.1.2, RFC 6531). Pure parsing; knows no
 * configuration.
 *
 * The canonical text of an address, as the envelope keeps it, is local@domain: a local part that
 * needs no quotes has none (RFC 5321 4.1.2 calls them equal), the domain is lower case without a
 * trailing dot, a source route is dropped. The null sender is the empty text.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>

#include "common/span.h"

enum {
	ADDRESS_LOCAL_MAX_BYTES = 64,	/* RFC 5321 4.5.3.1.1 */
	ADDRESS_DOMAIN_MAX_BYTES = 255, /* RFC 5321 4.5.3.1.2 */
	ADDRESS_PATH_MAX_BYTES = 256,	/* RFC 5321 4.5.3.1.3, with < and > */
	ADDRESS_TEXT_SIZE = 512,	/* enough for any canonical text with its NUL */
};

enum address_flags {
	ADDRESS_ALLOW_NULL = 1 << 0, /* <> is a path (MAIL) */
	ADDRESS_ALLOW_UTF8 = 1 << 1, /* SMTPUTF8 was said */
	ADDRESS_ALLOW_NO_DOMAIN =
	    1 << 2, /* <postmaster>, and targets in mail.ini: the text then has no @ */
};

/*
 * Cuts a path in angle brackets from the front of *line (what follows it, parameters, stays) and
 * writes its canonical text to out. -1 with *why, a phrase for a reply such as "local part is
 * longer than 64 bytes".
 */
int address_parse_path(
    struct span *line, unsigned flags, char out[ADDRESS_TEXT_SIZE], const char **why);

/* The same for a bare address that is the whole of text, as in aliases, sambarctl and a login name.
 */
int address_parse(struct span text, unsigned flags, char out[ADDRESS_TEXT_SIZE], const char **why);

/* A local part without its +tag; the same when it has none. */
struct span address_untagged(struct span local);

/* Splits a canonical text at its last @. domain is empty without one. */
void address_split(struct span text, struct span *local, struct span *domain);

/* A host name as EHLO, MX and the configuration use it: labels of letters, digits, - and _, at most
 * 255 bytes. */
bool address_is_domain(struct span text);
/* An address literal [192.0.2.1] or [IPv6:2001:db8::1]. */
bool address_is_literal(struct span text);

/* Matches text against a pattern in which * stands for any bytes, without regard to ASCII case. */
bool address_match(struct span pattern, struct span text);
/* True when one of the blank-separated patterns matches. */
bool address_match_list(struct span patterns, struct span text);

/* A name that a local user or mailbox may have: 1 to 64 of a-z 0-9 - _, not starting with -; no
 * period, no "null". */
bool address_is_user_name(struct span text);

#endif
