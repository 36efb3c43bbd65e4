/*
 * A message as it goes by: its digest, its Received fields, and the addresses in its header to
 * which it may have been sent. Pure; keeps one field of it at a time.
 */
#ifndef FETCHER_HEADER_H
#define FETCHER_HEADER_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/span.h"
#include "fetcher/fetcher.h"

enum { HEADER_FIELD_MAX_BYTES = 65536, HEADER_SHOWN_SIZE = 200 };

struct header_candidate {
	enum fetch_source source;
	char address[ADDRESS_TEXT_SIZE]; /* canonical */
};

struct header {
	EVP_MD_CTX *digest;
	bool in_body, at_line_start;
	bool decided, skipped; /* of the current field: whether it is part of the digest */
	uint32_t received;
	struct header_candidate candidates[FETCH_CANDIDATES_MAX]; /* each address once a source */
	size_t n_candidates;
	char from[HEADER_SHOWN_SIZE], subject[HEADER_SHOWN_SIZE]; /* as they are there */
	size_t field_len;
	char field[HEADER_FIELD_MAX_BYTES]; /* more of one is not looked at */
};

/* Ends the program when there is no SHA-256. */
struct header *header_new(void);
void header_free(struct header **h);

/* For the next message. */
void header_start(struct header *h);
/* Its next bytes, whose lines end with CRLF. */
void header_feed(struct header *h, struct span bytes);
/*
 * The digest is SHA-256 of the message without Status, X-Status, X-UIDL, X-UID and X-Keywords
 * fields: those are the server's, and change.
 */
void header_finish(struct header *h, unsigned char digest[FETCH_DIGEST_BYTES]);

/* "Delivered-To", ... */
const char *fetch_source_name(enum fetch_source source);

#endif
