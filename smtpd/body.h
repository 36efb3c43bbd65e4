/*
 * Writes a message into its spool file: in large pieces, with its checksum, as data.c lets it
 * through. Touches one descriptor, which is not its own. A buffer this large exists only while a
 * message comes in.
 */
#ifndef SMTPD_BODY_H
#define SMTPD_BODY_H

#include "smtpd/data.h"
#include "smtpd/header_scan.h"

enum { BODY_BUFFER_BYTES = 65536, BODY_RESERVE_BYTES = 3072 };

struct body {
	struct data data;
	struct header_scan header;
	int fd, error;	      /* error: the errno behind DATA_NOT_WRITTEN */
	uint64_t offset;      /* where the buffer goes in the file */
	uint64_t size;	      /* of the message, what is in the buffer included */
	uint64_t client_size; /* what of it the client has sent */
	uint64_t client_max;
	uint32_t crc;
	const char *date, *message_id; /* added when the client left them out, or NULL */
	size_t used;
	int64_t skew; /* an offset of header + skew is an index of buffer */
	char buffer[BODY_BUFFER_BYTES + BODY_RESERVE_BYTES];
};

/*
 * Starts a message at offset of fd: prefix (our Received:, at most BODY_RESERVE_BYTES) comes first.
 * dots: by DATA, not BDAT. NULL when there is no memory.
 */
struct body *body_new(int fd, uint64_t offset, bool dots, uint64_t client_max, struct span prefix);
void body_free(struct body **b);

/* Adds these fields (whole lines with CRLF, borrowed) at the end of the header when it has none of
 * that name (RFC 6409 8). */
void body_fill_in(struct body *b, const char *date, const char *message_id);

/* Takes bytes from the client. Returns how many: with dots only those up to the end of the message
 * (b->data.ended). What goes wrong is kept in b->data.fault, and the rest is read over. */
size_t body_feed(struct body *b, struct span bytes);

/* The message is complete: writes what is left. size and crc are right when there is no fault. */
void body_finish(struct body *b);

enum data_fault body_fault(const struct body *b);

#endif
