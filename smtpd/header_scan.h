/*
 * Watches the header of a message go by: counts Received:, notes which fields are there and where
 * the header ends. Pure, keeps nothing of the message.
 */
#ifndef SMTPD_HEADER_SCAN_H
#define SMTPD_HEADER_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum { HEADER_NAME_MAX_BYTES = 10 }; /* "message-id" */

struct header_scan {
	uint64_t at;	     /* bytes seen */
	uint64_t line_start; /* where the current line starts */
	uint64_t end_at;     /* when ended: where the line starts that is no field any more */
	uint32_t received;
	bool ended, blank; /* blank: by an empty line, as it should be */
	bool has_date, has_message_id, has_from;
	uint8_t state, name_len;
	char name[HEADER_NAME_MAX_BYTES];
};

/* The next bytes of a message whose lines end with CRLF. A scan starts with all zero. */
void header_scan_feed(struct header_scan *h, struct span bytes);
/* The message is complete: a header without a body ends, too. */
void header_scan_finish(struct header_scan *h);

#endif
