/*
 * A POP3 session. Private to pop3.c and pop3_open.c.
 */
#ifndef FETCHER_POP3_PRIVATE_H
#define FETCHER_POP3_PRIVATE_H

#include "fetcher/remote_private.h"

enum { POP3_TEXT_SIZE = 512, POP3_CAPABILITIES_MAX = 1000, POP3_MECHANISMS_SIZE = 512 };

/* What CAPA said (RFC 2449). */
struct pop3_offer {
	bool known; /* the server knows CAPA */
	bool stls, uidl, user, pipelining, utf8;
	char mechanisms[POP3_MECHANISMS_SIZE];
};

enum pop3_sign { POP3_OK, POP3_ERR, POP3_MORE /* "+", within AUTH */ };

/* One message of the maildrop. */
struct pop3_entry {
	uint32_t number;
	uint32_t id; /* where in ids; POP3_NO_ID: it has none */
	uint64_t size;
	bool deleted;
};
enum { POP3_NO_ID = UINT32_MAX };

struct pop3 {
	struct pop3_offer offer;
	enum pop3_sign sign;	   /* of the last reply */
	char text[POP3_TEXT_SIZE]; /* behind it, printable */
	/* the maildrop, once it was listed */
	bool listed, deleted;
	struct pop3_entry *entries;
	size_t n_entries, entries_room;
	char *ids;
	size_t ids_len, ids_room;
};

/* A line that begins with +OK, -ERR or "+". */
enum remote_end pop3_reply(struct remote *r, const char *where);
/* The next line of a multi-line reply, without a dot that was put in front. *more is false at its
 * end. */
enum remote_end pop3_next(struct remote *r, const char *where, struct span *line, bool *more);
/* The response code of the last reply (RFC 2449 8): "[IN-USE]". */
bool pop3_has_code(const struct pop3 *p, const char *code);

enum remote_end pop3_open(struct remote *r);

#endif
