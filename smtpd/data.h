/*
 * The body of a message, byte by byte: where it ends, which dots are removed, and what makes it
 * unacceptable. Pure: no input or output, no memory of its own.
 *
 * Only CRLF ends a line, and only CRLF.CRLF a message (RFC 5321 2.3.8, 4.1.1.4). What looks like an
 * end but is not (LF.LF, CR.CR, CRLF.LF ...) holds a bare CR or LF, and a message with one is read
 * to its true end and refused: it can neither end early here, nor at the next server.
 */
#ifndef SMTPD_DATA_H
#define SMTPD_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	/* With its CRLF. RFC 5321 4.5.3.1.6 asks for 1,000; real mail has longer ones. */
	TEXT_LINE_MAX_BYTES = 8192
};

/* Why a message will be refused. The first one found counts; from then on nothing is kept. */
enum data_fault {
	DATA_SOUND,
	DATA_BARE_CR,
	DATA_BARE_LF,
	DATA_NUL,
	DATA_LONG_LINE,
	DATA_TOO_BIG,	  /* set by body.c */
	DATA_NOT_WRITTEN, /* the same: the disk */
	DATA_FAULT_LAST = DATA_NOT_WRITTEN
};

struct data {
	uint8_t state;
	uint8_t fault; /* enum data_fault */
	bool dots;     /* a body of DATA: dots are unstuffed, CRLF.CRLF ends it. BDAT has neither */
	bool ended;
	uint32_t line; /* bytes of the current line */
};

void data_start(struct data *d, bool dots);

/*
 * Reads in and writes the message's bytes to out, which has room for in.len. Returns how many bytes
 * were read: all, or those up to the end of the message (d->ended). With a fault it reads on and
 * writes nothing.
 */
size_t data_feed(struct data *d, struct span in, char *out, size_t *written);

/* The last chunk of BDAT has come. True when the message lacks its last CRLF. */
bool data_finish(struct data *d);

void data_fail(struct data *d, enum data_fault fault);

#endif
